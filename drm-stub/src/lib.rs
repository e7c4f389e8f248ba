//! Keys and clear bytes.

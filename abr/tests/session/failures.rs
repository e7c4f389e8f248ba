//! What happens when the world fails.

//! Containers to samples with presentation times, and the queue they wait in.

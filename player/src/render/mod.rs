//! Pictures to pixels on a screen or in a file.

//! Samples to pictures and sound, against one presentation clock.

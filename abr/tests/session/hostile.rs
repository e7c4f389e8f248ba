//! Inputs that no honest driver would send.

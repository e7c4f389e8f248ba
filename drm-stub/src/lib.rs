//! # drm-stub: keys and clear bytes for Sluice
//!
//! Turns ciphertext and keys into clear bytes and does not care where either comes from. [`cdm::Cdm`] is
//! the shape of a content decryption module, any vendor's; [`clearkey::ClearKey`] is the one that is built
//! in. Keys are wiped from memory when dropped and never printed.
//!
//! Modules from low to high; each uses only those above it.

pub mod key;
pub mod error;
pub mod pssh;
pub mod cenc;
pub mod hls_aes;
pub mod cdm;
pub mod clearkey;

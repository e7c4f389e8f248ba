//! The desktop player.
fn main() {}

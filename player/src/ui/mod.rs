//! Faces: what a person sees and presses. Each only reads a [`Status`](crate::status::Status) and sends
//! commands.

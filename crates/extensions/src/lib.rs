//! The built-in extensions.

pub mod local;

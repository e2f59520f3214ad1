//! The built-in extensions.

pub mod local;
pub mod machine;

//! The built-in extensions.

pub mod compose_ssh;
mod git;
pub mod local;
pub mod machine;
mod source;
pub mod vm_packer;

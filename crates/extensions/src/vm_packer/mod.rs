//! `ext.vm-packer`: a workspace on a virtual machine that is there already, and stays.
//!
//! A sandbox is a folder `<workspaces>/<id>` on the machine:
//!
//! | name | what it is |
//! | --- | --- |
//! | `.sandboxer` | whose it is: a first line that the machine's own end of the sandbox compares, too, and what it was asked to be |
//! | `work` | the workspace |
//! | `.filled` | the workspace is whole |
//! | `agent` | with `separate_users`: our agent, for a user who cannot see the login's own |
//!
//! Neighbours are kept apart by their folders alone, or with `separate_users` by an account each, which is made for the sandbox and
//! removed with it. The machine itself is never made, stopped or removed.
//!
//! Everything that runs there is a list of arguments, or one of the constant scripts in `scripts/` with positional parameters.
//! What they print is parsed by pure functions that take it for hostile.

mod admission;
mod extension;
mod failure;
mod mark;
mod names;
mod provision;
mod ready;
mod remove;
mod survey;
mod target;
mod verbs;
mod vm;

pub use extension::VmPackerExtension;

//! The command line, as people and scripts meet it: the real binary, real sandboxes, real signals.
//!
//! Tests of sandboxes are in `root` and `user`, so that a machine that cannot have them can leave those out.

mod attached;
mod authoring;
mod backends;
mod catalog;
mod conformance;
mod docker;
mod help;
mod hosts;
mod lifecycle;
mod packages;
mod placing;
mod registry;
mod requests;
mod root;
mod ssh;
mod state;
mod support;
mod user;
mod virtual_environments;
mod vm;

//! A real agent, as its clients see it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod end;
mod files;
mod forward;
mod hostile;
mod http;
mod leases;
mod relay;
mod replay;
mod stress;
mod unpack;
mod watch;
mod wire;

#[path = "../../../reach/tests/support/mod.rs"]
mod support;

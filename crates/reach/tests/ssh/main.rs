//! Machines behind ssh: what goes wrong on the way to them, on a private ssh server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod breaking;
mod logins;
mod measuring;
mod plain;
mod pushing;
mod root;

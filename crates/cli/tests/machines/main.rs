//! Machines as extensions and the engine use them, with the real agent: this one, one behind a private ssh server, and one in
//! memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod doorways;
mod place;
mod syncs;

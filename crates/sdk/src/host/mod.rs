//! The host's side of the protocol: programs as extensions.
//!
//! A [`HostedExtension`] is a [`SandboxExtension`](crate::SandboxExtension) whose methods are requests to a program. It
//! trusts that program with its own sandboxes and with nothing else: every rule of `docs/extension-protocol.md` is
//! checked here, and what breaks one ends as a failure that names the extension and the [`Rule`].

mod attending;
mod breach;
mod by_hand;
mod child;
mod crew;
mod hosted;
mod inbox;
mod input;
mod program;
mod redaction;
mod running;
mod said;
mod trace;
mod verbs;

pub use breach::Rule;
pub use hosted::HostedExtension;
pub use program::{HostLimits, Program};
pub use redaction::Secrets;
pub use trace::Trace;

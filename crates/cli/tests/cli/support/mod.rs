//! What the tests have in common.

mod cable;
mod house;
mod leftovers;
mod nearby;
mod running;
mod servers;
mod ssh_client;
mod terminal;
mod transcript;

pub(crate) use cable::Cable;
pub(crate) use house::{House, Who};
pub(crate) use leftovers::names_in;
pub(crate) use nearby::{Sandbox, words};
pub(crate) use running::{Outcome, Running};
pub(crate) use sandboxer_machinery::until;
pub(crate) use servers::Servers;
pub(crate) use ssh_client::SshClient;
pub(crate) use terminal::Terminal;
pub(crate) use transcript::Transcript;

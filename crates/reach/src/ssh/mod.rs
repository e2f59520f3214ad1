//! Machines that are reached by the system's `ssh`, so that the user's configuration, keys and jump hosts count.
//!
//! One connection a machine stays in the background (`master`); everything else goes through it. `bootstrap` puts the
//! agent there and starts a relay to it.

mod agent;
mod arguments;
mod bootstrap;
mod entering;
mod failure;
mod files;
mod master;
mod run;
mod settings;
mod talk;
pub mod words;

pub use agent::{AgentPlace, AgentProgram};
pub(crate) use bootstrap::bootstrap;
pub(crate) use entering::{entering_line, relay_inside, shell_inside};
pub(crate) use failure::explain;
pub use master::SshMaster;
pub use settings::SshSettings;
pub(crate) use talk::{Site, nonce};

/// What an agent on a machine speaks. Its sockets are named by that and not by its program's version: a lease that one version has
/// placed is renewed and released by the next.
/// What its program is asked for there (`agent --unpack`) belongs to it.
pub(crate) const PROTOCOL: &str = "v1";

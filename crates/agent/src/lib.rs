//! The process inside a sandbox.
//!
//! It serves E2B's envd API (`process.Process`, `filesystem.Filesystem`, `/files`, `/health`, `/metrics`, `/envs`,
//! `/init`) and the project's own `sandboxer.agent.v1.Agent` over HTTP/1.1 and HTTP/2: on a unix socket it inherits or
//! binds, on a TCP address, or on its standard streams. Beyond envd, `POST /files` takes a query parameter `mode`, the
//! octal permission bits that the written files get; `/files` speaks of holes in files by a media type of its own; and
//! CONNECT leads to ports and sockets inside.
//! In a local sandbox the agent is PID 1. All of it runs on one thread, beside a few fixed threads for file work: it starts
//! none on demand, so that a fork bomb among the commands cannot take it down.

mod access;
mod accounts;
mod activity;
mod answer;
mod auth;
mod boot;
mod browser;
mod clock;
mod daemon_place;
mod defaults;
mod end;
mod error;
mod files;
mod forward;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod idle;
mod leases;
mod metrics;
mod old_programs;
mod options;
mod own_service;
mod paths;
mod ports;
mod process;
mod relay;
mod server;
mod shared;
mod stdio;
mod surroundings;
mod transport;
mod unpack;
mod workers;

/// The version of envd whose API this agent serves.
pub const ENVD_VERSION: &str = "0.6.13";

pub use access::Token;
pub use boot::{own_user, run};
pub use end::{Account, End, Ended, Folder, LABEL, Left, Process, end};
pub use error::AgentError;
pub use options::{CommandLimits, Listen, Options};
pub use relay::{Relay, RelaySocket, SANDBOX_VARIABLE, relay};
pub use stdio::{Half, standard_streams};
pub use unpack::{Unpack, unpack};

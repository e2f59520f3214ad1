//! The process inside a sandbox.
//!
//! It serves E2B's envd API (`process.Process`, `filesystem.Filesystem`, `/files`, `/health`) and the project's own
//! `sandboxer.agent.v1.Agent` over HTTP/1.1 and HTTP/2, on a unix socket it inherits, or one or a TCP address it binds.
//! Beyond envd, `POST /files` takes a query parameter `mode`: the octal permission bits that the written files get.
//! In a local sandbox the agent is PID 1. All of it runs on one thread, beside a few fixed threads for file work: it starts
//! none on demand, so that a fork bomb among the commands cannot take it down.

mod accounts;
mod auth;
mod boot;
mod error;
mod files;
mod identity;
mod options;
mod paths;
mod process;
mod server;
mod shared;
mod workers;

pub use boot::run;
pub use error::AgentError;
pub use options::{CommandLimits, Listen, Options};

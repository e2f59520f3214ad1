//! A session by the agent inside the sandbox.

mod convert;
mod events;
mod extents;
mod faults;
mod files;
mod follow;
mod input;
mod ports;
mod session;
mod transport;
mod watch;
mod watched;

pub use session::AgentSession;

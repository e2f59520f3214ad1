//! A session by the agent inside the sandbox.

mod connect;
mod convert;
mod events;
mod faults;
mod files;
mod input;
mod session;
mod transport;

pub use session::AgentSession;

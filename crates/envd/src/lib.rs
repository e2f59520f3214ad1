//! The Connect types of the agent's API, generated from `proto/` by `cargo xtask codegen`.
//!
//! This is the only crate that imports connectrpc and buffa; what the agent and its clients need
//! of them is re-exported here.

#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::undocumented_unsafe_blocks,
    clippy::let_underscore_must_use,
    reason = "generated"
)]
mod generated;

pub use generated::{filesystem, process};

/// What envd has no call for.
pub mod agent {
    pub use crate::generated::sandboxer::agent::v1::*;
}

pub use buffa::{EnumValue, Message, MessageField};
pub use buffa_types::google::protobuf::Timestamp;
pub use connectrpc;

//! The extension protocol, version 1: `docs/extension-protocol.md`, as types.
//!
//! A request is [`Surroundings`] and an [`Ask`]; what it asks for, and what answers it, is in `ask.rs`. Messages go as lines
//! ([`Lines`]), and are told apart by [`FromHost`] and [`FromExtension`]. Nothing here does IO.

mod answer;
mod ask;
mod error;
mod line;
mod message;
mod method;

pub use answer::{
    Connected, Described, Done, Estimated, Expiring, Found, Made, Page, Priced, Reached, Removed, SnapshotsPage,
    Snapshotted, Validated,
};
#[cfg(feature = "host")]
pub(crate) use ask::milliseconds;
pub(crate) use ask::time_span;
pub use ask::{
    Ask, AskConnect, AskDeleteSnapshot, AskDescribe, AskEstimateCost, AskExtend, AskFork, AskList, AskListSnapshots,
    AskPause, AskPrices, AskProvision, AskRecover, AskRestore, AskResume, AskSnapshot, AskStatus, AskTeardown,
    AskValidate, AskWaitReady, Meta, Surroundings,
};
pub use error::{FailureData, RpcError, RpcErrorCode};
pub use line::{LineFault, Lines};
pub use message::{
    AnswerMessage, CancelMessage, CheckpointMessage, FromExtension, FromHost, LogMessage, Noise, ProgressMessage,
    RequestMessage, Unheard, answer_line, cancel_line, checkpoint_line, error_line, log_line, progress_line,
    request_line,
};
pub use method::Method;

/// The version of the protocol.
pub const PROTOCOL: u32 = 1;
/// The longest line, in bytes, its end included.
pub const LONGEST_LINE: usize = 4 * 1024 * 1024;
/// The largest draft and handle, in bytes of JSON.
pub const LARGEST_DRAFT: usize = sandboxer_types::Handle::LARGEST;

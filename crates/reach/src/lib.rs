//! Ways into a sandbox from outside.
//!
//! A [`Session`] runs commands and moves files in a sandbox; [`AgentSession`] does so by the agent inside, over one
//! HTTP/2 connection on any byte stream. [`copy`] moves whole trees over any session.
//!
//! ```no_run
//! use sandboxer_reach::{AgentSession, ExecEvent, ExecRequest, ReachError, Session};
//!
//! # async fn example() -> Result<(), ReachError> {
//! let session = AgentSession::connect_unix("/run/sandbox/agent.sock".as_ref()).await?;
//! let mut execution = session.exec(ExecRequest::new(["echo", "hello"])).await?;
//! while let Some(event) = execution.next_event().await? {
//!     if let ExecEvent::Stdout(bytes) = event {
//!         assert_eq!(&bytes[..], b"hello\n");
//!     }
//! }
//! assert_eq!(execution.wait().await?.shell_code(), 0);
//! # Ok(())
//! # }
//! ```

mod agent;
pub mod copy;
mod error;
mod execution;
mod session;

pub use agent::AgentSession;
pub use error::{ReachError, ReachErrorKind};
pub use execution::{
    ExecEvent, ExecRequest, Execution, ExecutionControl, ExecutionEvents, ExitStatus, InputHandle, WindowSize,
};
pub use session::{
    Content, Entry, EntryKind, LinkTarget, ProcessInfo, ProcessSelector, Session, SignalScope, WriteOptions,
};

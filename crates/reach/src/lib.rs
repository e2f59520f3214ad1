//! Ways into a sandbox from outside.
//!
//! A [`Session`] runs commands, moves files and opens ports in a sandbox; [`AgentSession`] does so by the agent inside,
//! over one HTTP/2 connection that a [`Connector`] makes; [`PlainSession`] has
//! only the shell of a machine behind `ssh`. [`copy`] moves whole trees over any session.
//!
//! ```no_run
//! use sandboxer_reach::{AgentSession, ExecEvent, ExecRequest, ReachError, Session, SessionOptions, UnixSocket};
//!
//! # async fn example() -> Result<(), ReachError> {
//! let socket = UnixSocket("/run/sandbox/agent.sock".into());
//! let session = AgentSession::connect(&socket, SessionOptions::default()).await?;
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
mod command;
mod connect;
mod content;
pub mod copy;
mod doorway;
mod entry;
mod error;
mod execution;
mod failure;
mod machine;
mod options;
mod plain;
mod port;
mod session;
mod ssh;
pub mod sync;
mod watch;
pub mod work_tree;

pub use agent::AgentSession;
pub use command::{CommandInfo, Ending, Pace, ProcessSelector, SignalScope};
pub use connect::{ByteStream, Connector, ProcessStream, Ssh, Tcp, UnixSocket};
pub use content::{Content, Extent, WriteOptions};
pub use doorway::Doorway;
pub use entry::{Entry, EntryKind};
pub use error::{ReachError, ReachErrorKind};
pub use execution::{
    Began, ExecEvent, ExecRequest, Execution, ExecutionControl, ExecutionEvents, ExitStatus, InputHandle, WindowSize,
};
pub use failure::failure;
pub use machine::{AGENT_VARIABLE, Entered, Lease, Machine, Machines, Route, SessionKind};
pub use options::{AccessToken, SessionOptions};
pub use plain::PlainSession;
pub use port::{Port, Target};
pub use session::{Events, Session};
pub use ssh::words as ssh_words;
pub use ssh::{AgentPlace, AgentProgram, SshMaster, SshSettings};
pub use watch::{ChangeKind, WatchEvent};

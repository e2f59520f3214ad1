//! The Extension SDK: the contract that every backend of sand-boxer implements.
//!
//! An extension is a type with [`SandboxExtension`]'s three methods. Everything else a user wants (commands, files, time
//! to live) is derived by sand-boxer from the [`Reachability`](sandboxer_types::Reachability) that `wait_ready` returns.
//! Optional verbs are traits of their own, reached by accessors, so that what an extension lacks is absent in its type.
//!
//! ```
//! use async_trait::async_trait;
//! use sandboxer_sdk::{Call, Provision, SandboxExtension, Teardown};
//! use sandboxer_types::{CleanupReport, Failure, Handle, Reachability};
//!
//! struct Folder;
//!
//! #[async_trait]
//! impl SandboxExtension for Folder {
//!     async fn provision(&self, _call: &Call, request: &Provision) -> Result<Handle, Failure> {
//!         Ok(Handle::minimal(&request.sandbox_id, &request.host).with("folder", "/srv/box"))
//!     }
//!
//!     async fn wait_ready(&self, _call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
//!         Ok(Reachability { remote_dir: handle.text("folder").map(str::to_owned), ..Reachability::default() })
//!     }
//!
//!     async fn teardown(&self, _call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
//!         Ok(CleanupReport { removed: vec![request.sandbox_id.to_string()], complete: true, ..Default::default() })
//!     }
//! }
//! ```

/// The author's guide, whose examples in Rust are tested here.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/extension-sdk.md")]
pub struct Guide;

mod call;
mod clock;
mod extension;
mod group_list;
#[cfg(feature = "host")]
pub mod host;
mod process_group;
mod runner;
mod serve;
pub mod testing;
mod verbs;
pub mod wire;

pub use call::{Call, CallEnd, CallSink, LogLevel, Progress, Silent};
pub use clock::{BootTime, Clock, Ids, SystemClock, SystemIds};
pub use extension::{Intent, Provision, SandboxExtension, Teardown, TeardownReason};
pub use group_list::GroupList;
pub use process_group::{PROCESS_VARIABLE, ProcessGroup};
pub use runner::{CommandLine, CommandOutput, CommandRunner, RunFault, SystemRunner};
pub use serve::{serve, serve_over};
pub use verbs::{
    Connect, Connection, EstimateCost, Extend, Fork, List, Listed, ObservedState, Pause, Prices, Recover, Recovered,
    Snapshots, StatusReport, StatusVerb, Validate,
};

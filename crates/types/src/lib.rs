//! The vocabulary of sand-boxer: ids, requests, states, capabilities, reports and errors.
//!
//! Pure data. Nothing here reads a file, a clock or the environment, and nothing is asynchronous, so every other
//! crate, and every program that only wants to talk about sandboxes, can depend on it.

mod capabilities;
mod condition;
mod conformance;
mod event;
mod failure;
mod handle;
mod handler;
mod host;
mod id;
mod manifest;
mod mark;
mod money;
mod nearest;
mod profile;
mod reachability;
pub mod registry;
mod report;
mod request;
#[cfg(feature = "schema")]
pub mod schema;
mod size;
mod snapshot;
pub mod source;
mod state;
mod status;
mod test_plan;
mod time_span;

pub use capabilities::{
    Capabilities, Feature, IsolationLevel, PricingModel, SnapshotCapability, SnapshotKind, UnknownWord, Verb,
};
pub use condition::{Condition, ConditionKind};
pub use conformance::{CheckOutcome, CheckResult, ConformanceLevel, ConformanceReport};
pub use event::{Event, EventKind};
pub use failure::{Blame, ErrorKind, Failure, FieldFault, Residue, Retry};
pub use handle::{Handle, HandleFault};
pub use handler::{Handler, HandlerFault};
pub use host::{Host, HostPrice, HostResources, SshDestination, SshDestinationFault};
pub use id::{ConsumerName, ExtensionId, HostId, IdFault, OwnerId, ProfileId, SandboxId, SandboxName, check_label_key};
pub use manifest::{Example, Lifecycle, Manifest, PassedEnvironment, PythonEnvironment, SecretDeclaration, Timeouts};
pub use mark::{SandboxMark, SandboxMarkFault};
pub use money::{Billing, MeterPrice, MeterQuote, Money};
pub use nearest::nearest_word;
pub use profile::{Cache, Expose, ExposeMode, Network, Profile, ProfileInputs, Resources, SecretReference, TtlPolicy};
pub use reachability::{Reachability, ReachabilityFault};
pub use report::CleanupReport;
pub use request::SandboxCreateRequest;
pub use size::{ByteSize, ByteSizeFault};
pub use snapshot::Snapshot;
pub use state::State;
pub use status::{SandboxStatus, Tether};
pub use test_plan::{Outage, TestPlan};
pub use time_span::{TimeSpan, TimeSpanFault};

/// A JSON object whose members keep the order they were written in.
pub type Object = serde_json::Map<String, serde_json::Value>;

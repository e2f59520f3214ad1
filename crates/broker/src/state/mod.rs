//! What a sandbox's record says, and every way it may change. Pure.

mod attachment;
mod lease;
mod lifecycle;
mod record;
mod status;
mod transition;

pub use attachment::{Attached, Attachment, SessionKind, Standing};
pub use lease::{Lease, machine_span};
pub use lifecycle::Lifecycle;
pub use record::{Durability, Idempotency, Operation, OperationKind, ProcessId, Record};
pub use status::{Observation, describe};
pub use transition::{IllegalStep, Step, apply};

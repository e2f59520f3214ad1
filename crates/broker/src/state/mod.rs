//! What a sandbox's record says, and every way it may change. Pure.

mod lease;
mod lifecycle;
mod record;
mod status;
mod transition;

pub use lease::Lease;
pub use lifecycle::Lifecycle;
pub use record::{Durability, Idempotency, Operation, OperationKind, ProcessId, Record};
pub use status::{Observation, describe};
pub use transition::{IllegalStep, Step, apply};

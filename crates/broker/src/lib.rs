//! The engine of sand-boxer: catalog, store, sagas, leases and reconciliation.
//!
//! It names no extension, never prints, and never reads the environment, the home directory or the clock: whoever
//! builds a [`Broker`] hands all of that in.

mod by_hand;
pub mod catalog;
mod control;
mod engine;
mod hosts;
mod journal;
mod machines;
mod operations;
mod ownership;
mod reconcile;
mod sagas;
mod secrets;
mod session;
mod single_call;
pub mod state;
pub mod store;

pub use control::{Context, Control, Entrance, ListFilter, Observer, OrphanSearch, Unobserved, Workspace};
pub use engine::{Broker, Extensions, Parts, Patience};
pub use machines::{Machines, NoMachines};
pub use ownership::{FileLocks, Liveness, ProcessLock, start_ticks};
pub use reconcile::{Action, Decision, Facts, Orphan, OrphanReport, Outcome, ReconcileReport, plan};
pub use sagas::reach_failure;
pub use secrets::{NoSecrets, Secret, Secrets};

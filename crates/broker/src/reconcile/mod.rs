//! Bringing what lives and what the store says back together.

mod apply;
mod leases;
mod orphans;
mod plan;

pub use apply::{Outcome, ReconcileReport};
pub use orphans::{Orphan, OrphanReport};
pub use plan::{Action, Decision, Facts, plan};

//! Running the conformance suite: over an extension of the catalog, in a process that may be killed without leaving anything.
//!
//! The suite runs in a *worker*, which is this program once more. Its parent only waits. When the worker dies before it could remove
//! what it had made, the parent removes that; when both die, the run's ledger stays in the state directory for `ext test --sweep`.

mod doors;
mod plan;
mod report;
mod runs;
mod subject;
mod withdrawal;
mod worker;

pub(crate) use plan::{Plan, plan};
pub(crate) use report::{Shown, listed, summary, write_files};
pub(crate) use runs::{Run, abandoned};
pub(crate) use subject::{Request, subject};
pub(crate) use withdrawal::Withdrawal;
pub(crate) use worker::{Ending, supervise};

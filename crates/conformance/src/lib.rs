//! The conformance suite: what every extension must hold, checked from outside, with faults.
//!
//! The suite stands between a host and an extension: it starts the extension's program itself, speaks the protocol line by
//! line, and kills, loses, repeats, delays and withdraws at chosen instants. What it believes in the end is not the extension's
//! word alone, but what the backend's own inventory and the ways into a sandbox say.
//!
//! - A [`Subject`] is the extension under test, and what is known of its backend.
//! - A [`Check`] is one rule: its file says what it does and what that proves. [`ALL`] has them in order.
//! - A [`Suite`] runs checks over a subject. Whatever it makes is in its [`Ledger`] before it is made, and is removed when the
//!   check ends, however it ends.
//!
//! `sandboxer ext test` is this suite on the command line; `docs/conformance.md` lists the checks.

mod asking;
mod backend;
mod bench;
mod check;
mod checks;
mod conversation;
mod dice;
mod doors;
mod evidence;
mod fault;
#[cfg(feature = "harness")]
pub mod harness;
mod inside;
mod junit;
mod ledger;
mod making;
mod page;
mod patience;
mod peer;
mod subject;
mod suite;
mod transcript;

pub use check::Check;
pub use checks::ALL;
pub use doors::{Doors, NoDoors};
pub use junit::junit;
pub use ledger::{Entry, Ledger, LedgerFault};
pub use page::page;
pub use patience::Patience;
pub use subject::{Subject, manifest_digest};
pub use suite::{Observer, Selection, Suite, Sweep, Unobserved, sweep};

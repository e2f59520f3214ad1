//! Leases: what somebody must renew, or it is removed.
//!
//! When one runs out, the commands that were started under it are killed, and then its own command is run, again and
//! again until it succeeds: whoever placed the lease may be gone for good.

mod table;
mod timer;
mod watch;

pub(crate) use table::Leases;
pub(crate) use watch::watch;

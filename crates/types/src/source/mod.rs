//! From the text of a file to a [`Manifest`](crate::Manifest), a [`Profile`](crate::Profile) or [`Host`](crate::Host)s, or
//! to everything that is wrong with it.
//!
//! Pure: the caller reads the file. A faulty file yields all of its faults at once, each with its place, the line itself
//! and, for a slip of the keyboard, the word that was probably meant. `tree` is the only importer of the YAML library; it
//! keeps the place of every value, and the other parts read that tree key by key.

mod destination;
mod fault;
mod foreign;
mod hosts;
mod manifest;
mod profile;
mod reader;
mod scalar;
mod sheet;
mod test_plan;
#[cfg(test)]
mod tests;
mod tree;
mod values;

pub use fault::Fault;
pub use foreign::parse_foreign;
pub use hosts::{HostEntry, HostsFile, parse_hosts};
pub use manifest::parse_manifest;
pub use profile::parse_profile;
pub use reader::{Part, decode, fault_at};
pub use sheet::Remark;
pub use test_plan::parse_test_plan;

/// The largest file that is read, in bytes.
pub const LARGEST_FILE: usize = 1024 * 1024;

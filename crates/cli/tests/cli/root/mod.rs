//! Tests of sandboxes that root makes.

mod background;
mod conformance;
mod crash;
pub(crate) mod docs;
mod faults;
mod full_disk;
mod gone;
mod journey;
mod killed_extensions;
mod ssh_channels;
mod ssh_commands;
mod ssh_files;
mod stores;
mod together;

use crate::lifecycle::lifecycle_tests;

lifecycle_tests!(crate::support::Who::Caller);

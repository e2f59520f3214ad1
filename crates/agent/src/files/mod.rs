//! Files: their names and attributes by Connect, their contents by plain HTTP.

mod call;
mod compose;
mod download;
mod encoding;
mod entry;
mod extents;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod http;
mod list;
mod metadata;
mod open;
pub(crate) mod operations;
mod own;
mod place;
mod query;
mod range;
mod remove;
mod service;
mod source;
mod upload;
mod watch;
mod watch_events;

pub(crate) use call::FileCall;
pub(crate) use http::serve;
pub(crate) use own::{describe, list_directory, watch_directory};
pub(crate) use remove::remove;
pub(crate) use service::FilesystemService;
pub(crate) use source::Source;
pub(crate) use watch::PolledWatches;

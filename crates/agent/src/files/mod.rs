//! Files: their names and attributes by Connect, their contents by plain HTTP.

mod call;
mod download;
mod entry;
mod http;
mod list;
mod open;
pub(crate) mod operations;
mod query;
mod remove;
mod service;
mod upload;

pub(crate) use call::FileCall;
pub(crate) use http::{Body, full, serve};
pub(crate) use service::FilesystemService;

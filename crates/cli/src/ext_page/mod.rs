//! The page about an extension: what its manifest, its schemas and its examples say, as Markdown.

mod examples;
mod markdown;
mod members;
mod page;

pub(crate) use page::page;

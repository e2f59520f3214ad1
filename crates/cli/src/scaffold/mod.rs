//! What a new extension begins with: a project that works, with a folder for a backend.

mod names;
mod project;
mod template;

pub(crate) use names::ProjectName;
pub(crate) use project::{Project, SdkSource};
pub(crate) use template::Language;

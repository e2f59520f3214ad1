//! Stand-ins for authors' unit tests: a runner that knows its lines, and a host that exists only in memory.

mod fake_host;
mod folder_extension;
mod scripted_runner;

pub use fake_host::FakeHost;
pub use folder_extension::FolderExtension;
pub use scripted_runner::ScriptedRunner;

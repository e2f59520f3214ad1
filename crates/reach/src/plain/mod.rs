//! Commands and files of a machine where no agent can run, by its own shell: another system, another processor, or a
//! machine that runs no program of a user's.
//!
//! Each call is a shell of its own through the connection of `ssh`. It is told a constant script by its standard input, then
//! one line that calls it with encoded words. Its standard error ends with a line that says how the call ended: without
//! that line, the connection was lost.

mod files;
mod gate;
mod session;
mod shell;
mod trailer;

pub use session::PlainSession;

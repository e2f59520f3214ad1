//! `ext.compose-ssh`: a stack of a compose file on a machine that ssh reaches, or on this one.
//!
//! A sandbox is a folder `<root>/<id>` there and a compose project `sandboxer-<id>`; both are known from the sandbox's id.
//!
//! | name | what it is |
//! | --- | --- |
//! | `owner` | which state directory made it; nobody else's calls touch it |
//! | `inputs`, `about` | the digest of what it was asked to be; its labels, its engine, when it was made |
//! | `work` | the repository; the project folder that mounts must stay in |
//! | `cloned` | the clone is whole |
//! | `variables` | what the compose file may use: the repository's `.env` and the caller's |
//! | `compose.json` | the file that runs: what the compose tool's own `config` resolved, checked and changed by us |
//! | `handle` | written last: everything is there |
//!
//! Everything that runs there is a list of arguments, or one of the constant scripts in `scripts/` with positional
//! parameters. What they print is parsed by pure functions that take it for hostile.

mod allowance;
mod document;
mod engine;
mod extension;
mod failure;
mod host;
mod inputs;
mod judge;
mod known;
mod limits;
mod mounting;
mod names;
mod normalise;
mod places;
mod policy;
mod provision;
mod ready;
mod references;
mod remove;
mod resolve;
mod run_file;
#[cfg(test)]
mod tests;
mod variables;
mod verbs;

pub use extension::ComposeSshExtension;

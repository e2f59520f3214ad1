//! The process inside a sandbox.

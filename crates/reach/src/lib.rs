//! Ways into a sandbox from outside.

//! `ext.compose-ssh` against real engines and compose tools, each on a host of its own.

mod docker;
mod support;

//! Commands: how they start, what they say, how they end.

mod child;
mod command;
mod events;
mod faults;
mod follow;
mod followers;
mod hub;
mod input;
mod kept;
mod limits;
mod output;
pub(crate) mod own;
mod plan;
mod processes;
mod reaper;
mod run;
mod service;
mod spawn;
mod status;
mod terminal;

pub(crate) use events::{keepalive, linger};
pub(crate) use limits::{Limits, raise_descriptors};
pub(crate) use processes::{CommandSettings, Processes};
pub(crate) use reaper::Reaper;
pub(crate) use run::run;
pub(crate) use service::ProcessService;

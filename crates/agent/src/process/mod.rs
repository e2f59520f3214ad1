//! Commands: how they start, what they say, how they end.

mod child;
mod command;
mod events;
mod faults;
mod hub;
mod input;
mod limits;
mod output;
mod own_service;
mod plan;
mod processes;
mod reaper;
mod service;
mod spawn;
mod status;
mod terminal;

pub(crate) use limits::{Limits, raise_descriptors};
pub(crate) use own_service::OwnService;
pub(crate) use processes::{CommandSettings, Processes};
pub(crate) use reaper::Reaper;
pub(crate) use service::ProcessService;

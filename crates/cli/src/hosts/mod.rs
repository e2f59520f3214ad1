//! What the command line does about hosts itself: it writes them down, and asks them what they can do.

mod addition;
mod answer;
mod arguments;
mod connection;
mod findings;
mod probe;
mod reason;

pub(crate) use addition::{add, exists};
pub(crate) use arguments::{by_hand, login};
pub(crate) use findings::Status;
pub(crate) use probe::{Report, is_alias, probe};

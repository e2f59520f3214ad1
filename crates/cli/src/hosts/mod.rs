//! What the command line does about hosts itself: it writes them down, and asks them what they can do.

mod addition;
mod arguments;

pub(crate) use addition::{add, exists};
pub(crate) use arguments::login;

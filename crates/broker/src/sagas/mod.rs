//! Create and destroy: sequences of calls in which every intent is durable before its effect. A sandbox's lifecycle is
//! the journal of both: whoever reads it knows what was last begun, may do it again, and knows how to undo it.

mod attach;
mod call;
mod create;
mod destroy;
mod detach;
mod extend;
mod request;

pub(crate) use attach::late;
pub use attach::reach_failure;
pub(crate) use call::supervised;

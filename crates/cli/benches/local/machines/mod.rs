//! Machines that ssh reaches: what the way there costs, and stacks on them beside the same done by hand.

pub(crate) mod stacks;
pub(crate) mod ways;

//! L1: the manifest, and how the extension speaks. Nothing is made.

pub(super) mod describe_is_pure;

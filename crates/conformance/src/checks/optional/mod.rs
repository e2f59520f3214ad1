//! L4: the optional verbs and features do what they say.

pub(super) mod status_follows;

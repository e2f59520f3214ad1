//! L2: what it makes can be used, and is gone afterwards.

pub(super) mod attached_machines_stay;
pub(super) mod gone_means_gone;
pub(super) mod handle_keeps_the_rules;
pub(super) mod hostile_inputs_do_nothing_extra;
pub(super) mod lifecycle_in_fresh_processes;
pub(super) mod lifecycle_in_one_process;
pub(super) mod neighbours_are_left_alone;
pub(super) mod reachability_keeps_the_rules;
pub(super) mod ready_means_usable;
pub(super) mod secrets_stay_secret;

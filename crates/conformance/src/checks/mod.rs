//! The checks, a file each, in the order in which they are run.

mod crash;
mod lifecycle;
mod optional;
mod wire;

use crate::check::Check;

/// Every check, lowest level first.
pub const ALL: &[&Check] = &[
    // The wire.
    &wire::manifest_is_sound::CHECK,
    &wire::describe_is_pure::CHECK,
    &wire::only_messages_on_stdout::CHECK,
    &wire::unknown_methods_are_refused::CHECK,
    &wire::unknown_members_are_passed_over::CHECK,
    &wire::what_is_no_request_is_refused::CHECK,
    &wire::long_lines_are_read::CHECK,
    &wire::texts_come_back_as_they_went::CHECK,
    &wire::ends_with_its_input::CHECK,
    &wire::answers_first_in_a_fresh_process::CHECK,
    &wire::wrong_inputs_are_named::CHECK,
    &wire::other_protocols_are_refused::CHECK,
    // The lifecycle.
    &lifecycle::lifecycle_in_one_process::CHECK,
    &lifecycle::lifecycle_in_fresh_processes::CHECK,
    &lifecycle::handle_keeps_the_rules::CHECK,
    &lifecycle::reachability_keeps_the_rules::CHECK,
    &lifecycle::ready_means_usable::CHECK,
    &lifecycle::gone_means_gone::CHECK,
    &lifecycle::hostile_inputs_do_nothing_extra::CHECK,
    &lifecycle::secrets_stay_secret::CHECK,
    &lifecycle::neighbours_are_left_alone::CHECK,
    &lifecycle::attached_machines_stay::CHECK,
    // Crashes.
    &crash::killed_at_every_message::CHECK,
    // What is optional.
    &optional::status_follows::CHECK,
];

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
    &crash::somebody_knows_what_exists::CHECK,
    &crash::provisioned_ten_times::CHECK,
    &crash::torn_down_ten_times::CHECK,
    &crash::other_inputs_conflict::CHECK,
    &crash::unknown_ids_are_no_error::CHECK,
    &crash::minimal_handle_is_enough::CHECK,
    &crash::killed_at_every_message::CHECK,
    &crash::killed_at_random::CHECK,
    &crash::answers_lost::CHECK,
    &crash::asked_twice_at_once::CHECK,
    &crash::not_read_for_a_while::CHECK,
    &crash::cancelled_at_every_message::CHECK,
    &crash::deadlines_are_kept::CHECK,
    &crash::no_late_birth::CHECK,
    &crash::none_means_none::CHECK,
    &crash::backend_fails_midway::CHECK,
    &crash::backend_down_is_an_error::CHECK,
    &crash::owners_never_meet::CHECK,
    &crash::many_at_once::CHECK,
    // What is optional.
    &optional::validate_changes_nothing::CHECK,
    &optional::recover_tells_the_truth::CHECK,
    &optional::list_is_whole::CHECK,
    &optional::status_follows::CHECK,
    &optional::costs_add_up::CHECK,
    &optional::prices_are_decimal::CHECK,
    &optional::exec_statuses::CHECK,
    &optional::exec_streams::CHECK,
    &optional::exec_words::CHECK,
    &optional::files_and_modes::CHECK,
    &optional::paused_twice::CHECK,
    &optional::snapshots_outlive::CHECK,
    &optional::forks_are_apart::CHECK,
    &optional::ends_by_itself::CHECK,
    &optional::extend_moves_the_end::CHECK,
    &optional::connect_again_and_again::CHECK,
];

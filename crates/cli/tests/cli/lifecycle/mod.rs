//! What sandboxes do from their making to their end, whoever makes them.

pub(crate) mod commands;
pub(crate) mod detached;
pub(crate) mod ends;
pub(crate) mod forwarding;
pub(crate) mod terminals;

/// One test for each function of this module, as `$who`.
macro_rules! lifecycle_tests {
    ($who:expr) => {
        crate::lifecycle::one_test_each! { $who, commands:
            statuses_pass_through
            streams_are_apart
            ten_megabytes_pass_unchanged
            a_tree_is_copied_as_it_is
            an_empty_input_ends_at_once
            a_repository_is_copied_as_it_is
            what_was_asked_for_comes_out
            a_kept_sandbox_stays
        }
        crate::lifecycle::one_test_each! { $who, detached:
            a_detached_command_goes_on_and_is_found_again
            a_killed_client_loses_nothing
            a_broken_connection_is_made_again
            a_connection_that_cannot_be_made_again_is_said
            input_and_signals_reach_an_attached_command
            a_log_is_followed_to_the_end_of_the_command
            a_log_is_followed_to_the_end_of_the_sandbox
            lost_output_is_said
            a_detached_terminal_is_taken_up_again
            a_shell_survives_a_broken_connection
        }
        crate::lifecycle::one_test_each! { $who, forwarding:
            a_port_is_forwarded_until_the_sandbox_ends
            sockets_are_forwarded_on_both_sides
            a_taken_port_is_said_and_another_one_found
            a_port_that_nobody_listens_on_is_said_once
            a_forward_survives_a_broken_connection
        }
        crate::lifecycle::one_test_each! { $who, ends:
            everything_of_a_living_sandbox_is_found
            a_killed_run_leaves_nothing
            a_lease_runs_out_by_itself
            an_extended_lease_lasts_longer
            an_interrupted_run_ends_its_command_and_leaves_nothing
            an_interrupted_copy_leaves_nothing_half_done
            an_interrupted_create_leaves_nothing_or_what_is_owed
            whatever_kills_the_supervisor_reconcile_removes_the_rest
            whatever_kills_the_agent_removes_the_sandbox
        }
        crate::lifecycle::one_test_each! { $who, terminals:
            a_shell_echoes_and_ends_with_the_status_it_is_told
            ctrl_c_ends_the_command_inside_and_not_the_shell
            a_new_size_arrives_inside
            a_command_on_a_terminal_passes_its_status
            a_terminal_that_goes_away_ends_the_shell
        }
    };
}

macro_rules! one_test_each {
    ($who:expr, $module:ident: $($name:ident)*) => {
        mod $module {
            $(#[test] fn $name() { crate::lifecycle::$module::$name($who); })*
        }
    };
}

pub(crate) use {lifecycle_tests, one_test_each};

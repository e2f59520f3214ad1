//! What every kind of session must do: one suite of checks over `dyn Session`, run for every kind there is.
//!
//! A new kind implements [`Kind`] and joins [`kinds::all`]. The checks see a sandbox only through the session, so that it
//! may be anywhere; it must offer `/bin/sh`, the usual small programs, and `python3` for what listens.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod commands;
mod contents;
mod copies;
mod entries;
mod following;
mod kinds;
mod lifetimes;
mod links;
mod ports;
mod sparse;
mod watching;

use std::process::ExitCode;
use std::sync::Arc;

use bench::{Bench, Kind};
use futures::future::{FutureExt as _, LocalBoxFuture};
use libtest_mimic::{Arguments, Trial};

type Check = (&'static str, for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, ()>);

macro_rules! checks {
    ($($module:ident: $($name:ident)*;)*) => {
        vec![$($((
            concat!(stringify!($module), "::", stringify!($name)),
            (|bench: &Bench| $module::$name(bench).boxed_local()) as for<'a> fn(&'a Bench) -> LocalBoxFuture<'a, ()>,
        )),*),*]
    };
}

fn of_commands() -> Vec<Check> {
    checks! {
        commands:
            the_other_side_answers
            outputs_are_told_apart_and_the_code_is_exact
            input_arrives_in_order_and_ends
            a_command_without_input_reads_the_null_device
            a_command_that_takes_no_input_says_so
            a_command_that_cannot_start_says_why
            the_environment_is_the_users_and_the_requests
            the_commands_own_path_is_searched
            commands_run_in_the_working_directory
            a_terminal_echoes_and_changes_its_size
            a_terminal_ends_at_control_d
            an_unknown_user_is_refused
            commands_run_as_the_user_asked_for
            ten_megabytes_both_ways
            nothing_of_quick_output_is_lost;
        lifetimes:
            signals_are_exact
            any_signal_can_be_sent_to_a_process_or_its_group
            nonsense_signals_are_refused
            a_command_outlives_its_client
            a_background_process_neither_holds_the_end_nor_dies_of_it
            time_running_out_kills_the_whole_group
            time_runs_out_without_a_client_too
            a_command_in_time_is_left_alone
            two_hundred_commands_at_a_time;
        following:
            running_and_ended_commands_are_listed
            ended_commands_are_remembered
            the_latest_of_a_tag_is_meant
            two_followers_get_the_same
            output_is_replayed_from_any_offset
            without_an_offset_only_what_comes_is_told
            what_is_no_longer_kept_is_a_gap
            an_offset_behind_the_end_is_refused
            what_is_kept_is_told_without_waiting
            a_broken_connection_loses_nothing
            a_break_loses_nothing
            a_followed_terminal_takes_input_and_sizes
            a_followed_command_that_ran_out_of_time_says_so;
    }
}

fn of_files() -> Vec<Check> {
    checks! {
        entries:
            entries_say_what_they_are
            folders_list_one_level
            folders_are_made_moved_and_removed
            many_entries_list_whole
            odd_names_are_names
            modes_are_set_and_kept
            an_unknown_user_is_refused
            everything_is_done_with_the_users_rights;
        contents:
            ten_megabytes_each_way
            empty_files_and_files_that_the_kernel_makes_up
            parents_that_lack_are_made
            hostile_paths_are_refused_at_once
            a_refusal_reaches_whoever_is_still_sending
            a_source_that_fails_is_told_and_harms_nothing_else;
        links:
            links_are_written_and_read_as_they_are
            links_that_lead_nowhere_or_in_circles
            hard_links_are_names_of_one_file
            a_hard_link_follows_no_link;
        sparse:
            extents_are_read_and_written
            holes_take_no_room_and_no_time
            a_longer_file_is_cut
            extents_that_are_cut_short_are_refused;
        copies:
            trees_go_in_and_come_back
            names_and_links_of_any_bytes_are_copied
            names_of_one_file_stay_names_of_one_file
            holes_stay_holes
            single_files_copy_to_where_they_are_told
            what_is_refused_or_absent_says_so;
    }
}

fn of_happenings_and_ports() -> Vec<Check> {
    checks! {
        watching:
            what_happens_in_a_folder_is_told
            folders_below_are_watched_when_asked_for
            folders_below_are_left_alone_otherwise
            what_cannot_be_watched_says_so;
        ports:
            listening_ports_are_listed
            a_port_takes_and_gives_each_to_its_own_end
            a_megabyte_each_way_at_once
            a_socket_is_reached_by_its_path
            what_nobody_listens_on_is_refused;
    }
}

fn checks() -> impl Iterator<Item = Check> {
    of_commands().into_iter().chain(of_files()).chain(of_happenings_and_ports())
}

fn trial(kind_name: &str, start: fn() -> Box<dyn Kind>, (name, check): Check) -> Trial {
    Trial::test(format!("{kind_name}::{name}"), move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let bench = Bench::new(Arc::from(start())).await;
            check(&bench).await;
        });
        Ok(())
    })
}

fn main() -> ExitCode {
    if support::play() {
        return ExitCode::SUCCESS;
    }
    let trials =
        kinds::all().into_iter().flat_map(|(name, start)| checks().map(move |check| trial(name, start, check)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

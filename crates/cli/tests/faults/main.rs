//! What goes wrong with hosts and machines while sandboxes are on them: the real program, real sshd, real engines.
//!
//! Those of connections alone are in `crates/reach/tests/ssh` (R); here is what they come to for whoever uses `sandboxer`, for
//! workspaces of `ext.vm-packer` (N, `netns.rs`) and stacks of `ext.compose-ssh` (D, `docker.rs`).
//!
//! | fault | test |
//! | --- | --- |
//! | login refused, another key, wrong port | R `logins::a_login_that_is_refused_says_so`, `a_key_that_changed_is_refused`, `machines_that_are_not_there_say_so`; N `a_host_that_cannot_be_entered…` |
//! | `MaxStartups`, `MaxSessions`, PAM | R `logins::a_crowd_before_the_door_is_waited_for`; N `many_at_once_pass_a_host_with_its_own_limits`, `hosts_that_allow_little_do` |
//! | forwarding disabled | R `breaking::where_forwarding_is_forbidden_a_relay_does`; N `hosts_that_allow_little_do` |
//! | noisy, slow, fish and tcsh logins | R `pushing::every_kind_of_shell_does`; N `every_login_does` |
//! | `RemoteCommand`, `ControlMaster` in the user's configuration | R `logins::a_hostile_configuration_does_no_harm`; N `a_configuration_of_the_users_own_does_no_harm` |
//! | sshd killed, connection broken in the middle of each step | N, D `a_connection_that_breaks_in_the_middle_of_a_step` |
//! | sshd stopped, network cut in the middle of each step | N, D `a_link_that_falls_silent_in_the_middle_of_a_step` |
//! | 20 % loss, 200 ms delay | N, D `a_bad_link_does` |
//! | disk full | R `root::a_place_without_room…`; N, D `a_full_disk_is_told_and_leaves_nothing` |
//! | engine down, hanging, restarted | D `an_engine_…`, `a_stack_outlives_a_restart…` |
//! | host restarted | N `a_host_that_restarts_has_what_it_had_on_disk`, D `a_host_that_restarts_is_cleaned_all_the_same` |
//! | `sandboxer` killed in the middle of each step | N, D `whoever_is_killed_in_the_middle_of_a_step_is_taken_over` |
//! | removal while the host is away | N, D `a_removal_while_the_host_is_away_stays_owed_and_completes` |
//! | `sandboxer` gone for good | N, D `a_lease_ends_what_nobody_asks_for_any_more` |
//!
//! After each of them a host holds nothing but the cached agent: [`place::Place::left`] looks at its files, processes,
//! containers, networks, volumes and images.

#[path = "../cli/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
mod support;

mod docker;
mod netns;
mod place;
mod steps;

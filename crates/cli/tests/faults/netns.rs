//! Workspaces on a host that is cut off, slow, full, odd.

use crate::place::{Place, WORKSPACE};
use crate::steps;
use crate::support::until;
use sandboxer_machinery::HostOptions;
use std::time::Duration;

#[test]
fn every_login_does() {
    let place = Place::new(HostOptions::default());
    for shell in ["/usr/bin/fish", "/usr/bin/tcsh", "/bin/dash", "/bin/bash"] {
        place.host.login_shell(shell);
        place.end_connections();
        place.works(WORKSPACE);
    }
    let noise = "echo Welcome; echo sandboxer-0 need; head -c 50000 /dev/zero; printf 'You have mail. '; echo no >&2\n";
    for text in [noise, "sleep 2\n", "cd /; set -e; alias cd=false ls=false\n"] {
        place.host.write("/root/.bashrc", text);
        place.end_connections();
        place.create(WORKSPACE, "one").succeeded();
        assert_eq!(place.run(&["exec", "one", "--", "ls"]).succeeded().text(), "compose.yaml\n", "{text}");
        place.run(&["rm", "one"]).succeeded();
    }
    std::fs::remove_file(place.host.path("/root/.bashrc")).expect("written");
    place.settles();
}

#[test]
fn hosts_that_allow_little_do() {
    for sshd in ["DisableForwarding yes", "AllowStreamLocalForwarding no\nAllowTcpForwarding no", "MaxSessions 1"] {
        Place::new(HostOptions { sshd: sshd.to_owned(), pam: true, ..HostOptions::default() }).works(WORKSPACE);
    }
}

#[test]
fn a_configuration_of_the_users_own_does_no_harm() {
    let place = Place::new(HostOptions::default());
    let hostile = "Host *\n  RemoteCommand sleep 1000\n  RequestTTY force\n  ControlMaster auto\n  ControlPath ~/.ssh/%C\n  \
                   ControlPersist yes\n  ForwardAgent yes\n  PermitLocalCommand yes\n  LocalCommand touch /tmp/.sandboxer-hostile\n";
    let path = place.network.ssh_config_path();
    let own = std::fs::read_to_string(&path).expect("written");
    std::fs::write(&path, own + hostile).expect("ours");
    place.works(WORKSPACE);
    assert!(!std::path::Path::new("/tmp/.sandboxer-hostile").exists());
}

#[test]
fn many_at_once_pass_a_host_with_its_own_limits() {
    let place = Place::new(HostOptions { pam: true, ..HostOptions::default() });
    let started: Vec<_> = (0..12).map(|_| place.start(WORKSPACE)).collect();
    for running in started {
        place.house.noted(running.finish()).succeeded();
    }
    assert_eq!(place.states().len(), 12);
    place.settles();
}

#[test]
fn a_host_that_cannot_be_entered_is_told_by_its_kind_and_nothing_is_owed() {
    let place = Place::new(HostOptions::default());
    let fails = |status: i32, words: &str| {
        place.end_connections();
        let outcome = place.create(WORKSPACE, "one").ended_with(status);
        assert!(outcome.stderr.contains(words) && outcome.stderr.contains("hint:"), "{}", outcome.stderr);
        assert_eq!(place.states(), [""; 0], "{}", outcome.stderr);
    };
    place.host.stop_sshd();
    fails(5, "refused");
    place.host.start_sshd();
    let keys = std::fs::read_to_string(place.host.path("/etc/ssh/authorized_keys")).expect("written");
    place.host.write("/etc/ssh/authorized_keys", "");
    fails(6, "Permission denied");
    place.host.write("/etc/ssh/authorized_keys", keys);
    place.works(WORKSPACE);
    place.host.change_key();
    place.host.stop_sshd();
    place.host.start_sshd();
    fails(5, "key");
    assert_eq!(place.left(), [""; 0]);
}

#[test]
fn a_bad_link_does() {
    let place = Place::new(HostOptions::default());
    // The agent is there already: an unstripped one takes minutes.
    place.works(WORKSPACE);
    place.host.lose(20);
    place.works(WORKSPACE);
    place.host.restore();
    let proxy = place.by_proxy(Duration::from_millis(200));
    place.end_connections();
    place.works(WORKSPACE);
    assert!(proxy.passed() > 0);
}

#[test]
fn a_connection_that_breaks_in_the_middle_of_a_step() {
    steps::breaks(&Place::new(HostOptions::default()), WORKSPACE);
}

#[test]
fn a_link_that_falls_silent_in_the_middle_of_a_step() {
    steps::falls_silent(&Place::new(HostOptions::default()), WORKSPACE, &[1, 3]);
}

#[test]
fn whoever_is_killed_in_the_middle_of_a_step_is_taken_over() {
    steps::is_killed(&Place::new(HostOptions::default()), WORKSPACE);
}

#[test]
fn a_removal_while_the_host_is_away_stays_owed_and_completes() {
    let place = Place::new(HostOptions::default());
    type Fault = (fn(&Place), fn(&Place));
    let faults: [Fault; 3] = [
        (|place| place.host.cut(), |place| place.host.restore()),
        (|place| place.host.refuse(), |place| place.host.restore()),
        (|place| place.host.freeze_sshd(), |place| place.host.thaw_sshd()),
    ];
    place.create(WORKSPACE, "one").succeeded();
    place.host.stop_sshd();
    place.run(&["rm", "one"]).ended_with(8);
    // Whoever tries again is told so again.
    place.run(&["reconcile"]).ended_with(8);
    place.host.start_sshd();
    place.settles();
    for (breaks, mends) in faults {
        place.create(WORKSPACE, "one").succeeded();
        breaks(&place);
        let outcome = place.run(&["rm", "one"]).ended_with(8);
        assert!(outcome.stderr.contains("build"), "{}", outcome.stderr);
        assert_eq!(place.states(), ["tearing_down"]);
        mends(&place);
        place.run(&["reconcile"]).succeeded();
        assert_eq!(place.states(), [""; 0]);
        place.is_clean();
    }
}

#[test]
fn a_host_that_restarts_has_what_it_had_on_disk() {
    let place = Place::new(HostOptions::default());
    place.create(WORKSPACE, "one").succeeded();
    place.run(&["exec", "one", "--", "sh", "-c", "echo kept > kept"]).succeeded();
    place.host.reboot();
    assert_eq!(place.run(&["exec", "one", "--", "cat", "kept"]).succeeded().text(), "kept\n");
    place.run(&["rm", "one"]).succeeded();
    place.settles();
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let place = Place::new(HostOptions::default());
    place.house.write("app/big", vec![7; 3_000_000]);
    // Of a size that even the agent has no room in, and of one in which the workspace has none.
    let agent = std::fs::metadata(env!("CARGO_BIN_EXE_sandboxer")).expect("built").len();
    for bytes in [1_000_000, agent + 2_000_000] {
        place.host.small_disk("/root", bytes);
        let outcome = place.create(WORKSPACE, "one").ended_with(5);
        assert!(outcome.stderr.contains("No space left") || outcome.stderr.contains("room"), "{}", outcome.stderr);
        place.settles();
        place.end_connections();
        for process in place.host.processes() {
            sandboxer_machinery::end(process.pid);
        }
        place.host.remove_disk("/root");
    }
}

#[test]
fn a_lease_ends_what_nobody_asks_for_any_more() {
    let place = Place::new(HostOptions::default());
    place.run(&[WORKSPACE, &["--name", "one", "--ttl", "15s"]].concat()).succeeded();
    place.run(&["exec", "-d", "one", "--", "sleep", "1000"]).succeeded();
    assert!(!place.left().is_empty());
    place.end_connections();
    // The machine with the state directory is no more.
    std::fs::remove_dir_all(place.house.state()).expect("ours");
    until("the lease has ended it", || place.left().is_empty().then_some(()));
    // And the agent leaves, too, when nobody has come for a while.
    sandboxer_machinery::until_or(Duration::from_secs(120), || place.host.processes().is_empty().then_some(()))
        .expect("the agent leaves");
}

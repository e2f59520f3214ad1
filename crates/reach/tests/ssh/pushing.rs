//! How the agent gets to a machine, and what is left when it does not.

use std::error::Error as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sandboxer_reach::{
    AgentPlace, AgentProgram, AgentSession, ReachError, ReachErrorKind as Kind, Session as _, SessionOptions, Ssh,
    SshMaster, SshSettings,
};

use crate::support::sshd::Machine;
use crate::support::{pattern, run, shell};

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The failure to put the agent there; nothing of it may be left.
pub(crate) async fn refusal(machine: &Machine, agent: AgentProgram, place: AgentPlace) -> ReachError {
    let ssh = Ssh::new(machine.master(), agent, place);
    let error = ssh.relayed().await.map(drop).unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    assert_eq!(names(&machine.programs()), [""; 0], "{error}");
    error
}

#[tokio::test]
async fn the_agent_is_put_there_once() {
    let machine = Machine::start();
    let agent = machine.agent(&machine.home(), &pattern(8_000_000));
    let file = machine.programs().join(format!("agent-{}", agent.digest()));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let ssh = Ssh::new(machine.master(), agent.clone(), AgentPlace::default()).without_forwarding();
        let session = AgentSession::connect(&ssh, SessionOptions::default()).await.unwrap();
        assert_eq!(run(&session, shell("echo $0")).await.unwrap().text(), "/bin/sh\n");
        let status = std::fs::metadata(&file).unwrap();
        assert_eq!((status.len(), status.mode() & 0o777), (agent.size(), 0o755));
        seen.push(status.ino());
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(names(&machine.programs()).len(), 2, "the agent, and the folder of its socket");
    // One that a full disk or a crash has cut is replaced.
    std::fs::File::options().write(true).open(&file).unwrap().set_len(10).unwrap();
    Ssh::new(machine.master(), agent.clone(), AgentPlace::default()).relayed().await.unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().len(), agent.size());
}

#[tokio::test]
async fn several_at_once_put_it_there_whole() {
    let machine = Machine::start();
    let agent = machine.agent(&machine.home(), &pattern(3_000_000));
    let ssh = Ssh::new(machine.master(), agent, AgentPlace::default());
    for relayed in futures::future::join_all((0..6).map(|_| ssh.relayed())).await {
        let session = AgentSession::over(relayed.unwrap(), SessionOptions::default()).await.unwrap();
        session.health().await.unwrap();
    }
    assert_eq!(names(&machine.programs()).len(), 2);
}

#[tokio::test]
async fn it_goes_where_it_is_told() {
    let machine = Machine::start();
    let (programs, sockets) = (machine.path("programs"), machine.path("sockets"));
    let place = AgentPlace::default().with_programs(programs.to_str().unwrap()).unwrap();
    let place = place.with_sockets(sockets.to_str().unwrap()).unwrap();
    let ssh = Ssh::new(machine.master(), machine.agent(&machine.home(), b""), place);
    ssh.relayed().await.unwrap();
    assert_eq!((names(&programs).len(), machine.programs().exists()), (1, false));
    assert!(names(&sockets).iter().any(|name| name.ends_with(".sock")));
    ssh.forwarded().await.unwrap();
}

#[tokio::test]
async fn a_home_with_a_long_path_or_odd_letters_does() {
    for odd in [format!("{}/x", "long".repeat(30)), "it's $HOME; a \"folder\"".to_owned()] {
        let machine = Machine::start();
        let home = machine.path(&odd);
        std::fs::create_dir_all(&home).unwrap();
        let quoted = home.to_str().unwrap().replace('\'', r"'\''");
        std::fs::write(machine.home().join(".bashrc"), format!("export XDG_CACHE_HOME='{quoted}'\n")).unwrap();
        let ssh = machine.ssh(&machine.home());
        let session = AgentSession::connect(&ssh, SessionOptions::default()).await.unwrap();
        session.health().await.unwrap();
        assert!(home.join("sandboxer").exists());
    }
}

#[tokio::test]
async fn a_login_that_is_noisy_does_no_harm() {
    let machine = Machine::start();
    let noise = "echo Welcome; echo sandboxer-0 need; head -c 50000 /dev/zero; printf 'You have mail. '; echo no >&2\n";
    std::fs::write(machine.home().join(".bashrc"), noise).unwrap();
    std::fs::write(machine.home().join(".profile"), noise).unwrap();
    let ssh = machine.ssh(&machine.home());
    ssh.relayed().await.unwrap();
    ssh.forwarded().await.unwrap();
    let session = AgentSession::connect(&ssh.without_forwarding(), SessionOptions::default()).await.unwrap();
    assert_eq!(run(&session, shell("echo quiet")).await.unwrap().text(), "quiet\n");
}

#[tokio::test]
async fn every_kind_of_shell_does() {
    // Some read ahead, some keep what they read in a file, some have programs of their own.
    for shell in ["dash", "bash", "bash --posix", "busybox sh"] {
        let machine = Machine::start_with(&format!("ForceCommand exec {shell}\n"));
        let agent = machine.agent(&machine.home(), &pattern(500_000));
        let ssh = Ssh::new(machine.master(), agent, AgentPlace::default()).without_forwarding();
        for _ in 0..2 {
            let session = AgentSession::connect(&ssh, SessionOptions::default()).await.unwrap();
            assert_eq!(run(&session, crate::support::shell("echo here")).await.unwrap().text(), "here\n", "{shell}");
        }
    }
}

#[tokio::test]
async fn a_login_that_is_no_shell_says_so() {
    for command in ["echo no shell for you", "yes", "exit 3"] {
        let machine = Machine::start_with(&format!("ForceCommand {command}\n"));
        let error = refusal(&machine, machine.agent(&machine.home(), b""), AgentPlace::default()).await;
        assert_eq!(error.kind(), Kind::AgentCannotRun, "{command}: {error:?}");
    }
}

#[tokio::test]
async fn another_kind_of_machine_is_refused_before_anything_is_sent() {
    let machine = Machine::start();
    let mut head = b"\x7fELF".to_vec();
    head.resize(64, 0);
    head[18] = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    std::fs::write(machine.path("foreign"), head).unwrap();
    let agent = AgentProgram::read(machine.path("foreign")).unwrap();
    let error = refusal(&machine, agent, AgentPlace::default()).await;
    assert_eq!(error.kind(), Kind::AgentCannotRun);
    assert!(error.to_string().contains("is `Linux/"), "{error}");
    assert!(!machine.programs().exists());
}

#[tokio::test]
async fn a_machine_without_digests_says_so() {
    let machine = Machine::start();
    let few = machine.path("few");
    std::fs::create_dir(&few).unwrap();
    for name in ["uname", "wc", "head", "mkdir", "chmod", "mv", "rm", "tr", "id"] {
        let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
        std::os::unix::fs::symlink(found.iter().find(|path| path.exists()).unwrap(), few.join(name)).unwrap();
    }
    let line = format!("export PATH={}\n", few.display());
    std::fs::write(machine.home().join(".bashrc"), line).unwrap();
    let error = refusal(&machine, machine.agent(&machine.home(), b""), AgentPlace::default()).await;
    assert_eq!(error.kind(), Kind::AgentCannotRun);
    assert!(error.to_string().ends_with("has no `sha256sum`"), "{error}");
}

#[tokio::test]
async fn places_that_take_nothing_say_so() {
    let machine = Machine::start();
    std::fs::write(machine.path("file"), "").unwrap();
    let place = AgentPlace::default().with_programs(machine.path("file/x").to_str().unwrap()).unwrap();
    let error = refusal(&machine, machine.agent(&machine.home(), b""), place).await;
    assert_eq!(error.kind(), Kind::AgentCannotRun);
    assert!(error.source().unwrap().to_string().contains("Not a directory"), "{error:?}");
}

#[tokio::test]
async fn a_socket_where_others_can_write_is_refused() {
    let machine = Machine::start();
    let open = machine.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let place = AgentPlace::default().with_sockets(open.to_str().unwrap()).unwrap();
    let ssh = Ssh::new(machine.master(), machine.agent(&machine.home(), b""), place);
    let error = ssh.relayed().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::AgentCannotRun, "{error:?}");
    assert_eq!(ssh.forwarded().await.map(drop).unwrap_err().kind(), Kind::Unreachable);
}

#[tokio::test]
async fn an_agent_that_does_not_run_or_is_not_itself_is_not_kept() {
    let machine = Machine::start();
    std::fs::write(machine.path("broken"), "#!/bin/sh\necho cannot >&2; exit 1\n").unwrap();
    let broken = AgentProgram::read(machine.path("broken")).unwrap();
    let error = refusal(&machine, broken.clone(), AgentPlace::default()).await;
    assert_eq!((error.kind(), error.source().unwrap().to_string()), (Kind::AgentCannotRun, "cannot".to_owned()));
    std::fs::write(machine.path("broken"), "#!/bin/sh\necho cannoT >&2; exit 1\n").unwrap();
    assert_eq!(refusal(&machine, broken.clone(), AgentPlace::default()).await.kind(), Kind::Local);
    std::fs::write(machine.path("broken"), "#!/bin/sh\n").unwrap();
    assert_eq!(refusal_on_this_side(&machine, broken).await, Kind::Local);
}

/// The push is given up here; what the machine has of it goes when it notices.
async fn refusal_on_this_side(machine: &Machine, agent: AgentProgram) -> Kind {
    let ssh = Ssh::new(machine.master(), agent, AgentPlace::default());
    let error = ssh.relayed().await.map(drop).unwrap_err();
    until(|| names(&machine.programs()).is_empty()).await;
    error.kind()
}

async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

#[tokio::test]
async fn a_push_that_is_broken_off_leaves_nothing() {
    let machine = Machine::start();
    let agent = machine.agent(&machine.home(), &pattern(40_000_000));
    let ssh = Ssh::new(machine.master(), agent, AgentPlace::default());
    let has_part = || names(&machine.programs()).iter().any(|name| name.starts_with(".agent-"));
    tokio::select! {
        relayed = ssh.relayed() => panic!("pushed before anybody looked: {}", relayed.is_ok()),
        () = until(has_part) => {}
    }
    until(|| names(&machine.programs()).is_empty()).await;
    ssh.relayed().await.unwrap();
}

#[tokio::test]
async fn a_login_that_swallows_everything_is_given_up() {
    let machine = Machine::start_with("ForceCommand cat >/dev/null\n");
    let settings = SshSettings { silence: Duration::from_secs(1), ..machine.settings() };
    let master = SshMaster::new(settings, machine.destination()).unwrap();
    let ssh = Ssh::new(master, machine.agent(&machine.home(), b""), AgentPlace::default());
    let error = ssh.relayed().await.map(drop).unwrap_err();
    assert_eq!((error.kind(), error.hint().is_some()), (Kind::Deadline, true));
    assert_eq!(machine.masters(), 1, "the connection is not to blame");
}

//! Connections that break, and ways that are closed.

use std::time::Duration;

use sandboxer_reach::{
    AgentPlace, AgentSession, Connector, ExecRequest, ExitStatus, ProcessSelector, ReachErrorKind as Kind,
    Session as _, SessionOptions, Ssh, SshMaster, SshSettings,
};

use crate::support::sshd::Machine;
use crate::support::{HELD, ended, finish, read_until, run, shell, watch};

async fn session(connector: &dyn Connector) -> AgentSession {
    AgentSession::connect(connector, SessionOptions::default()).await.unwrap()
}

async fn echoes(connector: &dyn Connector) {
    assert_eq!(run(&session(connector).await, shell("echo here")).await.unwrap().text(), "here\n");
}

#[tokio::test]
async fn the_second_connection_is_a_forwarded_one() {
    let machine = Machine::start();
    let ssh = machine.ssh(&machine.home());
    assert_eq!(ssh.forwarded().await.map(drop).unwrap_err().kind(), Kind::Unreachable);
    echoes(&ssh).await;
    // Another process finds it.
    let other = machine.ssh(&machine.home());
    other.forwarded().await.unwrap();
    echoes(&other).await;
    assert_eq!(other.to_string(), format!("ssh://{}", machine.destination()));
}

#[tokio::test]
async fn where_forwarding_is_forbidden_a_relay_does() {
    for line in ["AllowStreamLocalForwarding no", "DisableForwarding yes"] {
        let machine = Machine::start_with(&format!("{line}\n"));
        let ssh = machine.ssh(&machine.home());
        for _ in 0..3 {
            echoes(&ssh).await;
        }
        let error = ssh.forwarded().await.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.hint().is_some()), (Kind::ForwardingRefused, true), "{line}");
    }
}

#[tokio::test]
async fn a_connection_without_room_is_not_the_only_one() {
    let machine = Machine::start_with("MaxSessions 1\n");
    let ssh = machine.ssh(&machine.home());
    let first = ssh.relayed().await.unwrap();
    let second = ssh.forwarded().await.unwrap();
    let third = ssh.relayed().await.unwrap();
    for stream in [first, second, third] {
        let session = AgentSession::over(stream, SessionOptions::default()).await.unwrap();
        assert_eq!(run(&session, shell("echo here")).await.unwrap().text(), "here\n");
    }
    assert_eq!(machine.masters(), 1);
}

#[tokio::test]
async fn a_machine_that_goes_down_and_comes_back_has_lost_nothing() {
    let machine = Machine::start();
    for forwarded in [false, true] {
        let ssh = machine.ssh(&machine.home());
        let ssh = if forwarded { ssh } else { ssh.without_forwarding() };
        let session = session(&ssh).await;
        let tag = format!("survivor-{forwarded}");
        let script = "echo one; read line; echo $line; exit 7";
        let request = ExecRequest { stdin: true, tag: Some(tag.clone()), ..shell(script) };
        let mut execution = session.exec(request).await.unwrap();
        read_until(&mut execution, "one\n").await;
        let process = watch(ssh.master().check().await.unwrap().unwrap());
        machine.stop();
        assert_eq!(execution.wait().await.unwrap_err().kind(), Kind::Unreachable);
        ended(process).await;
        let error = AgentSession::connect(&ssh, SessionOptions::default()).await.unwrap_err();
        assert_eq!((error.kind(), error.hint().is_some()), (Kind::Refused, true), "{error}");
        machine.start_again();
        let again = self::session(&ssh).await;
        let mut execution = again.attach(&ProcessSelector::Tag(tag), Some(0), HELD).await.unwrap();
        execution.input().write("two\n").await.unwrap();
        let finished = finish(&mut execution).await.unwrap();
        assert_eq!((finished.text(), finished.exit), ("one\ntwo\n", ExitStatus::Code(7)));
    }
}

#[tokio::test]
async fn a_command_that_nobody_comes_back_for_ends_with_its_connection() {
    let machine = Machine::start();
    for forwarded in [false, true] {
        let ssh = machine.ssh(&machine.home());
        let ssh = if forwarded { ssh } else { ssh.without_forwarding() };
        let session = session(&ssh).await;
        let waits = shell("echo ready; read line");
        let mut kept = session.exec(ExecRequest { stdin: true, ..waits.clone() }).await.unwrap();
        let mut tethered = session.exec(ExecRequest { stdin: true, tethered: true, ..waits }).await.unwrap();
        for execution in [&mut kept, &mut tethered] {
            read_until(execution, "ready\n").await;
        }
        let (kept, tethered) = (watch(kept.pid()), watch(tethered.pid()));
        machine.stop();
        ended(tethered).await;
        assert!(rustix::process::pidfd_send_signal(&kept, rustix::process::Signal::KILL).is_ok());
        ended(kept).await;
        machine.start_again();
    }
}

#[tokio::test]
async fn a_connection_that_was_killed_is_made_again() {
    let machine = Machine::start();
    let ssh = machine.ssh(&machine.home());
    for _ in 0..3 {
        let session = session(&ssh).await;
        session.health().await.unwrap();
        let process = watch(ssh.master().check().await.unwrap().unwrap());
        rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL).unwrap();
        ended(process).await;
        let fault = session.health().await.unwrap_err();
        assert_eq!(fault.kind(), Kind::Unreachable, "{fault}");
    }
}

#[tokio::test]
async fn a_hostile_socket_is_not_joined() {
    let machine = Machine::start();
    let master = machine.master();
    master.open().await.unwrap();
    let local = machine.path("ssh/x");
    for remote in ["relative", "/a:b", "/%h", "/${HOME}", "/a\nb", ""] {
        assert_eq!(master.forward(&local, remote).await.unwrap_err().kind(), Kind::InvalidInput, "{remote:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_dead_to_the_world_is_made_again() {
    let machine = Machine::start();
    let settings = SshSettings { silence: Duration::from_secs(1), ..machine.settings() };
    let master = SshMaster::new(settings, machine.destination()).unwrap();
    let ssh = Ssh::new(master, machine.agent(&machine.home(), b""), AgentPlace::default());
    echoes(&ssh).await;
    let process = ssh.master().check().await.unwrap().unwrap();
    let stopped = watch(process);
    rustix::process::pidfd_send_signal(&stopped, rustix::process::Signal::STOP).unwrap();
    // Several notice at once, as several processes would.
    for relayed in futures::future::join_all((0..3).map(|_| ssh.relayed())).await {
        relayed.unwrap();
    }
    assert_ne!(ssh.master().check().await.unwrap().unwrap(), process);
    assert_eq!(machine.masters(), 2);
    rustix::process::pidfd_send_signal(&stopped, rustix::process::Signal::KILL).unwrap();
    ended(stopped).await;
    echoes(&ssh).await;
}

#[tokio::test]
async fn an_agent_that_has_left_is_started_again() {
    let machine = Machine::start();
    let ssh = machine.ssh(&machine.home());
    for _ in 0..3 {
        echoes(&ssh).await;
        ssh.forwarded().await.unwrap();
        machine.end_agent();
        assert_eq!(ssh.forwarded().await.map(drop).unwrap_err().kind(), Kind::ForwardingRefused);
    }
}

//! From here to an agent on a machine, by a private ssh server on loopback.

use crate::agent;
use crate::commands::binary;
use crate::sample::{Sample, Table};
use sandboxer_machinery::{Sshd, SshdOptions};
use sandboxer_reach::{Doorway, Machine, Machines, Route, SessionKind, SshSettings};
use std::process::{Command, Stdio};
use std::time::Instant;

const COLD: usize = 10;
const CONNECTS: usize = 200;

pub(crate) fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["home", "server"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let options = SshdOptions { home: Some(folder.path().join("home")), ..SshdOptions::default() };
    let sshd = Sshd::start(&folder.path().join("server"), &options);
    std::fs::write(folder.path().join("config"), "").unwrap();
    let mut settings = SshSettings::new(folder.path().join("ssh"));
    settings.config = Some(folder.path().join("config"));
    settings.identity = Some(folder.path().join("server/id"));
    let machines = Machines::new(settings, binary(), folder.path().join("here"));
    let route = Route::to(Some(format!("127.0.0.1:{}", sshd.port()).parse().unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let machine = machines.at(&route).await.unwrap();
        cold(table, &machine, folder.path()).await;
        by_hand(table, folder.path(), sshd.port());
        connects(table, &machine).await;
        let here = machines.at(&Route::Here).await.unwrap();
        let sample = opened(&here, CONNECTS).await;
        table.times("open and ask: this machine's agent, by a relay", &sample, "-");
        agent::measure_by_ssh(table, machine.agent().await.unwrap()).await;
        close(&machine).await;
    });
}

/// With nothing there: log in, send the agent, start it, and have it answer.
async fn cold(table: &mut Table, machine: &Machine, folder: &std::path::Path) {
    let mut sample = Sample::empty();
    for _ in 0..COLD {
        close(machine).await;
        std::fs::remove_dir_all(folder.join("home")).unwrap();
        std::fs::create_dir(folder.join("home")).unwrap();
        let begin = Instant::now();
        ask(machine).await;
        sample.add(begin.elapsed());
    }
    table.times("a machine with nothing of ours: first answer", &sample, "≤ 500");
}

async fn close(machine: &Machine) {
    machine.close().await.unwrap();
}

async fn ask(machine: &Machine) {
    let entered = machine.session().await.unwrap();
    assert_eq!(entered.kind, SessionKind::Agent);
    entered.session.health().await.unwrap();
}

async fn opened(machine: &Machine, rounds: usize) -> Sample {
    let mut sample = Sample::empty();
    for round in 0..rounds + 5 {
        let begin = Instant::now();
        ask(machine).await;
        sample.add_after(5, round, begin.elapsed());
    }
    sample
}

async fn connects(table: &mut Table, machine: &Machine) {
    let sample = opened(machine, CONNECTS).await;
    table.times("open and ask: a machine's agent, by a forwarded socket", &sample, "≤ 5");
    let mut sample = Sample::empty();
    let door =
        Doorway { sandbox: "sbxmeasured".parse().unwrap(), enter: vec!["env".to_owned()], agent_path: Some(binary()) };
    for round in 0..CONNECTS + 5 {
        let begin = Instant::now();
        machine.enter(&door).await.unwrap().session.health().await.unwrap();
        sample.add_after(5, round, begin.elapsed());
    }
    table.times("open and ask: a sandbox entered by words, by a relay", &sample, "≤ 12");
}

/// A new connection, and one command through a connection that is open.
fn by_hand(table: &mut Table, folder: &std::path::Path, port: u16) {
    let ssh = |words: &[&str]| {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=accept-new", "-oIdentitiesOnly=yes"]);
        command.arg(format!("-oUserKnownHostsFile={}", folder.join("known").display()));
        command.arg("-i").arg(folder.join("server/id")).arg(format!("-p{port}"));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success());
    };
    let control = format!("-S{}", folder.join("control").display());
    table.times("`ssh host true`, a new connection", &Sample::of(20, || ssh(&["127.0.0.1", "true"])), "-");
    ssh(&["-MNf", &control, "-oControlPersist=60", "127.0.0.1"]);
    table.times("`ssh host true`, an open connection", &Sample::of(100, || ssh(&[&control, "127.0.0.1", "true"])), "-");
    ssh(&[&control, "-Oexit", "127.0.0.1"]);
}

//! Commands: how they live, end and outlive.

use std::time::Duration;

use sandboxer_reach::{ExecRequest, ExitStatus, ProcessSelector, ReachErrorKind, SignalScope};

use crate::bench::Bench;
use crate::support::{HELD, finish, read_until, run, shell};

pub(crate) fn signalled(signal: i32) -> ExitStatus {
    ExitStatus::Signal { signal, core_dumped: false }
}

pub(crate) async fn signals_are_exact(bench: &Bench) {
    for signal in [1, 2, 9, 10, 15, 40, 64] {
        let finished = run(bench.session.as_ref(), shell(&format!("kill -{signal} $$"))).await.unwrap();
        assert_eq!(finished.exit, signalled(signal));
        assert_eq!(finished.exit.shell_code(), 128 + signal);
    }
}

pub(crate) async fn any_signal_can_be_sent_to_a_process_or_its_group(bench: &Bench) {
    let session = bench.session.as_ref();
    let script = "trap 'echo usr1' USR1; trap 'echo usr2' USR2; echo ready; while :; do sleep 1000 & wait $!; done";
    let mut execution = session.exec(shell(script)).await.unwrap();
    read_until(&mut execution, "ready").await;
    let process = ProcessSelector::Pid(execution.pid());
    session.signal(&process, 12, SignalScope::Process).await.unwrap();
    read_until(&mut execution, "usr2").await;
    session.signal(&process, 10, SignalScope::Process).await.unwrap();
    read_until(&mut execution, "usr1").await;
    execution.input().signal(9).await.unwrap();
    assert_eq!(execution.wait().await.unwrap(), signalled(9));
    let gone = session.signal(&process, 9, SignalScope::Group).await.unwrap_err();
    assert_eq!(gone.kind(), ReachErrorKind::NotFound);
}

pub(crate) async fn nonsense_signals_are_refused(bench: &Bench) {
    let execution = bench.session.exec(ExecRequest::new(["sleep", "1000"])).await.unwrap();
    for signal in [0, -1, 65, i32::MAX] {
        let fault = execution.input().signal(signal).await.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::InvalidInput, "{signal}");
    }
    execution.input().signal(9).await.unwrap();
}

pub(crate) async fn a_command_outlives_its_client(bench: &Bench) {
    let first = bench.another().await;
    let script = "read line; head -c 10000000 /dev/zero; echo done > survived";
    let request = ExecRequest { stdin: true, tag: Some("survivor".to_owned()), ..shell(script) };
    drop(first.exec(request).await.unwrap());
    drop(first);
    let selector = ProcessSelector::Tag("survivor".to_owned());
    let attached = bench.session.attach(&selector, None, HELD).await.unwrap();
    attached.input().write("go\n").await.unwrap();
    drop(attached);
    assert_eq!(bench.session.wait(&selector).await.unwrap(), ExitStatus::Code(0));
    assert_eq!(bench.sh("cat survived").await, "done\n");
}

pub(crate) async fn a_background_process_neither_holds_the_end_nor_dies_of_it(bench: &Bench) {
    let script = "(trap '' HUP; read go < pipe; echo late; echo later; echo yes > wrote; exec sleep 1000) & echo $!";
    let pid = bench.sh(&format!("mkfifo pipe; {script}")).await;
    let pid = pid.trim();
    bench.sh(&format!("echo go > pipe; while [ ! -s wrote ]; do :; done; kill -0 {pid} && kill -9 {pid}")).await;
}

/// Waits until no process of that id runs, as `/proc` shows it.
async fn ends(bench: &Bench, pid: &str) {
    bench.sh(&format!("while grep -qs '^State:.[^ZX]' /proc/{pid}/status; do :; done")).await;
}

pub(crate) async fn time_running_out_kills_the_whole_group(bench: &Bench) {
    let request = ExecRequest { timeout: Some(Duration::from_millis(300)), ..shell("sleep 1000 & echo $!; wait") };
    let mut execution = bench.session.exec(request).await.unwrap();
    let child = read_until(&mut execution, "\n").await;
    assert_eq!(execution.wait().await.unwrap_err().kind(), ReachErrorKind::Deadline);
    ends(bench, child.trim()).await;
    let process = ProcessSelector::Pid(execution.pid());
    assert_eq!(bench.session.wait(&process).await.unwrap(), signalled(9));
    let listed = bench.session.commands().await.unwrap();
    let ending = listed.iter().find(|command| command.pid == execution.pid()).unwrap().ending.unwrap();
    assert_eq!((ending.timed_out, ending.status), (true, signalled(9)));
}

pub(crate) async fn time_runs_out_without_a_client_too(bench: &Bench) {
    let first = bench.another().await;
    let timeout = Some(Duration::from_millis(200));
    let request = ExecRequest { timeout, tag: Some("short".to_owned()), ..ExecRequest::new(["sleep", "1000"]) };
    drop(first.exec(request).await.unwrap());
    drop(first);
    assert_eq!(bench.session.wait(&ProcessSelector::Tag("short".to_owned())).await.unwrap(), signalled(9));
}

pub(crate) async fn a_command_in_time_is_left_alone(bench: &Bench) {
    let request = ExecRequest { timeout: Some(Duration::from_secs(60)), ..shell("exit 4") };
    assert_eq!(run(bench.session.as_ref(), request).await.unwrap().exit, ExitStatus::Code(4));
}

pub(crate) async fn two_hundred_commands_at_a_time(bench: &Bench) {
    let running = (0..200).map(|number| {
        let session = &bench.session;
        async move {
            let request = ExecRequest { stdin: true, ..shell("read line; echo $line; exit 7") };
            let mut execution = session.exec(request).await.unwrap();
            execution.input().write(format!("{number}\n")).await.unwrap();
            let finished = finish(&mut execution).await.unwrap();
            assert_eq!((finished.text(), finished.exit), (format!("{number}\n").as_str(), ExitStatus::Code(7)));
        }
    });
    futures::future::join_all(running).await;
    let listed = bench.session.commands().await.unwrap();
    assert!(listed.iter().all(|command| command.ending.is_some()), "{listed:?}");
}

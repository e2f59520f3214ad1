//! Commands through a real agent: how they live, end and outlive, alone and in numbers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use sandboxer_reach::{AgentSession, ExecRequest, ExitStatus, ProcessSelector, ReachErrorKind, Session, SignalScope};
use support::{Agent, ended, finish, pattern, read_until, run, shell, watch};

fn signalled(signal: i32) -> ExitStatus {
    ExitStatus::Signal { signal, core_dumped: false }
}

async fn session() -> (Agent, AgentSession) {
    let agent = Agent::start();
    let session = agent.session().await;
    (agent, session)
}

#[tokio::test]
async fn signals_are_exact() {
    let (_agent, session) = session().await;
    for signal in [1, 2, 9, 10, 15, 40, 64] {
        let finished = run(&session, shell(&format!("kill -{signal} $$"))).await.unwrap();
        assert_eq!(finished.exit, signalled(signal));
        assert_eq!(finished.exit.shell_code(), 128 + signal);
    }
}

#[tokio::test]
async fn any_signal_can_be_sent_to_a_process_or_its_group() {
    let (_agent, session) = session().await;
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

#[tokio::test]
async fn nonsense_signals_are_refused() {
    let (_agent, session) = session().await;
    let execution = session.exec(ExecRequest::new(["sleep", "1000"])).await.unwrap();
    for signal in [0, -1, 65, i32::MAX] {
        let fault = execution.input().signal(signal).await.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::InvalidInput, "{signal}");
    }
    execution.input().signal(9).await.unwrap();
}

#[tokio::test]
async fn sixty_four_megabytes_both_ways() {
    let (_agent, session) = session().await;
    let sent = bytes::Bytes::from(pattern(64 << 20));
    let mut execution = session.exec(ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) }).await.unwrap();
    let input = execution.input();
    let (whole, writer) = (sent.clone(), async move {
        input.write(sent).await.unwrap();
        input.close_stdin().await.unwrap();
    });
    let ((), finished) = tokio::join!(writer, finish(&mut execution));
    let finished = finished.unwrap();
    assert_eq!(finished.exit, ExitStatus::Code(0));
    assert!(finished.stdout == whole, "{} bytes came back, or others", finished.stdout.len());
}

#[tokio::test]
async fn nothing_of_quick_output_is_lost() {
    let (_agent, session) = session().await;
    for _ in 0..20 {
        let finished = run(&session, shell("head -c 300000 /dev/zero; head -c 70000 /dev/zero >&2")).await.unwrap();
        assert_eq!((finished.stdout.len(), finished.stderr.len()), (300_000, 70_000));
    }
}

#[tokio::test]
async fn a_command_outlives_its_client() {
    let agent = Agent::start();
    let first = agent.session().await;
    let script = "read line; head -c 10000000 /dev/zero; echo done > survived";
    let request = ExecRequest { stdin: true, tag: Some("survivor".to_owned()), ..shell(script) };
    drop(first.exec(request).await.unwrap());
    drop(first);
    let second = agent.session().await;
    let listed = second.processes().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].tag.as_deref(), &listed[0].argv[2][..]), (Some("survivor"), script));
    let selector = ProcessSelector::Tag("survivor".to_owned());
    let attached = second.attach(&selector).await.unwrap();
    assert_eq!(attached.pid(), listed[0].pid);
    attached.input().write("go\n").await.unwrap();
    drop(attached);
    assert_eq!(second.wait(&selector).await.unwrap(), ExitStatus::Code(0));
    assert_eq!(std::fs::read_to_string(agent.path("survived")).unwrap(), "done\n");
    assert_eq!(second.processes().await.unwrap(), []);
}

#[tokio::test]
async fn ended_commands_are_remembered() {
    let (_agent, session) = session().await;
    let mut execution = session.exec(ExecRequest { tag: Some("t".to_owned()), ..shell("exit 9") }).await.unwrap();
    execution.wait().await.unwrap();
    let by_pid = ProcessSelector::Pid(execution.pid());
    assert_eq!(session.wait(&by_pid).await.unwrap(), ExitStatus::Code(9));
    let mut attached = session.attach(&ProcessSelector::Tag("t".to_owned())).await.unwrap();
    assert_eq!(finish(&mut attached).await.unwrap().exit, ExitStatus::Code(9));
    let unknown = session.wait(&ProcessSelector::Pid(4_000_000)).await.unwrap_err();
    assert_eq!(unknown.kind(), ReachErrorKind::NotFound);
    let unknown = session.attach(&ProcessSelector::Tag("other".to_owned())).await.unwrap_err();
    assert_eq!(unknown.kind(), ReachErrorKind::NotFound);
}

#[tokio::test]
async fn two_followers_get_the_same() {
    let (_agent, session) = session().await;
    let request = ExecRequest { stdin: true, ..shell("read line; echo $line; echo $line >&2") };
    let mut first = session.exec(request).await.unwrap();
    let mut second = session.attach(&ProcessSelector::Pid(first.pid())).await.unwrap();
    second.input().write("both\n").await.unwrap();
    let (first, second) = tokio::join!(finish(&mut first), finish(&mut second));
    let first = first.unwrap();
    assert_eq!((first.text(), &first.stderr[..]), ("both\n", &b"both\n"[..]));
    assert_eq!(first, second.unwrap());
}

#[tokio::test]
async fn a_background_process_neither_holds_the_end_nor_dies_of_it() {
    let (_agent, session) = session().await;
    let script = "(trap '' HUP; read go < pipe; echo late; echo later; echo yes > wrote; exec sleep 1000) & echo $!";
    let finished = run(&session, shell(&format!("mkfifo pipe; {script}"))).await.unwrap();
    assert_eq!(finished.exit, ExitStatus::Code(0));
    let pid: u32 = finished.text().trim().parse().unwrap();
    let background = watch(pid);
    let script = format!("echo go > pipe; while [ ! -s wrote ]; do :; done; kill -0 {pid} && kill -9 {pid}");
    let finished = run(&session, shell(&script)).await.unwrap();
    assert_eq!(finished.exit, ExitStatus::Code(0));
    ended(background).await;
}

#[tokio::test]
async fn time_running_out_kills_the_whole_group() {
    let (_agent, session) = session().await;
    let script = "sleep 1000 & echo $!; wait";
    let request = ExecRequest { timeout: Some(Duration::from_millis(300)), ..shell(script) };
    let mut execution = session.exec(request).await.unwrap();
    let child = watch(read_until(&mut execution, "\n").await.trim().parse().unwrap());
    let fault = execution.wait().await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Deadline);
    ended(child).await;
    assert_eq!(session.wait(&ProcessSelector::Pid(execution.pid())).await.unwrap(), signalled(9));
}

#[tokio::test]
async fn time_runs_out_without_a_client_too() {
    let agent = Agent::start();
    let first = agent.session().await;
    let timeout = Some(Duration::from_millis(200));
    let request = ExecRequest { timeout, tag: Some("short".to_owned()), ..ExecRequest::new(["sleep", "1000"]) };
    drop(first.exec(request).await.unwrap());
    drop(first);
    let second = agent.session().await;
    assert_eq!(second.wait(&ProcessSelector::Tag("short".to_owned())).await.unwrap(), signalled(9));
}

#[tokio::test]
async fn a_command_in_time_is_left_alone() {
    let (_agent, session) = session().await;
    let request = ExecRequest { timeout: Some(Duration::from_secs(60)), ..shell("exit 4") };
    assert_eq!(run(&session, request).await.unwrap().exit, ExitStatus::Code(4));
}

#[tokio::test]
async fn two_hundred_commands_at_a_time() {
    let (_agent, session) = session().await;
    let running = (0..200).map(|number| {
        let session = &session;
        async move {
            let request = ExecRequest { stdin: true, ..shell("read line; echo $line; exit 7") };
            let mut execution = session.exec(request).await.unwrap();
            execution.input().write(format!("{number}\n")).await.unwrap();
            let finished = finish(&mut execution).await.unwrap();
            assert_eq!((finished.text(), finished.exit), (format!("{number}\n").as_str(), ExitStatus::Code(7)));
        }
    });
    futures::future::join_all(running).await;
    assert_eq!(session.processes().await.unwrap(), []);
}

#[tokio::test]
async fn commands_that_nobody_reads_block_nobody_and_hold_little() {
    let (agent, session) = session().await;
    let mut unread = Vec::new();
    for _ in 0..20 {
        unread.push(session.exec(ExecRequest::new(["cat", "/dev/zero"])).await.unwrap());
    }
    for _ in 0..20 {
        let finished = run(&session, shell("echo through")).await.unwrap();
        assert_eq!(finished.text(), "through\n");
    }
    assert!(agent.peak_memory() < 100 << 20, "{} bytes", agent.peak_memory());
    for execution in &unread {
        execution.input().signal(9).await.unwrap();
    }
    for execution in &mut unread {
        assert_eq!(execution.wait().await.unwrap(), signalled(9));
    }
}

#[tokio::test]
async fn a_connection_lasts_for_thousands_of_ends() {
    let (_agent, session) = session().await;
    for _ in 0..3 {
        let execution = session.exec(ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) }).await.unwrap();
        let process = ProcessSelector::Pid(execution.pid());
        let followers = (0..700).map(|_| session.attach(&process));
        let followers = futures::future::try_join_all(followers).await.unwrap();
        execution.input().close_stdin().await.unwrap();
        let ends = followers.into_iter().map(|mut follower| async move { follower.wait().await.unwrap() });
        assert!(futures::future::join_all(ends).await.iter().all(ExitStatus::success));
    }
    session.health().await.unwrap();
}

#[tokio::test]
async fn a_terminated_agent_takes_its_commands_along() {
    let (agent, session) = session().await;
    let execution = session.exec(ExecRequest::new(["sleep", "1000"])).await.unwrap();
    let command = watch(execution.pid());
    assert!(agent.terminate().success());
    ended(command).await;
    assert_eq!(session.health().await.unwrap_err().kind(), ReachErrorKind::Unreachable);
}

#[tokio::test]
async fn the_first_process_reaps_orphans() {
    let agent = Agent::start_with(|options| options.init = true);
    let session = agent.session().await;
    let finished = run(&session, shell("mkfifo pipe; (read x < pipe) & echo $!")).await.unwrap();
    let pid: u32 = finished.text().trim().parse().unwrap();
    let orphan = watch(pid);
    run(&session, shell("echo > pipe || kill -9 $0")).await.unwrap();
    ended(orphan).await;
    // It ended; once the agent has answered often enough, it must also have been reaped.
    let folder = std::path::PathBuf::from(format!("/proc/{pid}"));
    for _ in 0..10_000 {
        if !folder.exists() {
            return;
        }
        session.health().await.unwrap();
    }
    panic!("a zombie stayed");
}

//! What only a real agent on this machine shows: its options, its memory, its own process.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use sandboxer_reach::{
    AccessToken, AgentSession, ExecRequest, ExitStatus, ProcessSelector, ReachErrorKind, Session, SessionOptions, Tcp,
    UnixSocket, WriteOptions,
};
use support::{Agent, HELD, ended, is_root, pattern, run, shell, watch};

async fn session() -> (Agent, AgentSession) {
    let agent = Agent::start();
    let session = agent.session().await;
    (agent, session)
}

#[tokio::test]
async fn variables_of_the_agents_options_are_every_commands() {
    let agent = Agent::start_with(|options| {
        options.environment.insert("EVERYWHERE".to_owned(), "1".to_owned());
    });
    let finished = run(&agent.session().await, shell("echo $EVERYWHERE")).await.unwrap();
    assert_eq!(finished.text(), "1\n");
}

#[tokio::test]
async fn only_root_acts_as_others() {
    let (agent, session) = session().await;
    let request = ExecRequest { user: Some("nobody".to_owned()), cwd: Some("/".to_owned()), ..shell("id -u") };
    if is_root() {
        assert_eq!(run(&session, request).await.unwrap().text(), "65534\n");
    } else {
        assert_eq!(session.exec(request).await.unwrap_err().kind(), ReachErrorKind::PermissionDenied);
        let fault = session.stat(agent.folder(), Some("nobody")).await.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::PermissionDenied);
    }
}

#[tokio::test]
async fn commands_start_clean() {
    let agent = Agent::start_with(|options| {
        options.command_rlimits.nofile = Some(77);
        options.command_rlimits.core = Some(0);
    });
    let session = agent.session().await;
    let finished = run(&session, shell("ulimit -n; ulimit -c; umask; ls /proc/self/fd | wc -l")).await.unwrap();
    // The three standard streams, and the folder that ls reads.
    assert_eq!(finished.text(), "77\n0\n0022\n4\n");
    let finished = run(&session, ExecRequest::new(["cat", "/proc/self/status"])).await.unwrap();
    for line in ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(finished.text().contains(line), "{line} not in {}", finished.text());
    }
    let finished = run(&session, shell("ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat; echo $$")).await;
    let finished = finished.unwrap();
    let numbers: Vec<&str> = finished.text().split_whitespace().collect();
    assert_eq!(numbers[0], numbers[1], "not the leader of a session of its own");
    if is_root() {
        let finished = run(&session, ExecRequest::new(["cat", "/proc/self/oom_score_adj"])).await.unwrap();
        assert_eq!(finished.text(), "500\n");
    }
}

#[tokio::test]
async fn every_command_joins_the_cgroups() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let opened = std::fs::File::options().append(true).open(file.path()).unwrap();
    let agent = Agent::start_with_cgroup(opened);
    let session = agent.session().await;
    // The test harness around the agent writes there too, before the agent answers.
    session.health().await.unwrap();
    let before = std::fs::read_to_string(file.path()).unwrap();
    for _ in 0..3 {
        run(&session, ExecRequest::new(["true"])).await.unwrap();
    }
    let after = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(after.strip_prefix(&before), Some("000"));
}

#[tokio::test]
async fn the_agent_is_out_of_its_commands_reach() {
    let (agent, session) = session().await;
    for file in ["environ", "maps", "mem", "fd", "exe", "root", "cwd"] {
        if is_root() {
            // Root may look at anything outside a user namespace.
            break;
        }
        let script = format!("ls -l /proc/{0}/{file} && head -c 1 /proc/{0}/{file}", agent.pid());
        let finished = run(&session, shell(&script)).await.unwrap();
        assert_ne!(finished.exit, ExitStatus::Code(0), "{file}");
    }
    let limits = std::fs::metadata(format!("/proc/{}/environ", agent.pid())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&limits), 0, "the agent is dumpable");
}

#[tokio::test]
async fn not_even_root_may_look_into_the_first_process() {
    let agent = Agent::start_with(|options| options.init = true);
    let session = agent.session().await;
    // Memory too is closed in a user namespace; the host's own root may still read it, as a profiler.
    for link in ["fd/0", "exe", "cwd", "root"] {
        let finished = run(&session, shell(&format!("readlink /proc/{}/{link}", agent.pid()))).await.unwrap();
        assert_ne!(finished.exit, ExitStatus::Code(0), "{link}");
    }
    // What is one's own can be looked into.
    let finished =
        run(&session, shell("sleep 1000 & head -c 1 /proc/$!/environ > /dev/null && kill $!")).await.unwrap();
    assert_eq!(finished.exit, ExitStatus::Code(0), "{:?}", finished.stderr);
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
        assert_eq!(execution.wait().await.unwrap().shell_code(), 137);
    }
}

#[tokio::test]
async fn a_connection_lasts_for_thousands_of_ends() {
    let (_agent, session) = session().await;
    for _ in 0..3 {
        let execution = session.exec(ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) }).await.unwrap();
        let process = ProcessSelector::Pid(execution.pid());
        let followers = (0..700).map(|_| session.attach(&process, None, HELD));
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

#[tokio::test]
async fn sixty_four_megabytes_each_way_in_little_memory() {
    let (agent, session) = session().await;
    let sent = Bytes::from(pattern(64 << 20));
    let before = agent.peak_memory();
    let mut rest = sent.clone();
    let pieces = std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(100_000));
        (!piece.is_empty()).then_some(Ok(piece))
    });
    let path = agent.folder().join("large");
    session.write(&path, WriteOptions::default(), futures::stream::iter(pieces).boxed(), None).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == sent, "other bytes arrived");
    let back: Vec<Bytes> = session.read(&path, None).await.unwrap().stream.try_collect().await.unwrap();
    assert!(back.concat() == sent, "other bytes came back");
    let grown = agent.peak_memory() - before;
    assert!(grown < 16 << 20, "the agent grew by {grown} bytes");
}

#[tokio::test]
async fn without_the_token_nobody_gets_in() {
    let (_agent, address) = Agent::start_on_tcp("a secret");
    for token in [None, Some(AccessToken::new("another secret"))] {
        let options = SessionOptions { token, lease: None };
        let session = AgentSession::connect(&Tcp(address.clone()), options).await.unwrap();
        session.health().await.unwrap();
        let faults = [
            session.exec(ExecRequest::new(["true"])).await.map(drop),
            session.commands().await.map(drop),
            session.stat("/".as_ref(), None).await.map(drop),
            session.list("/".as_ref(), None).await.map(drop),
            session.read("/etc/passwd".as_ref(), None).await.map(drop),
            session.connect(&sandboxer_reach::Target::Port(1), None).await.map(drop),
        ];
        for fault in faults {
            assert_eq!(fault.unwrap_err().kind(), ReachErrorKind::Unauthenticated);
        }
    }
    let nonsense = SessionOptions { token: Some(AccessToken::new("two\nlines")), lease: None };
    let fault = AgentSession::connect(&Tcp(address), nonsense).await.map(drop).unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
    assert!(!format!("{fault} {fault:?}").contains("two"));
}

#[tokio::test]
async fn where_nobody_listens_the_place_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixSocket(folder.path().join("none.sock"));
    let fault = AgentSession::connect(&socket, SessionOptions::default()).await.map(drop).unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Unreachable);
    assert!(fault.to_string().contains("none.sock"), "{fault}");
}

/// Places a lease as any client could.
fn set_lease(agent: &Agent, message: &str) {
    let head = "POST /sandboxer.agent.v1.Agent/SetLease HTTP/1.1\r\nhost: agent\r\nconnection: close";
    let mut stream = std::os::unix::net::UnixStream::connect(agent.socket()).unwrap();
    let length = message.len();
    let kind = "content-type: application/json";
    write!(stream, "{head}\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{message}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn commands_of_a_session_under_a_lease_end_with_it() {
    let agent = Agent::start();
    set_lease(&agent, r#"{"name": "a lease", "ttlMs": 60000}"#);
    let options = SessionOptions { token: None, lease: Some("a lease".to_owned()) };
    let session = AgentSession::connect(&UnixSocket(agent.socket()), options).await.unwrap();
    let mut under = session.exec(ExecRequest::new(["sleep", "1000"])).await.unwrap();
    let beside = agent.session().await.exec(ExecRequest::new(["sleep", "1000"])).await.unwrap();
    set_lease(&agent, r#"{"name": "a lease", "ttlMs": 100}"#);
    assert_eq!(under.wait().await.unwrap().shell_code(), 137);
    beside.input().signal(15).await.unwrap();
}

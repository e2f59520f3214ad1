//! Commands through a real agent: what they are given and what they give back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use sandboxer_reach::{
    AgentSession, ExecRequest, ExitStatus, ProcessSelector, ReachErrorKind, Session, SignalScope, WindowSize,
};
use support::{Agent, finish, is_root, own_name, read_until, run, shell};

fn signalled(signal: i32) -> ExitStatus {
    ExitStatus::Signal { signal, core_dumped: false }
}

async fn session() -> (Agent, AgentSession) {
    let agent = Agent::start();
    let session = agent.session().await;
    (agent, session)
}

#[tokio::test]
async fn the_agent_answers() {
    let (_agent, session) = session().await;
    session.health().await.unwrap();
}

#[tokio::test]
async fn outputs_are_told_apart_and_the_code_is_exact() {
    let (_agent, session) = session().await;
    let finished = run(&session, shell("echo out; echo err >&2; exit 3")).await.unwrap();
    assert_eq!((finished.text(), &finished.stderr[..]), ("out\n", &b"err\n"[..]));
    assert_eq!(finished.exit, ExitStatus::Code(3));
    let finished = run(&session, ExecRequest::new(["true"])).await.unwrap();
    assert_eq!(finished.exit, ExitStatus::Code(0));
    let finished = run(&session, shell("exit 255")).await.unwrap();
    assert_eq!(finished.exit, ExitStatus::Code(255));
}

#[tokio::test]
async fn input_arrives_in_order_and_ends() {
    let (_agent, session) = session().await;
    let mut execution = session.exec(ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) }).await.unwrap();
    let input = execution.input();
    for number in 0..200 {
        input.write(format!("{number}\n")).await.unwrap();
    }
    input.close_stdin().await.unwrap();
    let finished = finish(&mut execution).await.unwrap();
    let expected: String = (0..200).map(|number| format!("{number}\n")).collect();
    assert_eq!((finished.text(), finished.exit), (expected.as_str(), ExitStatus::Code(0)));
    assert_eq!(input.write("late").await.unwrap_err().kind(), ReachErrorKind::InputClosed);
}

#[tokio::test]
async fn a_command_without_input_reads_the_null_device() {
    let (_agent, session) = session().await;
    let finished = run(&session, shell("cat; readlink /proc/self/fd/0")).await.unwrap();
    assert_eq!(finished.text(), "/dev/null\n");
}

#[tokio::test]
async fn a_command_that_takes_no_input_says_so() {
    let (_agent, session) = session().await;
    let mut execution = session.exec(ExecRequest { stdin: true, ..shell("exec <&-; echo closed; cat") }).await.unwrap();
    read_until(&mut execution, "closed").await;
    let input = execution.input();
    let mut fault = None;
    while fault.is_none() {
        fault = input.write(vec![0; 100_000]).await.err();
    }
    assert_eq!(fault.unwrap().kind(), ReachErrorKind::InputClosed);
    execution.wait().await.unwrap();
    input.close_stdin().await.unwrap();
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why() {
    let (agent, session) = session().await;
    std::fs::write(agent.path("plain"), "text").unwrap();
    std::fs::write(agent.path("odd"), "\0\0\0\0 no program").unwrap();
    std::fs::set_permissions(agent.path("odd"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (program, kind, code) in [
        ("no-such-program".to_owned(), ReachErrorKind::CommandNotFound, 127),
        ("/no/such/program".to_owned(), ReachErrorKind::CommandNotFound, 127),
        ("./no-such-program".to_owned(), ReachErrorKind::CommandNotFound, 127),
        ("/etc/passwd/x".to_owned(), ReachErrorKind::CommandNotFound, 127),
        (agent.path("plain"), ReachErrorKind::NotExecutable, 126),
        (agent.path("odd"), ReachErrorKind::NotExecutable, 126),
        ("/".to_owned(), ReachErrorKind::NotExecutable, 126),
    ] {
        let fault = session.exec(ExecRequest::new([&program])).await.unwrap_err();
        assert_eq!((fault.kind(), fault.shell_code()), (kind, Some(code)), "{program}: {fault}");
        assert!(fault.to_string().contains(&program), "{fault}");
    }
    let request = ExecRequest { cwd: Some("/no/such/folder".to_owned()), ..ExecRequest::new(["true"]) };
    let fault = session.exec(request).await.unwrap_err();
    assert_eq!((fault.kind(), fault.shell_code()), (ReachErrorKind::WorkingDirectory, None));
    let fault = session.exec(ExecRequest::default()).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
    let fault = session.exec(ExecRequest::new(["true", "a\0b"])).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
    assert_eq!(session.processes().await.unwrap(), []);
}

#[tokio::test]
async fn the_environment_is_the_users_and_the_requests() {
    let agent = Agent::start_with(|options| {
        options.environment.insert("EVERYWHERE".to_owned(), "1".to_owned());
    });
    let session = agent.session().await;
    let mut request = shell("echo $A:$EVERYWHERE:$USER:$LOGNAME:${TERM-none}; cd; [ \"$PWD\" = \"$HOME\" ] || exit 1");
    request.env.insert("A".to_owned(), "b c=d".to_owned());
    let finished = run(&session, request).await.unwrap();
    let name = own_name();
    assert_eq!(finished.text(), format!("b c=d:1:{name}:{name}:none\n"));
    assert_eq!(finished.exit, ExitStatus::Code(0));
    let finished = run(&session, shell("env -i sh -c 'tr \"\\0\" \"\\n\" < /proc/$PPID/environ'")).await.unwrap();
    assert!(!finished.text().contains("SANDBOXER_TEST_AGENT"), "the agent's own environment leaked");
}

#[tokio::test]
async fn the_commands_own_path_is_searched() {
    let (agent, session) = session().await;
    std::fs::create_dir(agent.path("bin")).unwrap();
    std::fs::write(agent.path("bin/tool"), "#!/bin/sh\necho found\n").unwrap();
    std::fs::set_permissions(agent.path("bin/tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut request = ExecRequest::new(["tool"]);
    request.env.insert("PATH".to_owned(), format!("/nowhere:{}", agent.path("bin")));
    assert_eq!(run(&session, request).await.unwrap().text(), "found\n");
}

#[tokio::test]
async fn commands_run_in_the_working_directory() {
    let (agent, session) = session().await;
    let here = std::fs::canonicalize(agent.path("")).unwrap();
    let finished = run(&session, ExecRequest::new(["pwd"])).await.unwrap();
    assert_eq!(finished.text().trim_end(), here.to_str().unwrap());
    let request = ExecRequest { cwd: Some("/usr".to_owned()), ..ExecRequest::new(["pwd"]) };
    assert_eq!(run(&session, request).await.unwrap().text(), "/usr\n");
    let request = ExecRequest { cwd: Some(".".to_owned()), ..shell("[ \"$PWD\" = \"$HOME\" ]") };
    assert_eq!(run(&session, request).await.unwrap().exit, ExitStatus::Code(0));
}

#[tokio::test]
async fn a_terminal_echoes_and_changes_its_size() {
    let (_agent, session) = session().await;
    let script = "trap 'stty size' WINCH; tty; stty size; echo $TERM; while :; do read line && echo got $line; done";
    let request = ExecRequest { pty: Some(WindowSize { rows: 24, cols: 80 }), ..shell(script) };
    let mut execution = session.exec(request).await.unwrap();
    let text = read_until(&mut execution, "xterm-256color").await;
    assert!(text.contains("/dev/pts/") && text.contains("24 80"), "{text}");
    let input = execution.input();
    input.write("hello\n").await.unwrap();
    let text = read_until(&mut execution, "got hello").await;
    assert!(text.starts_with("hello") || text.contains("\nhello"), "no echo: {text}");
    input.resize(WindowSize { rows: 30, cols: 100 }).await.unwrap();
    input.write("\n").await.unwrap();
    read_until(&mut execution, "30 100").await;
    let fault = input.close_stdin().await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Precondition);
    session.signal(&ProcessSelector::Pid(execution.pid()), 1, SignalScope::Group).await.unwrap();
    assert_eq!(execution.wait().await.unwrap(), signalled(1));
}

#[tokio::test]
async fn a_terminal_ends_at_control_d() {
    let (_agent, session) = session().await;
    let request = ExecRequest { pty: Some(WindowSize { rows: 24, cols: 80 }), ..ExecRequest::new(["cat"]) };
    let mut execution = session.exec(request).await.unwrap();
    execution.input().write("line\n\x04").await.unwrap();
    let finished = finish(&mut execution).await.unwrap();
    assert_eq!((finished.text(), finished.exit), ("line\r\nline\r\n", ExitStatus::Code(0)));
}

#[tokio::test]
async fn an_unknown_user_is_refused() {
    let (_agent, session) = session().await;
    let request = ExecRequest { user: Some("no-such-user".to_owned()), ..ExecRequest::new(["true"]) };
    assert_eq!(session.exec(request).await.unwrap_err().kind(), ReachErrorKind::UnknownUser);
}

#[tokio::test]
async fn commands_run_as_the_user_asked_for() {
    let agent = Agent::start_with(|options| options.workdir = None);
    let session = agent.session().await;
    let script = "id -u; id -g; id -G; grep Cap /proc/self/status | sort -u -k2 | wc -l";
    let request = ExecRequest { user: Some("nobody".to_owned()), ..shell(script) };
    if !is_root() {
        assert_eq!(session.exec(request).await.unwrap_err().kind(), ReachErrorKind::PermissionDenied);
        return;
    }
    let finished = run(&session, request).await.unwrap();
    let lines: Vec<&str> = finished.text().lines().collect();
    assert_eq!(lines[..3], ["65534", "65534", "65534"]);
    let request = ExecRequest { user: Some("nobody".to_owned()), ..shell("cat /etc/shadow") };
    assert_ne!(run(&session, request).await.unwrap().exit, ExitStatus::Code(0));
    let request = ExecRequest {
        user: Some("nobody".to_owned()),
        pty: Some(WindowSize { rows: 2, cols: 3 }),
        ..shell("stat -c %u $(tty); echo > $(tty)")
    };
    assert_eq!(run(&session, request).await.unwrap().text(), "65534\r\n\r\n");
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

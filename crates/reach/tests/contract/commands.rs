//! Commands: what they are given and what they give back.

use sandboxer_reach::{ExecRequest, ExitStatus, ProcessSelector, ReachErrorKind, SignalScope, WindowSize};

use crate::bench::Bench;
use crate::support::{finish, pattern, read_until, run, shell};

pub(crate) async fn the_other_side_answers(bench: &Bench) {
    bench.session.health().await.unwrap();
}

pub(crate) async fn outputs_are_told_apart_and_the_code_is_exact(bench: &Bench) {
    let session = bench.session.as_ref();
    let finished = run(session, shell("echo out; echo err >&2; exit 3")).await.unwrap();
    assert_eq!((finished.text(), &finished.stderr[..]), ("out\n", &b"err\n"[..]));
    assert_eq!(finished.exit, ExitStatus::Code(3));
    for code in [0, 1, 2, 126, 127, 137, 255] {
        let mut execution = session.exec(shell(&format!("printf 1; printf 23 >&2; exit {code}"))).await.unwrap();
        assert_eq!((execution.offset(), execution.has_terminal()), (0, false));
        assert_eq!(finish(&mut execution).await.unwrap().exit, ExitStatus::Code(code));
        assert_eq!(execution.offset(), 3);
    }
}

pub(crate) async fn input_arrives_in_order_and_ends(bench: &Bench) {
    let request = ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) };
    let mut execution = bench.session.exec(request).await.unwrap();
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

pub(crate) async fn a_command_without_input_reads_the_null_device(bench: &Bench) {
    assert_eq!(bench.sh("cat; readlink /proc/self/fd/0").await, "/dev/null\n");
}

pub(crate) async fn a_command_that_takes_no_input_says_so(bench: &Bench) {
    let request = ExecRequest { stdin: true, ..shell("exec <&-; echo closed; cat") };
    let mut execution = bench.session.exec(request).await.unwrap();
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

pub(crate) async fn a_command_that_cannot_start_says_why(bench: &Bench) {
    bench.sh("echo text > plain; printf '\\0\\0\\0\\0 no program' > odd; chmod 755 odd").await;
    let before = bench.session.commands().await.unwrap().len();
    for (program, kind, code) in [
        ("no-such-program".to_owned(), ReachErrorKind::CommandNotFound, 127),
        ("/no/such/program".to_owned(), ReachErrorKind::CommandNotFound, 127),
        ("./no-such-program".to_owned(), ReachErrorKind::CommandNotFound, 127),
        ("/etc/passwd/x".to_owned(), ReachErrorKind::CommandNotFound, 127),
        (bench.text("plain"), ReachErrorKind::NotExecutable, 126),
        (bench.text("odd"), ReachErrorKind::NotExecutable, 126),
        ("/".to_owned(), ReachErrorKind::NotExecutable, 126),
    ] {
        let fault = bench.session.exec(ExecRequest::new([&program])).await.unwrap_err();
        assert_eq!((fault.kind(), fault.shell_code()), (kind, Some(code)), "{program}: {fault}");
        assert!(fault.to_string().contains(&program), "{fault}");
    }
    let request = ExecRequest { cwd: Some("/no/such/folder".to_owned()), ..ExecRequest::new(["true"]) };
    let fault = bench.session.exec(request).await.unwrap_err();
    assert_eq!((fault.kind(), fault.shell_code()), (ReachErrorKind::WorkingDirectory, None));
    for nonsense in [ExecRequest::default(), ExecRequest::new(["true", "a\0b"])] {
        let fault = bench.session.exec(nonsense).await.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
    }
    assert_eq!(bench.session.commands().await.unwrap().len(), before, "what did not start is no command");
}

pub(crate) async fn the_environment_is_the_users_and_the_requests(bench: &Bench) {
    let mut request = shell("echo $A:$USER:$LOGNAME:${TERM-none}; cd; [ \"$PWD\" = \"$HOME\" ] || exit 1");
    request.env.insert("A".to_owned(), "b c=d".to_owned());
    let finished = run(bench.session.as_ref(), request).await.unwrap();
    let line = finished.text().trim_end();
    let words: Vec<&str> = line.split(':').collect();
    assert_eq!((words[0], words[3], finished.exit), ("b c=d", "none", ExitStatus::Code(0)), "{line}");
    assert!(!words[1].is_empty() && words[1] == words[2], "{line}");
    let own = bench.sh("env -i sh -c 'tr \"\\0\" \"\\n\" < /proc/$PPID/environ'").await;
    assert!(!own.contains("SANDBOXER_"), "the other side's own environment leaked: {own}");
}

pub(crate) async fn the_commands_own_path_is_searched(bench: &Bench) {
    bench.sh("mkdir bin; printf '#!/bin/sh\\necho found\\n' > bin/tool; chmod 755 bin/tool").await;
    let mut request = ExecRequest::new(["tool"]);
    request.env.insert("PATH".to_owned(), format!("/nowhere:{}", bench.text("bin")));
    assert_eq!(run(bench.session.as_ref(), request).await.unwrap().text(), "found\n");
}

pub(crate) async fn commands_run_in_the_working_directory(bench: &Bench) {
    assert_eq!(bench.sh("pwd -P").await.trim_end(), bench.kind.folder().to_str().unwrap());
    let request = ExecRequest { cwd: Some("/usr".to_owned()), ..ExecRequest::new(["pwd"]) };
    assert_eq!(run(bench.session.as_ref(), request).await.unwrap().text(), "/usr\n");
    let request = ExecRequest { cwd: Some(".".to_owned()), ..shell("[ \"$PWD\" = \"$HOME\" ]") };
    assert_eq!(run(bench.session.as_ref(), request).await.unwrap().exit, ExitStatus::Code(0));
}

pub(crate) async fn a_terminal_echoes_and_changes_its_size(bench: &Bench) {
    let script = "trap 'stty size' WINCH; tty; stty size; echo $TERM; while :; do read line && echo got $line; done";
    let request = ExecRequest { pty: Some(WindowSize { rows: 24, cols: 80 }), ..shell(script) };
    let mut execution = bench.session.exec(request).await.unwrap();
    assert!(execution.has_terminal());
    let text = read_until(&mut execution, "xterm-256color").await;
    assert!(text.contains("/dev/pts/") && text.contains("24 80"), "{text}");
    let input = execution.input();
    input.write("hello\n").await.unwrap();
    let text = read_until(&mut execution, "got hello").await;
    assert!(text.starts_with("hello") || text.contains("\nhello"), "no echo: {text}");
    input.resize(WindowSize { rows: 30, cols: 100 }).await.unwrap();
    input.write("\n").await.unwrap();
    read_until(&mut execution, "30 100").await;
    assert_eq!(input.close_stdin().await.unwrap_err().kind(), ReachErrorKind::Precondition);
    bench.session.signal(&ProcessSelector::Pid(execution.pid()), 1, SignalScope::Group).await.unwrap();
    assert_eq!(execution.wait().await.unwrap(), ExitStatus::Signal { signal: 1, core_dumped: false });
}

pub(crate) async fn a_terminal_ends_at_control_d(bench: &Bench) {
    let request = ExecRequest { pty: Some(WindowSize { rows: 24, cols: 80 }), ..ExecRequest::new(["cat"]) };
    let mut execution = bench.session.exec(request).await.unwrap();
    execution.input().write("line\n\x04").await.unwrap();
    let finished = finish(&mut execution).await.unwrap();
    assert_eq!((finished.text(), finished.exit), ("line\r\nline\r\n", ExitStatus::Code(0)));
}

pub(crate) async fn an_unknown_user_is_refused(bench: &Bench) {
    let request = ExecRequest { user: Some("no-such-user".to_owned()), ..ExecRequest::new(["true"]) };
    assert_eq!(bench.session.exec(request).await.unwrap_err().kind(), ReachErrorKind::UnknownUser);
}

pub(crate) async fn commands_run_as_the_user_asked_for(bench: &Bench) {
    let Some(other) = bench.kind.other_user() else { return };
    let user = Some(other.to_owned());
    let request = ExecRequest { user: user.clone(), cwd: Some("/".to_owned()), ..shell("id -un; id -u; id -g; id -G") };
    let finished = run(bench.session.as_ref(), request).await.unwrap();
    let lines: Vec<&str> = finished.text().lines().collect();
    assert_eq!((lines[0], lines[2]), (other, lines[3]), "{lines:?}");
    assert_ne!(lines[1], "0");
    let request = ExecRequest { user: user.clone(), cwd: Some("/".to_owned()), ..shell("cat /etc/shadow") };
    assert_ne!(run(bench.session.as_ref(), request).await.unwrap().exit, ExitStatus::Code(0));
    let request = ExecRequest {
        user,
        cwd: Some("/".to_owned()),
        pty: Some(WindowSize { rows: 2, cols: 3 }),
        ..shell("stat -c %U $(tty); echo > $(tty)")
    };
    assert_eq!(run(bench.session.as_ref(), request).await.unwrap().text(), format!("{other}\r\n\r\n"));
}

pub(crate) async fn ten_megabytes_both_ways(bench: &Bench) {
    let sent = bytes::Bytes::from(pattern(10 << 20));
    let request = ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) };
    let mut execution = bench.session.exec(request).await.unwrap();
    let input = execution.input();
    let (whole, writer) = (sent.clone(), async move {
        input.write(sent).await.unwrap();
        input.close_stdin().await.unwrap();
    });
    let ((), finished) = tokio::join!(writer, finish(&mut execution));
    let finished = finished.unwrap();
    assert_eq!((finished.exit, execution.offset()), (ExitStatus::Code(0), 10 << 20));
    assert!(finished.stdout == whole, "{} bytes came back, or others", finished.stdout.len());
}

pub(crate) async fn nothing_of_quick_output_is_lost(bench: &Bench) {
    for _ in 0..20 {
        let request = shell("head -c 300000 /dev/zero; head -c 70000 /dev/zero >&2");
        let finished = run(bench.session.as_ref(), request).await.unwrap();
        assert_eq!((finished.stdout.len(), finished.stderr.len()), (300_000, 70_000));
    }
}

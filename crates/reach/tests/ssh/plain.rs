//! A machine where no agent runs.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use sandboxer_reach::{
    Content, ExecEvent, ExecRequest, ExitStatus, PlainSession, ProcessSelector, ReachErrorKind as Kind, Session as _,
    SignalScope, WindowSize, WriteOptions,
};

use crate::pushing::names;
use crate::support::sshd::Machine;
use crate::support::{finish, pattern, read_until, run, shell};

fn plain() -> (Machine, PlainSession) {
    let machine = Machine::start();
    let noise = "echo Welcome; printf 'You have mail. '; echo no >&2\n";
    std::fs::write(machine.home().join(".bashrc"), noise).unwrap();
    let session = PlainSession::new(machine.master());
    (machine, session)
}

async fn whole(content: Content) -> Vec<u8> {
    content.stream.try_fold(Vec::new(), |all, part| async move { Ok([all, part.to_vec()].concat()) }).await.unwrap()
}

async fn write(session: &PlainSession, path: &Path, text: &[u8], mode: Option<u32>) {
    let content = futures::stream::iter([Ok(Bytes::copy_from_slice(text))]).boxed();
    session.write(path, WriteOptions { mode }, content, None).await.unwrap();
}

#[tokio::test]
async fn commands_are_what_was_asked_for() {
    let (machine, session) = plain();
    session.health().await.unwrap();
    let finished = run(&session, shell("printf out; printf '\\nerr\\n' >&2; exit 42")).await.unwrap();
    assert_eq!((finished.text(), finished.exit), ("out", ExitStatus::Code(42)));
    assert_eq!(finished.stderr, b"\nerr\n");
    let odd = ["it's", "a b", "", "$HOME;`id`", "two\nlines\n", "*", "-n", "ü\\n%s", "\u{1}"];
    let argv = ["printf", "[%s]"].into_iter().chain(odd);
    let finished = run(&session, ExecRequest::new(argv)).await.unwrap();
    assert_eq!(finished.text(), odd.map(|word| format!("[{word}]")).concat());
    let env =
        [("ODD", "a'b\n c"), ("IFS", "x"), ("PATH", "/usr/bin:/bin")].map(|(name, value)| (name.into(), value.into()));
    let cwd = Some(machine.path("home/..").to_str().unwrap().to_owned());
    let request = ExecRequest { env: env.into(), cwd, ..shell("printf %s \"$ODD\"; pwd -P") };
    let folder = machine.home().canonicalize().unwrap().parent().unwrap().display().to_string();
    assert_eq!(run(&session, request).await.unwrap().text(), format!("a'b\n c{folder}\n"));
    assert_eq!(run(&session, shell("cat; echo end")).await.unwrap().text(), "end\n");
    assert_eq!(run(&session, shell("kill -9 $$")).await.unwrap().exit, ExitStatus::Code(137));
    let finished = run(&session, shell("sleep 1000 & echo $!")).await.unwrap();
    let left = ProcessSelector::Pid(finished.text().trim().parse().unwrap());
    session.signal(&left, 9, SignalScope::Process).await.unwrap();
}

#[tokio::test]
async fn a_sandbox_is_entered_by_words() {
    let (machine, _) = plain();
    let enter = ["env", "INSIDE=it's $(inside)"].map(str::to_owned).to_vec();
    for master in [Some(machine.master()), None] {
        let session = PlainSession::inside(master, enter.clone());
        assert_eq!(run(&session, shell("printf %s \"$INSIDE\"")).await.unwrap().text(), "it's $(inside)");
        assert_eq!(run(&session, shell("cat; exit 3")).await.unwrap().exit, ExitStatus::Code(3));
        let path = machine.path("inside");
        write(&session, &path, b"a\0b\n", Some(0o640)).await;
        assert_eq!(whole(session.read(&path, None).await.unwrap()).await, b"a\0b\n");
    }
    // Words that enter nothing.
    for (master, word) in [(Some(machine.master()), "false"), (None, "false"), (None, "/none")] {
        let session = PlainSession::inside(master, vec![word.to_owned()]);
        let error = session.health().await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Unreachable | Kind::Protocol), "{word}: {error:?}");
    }
}

#[tokio::test]
async fn commands_that_cannot_start_say_why() {
    let (machine, session) = plain();
    let nowhere = ExecRequest { cwd: Some("/none".to_owned()), ..shell(":") };
    let odd = ExecRequest { env: [("A-B".to_owned(), String::new())].into(), ..shell(":") };
    let terminal = ExecRequest { pty: Some(WindowSize { rows: 1, cols: 1 }), ..shell(":") };
    let somebody = ExecRequest { user: Some("nobody".to_owned()), ..shell(":") };
    for (request, kind) in [
        (ExecRequest::new(["no-such-program"]), Kind::CommandNotFound),
        (ExecRequest::new(["/none/x"]), Kind::CommandNotFound),
        (ExecRequest::new([machine.home().to_str().unwrap()]), Kind::NotExecutable),
        (ExecRequest::new([""]), Kind::CommandNotFound),
        (ExecRequest::new(["echo", "a\0b"]), Kind::InvalidInput),
        (ExecRequest::default(), Kind::InvalidInput),
        (nowhere, Kind::WorkingDirectory),
        (odd, Kind::InvalidInput),
        (terminal, Kind::Unsupported),
        (somebody, Kind::Unsupported),
    ] {
        let shown = format!("{request:?}");
        assert_eq!(session.exec(request).await.unwrap_err().kind(), kind, "{shown}");
    }
    assert_eq!(session.commands().await.unwrap_err().kind(), Kind::Unsupported);
}

#[tokio::test]
async fn input_goes_in_and_comes_back_and_signals_arrive() {
    let (_machine, session) = plain();
    let request = ExecRequest { stdin: true, ..ExecRequest::new(["cat"]) };
    let mut execution = session.exec(request.clone()).await.unwrap();
    let (input, sent) = (execution.input(), pattern(3_000_000));
    let text = sent.clone();
    let writing = tokio::spawn(async move {
        for part in text.chunks(100_000) {
            input.write(part.to_vec()).await.unwrap();
        }
        input.close_stdin().await.unwrap();
        assert_eq!(input.write("late").await.unwrap_err().kind(), Kind::InputClosed);
    });
    let finished = finish(&mut execution).await.unwrap();
    writing.await.unwrap();
    assert_eq!((finished.stdout == sent, finished.exit), (true, ExitStatus::Code(0)));
    let mut execution =
        session.exec(shell("trap 'echo told; exit 3' USR1; echo ready; while :; do sleep 0.05; done")).await.unwrap();
    read_until(&mut execution, "ready\n").await;
    execution.input().signal(10).await.unwrap();
    read_until(&mut execution, "told\n").await;
    assert_eq!(execution.wait().await.unwrap(), ExitStatus::Code(3));
    assert_eq!(execution.input().signal(10).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(execution.input().signal(0).await.unwrap_err().kind(), Kind::InvalidInput);
}

#[tokio::test]
async fn files_go_in_and_come_back() {
    let (machine, session) = plain();
    let sent = pattern(5_000_000);
    for name in ["plain", "deep/er/file", "it's $(odd)\n\"name\" -\\ü", "-n", "empty"] {
        let path = machine.home().join(name);
        let text = if name == "empty" { &sent[..0] } else { &sent };
        write(&session, &path, text, None).await;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644, "{name}");
        assert!(whole(session.read(&path, None).await.unwrap()).await == text, "{name}");
        write(&session, &path, b"again", Some(0o750)).await;
        write(&session, &path, b"once more", None).await;
        assert_eq!(std::fs::read(&path).unwrap(), b"once more");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
    }
    assert!(!whole(session.read(Path::new("/proc/self/status"), None).await.unwrap()).await.is_empty());
    let (home, kind) =
        (machine.home(), |result: Result<(), _>| result.map_err(|error: sandboxer_reach::ReachError| error.kind()));
    assert_eq!(session.read(&home.join("none"), None).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(session.read(&home, None).await.unwrap_err().kind(), Kind::Precondition);
    assert_eq!(kind(session.make_dir(&home.join("a/b"), None).await), Ok(()));
    assert_eq!(kind(session.make_dir(&home.join("a/b"), None).await), Err(Kind::AlreadyExists));
    assert_eq!(kind(session.rename(&home.join("plain"), &home.join("a/moved"), None).await), Ok(()));
    assert_eq!(kind(session.rename(&home.join("plain"), &home.join("x"), None).await), Err(Kind::NotFound));
    assert_eq!(kind(session.set_mode(&home.join("a/moved"), 0o600, None).await), Ok(()));
    assert_eq!(kind(session.make_symlink(&home.join("link"), Path::new("a b"), None).await), Ok(()));
    assert_eq!(kind(session.make_hard_link(&home.join("a/more"), &home.join("a/moved"), None).await), Ok(()));
    assert_eq!(std::fs::read_link(home.join("link")).unwrap(), Path::new("a b"));
    assert_eq!(names(&home.join("a")), ["b", "more", "moved"]);
    assert_eq!(kind(session.remove(&home.join("a"), None).await), Ok(()));
    assert_eq!(kind(session.remove(&home.join("a"), None).await), Ok(()));
}

#[tokio::test]
async fn half_a_file_is_none() {
    let (machine, session) = plain();
    let path = machine.home().join("folder/file");
    write(&session, &path, b"before", None).await;
    let content = futures::stream::iter([Ok(Bytes::from(vec![0; 100_000])), Err(io::Error::other("no more"))]).boxed();
    let error = session.write(&path, WriteOptions::default(), content, None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Local);
    assert_eq!(
        (std::fs::read(&path).unwrap(), names(path.parent().unwrap())),
        (b"before".to_vec(), vec!["file".to_owned()])
    );
    let content = futures::stream::iter([Ok(Bytes::from("x"))]).boxed();
    let error =
        session.write(&machine.home().join("folder"), WriteOptions::default(), content, None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Precondition);
    let content = futures::stream::iter([Ok(Bytes::from("x"))]).boxed();
    let error = session.write(&path.join("below"), WriteOptions::default(), content, None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::AlreadyExists, "{error}");
    assert_eq!(names(&machine.home()), [".bashrc", "folder"]);
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_exit() {
    let (machine, session) = plain();
    // It ends with its input: nothing else would tell it.
    let request = ExecRequest { stdin: true, ..shell("echo ready; exec cat") };
    let mut execution = session.exec(request).await.unwrap();
    assert!(matches!(execution.next_event().await.unwrap(), Some(ExecEvent::Stdout(_) | ExecEvent::Stderr(_))));
    machine.stop();
    let error = execution.wait().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable, "{error:?}");
    let refused = async {
        // The connection notices in its own time that it is gone.
        loop {
            match session.health().await.unwrap_err().kind() {
                Kind::Refused => return,
                Kind::Unreachable => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), refused).await.unwrap();
    machine.start_again();
    assert_eq!(run(&session, shell("echo back")).await.unwrap().text(), "back\n");
}

#[tokio::test]
async fn every_kind_of_shell_does() {
    for shell in ["dash", "bash", "bash --posix", "busybox sh"] {
        let machine = Machine::start_with(&format!("ForceCommand exec {shell}\n"));
        let session = PlainSession::new(machine.master());
        let request = ExecRequest {
            stdin: true,
            ..ExecRequest::new(["sh", "-c", "cat; printf '%s' \"$1\"; exit 5", "sh", "a'b\n"])
        };
        let mut execution = session.exec(request).await.unwrap();
        execution.input().write("there\n").await.unwrap();
        execution.input().close_stdin().await.unwrap();
        let finished = finish(&mut execution).await.unwrap();
        assert_eq!((finished.text(), finished.exit), ("there\na'b\n", ExitStatus::Code(5)), "{shell}");
        let path = machine.home().join("it's");
        write(&session, &path, b"text", None).await;
        assert_eq!(whole(session.read(&path, None).await.unwrap()).await, b"text");
        session.rename(&path, &machine.home().join("moved"), None).await.unwrap();
        session.make_hard_link(&machine.home().join("more"), &machine.home().join("moved"), None).await.unwrap();
        session.remove(&machine.home().join("moved"), None).await.unwrap();
        assert_eq!(names(&machine.home()), ["more"], "{shell}");
    }
}

//! Commands, followed by others and later.

use std::time::Duration;

use futures::TryStreamExt as _;
use sandboxer_reach::{
    Ending, ExecEvent, ExecRequest, Execution, ExitStatus, ProcessSelector, ReachErrorKind, WindowSize,
};

use crate::bench::Bench;
use crate::lifetimes::signalled;
use crate::support::{HELD, finish, read_until, run, shell};

fn tagged(tag: &str, script: &str) -> ExecRequest {
    ExecRequest { tag: Some(tag.to_owned()), ..shell(script) }
}

fn tag(text: &str) -> ProcessSelector {
    ProcessSelector::Tag(text.to_owned())
}

/// Everything that is told, as it is told, with gaps.
async fn all_events(execution: &mut Execution) -> Vec<ExecEvent> {
    let mut events = Vec::new();
    while let Some(event) = execution.next_event().await.unwrap() {
        events.push(event);
    }
    events
}

/// The bytes of all output in the order in which they came.
fn bytes_of(events: &[ExecEvent]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        match event {
            ExecEvent::Stdout(piece) | ExecEvent::Stderr(piece) | ExecEvent::Pty(piece) => {
                bytes.extend_from_slice(piece);
            }
            ExecEvent::Gap { from, to } => panic!("bytes {from} to {to} are lost"),
        }
    }
    bytes
}

pub(crate) async fn running_and_ended_commands_are_listed(bench: &Bench) {
    assert_eq!(bench.session.commands().await.unwrap(), []);
    let mut oldest = bench.session.exec(ExecRequest { stdin: true, ..tagged("oldest", "read line") }).await.unwrap();
    let mut request = tagged("first", "printf abc; printf de >&2; exit 9");
    request.cwd = Some("/usr".to_owned());
    run(bench.session.as_ref(), request).await.unwrap();
    run(bench.session.as_ref(), shell("kill -15 $$")).await.unwrap();
    let mut request = ExecRequest { stdin: true, ..tagged("second", "printf x; read line") };
    request.env.insert("A".to_owned(), "b".to_owned());
    let mut running = bench.session.exec(request).await.unwrap();
    read_until(&mut running, "x").await;
    let listed = bench.session.commands().await.unwrap();
    let [first, ended, killed, second] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((first.tag.as_deref(), first.ending), (Some("oldest"), None));
    assert_eq!((ended.tag.as_deref(), ended.cwd.as_deref()), (Some("first"), Some("/usr")));
    assert_eq!(ended.argv[..2], ["/bin/sh", "-c"]);
    assert_eq!(ended.ending, Some(Ending { status: ExitStatus::Code(9), timed_out: false }));
    assert_eq!((ended.output, ended.kept_from), (5, 0));
    assert_eq!(killed.ending.map(|ending| ending.status), Some(signalled(15)));
    assert_eq!((second.pid, second.ending, second.output), (running.pid(), None, 1));
    assert_eq!((second.tag.as_deref(), second.argv[2].as_str()), (Some("second"), "printf x; read line"));
    assert_eq!(second.environment.get("A").map(String::as_str), Some("b"));
    assert!(ended.started.unwrap() <= second.started.unwrap());
    assert!(second.started.unwrap().elapsed().unwrap() < Duration::from_secs(600));
    for command in [&mut running, &mut oldest] {
        command.input().close_stdin().await.unwrap();
        command.wait().await.unwrap();
    }
}

pub(crate) async fn ended_commands_are_remembered(bench: &Bench) {
    let mut execution = bench.session.exec(tagged("t", "echo out; echo err >&2; exit 9")).await.unwrap();
    let seen = finish(&mut execution).await.unwrap();
    let by_pid = ProcessSelector::Pid(execution.pid());
    assert_eq!(bench.session.wait(&by_pid).await.unwrap(), ExitStatus::Code(9));
    let mut attached = bench.session.attach(&tag("t"), None, HELD).await.unwrap();
    assert_eq!((attached.pid(), attached.offset()), (execution.pid(), 8));
    assert_eq!((all_events(&mut attached).await, attached.wait().await.unwrap()), (vec![], ExitStatus::Code(9)));
    let mut attached = bench.session.attach(&by_pid, Some(0), HELD).await.unwrap();
    assert_eq!(finish(&mut attached).await.unwrap(), seen);
    let unknown = ProcessSelector::Pid(4_000_000);
    assert_eq!(bench.session.wait(&unknown).await.unwrap_err().kind(), ReachErrorKind::NotFound);
    for unknown in [unknown, tag("other")] {
        let fault = bench.session.attach(&unknown, None, HELD).await.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::NotFound);
    }
}

pub(crate) async fn the_latest_of_a_tag_is_meant(bench: &Bench) {
    for code in [1, 2] {
        run(bench.session.as_ref(), tagged("t", &format!("exit {code}"))).await.unwrap();
    }
    assert_eq!(bench.session.wait(&tag("t")).await.unwrap(), ExitStatus::Code(2));
}

pub(crate) async fn two_followers_get_the_same(bench: &Bench) {
    let request = ExecRequest { stdin: true, ..shell("read line; echo $line; echo $line >&2") };
    let mut first = bench.session.exec(request).await.unwrap();
    let mut second = bench.session.attach(&ProcessSelector::Pid(first.pid()), None, HELD).await.unwrap();
    second.input().write("both\n").await.unwrap();
    let (first, second) = tokio::join!(finish(&mut first), finish(&mut second));
    let first = first.unwrap();
    assert_eq!((first.text(), &first.stderr[..]), ("both\n", &b"both\n"[..]));
    assert_eq!(first, second.unwrap());
}

pub(crate) async fn output_is_replayed_from_any_offset(bench: &Bench) {
    // Both streams in turns, so that their order shows.
    let script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo error $i >&2; done";
    let request = ExecRequest { stdin: true, ..tagged("t", &format!("{script}; read line; echo end")) };
    let mut execution = bench.session.exec(request).await.unwrap();
    let mut seen = Vec::new();
    while execution.offset() < 9 * (6 + 8) {
        seen.push(execution.next_event().await.unwrap().unwrap());
    }
    let whole = bytes_of(&seen);
    let mut followers = Vec::new();
    for offset in [0, 1, 5, 6, 7, 50, 125, 126] {
        let follower = bench.another().await.attach(&tag("t"), Some(offset as u64), HELD).await.unwrap();
        assert_eq!(follower.offset(), offset as u64);
        followers.push((offset, follower));
    }
    execution.input().close_stdin().await.unwrap();
    let whole = [&whole[..], b"end\n"].concat();
    for (offset, mut follower) in followers {
        let events = all_events(&mut follower).await;
        assert_eq!(bytes_of(&events), whole[offset..], "from {offset}");
        assert_eq!(follower.offset(), whole.len() as u64);
        assert_eq!(follower.wait().await.unwrap(), ExitStatus::Code(0));
    }
    // After the end, and each stream is still known from the other.
    let mut late = bench.session.attach(&tag("t"), Some(0), HELD).await.unwrap();
    let finished = finish(&mut late).await.unwrap();
    assert!(finished.text().starts_with("out 1\nout 2\n") && finished.text().ends_with("end\n"));
    assert!(finished.stderr.starts_with(b"error 1\nerror 2\n"));
}

pub(crate) async fn without_an_offset_only_what_comes_is_told(bench: &Bench) {
    let request = ExecRequest { stdin: true, ..shell("echo before; read line; echo after") };
    let mut execution = bench.session.exec(request).await.unwrap();
    read_until(&mut execution, "before\n").await;
    let mut follower = bench.session.attach(&ProcessSelector::Pid(execution.pid()), None, HELD).await.unwrap();
    assert_eq!(follower.offset(), 7);
    execution.input().close_stdin().await.unwrap();
    assert_eq!(finish(&mut follower).await.unwrap().text(), "after\n");
}

pub(crate) async fn what_is_no_longer_kept_is_a_gap(bench: &Bench) {
    // Nobody keeps all of this; each line says where it begins.
    let script = "i=0; while [ $i -lt 32000000 ]; do printf '%015d\\n' $i; i=$((i + 16)); done";
    let script = script.replace("32000000", "1600000");
    run(bench.session.as_ref(), tagged("much", &script)).await.unwrap();
    let listed = bench.session.commands().await.unwrap();
    let much = listed.iter().find(|command| command.tag.as_deref() == Some("much")).unwrap();
    assert_eq!(much.output, 1_600_000);
    assert!((1..much.output).contains(&much.kept_from), "kept from {}", much.kept_from);
    let mut follower = bench.session.attach(&tag("much"), Some(3), HELD).await.unwrap();
    let mut events = all_events(&mut follower).await;
    assert_eq!(events.remove(0), ExecEvent::Gap { from: 3, to: much.kept_from });
    let bytes = bytes_of(&events);
    assert_eq!(bytes.len() as u64, much.output - much.kept_from);
    let first_line = much.kept_from.next_multiple_of(16);
    let begin = usize::try_from(first_line - much.kept_from).unwrap();
    assert_eq!(bytes[begin..begin + 16], *format!("{first_line:015}\n").as_bytes());
    assert!(bytes.ends_with(b"000000001599984\n"));
    assert_eq!((follower.offset(), follower.wait().await.unwrap()), (much.output, ExitStatus::Code(0)));
}

pub(crate) async fn an_offset_behind_the_end_is_refused(bench: &Bench) {
    run(bench.session.as_ref(), tagged("t", "echo abc")).await.unwrap();
    let fault = bench.session.attach(&tag("t"), Some(5), HELD).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
    bench.session.attach(&tag("t"), Some(4), HELD).await.unwrap();
}

pub(crate) async fn what_is_kept_is_told_without_waiting(bench: &Bench) {
    let mut execution = bench.session.exec(tagged("t", "echo out; echo err >&2; exec sleep 1000")).await.unwrap();
    while execution.offset() < 8 {
        execution.next_event().await.unwrap();
    }
    let events: Vec<ExecEvent> = bench.session.kept_output(&tag("t"), 2).await.unwrap().try_collect().await.unwrap();
    let bytes = bytes_of(&events);
    assert!(bytes == b"t\nerr\n" || bytes == b"r\nout\n", "{bytes:?}");
    execution.input().signal(9).await.unwrap();
}

/// Lines of 16 bytes that a command prints for each line it reads.
const LINES: u64 = 1024;
const ROUND: u64 = 16 * LINES;
const ROUNDS: u64 = 20;

/// Follows over connections that break all the time. The command says more only when all that it said has come, so that
/// never more is under way than is kept.
pub(crate) async fn a_broken_connection_loses_nothing(bench: &Bench) {
    let print = "n=0; while [ $n -lt 1024 ]; do printf '%015d\\n' $i; i=$((i + 1)); n=$((n + 1)); done";
    let script = format!("i=0; while read line; do {print}; done; exit 6");
    let Some(first) = bench.kind.open_breaking(ROUND / 2).await else { return };
    let mut following = first.exec(ExecRequest { stdin: true, ..tagged("t", &script) }).await.unwrap();
    let input = bench.session.attach(&tag("t"), None, HELD).await.unwrap().input();
    let (mut bytes, mut asked, mut breaks) = (Vec::new(), 0, 0);
    loop {
        let offset = following.offset();
        assert_eq!(offset, bytes.len() as u64);
        if offset == asked * ROUND && asked < ROUNDS {
            input.write("more\n").await.unwrap();
            asked += 1;
        } else if offset == ROUNDS * ROUND {
            break;
        }
        match following.next_event().await {
            Ok(event) => bytes.extend(bytes_of(event.as_slice())),
            Err(fault) => {
                assert_eq!(fault.kind(), ReachErrorKind::Unreachable, "{fault}");
                breaks += 1;
                let session = bench.kind.open_breaking(3 * ROUND).await.unwrap();
                following = session.attach(&tag("t"), Some(offset), HELD).await.unwrap();
            }
        }
    }
    let expected: String = (0..ROUNDS * LINES).map(|number| format!("{number:015}\n")).collect();
    assert!(bytes == expected.as_bytes(), "{} bytes came, or others", bytes.len());
    assert!(breaks >= 5, "only {breaks} breaks");
    input.close_stdin().await.unwrap();
    let mut last = bench.session.attach(&tag("t"), Some(following.offset()), HELD).await.unwrap();
    assert_eq!(last.wait().await.unwrap(), ExitStatus::Code(6));
}

/// A command that says all it can at once may say more between two connections than is kept. That is told.
pub(crate) async fn a_break_loses_nothing(bench: &Bench) {
    let Some(first) = bench.kind.open_breaking(1 << 20).await else { return };
    let linger = Some(Duration::from_secs(30));
    let request = ExecRequest { linger, ..tagged("t", "seq -f %015g 0 299999") };
    let mut following = first.exec(request).await.unwrap();
    let mut bytes = Vec::new();
    let fault = loop {
        match following.next_event().await {
            Ok(event) => bytes.extend(bytes_of(event.as_slice())),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.kind(), ReachErrorKind::Unreachable, "{fault}");
    let mut rest = bench.session.attach(&tag("t"), Some(following.offset()), HELD).await.unwrap();
    bytes.extend(bytes_of(&all_events(&mut rest).await));
    let expected: Vec<u8> = (0..300_000).flat_map(|number| format!("{number:015}\n").into_bytes()).collect();
    assert!(bytes == expected, "{} bytes came, or others", bytes.len());
}

pub(crate) async fn a_followed_terminal_takes_input_and_sizes(bench: &Bench) {
    let script = "echo ready; read line; stty size; echo got $line";
    let request = ExecRequest { pty: Some(WindowSize { rows: 24, cols: 80 }), ..tagged("t", script) };
    let mut execution = bench.session.exec(request).await.unwrap();
    read_until(&mut execution, "ready").await;
    drop(execution);
    let mut follower = bench.another().await.attach(&tag("t"), Some(0), HELD).await.unwrap();
    assert!(follower.has_terminal());
    follower.input().resize(WindowSize { rows: 30, cols: 100 }).await.unwrap();
    follower.input().write("words\n").await.unwrap();
    let finished = finish(&mut follower).await.unwrap();
    assert!(finished.text().starts_with("ready\r\n"), "{}", finished.text());
    assert!(finished.text().ends_with("30 100\r\ngot words\r\n"), "{}", finished.text());
}

pub(crate) async fn a_followed_command_that_ran_out_of_time_says_so(bench: &Bench) {
    let timeout = Some(Duration::from_millis(300));
    let request = ExecRequest { timeout, ..tagged("t", "exec sleep 1000") };
    drop(bench.session.exec(request).await.unwrap());
    let mut follower = bench.session.attach(&tag("t"), Some(0), HELD).await.unwrap();
    assert_eq!(follower.wait().await.unwrap_err().kind(), ReachErrorKind::Deadline);
}

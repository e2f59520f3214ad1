//! Every rule of the protocol, broken.

use crate::support::{House, call, limits, provision, teardown};
use sandboxer_sdk::SandboxExtension;
use sandboxer_sdk::host::{HostLimits, HostedExtension};
use sandboxer_types::{ErrorKind, Failure, Lifecycle, Residue, Retry};
use std::time::Duration;
use tokio::time::Instant;

fn broke(failure: &Failure, rule: &str) {
    let begin = format!("`ext.tested` broke the rule `{rule}`: ");
    assert!(failure.message.starts_with(&begin), "{failure:#?}");
    assert_eq!(failure.retry, Retry::Never, "{failure:#?}");
    let nothing_was_sent = rule == "start";
    assert_eq!(failure.residue, if nothing_was_sent { Residue::None } else { Residue::Unknown }, "{failure:#?}");
}

async fn provision_fails(house: &House) -> Failure {
    let extension = house.persistent();
    let failure = extension.provision(&call().0, &provision()).await.expect_err("a rule was broken");
    extension.stop().await;
    assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new(), "something still runs");
    failure
}

#[tokio::test]
async fn a_program_that_cannot_be_started() {
    let house = House::new("no interpreter");
    std::fs::remove_file(house.path().join("program")).unwrap();
    let failure = provision_fails(&house).await;
    broke(&failure, "start");
    assert_eq!(failure.kind, ErrorKind::Precondition);
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_told_with_its_last_words_after_a_second_try() {
    let house = House::new("#!/bin/sh\necho attempt >> attempts\necho 'no such backend' >&2\nexit 3\n");
    let failure = provision_fails(&house).await;
    broke(&failure, "alive");
    assert!(failure.message.ends_with("it ended with exit status 3 before it answered"), "{failure}");
    assert_eq!(failure.causes, ["its standard error: no such backend"]);
    assert_eq!(house.text("attempts"), "attempt\nattempt\n");
}

#[tokio::test]
async fn one_that_is_killed_once_is_asked_again_with_what_it_had_kept() {
    let house = House::python(
        "if params['_meta']['attempt'] == 1:
    say(dict(method='checkpoint', params=dict(call=call, draft=dict(vm='i-7'))))
    os.kill(os.getpid(), 9)
made(draft=params['draft'])",
    );
    let extension = house.persistent();
    let (call, heard) = call();
    let handle = extension.provision(&call, &provision()).await.expect("the second attempt");
    assert_eq!(handle.get("draft"), Some(&serde_json::json!({"vm": "i-7"})));
    assert_eq!(heard.drafts.lock().unwrap().len(), 1);
    assert!(heard.said("is asked once more: it ended by signal 9"));
    extension.stop().await;
}

#[tokio::test]
async fn one_that_closes_its_output() {
    let house = House::python("os.close(1)\ntime.sleep(1000)");
    let failure = provision_fails(&house).await;
    broke(&failure, "alive");
    assert!(failure.message.contains("it closed its standard output and went on"), "{failure}");
}

#[tokio::test]
async fn one_that_never_answers_is_killed_with_its_children() {
    let house = House::python("subprocess.Popen(['sleep', '1000'])\ntime.sleep(1000)");
    let extension = house.persistent();
    let (mut call, _) = call();
    call.deadline = Instant::now() + Duration::from_millis(100);
    let failure = extension.provision(&call, &provision()).await.expect_err("no answer");
    broke(&failure, "answer");
    assert!(failure.message.contains("after the call's time was over"), "{failure}");
    assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new(), "before anybody goes on");
}

#[tokio::test]
async fn one_whose_call_is_given_up_is_killed() {
    let house = House::python("open('begun', 'w').close()\ntime.sleep(1000)");
    let extension = house.persistent();
    {
        let (call, request) = (call().0, provision());
        let begun = async {
            while !house.path().join("begun").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            _ = extension.provision(&call, &request) => unreachable!("it never answers"),
            () = begun => {}
        }
    }
    extension.stop().await;
    assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn one_that_answers_for_another_call() {
    let house = House::python("answer(dict(), id='another')");
    let failure = provision_fails(&house).await;
    broke(&failure, "own-answer");
    assert!(failure.message.contains("`another`"), "{failure}");
}

#[tokio::test]
async fn one_that_answers_twice_is_replaced() {
    let house = House::python("open('started', 'a').write(f'{os.getpid()}\\n')\nmade()\nmade()");
    let extension = house.persistent();
    let first = extension.provision(&call().0, &provision()).await;
    assert!(first.is_ok(), "the first answer holds: {first:?}");
    // The second one may come while the next call is in flight already, and then that one does not count.
    let second = extension.provision(&call().0, &provision()).await;
    if let Err(failure) = &second {
        broke(failure, "own-answer");
        assert!(extension.provision(&call().0, &provision()).await.is_ok(), "a fresh process");
    }
    extension.stop().await;
    let started = house.text("started");
    let processes: std::collections::BTreeSet<&str> = started.lines().collect();
    assert!(processes.len() > 1, "one process went on: {started}");
}

#[tokio::test]
async fn one_that_gives_another_sandbox_s_handle() {
    for (body, member) in [("sandbox_id = 'sbx-other'\nmade()", "sandbox_id"), ("host = 'elsewhere'\nmade()", "host")] {
        let failure = provision_fails(&House::python(body)).await;
        broke(&failure, "identity");
        assert!(failure.message.contains(member), "{failure}");
    }
}

#[tokio::test]
async fn one_that_sends_what_is_no_answer() {
    for body in [
        "answer(dict(handle=7))",
        "answer(7)",
        "say(dict(id=call))",
        "say(dict(id=call, result={}, error={}))",
        "say(dict(method='launch', params={}))",
        "say(dict(id='1', method='provision', params={}))",
        "say(dict(id=None, error=dict(code=-32700, message='what?')))",
        "say(dict(id=call, result=dict(x=float('nan'))))",
        "print('{\"jsonrpc\": \"2.0\", \"id\": \"1\", ', flush=True)",
    ] {
        broke(&provision_fails(&House::python(body)).await, "message");
    }
}

#[tokio::test]
async fn one_whose_line_is_too_long_or_never_ends() {
    let endless = "while True:\n    sys.stdout.write('x' * 65536)";
    for body in ["made(blob='x' * (4 << 20))", "print('x' * (5 << 20))", endless] {
        broke(&provision_fails(&House::python(body)).await, "line");
    }
}

#[tokio::test]
async fn a_line_of_almost_four_mebibytes_is_heard() {
    let house = House::python("answer(dict(report=dict(complete=True, removed=['x' * ((4 << 20) - 1024)])))");
    let extension = house.persistent();
    let report = extension.teardown(&call().0, &teardown()).await.expect("a long line");
    assert_eq!(report.removed[0].len(), (4 << 20) - 1024);
    extension.stop().await;
}

#[tokio::test]
async fn a_handle_or_a_draft_that_is_too_large() {
    let draft = "say(dict(method='checkpoint', params=dict(call=call, draft=dict(blob='x' * 65536))))\nmade()";
    for body in ["made(blob='x' * 65536)", draft] {
        broke(&provision_fails(&House::python(body)).await, "size");
    }
}

#[tokio::test]
async fn one_that_prints_is_heard_all_the_same() {
    let house = House::python("print('hello', flush=True)\nprint('{\"a\": 1}', flush=True)\nmade()");
    let extension = house.persistent();
    let (call, heard) = call();
    extension.provision(&call, &provision()).await.expect("the answer counts");
    assert!(heard.said("broke the rule `stdout`, which is for messages only: hello"));
    extension.stop().await;
}

#[tokio::test]
async fn secrets_never_come_back() {
    let secret = "hunter2-hunter2";
    let leaks = [
        "made(key=params['secrets']['key'])",
        "say(dict(method='checkpoint', params=dict(call=call, draft=dict(k=params['secrets']['key']))))\nmade()",
    ];
    for body in leaks {
        let extension = House::python(body);
        let hosted = extension.persistent();
        let (mut call, heard) = call();
        call.secrets.insert("key".to_owned(), secret.to_owned());
        let failure = hosted.provision(&call, &provision()).await.expect_err("a secret");
        broke(&failure, "secret");
        assert!(!format!("{failure:?}{:?}", heard.drafts.lock().unwrap()).contains(secret));
        hosted.stop().await;
    }
    let house = House::python(
        "key = params['secrets']['key']
print(f'printed {key}', flush=True)
print(f'said {key}', file=sys.stderr, flush=True)
say(dict(method='log', params=dict(call=call, message=f'logged {key}')))
say(dict(method='progress', params=dict(call=call, phase=key, message=key)))
say(dict(id=call, error=dict(code=-32000, message=f'bad {key}', data=dict(hint=key, causes=[key], details={key: key}))))",
    );
    let hosted = house.persistent();
    let (mut call, heard) = call();
    call.secrets.insert("key".to_owned(), secret.to_owned());
    let failure = hosted.provision(&call, &provision()).await.expect_err("it says so");
    assert_eq!(failure.message, "`ext.tested`: bad [secret]");
    hosted.stop().await;
    let all = format!("{failure:?}{:?}{:?}", heard.lines.lock().unwrap(), heard.progress.lock().unwrap());
    assert!(!all.contains(secret), "{all}");
    assert!(heard.said("logged [secret]") && heard.said("printed [secret]"), "{all}");
}

#[tokio::test]
async fn a_flood_is_counted_and_not_kept() {
    let house = House::python(
        "for number in range(50_000):
    say(dict(method='log', params=dict(call=call, message=f'line {number}')))
for number in range(50_000):
    print('x' * 100, file=sys.stderr)
made()",
    );
    let extension = house.persistent();
    let (call, heard) = call();
    extension.provision(&call, &provision()).await.expect("the answer counts");
    extension.stop().await;
    assert!(heard.lines.lock().unwrap().len() <= 1001);
    assert!(heard.said("broke the rule `flood`: "));
}

#[tokio::test]
async fn one_that_eats_memory() {
    let house = House::python("hoard = []\nwhile True:\n    hoard.append(b'x' * (1 << 20))\n    time.sleep(0.002)");
    let limits = HostLimits { memory: 64 << 20, ..limits() };
    let extension = HostedExtension::new(house.program(Lifecycle::Persistent), limits);
    let failure = extension.provision(&call().0, &provision()).await.expect_err("too much");
    broke(&failure, "memory");
    assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_child_that_keeps_the_pipes_holds_nothing_up() {
    // In its own session, as the daemon that is a sandbox; it must be ended by hand.
    let house = House::python(
        "daemon = subprocess.Popen(['sleep', '1000'], start_new_session=True, stdin=0, stdout=1, stderr=2)
open('daemon', 'w').write(str(daemon.pid))
os._exit(4)",
    );
    let extension = house.persistent();
    let failure = extension.provision(&call().0, &provision()).await.expect_err("it ended");
    broke(&failure, "alive");
    let daemon: i32 = house.text("daemon").parse().expect("it was started");
    assert_eq!(end_daemons(&house), 2, "one of each attempt, {daemon} the last");
}

/// Ends by hand what was sent away; how many there were.
fn end_daemons(house: &House) -> usize {
    let daemons = house.processes();
    for process in &daemons {
        let pid = process.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    daemons.len()
}

#[tokio::test]
async fn a_child_that_floods_the_pipes_holds_nothing_up() {
    for stream in [">&2", ""] {
        let house = House::new(&format!(
            "#!/bin/sh
request=$(cat)
setsid yes {stream} &
until [ \"$(cat /proc/$!/comm)\" = yes ]; do :; done
printf %s \"$request\" | jq -c '{{jsonrpc: \"2.0\", id, result: {{report: {{complete: true}}}}}}'
"
        ));
        let extension = house.oneshot();
        let answered = tokio::time::timeout(Duration::from_secs(20), async {
            let report = extension.teardown(&call().0, &teardown()).await;
            extension.stop().await;
            report
        });
        let answered = answered.await;
        end_daemons(&house);
        // What the flood says on the standard output is noise, or spoils the answer's line.
        match answered.expect("it does not hang") {
            Ok(report) => assert!(report.complete),
            Err(failure) => assert!(stream.is_empty(), "{failure:?}"),
        }
    }
}

/// A request that a pipe does not hold.
fn large() -> sandboxer_sdk::Provision {
    let mut request = provision();
    request.inputs.insert("blob".to_owned(), "x".repeat(300_000).into());
    request
}

#[tokio::test]
async fn one_that_does_not_read_is_ended_for_whatever_it_does_instead() {
    let sends_a_long_line = "#!/usr/bin/python3
import time
print('x' * (5 << 20), flush=True)
time.sleep(1000)
";
    let ends = "#!/usr/bin/python3
import subprocess
subprocess.Popen(['sleep', '1000'], start_new_session=True, stdin=0)
raise SystemExit(1)
";
    for (script, rule) in [(sends_a_long_line, "line"), (ends, "alive")] {
        let house = House::new(script);
        let extension = house.persistent();
        let (call, request) = (call().0, large());
        let failed = tokio::time::timeout(Duration::from_secs(20), extension.provision(&call, &request)).await;
        end_daemons(&house);
        broke(&failed.expect("it does not hang").expect_err("a rule was broken"), rule);
        extension.stop().await;
    }
}

#[tokio::test]
async fn one_that_does_not_read_is_cancelled_in_time() {
    let house = House::new("#!/bin/sh\nsleep 1000\n");
    let extension = house.persistent();
    let (mut call, _) = call();
    call.deadline = Instant::now() + Duration::from_millis(200);
    let failure = extension.provision(&call, &large()).await.expect_err("no answer");
    broke(&failure, "answer");
    assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn no_other_extension_is_disturbed() {
    let (bad, good) = (House::python("os._exit(1)"), House::python("made()"));
    let (bad, good) = (bad.persistent(), good.persistent());
    for _ in 0..10 {
        let (call_bad, call_good) = (call().0, call().0);
        let (request_bad, request_good) = (provision(), provision());
        let (failed, made) =
            tokio::join!(bad.provision(&call_bad, &request_bad), good.provision(&call_good, &request_good));
        broke(&failed.expect_err("it ends"), "alive");
        made.expect("untouched");
    }
    bad.stop().await;
    good.stop().await;
}

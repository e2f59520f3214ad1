//! Processes: how many, how long, in what surroundings, and how they end.

use crate::support::{House, call, limits, provision, teardown};
use async_trait::async_trait;
use sandboxer_sdk::host::{HostLimits, HostedExtension};
use sandboxer_sdk::testing::FolderExtension;
use sandboxer_sdk::{CallSink, GroupList, List, LogLevel, ObservedState, Progress, Recovered, SandboxExtension};
use sandboxer_types::{ErrorKind, Failure, HostId, Lifecycle, Object, Residue};
use std::sync::Arc;
use std::time::Duration;

const NOTES_ITS_PID: &str = "open('pids', 'a').write(f'{os.getpid()}\\n')\nmade()";

fn pids(house: &House) -> std::collections::BTreeSet<String> {
    house.text("pids").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn one_process_serves_many_requests_and_a_oneshot_one() {
    for (lifecycle, expected) in [(Lifecycle::Persistent, 1), (Lifecycle::Oneshot, 5)] {
        let house = House::python(NOTES_ITS_PID);
        let extension = HostedExtension::new(house.program(lifecycle), limits());
        for _ in 0..5 {
            extension.provision(&call().0, &provision()).await.expect("it answers");
        }
        extension.stop().await;
        assert_eq!(pids(&house).len(), expected, "{lifecycle}");
    }
}

#[tokio::test]
async fn a_process_without_work_ends_and_another_takes_its_place() {
    let house = House::python(NOTES_ITS_PID);
    let limits = HostLimits { idle: Duration::from_millis(100), ..limits() };
    let extension = HostedExtension::new(house.program(Lifecycle::Persistent), limits);
    extension.provision(&call().0, &provision()).await.expect("it answers");
    while !house.processes().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    extension.provision(&call().0, &provision()).await.expect("it answers");
    assert_eq!(pids(&house).len(), 2);
    extension.stop().await;
}

#[tokio::test]
async fn a_process_that_will_not_end_is_made_to() {
    let house = House::new(
        "#!/usr/bin/python3
import signal, sys, json, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
request = json.loads(sys.stdin.readline())
print(json.dumps(dict(jsonrpc='2.0', id=request['id'], result=dict(report=dict(complete=True)))), flush=True)
while True:
    time.sleep(1000)
",
    );
    let extension = house.persistent();
    extension.teardown(&call().0, &teardown()).await.expect("it answers");
    extension.stop().await;
    assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_cancelled_call_is_answered_with_its_residue() {
    let house = House::new(
        "#!/usr/bin/python3
import json, sys
request = json.loads(sys.stdin.readline())
open('begun', 'w').close()
cancel = json.loads(sys.stdin.readline())
assert cancel == dict(jsonrpc='2.0', method='cancel', params=dict(call=request['id']))
error = dict(code=-32000, message='stopped half way', data=dict(kind='cancelled', residue='partial', retry='never'))
print(json.dumps(dict(jsonrpc='2.0', id=request['id'], error=error)), flush=True)
",
    );
    let extension = house.persistent();
    let (call, _) = call();
    let cancel = call.cancel.clone();
    let request = provision();
    let withdraw = async {
        while !house.path().join("begun").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(extension.provision(&call, &request), withdraw);
    let failure = outcome.expect_err("it was cancelled");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Cancelled, Residue::Partial));
    extension.stop().await;
}

#[tokio::test]
async fn a_oneshot_process_hears_of_the_cancellation_by_a_signal() {
    let house = House::new(
        "#!/bin/sh
read -r request
trap 'echo terminated > how; exit 1' TERM
touch begun
while :; do sleep 0.01; done
",
    );
    let extension = house.oneshot();
    let (call, _) = call();
    let (cancel, request) = (call.cancel.clone(), provision());
    let withdraw = async {
        while !house.path().join("begun").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(extension.provision(&call, &request), withdraw);
    assert!(outcome.expect_err("it was cancelled").residue.may_exist());
    assert_eq!(house.text("how"), "terminated\n");
    extension.stop().await;
}

#[tokio::test]
async fn the_environment_is_cleared_and_the_folder_is_its_own() {
    let house = House::new("#!/bin/sh\nenv > environment\npwd > folder\ncat > request\nexit 0\n");
    let extension = house.oneshot();
    let (mut call, _) = call();
    call.secrets.insert("key".to_owned(), "hunter2".to_owned());
    extension.provision(&call, &provision()).await.expect_err("it answers nothing");
    extension.stop().await;
    let environment = house.text("environment");
    let names: Vec<&str> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    // The shell sets the last ones by itself.
    assert!(
        names.iter().all(|name| ["PATH", "SANDBOXER_PROCESS", "PWD", "OLDPWD", "SHLVL", "_"].contains(name)),
        "{names:?}"
    );
    assert!(!environment.contains("hunter2") && house.text("request").contains("hunter2"));
    assert_eq!(house.text("folder").trim(), house.path().canonicalize().unwrap().to_str().unwrap());
}

#[tokio::test]
async fn each_process_notes_its_group_before_it_is_the_program() {
    let house = House::new("#!/bin/sh\ncat groups > seen\necho $$ > pid\n");
    let groups = std::fs::File::options().create(true).append(true).open(house.path().join("groups")).unwrap();
    let mut program = house.program(Lifecycle::Oneshot);
    program.groups = Some(GroupList::new("tests".to_owned(), groups.into()));
    let extension = HostedExtension::new(program, limits());
    extension.provision(&call().0, &provision()).await.expect_err("it answers nothing");
    extension.stop().await;
    let seen = house.text("seen");
    assert_eq!(seen.lines().last(), Some(house.text("pid").trim()), "{seen}");
    assert_eq!(seen.lines().filter(|line| !line.is_empty()).count(), 2, "one of each attempt: {seen}");
}

/// Keeps a draft only when it is told to.
struct Slow {
    asked: tokio::sync::Notify,
    allowed: tokio::sync::Notify,
}

#[async_trait]
impl CallSink for Slow {
    fn progress(&self, _progress: Progress) {}
    fn log(&self, _level: LogLevel, _line: String) {}
    async fn checkpoint(&self, _draft: Object) -> Result<(), Failure> {
        self.asked.notify_one();
        self.allowed.notified().await;
        Ok(())
    }
}

#[tokio::test]
async fn nothing_is_read_before_a_draft_is_kept() {
    let house = House::python("say(dict(method='checkpoint', params=dict(call=call, draft=dict(vm='i-7'))))\nmade()");
    let extension = house.persistent();
    let (mut call, _) = call();
    let slow = Arc::new(Slow { asked: tokio::sync::Notify::new(), allowed: tokio::sync::Notify::new() });
    call.sink = slow.clone();
    let request = provision();
    let mut provision = std::pin::pin!(extension.provision(&call, &request));
    tokio::select! {
        made = &mut provision => unreachable!("the draft is not kept yet: {made:?}"),
        () = slow.asked.notified() => {}
    }
    // The answer lies in the pipe by now, or will soon; either way it is not read.
    let early = tokio::time::timeout(Duration::from_millis(50), &mut provision).await;
    assert!(early.is_err(), "the draft is not kept yet: {early:?}");
    slow.allowed.notify_one();
    provision.await.expect("made");
    extension.stop().await;
}

#[tokio::test]
async fn a_draft_that_cannot_be_kept_ends_the_call() {
    struct Full;
    #[async_trait]
    impl CallSink for Full {
        fn progress(&self, _progress: Progress) {}
        fn log(&self, _level: LogLevel, _line: String) {}
        async fn checkpoint(&self, _draft: Object) -> Result<(), Failure> {
            Err(Failure::new(ErrorKind::Exhausted, "the disk is full").with_residue(Residue::None))
        }
    }
    let house =
        House::python("say(dict(method='checkpoint', params=dict(call=call, draft=dict(vm='i-7'))))\ntime.sleep(1000)");
    let extension = house.persistent();
    let (mut call, _) = call();
    call.sink = Arc::new(Full);
    let failure = extension.provision(&call, &provision()).await.expect_err("it was not kept");
    assert_eq!((failure.message.as_str(), failure.residue), ("the disk is full", Residue::Unknown));
    assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn calls_at_once_do_not_mix() {
    let house = House::new(
        "#!/usr/bin/python3
import json, sys, threading, time
lock = threading.Lock()
def answer(request):
    time.sleep(0.01 * (hash(request['id']) % 5))
    params = request['params']
    result = dict(report=dict(complete=True, removed=[params['sandbox_id']]))
    with lock:
        print(json.dumps(dict(jsonrpc='2.0', id=request['id'], result=result)), flush=True)
for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),)).start()
",
    );
    let extension = house.persistent();
    let work = (0..40).map(|number| {
        let extension = &extension;
        async move {
            let (mut call, mut request) = (call().0, teardown());
            call.sandbox_id = format!("sbx-{number}").parse().unwrap();
            request.sandbox_id = call.sandbox_id.clone();
            let report = extension.teardown(&call, &request).await.expect("it answers");
            assert_eq!(report.removed, [call.sandbox_id.to_string()]);
        }
    });
    futures::future::join_all(work).await;
    extension.stop().await;
}

#[tokio::test]
async fn a_trait_object_is_the_same_through_the_codec() {
    let folder = tempfile::tempdir().unwrap();
    let id = "ext.folder".parse().unwrap();
    let extension = HostedExtension::in_process(id, Arc::new(FolderExtension), limits(), None);
    let (mut call, _) = call();
    call.config.insert("folder".to_owned(), folder.path().join("kept").to_str().unwrap().into());
    let request = provision();
    let handle = extension.provision(&call, &request).await.expect("made");
    assert_eq!(extension.provision(&call, &request).await.expect("made again"), handle);
    let reachability = extension.wait_ready(&call, &handle).await.expect("ready");
    assert_eq!(reachability.host, Some(HostId::localhost()));
    let listed = List::list(&extension, &call, &HostId::localhost()).await.expect("listed");
    assert_eq!(listed.len(), 1);
    let recovered = extension.recover().unwrap().recover(&call, &HostId::localhost(), None).await.expect("found");
    assert_eq!(recovered, Recovered::Present(handle.clone()));
    assert!(extension.teardown(&call, &teardown()).await.expect("removed").complete);
    let status = extension.status().unwrap().status(&call, &handle).await.expect("known");
    assert_eq!(status.state, ObservedState::Absent);
    assert!(extension.pause().is_none() && extension.connect().is_none());
    let described = extension.describe(&call).await.expect("it says so");
    assert_eq!(described.id, "ext.folder");
    let mut other = request;
    other.inputs.insert("size".to_owned(), 1.into());
    extension.provision(&call, &provision()).await.expect("made");
    let conflict = extension.provision(&call, &other).await.expect_err("other inputs");
    assert_eq!((conflict.kind, conflict.residue), (ErrorKind::Conflict, Residue::Present));
    extension.stop().await;
}

/// The extension in Rust, of the kit, as a program: this very test binary's neighbour.
fn folder_program() -> std::path::PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().with_file_name("examples").join("folder")
}

#[tokio::test]
async fn an_extension_in_rust_is_a_program_of_either_lifecycle() {
    for lifecycle in [Lifecycle::Persistent, Lifecycle::Oneshot] {
        let house = House::new("");
        let mut program = house.program(lifecycle);
        program.argv = vec![folder_program().into()];
        let extension = HostedExtension::new(program, limits());
        let (mut call, _) = call();
        call.config.insert("folder".to_owned(), house.path().join("kept").to_str().unwrap().into());
        let handle = extension.provision(&call, &provision()).await.expect("made");
        extension.wait_ready(&call, &handle).await.expect("ready");
        let report = extension.teardown(&call, &teardown()).await.expect("removed");
        assert!(report.complete && report.removed.len() == 1, "{report:?}");
        extension.stop().await;
        assert_eq!(house.processes(), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn a_oneshot_process_may_finish_after_its_answer() {
    let house = House::new(
        "#!/bin/sh
cat | jq -c '{jsonrpc: \"2.0\", id, result: {report: {complete: true}}}'
sleep 0.1
touch finished
",
    );
    let extension = house.oneshot();
    extension.teardown(&call().0, &teardown()).await.expect("it answers");
    extension.stop().await;
    assert!(house.path().join("finished").exists(), "it was ended before it was done");
}

//! Every way in which a sandbox ends, with no broker that would ask for it.

use crate::lifecycle::state;
use crate::support::{Lab, Sandbox, ended, request, trial};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal};
use sandboxer_sdk::ObservedState;
use sandboxer_types::{ErrorKind, Residue, Tether, TimeSpan};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_expired_one_leaves_nothing", an_expired_one_leaves_nothing),
        trial("a_lease_can_be_moved_both_ways", a_lease_can_be_moved_both_ways),
        trial("it_ends_with_the_process_it_is_for", it_ends_with_the_process_it_is_for),
        trial("it_is_not_made_for_a_process_that_is_gone", it_is_not_made_for_a_process_that_is_gone),
        trial("an_asked_supervisor_cleans_up", an_asked_supervisor_cleans_up),
        trial("a_killed_supervisor_takes_the_processes_along", a_killed_supervisor_takes_the_processes_along),
        trial("a_killed_agent_takes_everything_along", a_killed_agent_takes_everything_along),
        trial("hostile_contents_are_removed", hostile_contents_are_removed),
        trial("a_cancelled_create_leaves_nothing", a_cancelled_create_leaves_nothing),
    ]
}

async fn an_expired_one_leaves_nothing() {
    let lab = Lab::new();
    let mut short = request("short");
    short.ttl = TimeSpan::seconds(1);
    let sandbox = lab.make_from(short).await;
    let supervisor = sandbox.supervisor();
    ended(supervisor).await;
    lab.assert_empty();
    assert!(sandbox.remove().await.complete);
}

async fn a_lease_can_be_moved_both_ways() {
    let lab = Lab::new();
    let sandbox = lab.make("leased").await;
    let extend = lab.extension.extend().expect("offered");
    let call = lab.call(&sandbox.id);
    let later = extend.extend(&call, &sandbox.handle, TimeSpan::seconds(3600)).await.expect("moves");
    let sooner = extend.extend(&call, &sandbox.handle, TimeSpan::seconds(60)).await.expect("moves");
    assert!(sooner < later);
    assert_eq!(sandbox.run("echo alive").await.1, "alive\n");
    let supervisor = sandbox.supervisor();
    extend.extend(&call, &sandbox.handle, TimeSpan::from(Duration::from_millis(1))).await.expect("moves");
    ended(supervisor).await;
    lab.assert_empty();
    let failure = extend.extend(&call, &sandbox.handle, TimeSpan::seconds(60)).await.expect_err("is gone");
    assert_eq!(failure.kind, ErrorKind::NotFound);
}

/// A process that does nothing, and its name.
fn idle() -> (Child, Tether) {
    let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    let text = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("is there");
    let start = text.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(19)).expect("has it");
    let tether = Tether { pid: child.id(), start_ticks: start.parse().expect("a number") };
    (child, tether)
}

async fn it_ends_with_the_process_it_is_for() {
    let lab = Lab::new();
    let (mut child, tether) = idle();
    let mut tied = request("tied");
    tied.tether = Some(tether);
    let sandbox = lab.make_from(tied).await;
    assert_eq!(sandbox.run("echo alive").await.1, "alive\n");
    let supervisor = sandbox.supervisor();
    // Not reaped: one that only waits for that is gone too.
    child.kill().expect("is killed");
    ended(supervisor).await;
    lab.assert_empty();
    child.wait().expect("is reaped");
}

async fn it_is_not_made_for_a_process_that_is_gone() {
    let lab = Lab::new();
    let (mut child, tether) = idle();
    let mut reused = request("late");
    reused.tether = Some(Tether { start_ticks: tether.start_ticks + 1, ..tether });
    let failure = lab.extension.provision(&lab.call(&reused.sandbox_id), &reused).await.expect_err("another process");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Cancelled, Residue::None), "{failure:?}");
    child.kill().and_then(|()| child.wait()).expect("is gone");
    let mut late = request("late");
    late.tether = Some(tether);
    let failure = lab.extension.provision(&lab.call(&late.sandbox_id), &late).await.expect_err("nobody there");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Cancelled, Residue::None), "{failure:?}");
    lab.assert_empty();
}

fn signal(pid: i32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid).expect("a process"), signal).expect("is there");
}

async fn an_asked_supervisor_cleans_up() {
    let lab = Lab::new();
    let sandbox = lab.make("asked").await;
    let supervisor = sandbox.supervisor();
    signal(sandbox.recorded("supervisor"), Signal::TERM);
    ended(supervisor).await;
    lab.assert_empty();
}

async fn a_killed_supervisor_takes_the_processes_along() {
    let lab = Lab::new();
    let sandbox = lab.make("orphan").await;
    sandbox.run("sleep 1000 & true").await;
    let (supervisor, init) = (sandbox.supervisor(), sandbox.process("init"));
    signal(sandbox.recorded("supervisor"), Signal::KILL);
    ended(supervisor).await;
    ended(init).await;
    assert_eq!(state(&sandbox).await, ObservedState::Error);
    let failure = lab.extension.wait_ready(&lab.call(&sandbox.id), &sandbox.handle).await.expect_err("is dead");
    assert_eq!(failure.kind, ErrorKind::NotReady, "{failure:?}");
    assert!(sandbox.remove().await.complete);
    lab.assert_empty();
    // A new one by the same name is made over what is left, too.
    let sandbox = lab.make("orphan").await;
    let supervisor = sandbox.supervisor();
    signal(sandbox.recorded("supervisor"), Signal::KILL);
    ended(supervisor).await;
    let sandbox = lab.make("orphan").await;
    assert_eq!(sandbox.run("echo new").await.1, "new\n");
    assert!(sandbox.remove().await.complete);
}

async fn a_killed_agent_takes_everything_along() {
    let lab = Lab::new();
    let sandbox = lab.make("beheaded").await;
    let supervisor = sandbox.supervisor();
    signal(sandbox.recorded("init"), Signal::KILL);
    ended(supervisor).await;
    lab.assert_empty();
    assert!(sandbox.remove().await.complete);
}

const HOSTILE: &str = r#"
cd /workspace; mkdir locked; touch locked/inside; chmod 000 locked
mkdir many; cd many; i=0; while [ $i -lt 10000 ]; do : > $i; i=$((i+1)); done; cd ..
printf x > "$(printf 'a\nb')"; printf x > "$(printf '\377\376')"; printf x > ./-rf
ln -s . loop; ln -s /etc/shadow shadow; ln -s / root; mkfifo pipe
deep=d; i=0; while [ $i -lt 200 ]; do deep=$deep/dddddddddddddddd; i=$((i+1)); done
for top in x y z; do mkdir $top; (cd $top; mkdir -p $deep); done
mv z y/$deep/ && mv y x/$deep/
sleep 1000 & echo made
"#;

async fn hostile_contents_are_removed() {
    let lab = Lab::new();
    let beside = lab.folder.path().join("beside");
    std::fs::write(&beside, "kept").expect("written");
    for killed in [false, true] {
        let sandbox = lab.make("hostile").await;
        assert_eq!(sandbox.run(HOSTILE).await.1, "made\n");
        if killed {
            let supervisor = sandbox.supervisor();
            signal(sandbox.recorded("supervisor"), Signal::KILL);
            ended(supervisor).await;
        }
        let report = sandbox.remove().await;
        assert!(report.complete, "{report:?}");
        lab.assert_empty();
    }
    assert_eq!(std::fs::read_to_string(beside).expect("still there"), "kept");
}

async fn a_cancelled_create_leaves_nothing() {
    let lab = Lab::new();
    for microseconds in [0, 300, 700, 1500, 3000, 6000] {
        let request = request("fickle");
        let call = lab.call(&request.sandbox_id);
        let cancel = call.cancel.clone();
        let later = async move {
            tokio::time::sleep(Duration::from_micros(microseconds)).await;
            cancel.cancel();
        };
        let (made, ()) = tokio::join!(lab.extension.provision(&call, &request), later);
        match made {
            Ok(handle) => {
                let sandbox = Sandbox { lab: &lab, id: request.sandbox_id.clone(), handle };
                assert!(sandbox.remove().await.complete);
            }
            Err(failure) => assert_eq!((failure.kind, failure.residue), (ErrorKind::Cancelled, Residue::None)),
        }
        lab.assert_empty();
    }
}

//! Hosts that sandboxes are placed on, and machines that they are reached through: what is done there, what is undone, and what
//! is said when a machine does not answer.

use sandboxer_broker::catalog::CatalogSource;
use sandboxer_broker::{Action, Broker, Context, Control, OrphanSearch, ReconcileReport};
use sandboxer_testing::{Ended, Fault, Machine, Verb, World};
use sandboxer_types::{
    ConditionKind, ErrorKind, Failure, Reachability, Residue, SandboxId, SandboxStatus, State, TimeSpan,
};
use std::time::Duration;

/// Does `work` in a process of its own.
async fn with<T>(machine: &Machine, work: impl AsyncFnOnce(&Broker) -> T) -> T {
    match machine.start(None).expect("the store opens").run(work).await {
        Ended::Normally(result) => result,
        Ended::Crashed => unreachable!("this process has no fatal instant"),
    }
}

async fn create(machine: &Machine, host: Option<&str>) -> Result<SandboxStatus, Failure> {
    let mut request = machine.request();
    request.host = host.map(|host| host.parse().expect("valid"));
    with(machine, async |b: &Broker| b.create(request, true, &Context::default()).await).await
}

async fn remove(machine: &Machine, id: &SandboxId) -> SandboxStatus {
    with(machine, async |b: &Broker| b.remove(id, &Context::default()).await.expect("an attempt")).await
}

async fn show(machine: &Machine, id: &SandboxId) -> SandboxStatus {
    with(machine, async |b: &Broker| b.show(id).await.expect("known")).await
}

async fn reconcile(machine: &Machine, dry_run: bool) -> ReconcileReport {
    with(machine, async |b: &Broker| b.reconcile(dry_run, &Context::default()).await.expect("reconciles")).await
}

fn kinds(status: &SandboxStatus) -> Vec<ConditionKind> {
    status.conditions.iter().map(|condition| condition.kind).collect()
}

/// A folder with the usual files and these hosts.
fn with_hosts(machine: &Machine, hosts: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in Machine::usual_catalog().iter().chain(&[("hosts.yaml", hosts)]) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("ours");
        std::fs::write(path, text).expect("ours");
    }
    machine.use_catalog(vec![CatalogSource::Given(folder.path().to_owned())]);
    folder
}

/// From now on, sandboxes are entered on the machine `me@box`, which has a command that removes them.
fn through_a_machine(world: &World) {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let reachability = Reachability {
        ssh: Some("me@box".to_owned()),
        jump: Some("gate".to_owned()),
        enter: words(&["inside"]),
        expire: words(&["remove", "it"]),
        ..Reachability::default()
    };
    world.answer(|answers| answers.reachability = Some(reachability));
}

#[tokio::test]
async fn every_call_says_where_ssh_finds_the_host() {
    let machine = Machine::new().expect("a folder");
    let folder = with_hosts(&machine, "hosts:\n  - id: build-1\n    ssh: me@10.0.0.5:2222\n");
    machine.world.machines(|park| park.aliases.insert("laptop".to_owned()));
    for (host, ssh) in [(Some("build-1"), Some("me@10.0.0.5:2222")), (Some("laptop"), Some("laptop")), (None, None)] {
        let status = create(&machine, host).await.expect("made");
        assert_eq!(status.host.as_str(), host.unwrap_or("localhost"));
        let id = &status.sandbox_id;
        with(&machine, async |b: &Broker| b.extend(id, TimeSpan::seconds(60)).await.expect("extended")).await;
        reconcile(&machine, false).await;
        remove(&machine, id).await;
        let calls = machine.world.take_calls();
        for verb in ["provision", "wait_ready", "extend", "status", "teardown"] {
            let call = calls.iter().find(|call| call.verb == verb).unwrap_or_else(|| panic!("{verb} was called"));
            assert_eq!(call.ssh.as_deref(), ssh, "{verb}");
        }
    }
    let kept = create(&machine, Some("build-1")).await.expect("made").sandbox_id;
    std::fs::remove_file(folder.path().join("hosts.yaml")).expect("there");
    machine.world.take_calls();
    assert_eq!(remove(&machine, &kept).await.state, State::Gone);
    let ssh = machine.world.take_calls().pop().expect("the teardown").ssh;
    assert_eq!(ssh.as_deref(), Some("me@10.0.0.5:2222"), "where it was placed, not a name that means another machine");
}

#[tokio::test]
async fn a_host_that_cannot_be_used_is_refused_before_anything_exists() {
    let machine = Machine::new().expect("a folder");
    let _folder = with_hosts(&machine, "hosts:\n  - id: build-1\n  - id: broken\n    shs: me@box\n");
    let refused = async |host: &str| create(&machine, Some(host)).await.expect_err("refused");
    let unknown = refused("build-2").await;
    assert_eq!((unknown.kind, unknown.residue), (ErrorKind::NotFound, Residue::None));
    assert!(unknown.hint.as_deref().is_some_and(|hint| hint.contains("build-1")), "{unknown:?}");
    assert_eq!(refused("broken").await.kind, ErrorKind::InvalidInput);
    assert_eq!(machine.world.inventory(), []);

    let here = with_hosts(&machine, "hosts:\n  - id: mine\n");
    machine.use_catalog(vec![
        CatalogSource::BuiltIn(Machine::usual_catalog()),
        CatalogSource::WorkingDirectory(here.path().to_owned()),
    ]);
    assert_eq!(refused("mine").await.kind, ErrorKind::Precondition);
}

#[tokio::test]
async fn a_host_has_no_more_sandboxes_than_slots() {
    let machine = Machine::new().expect("a folder");
    let _folder = with_hosts(&machine, "hosts:\n  - id: build-1\n    slots: 2\n");
    let first = create(&machine, Some("build-1")).await.expect("room").sandbox_id;
    create(&machine, Some("build-1")).await.expect("room");
    create(&machine, None).await.expect("this machine has no limit");
    let full = create(&machine, Some("build-1")).await.expect_err("full");
    assert_eq!((full.kind, full.residue), (ErrorKind::Exhausted, Residue::None));
    assert!(full.message.contains("`build-1` has room for 2"), "{full}");
    assert_eq!(machine.world.inventory().len(), 3);
    remove(&machine, &first).await;
    create(&machine, Some("build-1")).await.expect("room again");
}

#[tokio::test]
async fn two_at_once_do_not_share_the_last_slot() {
    let machine = Machine::new().expect("a folder");
    let _folder = with_hosts(&machine, "hosts:\n  - id: build-1\n    slots: 1\n");
    let made = tokio::join!(create(&machine, Some("build-1")), create(&machine, Some("build-1")));
    assert_eq!(i32::from(made.0.is_ok()) + i32::from(made.1.is_ok()), 1, "{made:?}");
}

#[tokio::test]
async fn orphans_are_looked_for_on_every_host_and_a_silent_one_is_named() {
    let machine = Machine::new().expect("a folder");
    let folder = with_hosts(&machine, "hosts:\n  - id: build-1\n  - id: build-2\n  - id: broken\n    shs: x\n");
    machine.world.machines(|park| park.aliases.insert("laptop".to_owned()));
    let made = create(&machine, Some("laptop")).await.expect("made");
    remove(&machine, &made.sandbox_id).await;
    machine.world.take_calls();
    let search = OrphanSearch { sweep: false, minimum_age: Duration::ZERO, cap: 9 };
    let look = async || with(&machine, async |b: &Broker| b.orphans(search, &Context::default()).await).await;
    let report = look().await.expect("looked");
    let asked: Vec<_> = machine.world.take_calls().into_iter().map(|call| call.ssh.unwrap_or_default()).collect();
    assert_eq!(asked, ["", "build-1", "build-2", "laptop"]);
    assert!(report.unasked.len() == 1 && report.unasked[0].contains("`broken`"), "{report:?}");

    std::fs::write(folder.path().join("hosts.yaml"), "hosts:\n  - id: build-1\n").expect("ours");
    machine.world.answer(|answers| answers.silent_about = Some("build-1".parse().expect("valid")));
    let report = look().await.expect("looked");
    assert!(report.unasked.len() == 1 && report.unasked[0].contains("about `build-1`"), "{report:?}");
}

#[tokio::test]
async fn a_lease_stands_on_the_machine_for_as_long_as_the_sandbox_does() {
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    let status = create(&machine, None).await.expect("made");
    assert_eq!((status.state, kinds(&status)), (State::Ready, vec![]));
    let id = &status.sandbox_id;
    let held = machine.world.machines(|park| park.leases.values().next().cloned()).expect("a lease");
    assert_eq!(machine.world.leases(), std::slice::from_ref(id));
    assert_eq!((held.route.as_str(), held.expire), ("me@box through gate", vec!["remove".to_owned(), "it".to_owned()]));
    assert_eq!(held.span, Duration::from_secs(3600 + 300), "an hour, and a while for whoever has the record");
    with(&machine, async |b: &Broker| b.enter(id).await.map(drop).expect("a way in")).await;

    with(&machine, async |b: &Broker| b.extend(id, TimeSpan::seconds(60)).await.expect("extended")).await;
    let held = machine.world.machines(|park| park.leases.values().next().cloned()).expect("a lease");
    assert_eq!(machine.world.leases(), std::slice::from_ref(id));
    assert_eq!(held.span, Duration::from_secs(60 + 6));

    let removed = remove(&machine, id).await;
    assert_eq!((removed.state, machine.world.leases()), (State::Gone, vec![]));
    let report = removed.cleanup.expect("a report");
    assert!(report.removed.iter().any(|line| line.contains("lease") && line.contains("me@box")), "{report:?}");
}

#[tokio::test]
async fn where_no_agent_runs_a_shell_does_and_the_status_says_what_that_means() {
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    machine.world.machines(|park| park.is_agentless = true);
    let status = create(&machine, None).await.expect("made");
    assert_eq!(kinds(&status), [ConditionKind::PlainSession, ConditionKind::NoLease]);
    assert!(status.conditions.iter().all(|condition| condition.detail.contains("me@box")), "{status:?}");
    reconcile(&machine, false).await;
    // Nothing is owed to a machine that holds nothing, not even a question.
    machine.world.machines(|park| park.is_down = true);
    assert_eq!(remove(&machine, &status.sandbox_id).await.state, State::Gone);
}

#[tokio::test]
async fn a_machine_that_lets_nobody_in_fails_the_create_and_leaves_nothing() {
    for agentless in [false, true] {
        let machine = Machine::new().expect("a folder");
        through_a_machine(&machine.world);
        machine.world.machines(|park| (park.is_closed, park.is_agentless) = (true, agentless));
        let failure = create(&machine, None).await.expect_err("no way in");
        assert_eq!((failure.kind, failure.residue), (ErrorKind::Unauthenticated, Residue::None), "{failure}");
        assert_eq!((machine.world.inventory(), machine.world.leases()), (vec![], vec![]));
    }
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    machine.world.machines(|park| park.is_down = true);
    let failure = create(&machine, None).await.expect_err("nobody answers");
    assert!(failure.residue.may_exist() && failure.message.contains("down"), "{failure:?}");
}

#[tokio::test]
async fn what_failed_once_is_tried_again() {
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    let busy = Fault { kind: ErrorKind::Unavailable, residue: Residue::Unknown, after_effect: false };
    machine.world.add_fault(Verb::PlaceLease, busy);
    machine.world.add_fault(Verb::Enter, busy);
    assert_eq!(create(&machine, None).await.expect("in the end").state, State::Ready);
}

#[tokio::test]
async fn the_lease_is_released_last_and_owed_until_the_machine_is_back() {
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    let id = create(&machine, None).await.expect("made").sandbox_id;
    let refused = Fault { kind: ErrorKind::Forbidden, residue: Residue::Present, after_effect: false };
    machine.world.add_fault(Verb::Teardown, refused);
    assert_eq!(remove(&machine, &id).await.state, State::TearingDown);
    assert_eq!(
        machine.world.leases(),
        std::slice::from_ref(&id),
        "the machine's own switch stays as long as anything does"
    );

    machine.world.machines(|park| park.is_down = true);
    let status = remove(&machine, &id).await;
    assert_eq!((status.state, machine.world.holds(&id)), (State::TearingDown, false));
    let owed = status.conditions.iter().find(|condition| condition.kind == ConditionKind::TeardownOwed).expect("owed");
    assert!(owed.detail.contains("lease") && owed.detail.contains("is down"), "{owed:?}");

    machine.world.mend();
    assert_eq!(remove(&machine, &id).await.state, State::Gone);
    assert_eq!(machine.world.leases(), []);
}

#[tokio::test]
async fn a_machine_that_was_the_sandbox_itself_need_not_answer_after_its_end() {
    let machine = Machine::new().expect("a folder");
    let reachability = Reachability { ssh: Some("me@box".to_owned()), owns_machine: true, ..Reachability::default() };
    machine.world.answer(|answers| answers.reachability = Some(reachability));
    let id = create(&machine, None).await.expect("made").sandbox_id;
    machine.world.machines(|park| park.is_down = true);
    let status = remove(&machine, &id).await;
    assert_eq!(status.state, State::Gone, "{status:?}");
    let absent = status.cleanup.expect("a report").already_absent.join("; ");
    assert!(absent.contains("lease") && absent.contains("does not answer any more"), "{absent}");
}

#[tokio::test]
async fn a_lease_that_cannot_be_moved_on_the_machine_is_not_moved() {
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    let made = create(&machine, None).await.expect("made");
    let id = &made.sandbox_id;
    machine.world.machines(|park| park.is_down = true);
    let longer = async |b: &Broker| b.extend(id, TimeSpan::seconds(7200)).await.expect_err("nobody answers");
    assert_eq!(with(&machine, longer).await.residue, Residue::Present);
    assert_eq!(show(&machine, id).await.expires_at, made.expires_at);
}

#[tokio::test]
async fn a_machine_that_was_started_anew_gets_its_leases_back() {
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    let id = create(&machine, None).await.expect("made").sandbox_id;
    let forget = || machine.world.machines(|park| park.leases.clear());
    let action = |report: &ReconcileReport| report.outcomes[0].decision.action;
    assert_eq!(action(&reconcile(&machine, false).await), Action::Leave, "it is there");

    forget();
    with(&machine, async |b: &Broker| b.tidy(&Context::default()).await.expect("tidy")).await;
    assert_eq!(machine.world.leases(), [], "what any command does first waits for no machine");
    assert_eq!(action(&reconcile(&machine, true).await), Action::PlaceLease);
    assert_eq!(machine.world.leases(), []);
    assert_eq!(action(&reconcile(&machine, false).await), Action::PlaceLease);
    assert_eq!(machine.world.leases(), std::slice::from_ref(&id));

    forget();
    machine.world.machines(|park| park.is_down = true);
    let report = reconcile(&machine, false).await;
    assert!(action(&report) == Action::Leave && !report.is_incomplete(), "{report:?}");
    machine.world.mend();
    machine.world.take(&id);
    assert!(matches!(action(&reconcile(&machine, false).await), Action::TearDown(_)), "nothing to hold a lease for");
    assert_eq!(machine.world.leases(), []);
}

#[tokio::test]
async fn what_is_removed_while_it_is_extended_keeps_no_lease() {
    let machine = Machine::new().expect("a folder");
    through_a_machine(&machine.world);
    for _ in 0..30 {
        let id = create(&machine, None).await.expect("made").sandbox_id;
        let extended = async |b: &Broker| drop(b.extend(&id, TimeSpan::seconds(7200)).await);
        let removed = async |b: &Broker| drop(b.remove(&id, &Context::default()).await);
        tokio::join!(with(&machine, extended), with(&machine, removed));
        let state = show(&machine, &id).await.state;
        assert_eq!(machine.world.leases().contains(&id), !state.is_closed(), "{state}");
        remove(&machine, &id).await;
    }
    assert_eq!(machine.world.leases(), []);
}

#[tokio::test]
async fn an_address_that_is_none_breaks_the_contract() {
    let machine = Machine::new().expect("a folder");
    for (ssh, jump) in [("me:secret@box", None), ("box", Some("a;b"))] {
        let (ssh, jump) = (Some(ssh.to_owned()), jump.map(str::to_owned));
        let reachability = Reachability { ssh, jump, ..Reachability::default() };
        machine.world.answer(|answers| answers.reachability = Some(reachability));
        let failure = create(&machine, None).await.expect_err("no address");
        assert_eq!((failure.kind, failure.residue), (ErrorKind::ContractViolation, Residue::None), "{failure}");
        assert!(machine.world.inventory().is_empty());
    }
}

//! Every durable write and every call of the extension, killed right before and right after: whatever the instant, a
//! reconciliation brings the world and the store together, and a removal leaves nothing.

use sandboxer_broker::{Broker, Context, Control, ListFilter, Observer};
use sandboxer_sdk::{LogLevel, Progress};
use sandboxer_testing::{Ended, Fault, Machine, Verb};
use sandboxer_types::{ErrorKind, Failure, Reachability, Residue, SandboxId, State, TimeSpan};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a process is asked to do before it dies.
#[derive(Debug, Clone, Copy)]
enum Scenario {
    Create,
    CreateAndExtend,
    CreateAndDestroy,
    CreateThatFailsAfterItsEffect,
    CreateThatIsCancelledAtOnce,
    CreateThatIsCancelledHalfway,
    CreateWhoseTeardownFailsOnce,
    CreateWhoseMachineLetsNobodyIn,
    CreateWhoseLeaseIsPlacedAndFails,
    CreateAndDestroyWhoseLeaseIsNotReleased,
}

const SCENARIOS: [Scenario; 10] = [
    Scenario::Create,
    Scenario::CreateAndExtend,
    Scenario::CreateAndDestroy,
    Scenario::CreateThatFailsAfterItsEffect,
    Scenario::CreateThatIsCancelledAtOnce,
    Scenario::CreateThatIsCancelledHalfway,
    Scenario::CreateWhoseTeardownFailsOnce,
    Scenario::CreateWhoseMachineLetsNobodyIn,
    Scenario::CreateWhoseLeaseIsPlacedAndFails,
    Scenario::CreateAndDestroyWhoseLeaseIsNotReleased,
];

/// How the sandboxes of a scenario are reached.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Reached {
    /// As their extension says.
    Directly,
    /// Through a machine, which holds a lease for each.
    ThroughAMachine,
}

fn new_machine(reached: Reached) -> Machine {
    let machine = Machine::new().expect("a folder");
    if reached == Reached::ThroughAMachine {
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let (ssh, expire) = (Some("me@box".to_owned()), words(&["remove", "it"]));
        let reachability = Reachability { ssh, expire, enter: words(&["inside"]), ..Reachability::default() };
        machine.world.answer(|answers| answers.reachability = Some(reachability));
    }
    machine
}

/// Withdraws once the sandbox exists.
struct CancelsWhenWaiting(CancellationToken);

impl Observer for CancelsWhenWaiting {
    fn progress(&self, _progress: &Progress) {}
    fn log(&self, _level: LogLevel, _line: &str) {}
    fn moved(&self, _sandbox_id: &SandboxId, state: State) {
        if state == State::Waiting {
            self.0.cancel();
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn plan_faults(machine: &Machine, scenario: Scenario) {
    let late = Fault { kind: ErrorKind::NotReady, residue: Residue::Unknown, after_effect: true };
    match scenario {
        Scenario::Create
        | Scenario::CreateAndExtend
        | Scenario::CreateAndDestroy
        | Scenario::CreateThatIsCancelledAtOnce
        | Scenario::CreateThatIsCancelledHalfway => {}
        Scenario::CreateWhoseMachineLetsNobodyIn => machine.world.machines(|park| park.is_closed = true),
        Scenario::CreateWhoseLeaseIsPlacedAndFails => {
            let denied = Fault { kind: ErrorKind::Forbidden, residue: Residue::Unknown, after_effect: true };
            machine.world.add_fault(Verb::PlaceLease, denied);
        }
        Scenario::CreateAndDestroyWhoseLeaseIsNotReleased => machine.world.add_fault(Verb::ReleaseLease, late),
        Scenario::CreateThatFailsAfterItsEffect => machine.world.add_fault(Verb::Provision, late),
        Scenario::CreateWhoseTeardownFailsOnce => {
            machine.world.add_fault(Verb::WaitReady, late);
            let down = Fault { kind: ErrorKind::Forbidden, residue: Residue::Present, after_effect: false };
            machine.world.add_fault(Verb::Teardown, down);
        }
    }
}

async fn act(machine: &Machine, broker: &Broker, scenario: Scenario) -> Result<(), Failure> {
    let context = Context::default();
    let request = machine.request();
    match scenario {
        Scenario::CreateThatIsCancelledAtOnce => {
            let cancel = context.cancel.clone();
            let (made, ()) = tokio::join!(broker.create(request, true, &context), async { cancel.cancel() });
            assert_eq!(made.expect_err("withdrawn").kind, ErrorKind::Cancelled);
            Ok(())
        }
        Scenario::CreateThatIsCancelledHalfway => {
            let observer = Arc::new(CancelsWhenWaiting(context.cancel.clone()));
            let made = broker.create(request, true, &Context { observer, ..context }).await;
            assert_eq!(made.expect_err("withdrawn").kind, ErrorKind::Cancelled);
            Ok(())
        }
        Scenario::CreateAndExtend => {
            let status = broker.create(request, true, &context).await?;
            broker.extend(&status.sandbox_id, TimeSpan::seconds(7200)).await.map(drop)
        }
        Scenario::CreateAndDestroy | Scenario::CreateAndDestroyWhoseLeaseIsNotReleased => {
            let status = broker.create(request, true, &context).await?;
            broker.remove(&status.sandbox_id, &context).await.map(drop)
        }
        Scenario::Create
        | Scenario::CreateThatFailsAfterItsEffect
        | Scenario::CreateWhoseTeardownFailsOnce
        | Scenario::CreateWhoseMachineLetsNobodyIn
        | Scenario::CreateWhoseLeaseIsPlacedAndFails => broker.create(request, true, &context).await.map(drop),
    }
}

async fn open_ids(broker: &Broker, states: &[State]) -> BTreeSet<SandboxId> {
    let open = broker.list(&ListFilter::default()).await.expect("readable");
    open.into_iter()
        .filter(|status| states.is_empty() || states.contains(&status.state))
        .map(|s| s.sandbox_id)
        .collect()
}

fn inventory(machine: &Machine) -> BTreeSet<SandboxId> {
    machine.world.inventory().into_iter().collect()
}

fn leases(machine: &Machine) -> BTreeSet<SandboxId> {
    machine.world.leases().into_iter().collect()
}

/// What exists has an open record, and so has what a machine holds a lease for: nothing is ever forgotten, at no instant.
async fn nothing_is_forgotten(machine: &Machine, broker: &Broker) {
    let open = open_ids(broker, &[]).await;
    for there in [inventory(machine), leases(machine)] {
        let forgotten: Vec<_> = there.difference(&open).cloned().collect();
        assert!(forgotten.is_empty(), "exists without an open record: {forgotten:?}");
    }
}

/// Another process reconciles; may die itself at `fatal`. Returns how many instants it passed.
async fn reconcile(machine: &Machine, fatal: Option<usize>) -> Ended<()> {
    let process = machine.start(fatal).expect("the store opens");
    process
        .run(async |broker: &Broker| {
            nothing_is_forgotten(machine, broker).await;
            broker.reconcile(false, &Context::default()).await.expect("reconciles");
        })
        .await
}

/// After a reconciliation, what lives is what the store says; after a removal of all, nothing is left. What the dead had
/// begun may come to its end before that, and must not after it.
async fn comes_together(machine: &Machine, finishes_early: bool, reached: Reached) {
    machine.world.mend();
    if finishes_early {
        machine.world.finish_late();
    }
    assert_eq!(reconcile(machine, None).await, Ended::Normally(()));
    machine.world.finish_late();
    let process = machine.start(None).expect("the store opens");
    let ended = process
        .run(async |broker: &Broker| {
            assert_eq!(inventory(machine), open_ids(broker, &[State::Ready, State::Paused]).await);
            assert_eq!(open_ids(broker, &[]).await, inventory(machine), "something is neither ready nor gone");
            let held = if reached == Reached::ThroughAMachine { inventory(machine) } else { BTreeSet::new() };
            assert_eq!(leases(machine), held, "a machine holds more or less than it should");
            for id in inventory(machine) {
                broker.remove(&id, &Context::default()).await.expect("removable");
            }
            assert!(inventory(machine).is_empty() && leases(machine).is_empty());
            assert!(open_ids(broker, &[]).await.is_empty());
        })
        .await;
    assert_eq!(ended, Ended::Normally(()));
}

/// Runs the scenario, dying at `fatal`. Whether it died.
async fn dies_at(machine: &Machine, scenario: Scenario, fatal: usize) -> bool {
    plan_faults(machine, scenario);
    let process = machine.start(Some(fatal)).expect("the store opens");
    matches!(process.run(async |broker: &Broker| act(machine, broker, scenario).await).await, Ended::Crashed)
}

async fn a_crash_at_every_instant(scenario: Scenario, reached: Reached) {
    for finishes_early in [false, true] {
        let mut fatal = 0;
        loop {
            let machine = new_machine(reached);
            let died = dies_at(&machine, scenario, fatal).await;
            comes_together(&machine, finishes_early, reached).await;
            if !died {
                break;
            }
            fatal += 1;
        }
        assert!(fatal >= 4, "{scenario:?} passed only {fatal} instants");
    }
}

#[test]
fn a_crash_at_every_instant_leaks_nothing() {
    runtime().block_on(async {
        for scenario in SCENARIOS {
            a_crash_at_every_instant(scenario, Reached::Directly).await;
        }
    });
}

#[test]
fn a_crash_at_every_instant_leaks_no_lease() {
    runtime().block_on(async {
        for scenario in SCENARIOS {
            a_crash_at_every_instant(scenario, Reached::ThroughAMachine).await;
        }
    });
}

#[test]
fn a_crash_of_the_reconciliation_after_a_crash_leaks_nothing() {
    let both = [Reached::Directly, Reached::ThroughAMachine];
    let scenarios = [Scenario::CreateAndDestroy, Scenario::CreateThatFailsAfterItsEffect];
    runtime().block_on(async {
        for (scenario, reached) in scenarios.into_iter().flat_map(|scenario| both.map(|reached| (scenario, reached))) {
            for first in 0.. {
                let mut died = false;
                for second in 0.. {
                    let machine = new_machine(reached);
                    died = dies_at(&machine, scenario, first).await;
                    let again = reconcile(&machine, Some(second)).await;
                    comes_together(&machine, false, reached).await;
                    if again == Ended::Normally(()) {
                        break;
                    }
                }
                if !died {
                    break;
                }
            }
        }
    });
}

#[test]
fn at_most_six_durable_transactions_make_and_remove_a_sandbox() {
    runtime().block_on(async {
        let machine = Machine::new().expect("a folder");
        // Three calls of the extension and the transactions, two instants each.
        let counted = machine.start(Some(usize::MAX)).expect("the store opens");
        let instants = {
            let before = counted.instants();
            act(&machine, &counted.broker, Scenario::CreateAndDestroy).await.expect("works");
            counted.instants() - before
        };
        assert!(instants / 2 - 3 <= 6, "{} durable transactions", instants / 2 - 3);
        // A lease, a way in and the lease's end, and no more than one transaction more.
        let machine = new_machine(Reached::ThroughAMachine);
        let counted = machine.start(Some(usize::MAX)).expect("the store opens");
        let before = counted.instants();
        act(&machine, &counted.broker, Scenario::CreateAndDestroy).await.expect("works");
        let instants = counted.instants() - before;
        assert!(instants / 2 - 6 <= 7, "{} durable transactions", instants / 2 - 6);
    });
}

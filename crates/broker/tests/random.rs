//! Random lives: several processes on one state directory create, cancel, crash, extend, let expire and destroy, while
//! the backend fails as it pleases. Nothing that exists is ever without an open record.

use proptest::prelude::*;
use sandboxer_broker::{Broker, Context, Control, ListFilter};
use sandboxer_testing::{Ended, Fault, Machine, Verb};
use sandboxer_types::{
    ConditionKind, ErrorKind, Reachability, Residue, SandboxId, SandboxName, SandboxStatus, TimeSpan,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// One thing that happens. `crash` is the instant at which the acting process dies, if it gets there.
#[derive(Debug, Clone)]
enum Happening {
    Create(Creation),
    Extend { which: usize, crash: Option<usize> },
    Destroy { which: usize, crash: Option<usize> },
    TwoDestroyAtOnce { which: usize, crash: Option<usize> },
    Reconcile { crash: Option<usize> },
    Pass { minutes: u64 },
    TetherEnds { pid: u32 },
    BackendLoses { which: usize },
    MachineStartsAnew { agents_run: bool, lets_in: bool },
    Fail { verb: Verb, fault: Fault },
    LateOnesFinish,
}

/// How a sandbox is asked for.
#[derive(Debug, Clone)]
struct Creation {
    crash: Option<usize>,
    cancel: bool,
    tether: Option<u32>,
    name: bool,
    through_a_machine: bool,
}

fn crash() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![2 => Just(None), 3 => (0usize..22).prop_map(Some)]
}

fn fault() -> impl Strategy<Value = Fault> {
    let words = prop_oneof![
        Just((ErrorKind::Unavailable, Residue::Unknown, true)),
        Just((ErrorKind::Unavailable, Residue::Unknown, false)),
        Just((ErrorKind::Exhausted, Residue::None, false)),
        Just((ErrorKind::Internal, Residue::Partial, true)),
        Just((ErrorKind::Forbidden, Residue::Present, true)),
        Just((ErrorKind::NotReady, Residue::Present, false)),
    ];
    words.prop_map(|(kind, residue, after_effect)| Fault { kind, residue, after_effect })
}

fn creation() -> impl Strategy<Value = Creation> {
    (crash(), any::<bool>(), proptest::option::of(1u32..3), any::<bool>(), any::<bool>()).prop_map(
        |(crash, cancel, tether, name, through_a_machine)| Creation { crash, cancel, tether, name, through_a_machine },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    let verb = prop_oneof![
        4 => prop_oneof![Just(Verb::Provision), Just(Verb::WaitReady), Just(Verb::Teardown), Just(Verb::Extend)],
        3 => prop_oneof![Just(Verb::Enter), Just(Verb::PlaceLease), Just(Verb::ReleaseLease), Just(Verb::Leases)],
    ];
    prop_oneof![
        5 => creation().prop_map(Happening::Create),
        2 => (any::<usize>(), crash()).prop_map(|(which, crash)| Happening::Extend { which, crash }),
        3 => (any::<usize>(), crash()).prop_map(|(which, crash)| Happening::Destroy { which, crash }),
        2 => (any::<usize>(), crash()).prop_map(|(which, crash)| Happening::TwoDestroyAtOnce { which, crash }),
        2 => crash().prop_map(|crash| Happening::Reconcile { crash }),
        1 => (1u64..90).prop_map(|minutes| Happening::Pass { minutes }),
        1 => (1u32..3).prop_map(|pid| Happening::TetherEnds { pid }),
        1 => any::<usize>().prop_map(|which| Happening::BackendLoses { which }),
        1 => (any::<bool>(), any::<bool>())
            .prop_map(|(agents_run, lets_in)| Happening::MachineStartsAnew { agents_run, lets_in }),
        3 => (verb, fault()).prop_map(|(verb, fault)| Happening::Fail { verb, fault }),
        2 => Just(Happening::LateOnesFinish),
    ]
}

async fn open(broker: &Broker) -> Vec<SandboxId> {
    let listed = broker.list(&ListFilter::default()).await.expect("readable");
    listed.into_iter().map(|status| status.sandbox_id).collect()
}

/// Those that a machine should hold a lease for.
async fn ready_and_held(broker: &Broker) -> BTreeSet<SandboxId> {
    let listed = broker.list(&ListFilter::default()).await.expect("readable");
    let is_held = |status: &SandboxStatus| {
        let goes_through_a_machine = status.reachability.as_ref().is_some_and(|found| found.ssh.is_some());
        goes_through_a_machine && status.conditions.iter().all(|condition| condition.kind != ConditionKind::NoLease)
    };
    listed.into_iter().filter(is_held).map(|status| status.sandbox_id).collect()
}

fn pick(ids: &[SandboxId], which: usize) -> Option<SandboxId> {
    ids.get(which % ids.len().max(1)).cloned()
}

async fn create(machine: &Machine, creation: Creation) {
    let Creation { crash, cancel, tether, name, through_a_machine } = creation;
    let ssh = through_a_machine.then(|| "me@box".to_owned());
    let reachability = Reachability { ssh, ..Reachability::default() };
    machine.world.answer(|answers| answers.reachability = Some(reachability));
    let mut request = machine.request();
    request.tether = tether.map(|pid| machine.set_tether(pid, true));
    request.name = name.then(|| "the-one".parse::<SandboxName>().expect("valid"));
    let process = machine.start(crash).expect("the store opens");
    process
        .run(async |broker: &Broker| {
            let context = Context::default();
            let withdraw = async {
                if cancel {
                    context.cancel.cancel();
                }
            };
            drop(tokio::join!(broker.create(request, true, &context), withdraw))
        })
        .await;
}

/// What processes answer may be any error; what must hold is told by the world and the store alone.
async fn happen(machine: &Machine, happening: Happening) {
    let process = |fatal| machine.start(fatal).expect("the store opens");
    match happening {
        Happening::Create(creation) => create(machine, creation).await,
        Happening::Extend { which, crash } => {
            process(crash)
                .run(async |broker: &Broker| {
                    if let Some(id) = pick(&open(broker).await, which) {
                        drop(broker.extend(&id, TimeSpan::seconds(7200)).await);
                    }
                })
                .await;
        }
        Happening::Destroy { which, crash } => {
            process(crash)
                .run(async |broker: &Broker| {
                    if let Some(id) = pick(&open(broker).await, which) {
                        drop(broker.remove(&id, &Context::default()).await);
                    }
                })
                .await;
        }
        Happening::TwoDestroyAtOnce { which, crash } => {
            let (first, second) = (process(crash), process(None));
            let destroy = async |broker: &Broker| {
                if let Some(id) = pick(&open(broker).await, which) {
                    drop(broker.remove(&id, &Context::default()).await);
                }
            };
            tokio::join!(first.run(destroy), second.run(destroy));
        }
        Happening::Reconcile { crash } => {
            process(crash).run(async |broker: &Broker| drop(broker.reconcile(false, &Context::default()).await)).await;
        }
        Happening::Pass { minutes } => machine.clock.advance(Duration::from_secs(60 * minutes)),
        Happening::TetherEnds { pid } => drop(machine.set_tether(pid, false)),
        Happening::BackendLoses { which } => {
            if let Some(id) = pick(&machine.world.inventory(), which) {
                machine.world.take(&id);
            }
        }
        Happening::MachineStartsAnew { agents_run, lets_in } => machine.world.machines(|park| {
            park.leases.clear();
            (park.is_agentless, park.is_closed) = (!agents_run, !lets_in);
        }),
        Happening::Fail { verb, fault } => machine.world.add_fault(verb, fault),
        Happening::LateOnesFinish => machine.world.finish_late(),
    }
}

async fn nothing_is_forgotten(machine: &Machine) {
    let watcher = machine.start(None).expect("the store opens");
    let ended = watcher
        .run(async |broker: &Broker| {
            let open: BTreeSet<SandboxId> = open(broker).await.into_iter().collect();
            let there = [machine.world.inventory(), machine.world.leases()].concat();
            let forgotten: Vec<_> = there.into_iter().filter(|id| !open.contains(id)).collect();
            assert!(forgotten.is_empty(), "exists without an open record: {forgotten:?}");
        })
        .await;
    assert_eq!(ended, Ended::Normally(()));
}

async fn ends_with_nothing(machine: &Machine) {
    machine.world.mend();
    let last = machine.start(None).expect("the store opens");
    let ended = last
        .run(async |broker: &Broker| {
            let report = broker.reconcile(false, &Context::default()).await.expect("reconciles");
            machine.world.finish_late();
            assert!(!report.is_incomplete(), "{report:?}");
            let open_now: BTreeSet<SandboxId> = open(broker).await.into_iter().collect();
            assert_eq!(machine.world.inventory().into_iter().collect::<BTreeSet<_>>(), open_now);
            let held: BTreeSet<SandboxId> = machine.world.leases().into_iter().collect();
            assert_eq!(held, ready_and_held(broker).await);
            for id in open_now {
                broker.remove(&id, &Context::default()).await.expect("removable");
            }
            assert_eq!((machine.world.inventory(), open(broker).await), (vec![], vec![]));
            assert_eq!(machine.world.leases(), []);
        })
        .await;
    assert_eq!(ended, Ended::Normally(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_leaked(happenings in proptest::collection::vec(happening(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let machine = Machine::new().expect("a folder");
            for happening in happenings {
                happen(&machine, happening).await;
                nothing_is_forgotten(&machine).await;
            }
            ends_with_nothing(&machine).await;
        });
    }
}

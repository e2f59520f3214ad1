//! Whatever the suite makes is gone when it ends, however it ends.

use crate::mutation::Mutation;
use crate::subject::{Run, World, runtime, seed_of};
use async_trait::async_trait;
use libtest_mimic::{Failed, Trial};
use sandboxer_conformance::{Doors, sweep};
use sandboxer_reach::{Doorway, Entered, ReachError, ReachErrorKind, Route};
use sandboxer_types::{CheckOutcome, SandboxMark};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LOOKING: Duration = Duration::from_millis(5);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("cleaning::an_interrupted_run_leaves_nothing", an_interrupted_run_leaves_nothing),
        Trial::test("cleaning::a_check_that_panics_leaves_nothing", a_check_that_panics_leaves_nothing),
        Trial::test("cleaning::what_cannot_be_removed_is_told_and_swept_later", what_cannot_be_removed_is_told),
    ]
}

fn must_be_clean(world: &World) -> Result<(), Failed> {
    let remains = world.remains();
    match remains.is_empty() && !world.ledger_path().exists() {
        true => Ok(()),
        false => Err(format!("left: {remains:?}, in the ledger {:?}", world.ledger().entries()).into()),
    }
}

fn an_interrupted_run_leaves_nothing() -> Result<(), Failed> {
    let world = World::new(None);
    let cancel = CancellationToken::new();
    let checks = ["ready-means-usable", "torn-down-ten-times"];
    let run = Run { seed: seed_of("interrupted"), cancel: cancel.clone(), ..Run::of(&checks) };
    let report = runtime().block_on(async {
        let interrupt = async {
            while world.remains().is_empty() {
                tokio::time::sleep(LOOKING).await;
            }
            cancel.cancel();
        };
        tokio::join!(world.suite(run).run(), interrupt).0
    });
    let ended: Vec<_> = report.checks.iter().map(|check| (check.outcome, check.reason.as_deref())).collect();
    assert_eq!(ended, [(CheckOutcome::Skipped, Some("interrupted"))], "and the second one was not run");
    assert!(report.left_over.is_empty(), "{:?}", report.left_over);
    must_be_clean(&world)
}

/// The suite is handed ways to machines by whoever uses it; one that panics makes a check panic in the midst.
struct BrokenDoors;

#[async_trait]
impl Doors for BrokenDoors {
    async fn enter(&self, _route: &Route, _door: &Doorway) -> Result<Entered, ReachError> {
        panic!("this door is broken")
    }

    async fn visit(&self, _route: &Route) -> Result<Entered, ReachError> {
        Err(ReachError::new(ReachErrorKind::Unsupported, "there is no machine"))
    }

    async fn leave(&self, _route: &Route, _sandbox: &SandboxMark) -> Result<(), ReachError> {
        Ok(())
    }
}

fn a_check_that_panics_leaves_nothing() -> Result<(), Failed> {
    let mut world = World::new(None);
    (world.behind_a_door, world.doors) = (true, Arc::new(BrokenDoors));
    let run = Run { seed: seed_of("panics"), ..Run::of(&["gone-means-gone", "describe-is-pure"]) };
    let report = world.run(run);
    let [pure, panicked] = &report.checks[..] else { panic!("{report:?}") };
    assert_eq!(pure.outcome, CheckOutcome::Passed, "{pure:?}");
    assert_eq!(panicked.outcome, CheckOutcome::Failed);
    assert_eq!(panicked.reason.as_deref(), Some("the check itself panicked: this door is broken"));
    assert!(report.left_over.is_empty(), "{:?}", report.left_over);
    must_be_clean(&world)
}

fn what_cannot_be_removed_is_told() -> Result<(), Failed> {
    let world = World::new(Some(Mutation::TeardownNeverSucceeds));
    let run = Run { seed: seed_of("left"), ..Run::of(&["lifecycle-in-fresh-processes"]) };
    let report = world.run(run);
    let [id] = &report.left_over[..] else { panic!("{:?}", report.left_over) };
    let entries = world.ledger().entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(*id, format!("{} on localhost", entries[0].sandbox_id));
    assert!(!world.remains().is_empty());

    let still = runtime().block_on(sweep(world.subject(), world.ledger()));
    assert!(still.removed.is_empty() && still.left.len() == 1, "{still:?}");
    assert!(still.left[0].contains("it may not"), "{still:?}");

    let world = world.with(None);
    let swept = runtime().block_on(sweep(world.subject(), world.ledger()));
    assert_eq!(swept.removed, std::slice::from_ref(id));
    assert!(swept.left.is_empty(), "{swept:?}");
    must_be_clean(&world)
}

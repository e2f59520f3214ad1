//! Handles, reachabilities and listings that break the contract.

use crate::{create, object, show, with};
use sandboxer_broker::{Broker, Context, Control, OrphanSearch};
use sandboxer_testing::Machine;
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Reachability, Residue, SandboxId, State};
use serde_json::json;
use std::time::Duration;

fn machine() -> Machine {
    Machine::new().expect("a folder")
}

/// The one sandbox that there ever was.
async fn only(machine: &Machine) -> SandboxId {
    let filter = sandboxer_broker::ListFilter {
        records: sandboxer_broker::store::RecordFilter { include_closed: true, ..Default::default() },
        ..Default::default()
    };
    let all = with(machine, async |b: &Broker| b.list(&filter).await).await.expect("readable");
    assert_eq!(all.len(), 1);
    all[0].sandbox_id.clone()
}

#[tokio::test]
async fn a_handle_of_something_else_fails_the_create_and_what_was_made_is_removed() {
    for wrong in [
        json!({}),
        json!({"sandbox_id": "another", "host": "localhost"}),
        json!({"sandbox_id": 7, "host": "localhost"}),
    ] {
        let machine = machine();
        machine.world.answer(|answers| answers.handle = Some(Handle::from(object(wrong.clone()))));
        let failure = create(&machine).await.expect_err("a breach");
        assert_eq!(failure.kind, ErrorKind::ContractViolation, "{wrong}");
        assert_eq!(failure.residue, Residue::None, "the cleanup was verified");
        assert!(machine.world.inventory().is_empty());
        assert_eq!(machine.world.take_calls().iter().filter(|call| call.verb == "provision").count(), 1);
    }
}

#[tokio::test]
async fn a_wrong_handle_in_a_failure_is_dropped_and_said() {
    let machine = machine();
    let theirs = Handle::minimal(&"theirs".parse().expect("valid"), &HostId::localhost()).with("vm", 17);
    // What says what was made cannot also say that nothing was.
    let partial = Failure::new(ErrorKind::Partial, "half made").with_residue(Residue::None).with_handle(theirs);
    machine.world.answer(|answers| answers.failures.push_back(partial));
    let failure = create(&machine).await.expect_err("half made");
    assert_eq!((failure.kind, &failure.handle), (ErrorKind::Partial, &None));
    assert!(failure.causes.iter().any(|cause| cause.contains("breaks the contract")), "{failure:?}");
    let status = show(&machine, &only(&machine).await).await;
    assert_eq!(status.state, State::Gone);
    assert!(status.cleanup.is_some_and(|report| report.complete), "it was looked for by its id");
}

#[tokio::test]
async fn a_reachability_that_breaks_the_contract_names_the_member() {
    for (member, wrong) in [
        ("ssh", json!({"ssh": "-oProxyCommand=touch /tmp/x"})),
        ("agent", json!({"agent": "tcp:127.0.0.1:80"})),
        ("host", json!({"host": "elsewhere"})),
    ] {
        let machine = machine();
        let wrong: Reachability = serde_json::from_value(wrong).expect("parses");
        machine.world.answer(|answers| answers.reachability = Some(wrong));
        let failure = create(&machine).await.expect_err("a breach");
        assert_eq!(failure.kind, ErrorKind::ContractViolation);
        assert!(failure.message.contains(&format!("`{member}`")), "{failure}");
        assert!(machine.world.inventory().is_empty(), "what was made is removed");
        assert_eq!(machine.world.take_calls().iter().filter(|call| call.verb == "wait_ready").count(), 1);
    }
}

#[tokio::test]
async fn a_listing_of_another_host_is_not_believed() {
    let machine = machine();
    let context = Context::default();
    let id = create(&machine).await.expect("made").sandbox_id;
    let orphan: SandboxId = "orphan".parse().expect("valid");
    machine.world.put(&orphan, machine.world.get(&id).expect("there"));
    machine.world.answer(|answers| answers.listed_on = Some("elsewhere".parse().expect("valid")));
    let search = OrphanSearch { sweep: true, minimum_age: Duration::ZERO, cap: 5 };
    with(&machine, async |b: &Broker| {
        for _ in 0..3 {
            let report = b.orphans(search, &context).await.expect("looked");
            assert!(report.orphans.is_empty(), "{report:?}");
            assert!(report.unasked[0].contains("elsewhere"), "{report:?}");
        }
        assert!(machine.world.holds(&orphan));
        machine.world.answer(|answers| answers.listed_on = None);
        b.orphans(search, &context).await.expect("looked");
        assert!(b.orphans(search, &context).await.expect("swept").orphans[0].removed);
    })
    .await;
}

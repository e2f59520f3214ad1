//! Secrets go to the verbs they are declared for.

use crate::{Files, create, detail, remove, show, with};
use sandboxer_broker::{Broker, Context, Control, OrphanSearch};
use sandboxer_testing::{Machine, Seen};
use sandboxer_types::{ConditionKind, ErrorKind, Residue, State, TimeSpan};
use std::time::Duration;

const DECLARED: &str = "
secrets:
  token: {required: true, verbs: [provision, teardown, status]}
  extra: {verbs: [wait_ready]}
  everywhere: {}
";

fn machine() -> (Machine, Files) {
    let (machine, files) = (Machine::new().expect("a folder"), Files::new());
    files.write_manifest(&format!("{}{DECLARED}", Files::manifest()));
    machine.use_catalog(files.given());
    (machine, files)
}

fn handed(calls: &[Seen], verb: &str) -> Vec<String> {
    calls.iter().find(|seen| seen.verb == verb).unwrap_or_else(|| panic!("no {verb}: {calls:?}")).secrets.clone()
}

#[tokio::test]
async fn each_verb_is_handed_what_is_declared_for_it() {
    let (machine, _files) = machine();
    for name in ["token", "extra", "everywhere", "undeclared"] {
        machine.secrets.set(name, Some("s3cret-canary"));
    }
    let id = create(&machine).await.expect("made").sandbox_id;
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        b.extend(&id, TimeSpan::seconds(7200)).await.expect("extended");
        b.reconcile(false, &context).await.expect("reconciles");
        b.orphans(OrphanSearch { sweep: false, minimum_age: Duration::ZERO, cap: 1 }, &context).await.expect("looked");
        b.remove(&id, &context).await.expect("removed");
        let events = serde_json::to_string(&b.events(&Default::default()).await.expect("readable")).expect("JSON");
        let shown = format!("{:?} {events}", b.show(&id).await.expect("known"));
        assert!(!shown.contains("canary"), "{shown}");
    })
    .await;
    let calls = machine.world.take_calls();
    assert_eq!(handed(&calls, "provision"), ["everywhere", "token"]);
    assert_eq!(handed(&calls, "wait_ready"), ["everywhere", "extra"]);
    assert_eq!(handed(&calls, "status"), ["everywhere", "token"]);
    assert_eq!(handed(&calls, "extend"), ["everywhere"]);
    assert_eq!(handed(&calls, "list"), ["everywhere"]);
    assert_eq!(handed(&calls, "teardown"), ["everywhere", "token"]);
}

#[tokio::test]
async fn without_a_required_one_nothing_is_made() {
    let (machine, _files) = machine();
    machine.secrets.set("extra", Some("optional"));
    let failure = create(&machine).await.expect_err("there is no token");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Unauthenticated, Residue::None));
    assert!(failure.message.contains("`token`") && failure.hint.is_some(), "{failure:?}");
    assert!(machine.world.take_calls().is_empty());
    let listed = with(&machine, async |b: &Broker| b.list(&Default::default()).await).await.expect("readable");
    assert!(listed.is_empty(), "nothing was written");
}

#[tokio::test]
async fn what_cannot_be_removed_for_want_of_one_stays_owed() {
    let (machine, _files) = machine();
    machine.secrets.set("token", Some("s3cret-canary"));
    let id = create(&machine).await.expect("made").sandbox_id;
    machine.secrets.set("token", None);
    let status = remove(&machine, &id).await;
    assert_eq!(status.state, State::TearingDown);
    let said = detail(&status, ConditionKind::TeardownOwed).expect("owed");
    assert!(said.contains("`token`") && said.contains("`teardown`") && said.contains("give it"), "{said}");
    machine.secrets.set("token", Some("s3cret-canary"));
    assert_eq!(remove(&machine, &id).await.state, State::Gone);
    assert_eq!(show(&machine, &id).await.state, State::Gone);
}

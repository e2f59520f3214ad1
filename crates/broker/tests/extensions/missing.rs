//! Sandboxes whose extension cannot be called any more.

use crate::{Files, create, detail, remove, show, with};
use sandboxer_broker::{Action, Broker, Context, Control, ListFilter};
use sandboxer_testing::Machine;
use sandboxer_types::{ConditionKind, ErrorKind, EventKind, Failure, Residue, SandboxId, State};

/// A machine with a ready sandbox, and the files that its extension comes from.
async fn made() -> (Machine, Files, SandboxId) {
    let (machine, files) = (Machine::new().expect("a folder"), Files::new());
    machine.use_catalog(files.given());
    let id = create(&machine).await.expect("made").sandbox_id;
    (machine, files, id)
}

#[tokio::test]
async fn a_look_says_why_it_cannot_be_called() {
    let (machine, files, id) = made().await;
    assert_eq!(detail(&show(&machine, &id).await, ConditionKind::ExtensionMissing), None);

    files.write_manifest("id: ext.fake\nhandler: builtin:nothing\n");
    let status = show(&machine, &id).await;
    let why = detail(&status, ConditionKind::ExtensionMissing).expect("broken").to_owned();
    assert!(why.contains("is broken") && why.contains("ext.fake.yaml") && why.contains("ext check"), "{why}");
    assert_eq!(status.state, State::Ready);

    files.write_manifest(Files::manifest());
    machine.use_catalog(files.untrusted());
    let status = show(&machine, &id).await;
    let why = detail(&status, ConditionKind::ExtensionMissing).expect("inert");
    assert!(why.contains("is not trusted") && why.contains("sandboxer trust"), "{why}");

    machine.use_catalog(files.given());
    files.remove_manifest();
    let listed = with(&machine, async |b: &Broker| b.list(&ListFilter::default()).await).await.expect("readable");
    let why = detail(&listed[0], ConditionKind::ExtensionMissing).expect("removed");
    assert!(why.contains("manifest is not there"), "{why}");
}

#[tokio::test]
async fn a_program_that_is_gone_breaks_its_manifest() {
    let (machine, files, id) = made().await;
    files.write_manifest(&Files::manifest().replace("builtin:fake", "exec:gone.sh"));
    let status = show(&machine, &id).await;
    let why = detail(&status, ConditionKind::ExtensionMissing).expect("gone");
    assert!(why.contains("gone.sh"), "{why}");
}

#[tokio::test]
async fn what_it_made_stays_owed_until_it_is_back() {
    let (machine, files, id) = made().await;
    files.remove_manifest();
    let status = remove(&machine, &id).await;
    assert_eq!(status.state, State::TearingDown);
    let report = status.cleanup.clone().expect("a report");
    assert!(!report.complete);
    let said = report.errors.join("\n");
    for wanted in ["not there", id.as_str(), "sandboxer.id=", "sandboxer.owner=own", "localhost", r#""made":true"#] {
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }

    let count =
        async || with(&machine, async |b: &Broker| b.events(&Default::default()).await.expect("readable").len()).await;
    let events = count().await;
    assert_eq!(remove(&machine, &id).await.cleanup, status.cleanup);
    assert_eq!(count().await, events, "nothing new was found, so nothing is written");

    files.write_manifest(Files::manifest());
    assert_eq!(remove(&machine, &id).await.state, State::Gone);
    assert!(machine.world.inventory().is_empty());
}

#[tokio::test]
async fn its_record_can_be_closed_by_hand() {
    let (machine, files, id) = made().await;
    files.remove_manifest();
    remove(&machine, &id).await;
    with(&machine, async |b: &Broker| {
        assert_eq!(b.forget(&id, "cleaned by hand").await.expect("closed").state, State::Forgotten);
        let events = b.events(&Default::default()).await.expect("readable");
        assert!(events.iter().any(|event| event.kind == EventKind::Forgotten));
    })
    .await;
}

#[tokio::test]
async fn a_reconciliation_says_it_once_for_each_and_goes_on_with_others() {
    let (machine, files, owed) = made().await;
    // One more of that extension, and one of another that stays.
    let ready = create(&machine).await.expect("made").sandbox_id;
    let other = |text: &str| text.replace("ext.fake", "ext.other").replace("profile.fake", "profile.other");
    for (name, text) in Machine::usual_catalog() {
        files.write(&other(name), &other(text));
    }
    let mut request = machine.request();
    request.profile = "profile.other".parse().expect("valid");
    request.ttl = Some(sandboxer_types::TimeSpan::seconds(60));
    let over = with(&machine, async |b: &Broker| b.create(request, true, &Context::default()).await).await;
    let over = over.expect("made").sandbox_id;

    files.remove_manifest();
    remove(&machine, &owed).await;
    machine.clock.advance(std::time::Duration::from_secs(61));
    let report =
        with(&machine, async |b: &Broker| b.reconcile(false, &Context::default()).await).await.expect("goes on");
    assert!(report.is_incomplete());
    let about =
        |id: &SandboxId| report.outcomes.iter().filter(|one| one.decision.sandbox_id == *id).collect::<Vec<_>>();
    assert_eq!(about(&owed).len(), 1);
    assert!(about(&owed)[0].errors[0].contains("`ext.fake` cannot be called"), "{report:?}");
    assert_eq!(about(&ready)[0].decision.action, Action::Leave);
    assert!(about(&ready)[0].decision.why.contains("cannot be called"), "{report:?}");
    assert_eq!(about(&over)[0].state, State::Gone);
}

#[tokio::test]
async fn a_create_of_it_is_refused_and_a_repetition_says_why() {
    let (machine, files, _) = made().await;
    files.remove_manifest();
    let failure = create(&machine).await.expect_err("there is no extension");
    assert_eq!(failure.residue, Residue::None);
    files.write_manifest(Files::manifest());
    machine.fail_opening(Some(Failure::new(ErrorKind::Unavailable, "no interpreter").with_hint("install one")));
    let failure = create(&machine).await.expect_err("it cannot be opened");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Unavailable, Residue::None));
}

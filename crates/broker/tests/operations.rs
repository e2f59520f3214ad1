//! What the operations promise beyond surviving crashes.

use sandboxer_broker::store::{SqliteStore, Store, StoreError};
use sandboxer_broker::{Broker, Context, Control, ListFilter, OrphanSearch};
use sandboxer_sdk::{SystemClock, SystemIds};
use sandboxer_testing::{Ended, Fault, Machine, Verb};
use sandboxer_types::{ConditionKind, ErrorKind, Residue, SandboxId, State, TimeSpan};
use std::sync::Arc;
use std::time::Duration;

async fn with<T>(machine: &Machine, work: impl AsyncFnOnce(&Broker) -> T) -> T {
    match machine.start(None).expect("the store opens").run(work).await {
        Ended::Normally(result) => result,
        Ended::Crashed => unreachable!("this process has no fatal instant"),
    }
}

#[tokio::test]
async fn the_same_key_finds_the_same_sandbox_and_another_request_under_it_is_a_conflict() {
    let machine = Machine::new().expect("a folder");
    let mut request = machine.request();
    request.idempotency_key = Some("job-1".to_owned());
    let context = Context::default();
    let first = with(&machine, async |b: &Broker| b.create(request.clone(), true, &context).await).await.expect("made");
    let again =
        with(&machine, async |b: &Broker| b.create(request.clone(), true, &context).await).await.expect("found");
    assert_eq!(first.sandbox_id, again.sandbox_id);
    request.inputs.insert("size".to_owned(), 3.into());
    let other = with(&machine, async |b: &Broker| b.create(request, true, &context).await).await.expect_err("differs");
    assert_eq!(other.kind, ErrorKind::Conflict);
    assert_eq!(machine.world.inventory().len(), 1);
}

#[tokio::test]
async fn two_requests_under_one_key_at_once_make_one_sandbox() {
    let machine = Machine::new().expect("a folder");
    let mut request = machine.request();
    request.idempotency_key = Some("job-2".to_owned());
    let context = Context::default();
    let (left, right) = tokio::join!(
        with(&machine, async |b: &Broker| b.create(request.clone(), true, &context).await),
        with(&machine, async |b: &Broker| b.create(request.clone(), true, &context).await),
    );
    assert_eq!(left.expect("made").sandbox_id, right.expect("found").sandbox_id);
    assert_eq!(machine.world.inventory().len(), 1);
}

#[tokio::test]
async fn a_create_that_died_is_brought_to_its_end_under_its_key() {
    let machine = Machine::new().expect("a folder");
    let mut request = machine.request();
    request.idempotency_key = Some("job-3".to_owned());
    let context = Context::default();
    // Dies right after `provision` took effect.
    let died =
        machine.start(Some(3)).expect("opens").run(async |b: &Broker| b.create(request.clone(), true, &context).await);
    assert!(matches!(died.await, Ended::Crashed));
    assert_eq!(machine.world.inventory().len(), 1);
    let status = with(&machine, async |b: &Broker| b.create(request, true, &context).await).await.expect("finished");
    assert_eq!(status.state, State::Ready);
    assert_eq!(machine.world.inventory(), vec![status.sandbox_id]);
}

#[tokio::test]
async fn names_are_unique_among_the_living() {
    let machine = Machine::new().expect("a folder");
    let mut request = machine.request();
    request.name = Some("box".parse().expect("valid"));
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        let first = b.create(request.clone(), true, &context).await.expect("made");
        assert_eq!(b.create(request.clone(), true, &context).await.expect_err("taken").kind, ErrorKind::Conflict);
        assert_eq!(b.resolve("box").await.expect("by name"), first.sandbox_id);
        b.remove(&first.sandbox_id, &context).await.expect("removed");
        assert_eq!(b.resolve("box").await.expect_err("the dead have no name").kind, ErrorKind::NotFound);
        b.create(request, true, &context).await.expect("the name is free again");
    })
    .await;
}

#[tokio::test]
async fn a_failed_teardown_stays_owed_until_it_is_done() {
    let machine = Machine::new().expect("a folder");
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        let id = b.create(machine.request(), true, &context).await.expect("made").sandbox_id;
        let down = Fault { kind: ErrorKind::Forbidden, residue: Residue::Present, after_effect: false };
        machine.world.add_fault(Verb::Teardown, down);
        let status = b.remove(&id, &context).await.expect("an attempt");
        assert_eq!(status.state, State::TearingDown);
        assert!(status.conditions.iter().any(|condition| condition.kind == ConditionKind::TeardownOwed));
        assert_eq!(b.list(&ListFilter::default()).await.expect("readable").len(), 1, "it stays in the list");
        assert_eq!(b.remove(&id, &context).await.expect("done").state, State::Gone);
        assert!(b.list(&ListFilter::default()).await.expect("readable").is_empty());
    })
    .await;
}

#[tokio::test]
async fn what_was_ambiguous_once_is_not_cleared_by_a_later_word() {
    let machine = Machine::new().expect("a folder");
    let unknown = Fault { kind: ErrorKind::Unavailable, residue: Residue::Unknown, after_effect: true };
    let nothing = Fault { kind: ErrorKind::Forbidden, residue: Residue::None, after_effect: false };
    machine.world.add_fault(Verb::Provision, unknown);
    machine.world.add_fault(Verb::Provision, nothing);
    with(&machine, async |b: &Broker| {
        let failure = b.create(machine.request(), true, &Context::default()).await.expect_err("failed");
        assert_eq!(failure.kind, ErrorKind::Forbidden);
    })
    .await;
    assert!(machine.world.inventory().is_empty(), "the first attempt's sandbox was torn down");
}

#[tokio::test]
async fn a_process_that_was_given_up_can_no_longer_write() {
    let machine = Machine::new().expect("a folder");
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        let id = b.create(machine.request(), true, &context).await.expect("made").sandbox_id;
        // A process that read the record now, and then was away for a while …
        let store = SqliteStore::open(&machine.store_path(), machine.clock.clone(), &SystemIds).expect("opens");
        let stale = store.get(&id).await.expect("readable").expect("known");
        // … in which another one removed the sandbox.
        b.remove(&id, &context).await.expect("removed");
        let written = store.write(stale.epoch, &stale, Vec::new()).await;
        assert!(matches!(written, Err(StoreError::LostOwnership(lost)) if lost == id));
        assert_eq!(b.show(&id).await.expect("known").state, State::Gone);
    })
    .await;
}

#[tokio::test]
async fn a_reconciliation_beside_a_create_never_removes_what_was_just_made() {
    let machine = Machine::new().expect("a folder");
    let context = Context::default();
    for _ in 0..100 {
        let (made, reconciled) = tokio::join!(
            // The process is gone at its end, as a command is: its claim must not look like a dead one's.
            with(&machine, async |b: &Broker| b.create(machine.request(), true, &context).await),
            with(&machine, async |b: &Broker| {
                for _ in 0..4 {
                    b.reconcile(false, &context).await?;
                }
                Ok::<_, sandboxer_types::Failure>(())
            }),
        );
        reconciled.expect("reconciles");
        let id = made.expect("made").sandbox_id;
        with(&machine, async |b: &Broker| {
            assert_eq!(b.show(&id).await.expect("known").state, State::Ready);
            b.remove(&id, &context).await.expect("removed");
        })
        .await;
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_is_removed_and_one_that_was_moved_is_not() {
    let machine = Machine::new().expect("a folder");
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        let short = b.create(machine.request(), true, &context).await.expect("made").sandbox_id;
        let moved = b.create(machine.request(), true, &context).await.expect("made").sandbox_id;
        b.extend(&moved, TimeSpan::seconds(3 * 3600)).await.expect("moved");
        machine.clock.advance(Duration::from_secs(2 * 3600));
        b.tidy(&context).await.expect("tidied");
        assert_eq!(machine.world.inventory(), vec![moved.clone()]);
        assert_eq!(b.show(&short).await.expect("known").state, State::Gone);
        let beyond = b.extend(&moved, TimeSpan::seconds(23 * 3600)).await.expect_err("beyond the profile's most");
        assert_eq!(beyond.kind, ErrorKind::InvalidInput);
    })
    .await;
}

#[tokio::test]
async fn orphans_are_swept_only_when_seen_twice_old_enough_and_ours() {
    let machine = Machine::new().expect("a folder");
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        let kept = b.create(machine.request(), true, &context).await.expect("made").sandbox_id;
        let item = machine.world.get(&kept).expect("there");
        let orphan: SandboxId = "orphan".parse().expect("valid");
        let foreign: SandboxId = "foreign".parse().expect("valid");
        machine.world.put(&orphan, item.clone());
        let mut others = item;
        others.labels.insert("sandboxer.owner".to_owned(), "ownsomebodyelse".to_owned());
        machine.world.put(&foreign, others);

        let search = OrphanSearch { sweep: true, minimum_age: Duration::from_secs(1800), cap: 5 };
        let first = b.orphans(search, &context).await.expect("looked");
        assert_eq!(
            first.orphans.iter().map(|o| (&o.sandbox_id, o.removed)).collect::<Vec<_>>(),
            vec![(&orphan, false)]
        );
        let young = b.orphans(search, &context).await.expect("looked");
        assert!(!young.orphans[0].removed, "{young:?}");
        machine.clock.advance(Duration::from_secs(1801));
        let looked = b.orphans(OrphanSearch { sweep: false, ..search }, &context).await.expect("looked");
        assert!(!looked.orphans[0].removed, "a search that does not sweep removes nothing");
        let swept = b.orphans(search, &context).await.expect("swept");
        assert!(swept.orphans[0].removed, "{swept:?}");
        assert_eq!(machine.world.inventory(), vec![foreign, kept]);
    })
    .await;
}

#[tokio::test]
async fn forgetting_is_only_for_what_could_not_be_removed_and_is_written_down() {
    let machine = Machine::new().expect("a folder");
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        let id = b.create(machine.request(), true, &context).await.expect("made").sandbox_id;
        assert_eq!(b.forget(&id, "why not").await.expect_err("it is ready").kind, ErrorKind::Precondition);
        let down = Fault { kind: ErrorKind::Forbidden, residue: Residue::Present, after_effect: false };
        machine.world.add_fault(Verb::Teardown, down);
        b.remove(&id, &context).await.expect("an attempt");
        assert_eq!(b.forget(&id, "the host is scrap").await.expect("closed").state, State::Forgotten);
        let events = b.events(&Default::default()).await.expect("readable");
        assert!(events.iter().any(|event| event.message == "the host is scrap"), "{events:?}");
    })
    .await;
}

#[tokio::test]
async fn bad_requests_are_refused_before_anything_exists() {
    let machine = Machine::new().expect("a folder");
    with(&machine, async |b: &Broker| {
        let context = Context::default();
        let mut unknown = machine.request();
        unknown.profile = "profile.fakee".parse().expect("well-formed");
        let failure = b.create(unknown, true, &context).await.expect_err("unknown");
        assert_eq!((failure.kind, failure.residue), (ErrorKind::NotFound, Residue::None));
        assert!(failure.hint.expect("a hint").contains("profile.fake"));
        let mut wrong = machine.request();
        wrong.inputs.insert("siez".to_owned(), 1.into());
        let failure = b.create(wrong, true, &context).await.expect_err("unknown input");
        assert_eq!((failure.kind, failure.residue), (ErrorKind::InvalidInput, Residue::None));
        let mut long = machine.request();
        long.ttl = Some(TimeSpan::seconds(48 * 3600));
        assert_eq!(b.create(long, true, &context).await.expect_err("too long").kind, ErrorKind::InvalidInput);
        let mut ours = machine.request();
        ours.labels.insert("sandboxer.owner".to_owned(), "me".to_owned());
        assert_eq!(b.create(ours, true, &context).await.expect_err("our label").kind, ErrorKind::InvalidInput);
        for text in ["", "../x", "-rf", "a\nb", "$(id)", "%", "_", &"x".repeat(100_000)] {
            assert_eq!(b.resolve(text).await.expect_err("hostile").kind, ErrorKind::NotFound);
        }
        assert!(b.list(&ListFilter::default()).await.expect("readable").is_empty());
        assert!(b.events(&Default::default()).await.expect("readable").is_empty());
    })
    .await;
}

#[test]
fn a_damaged_or_foreign_or_newer_store_is_told_apart_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = |path: &std::path::Path| SqliteStore::open(path, Arc::new(SystemClock), &SystemIds).map(drop);

    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "this is not a database, and longer than a header of a hundred bytes ".repeat(20))
        .expect("writable");
    assert!(matches!(open(&garbage), Err(StoreError::Corrupt { .. })));

    let foreign = folder.path().join("foreign");
    let database = rusqlite::Connection::open(&foreign).expect("opens");
    database.execute_batch("CREATE TABLE precious (x); INSERT INTO precious VALUES (1)").expect("works");
    drop(database);
    assert!(matches!(open(&foreign), Err(StoreError::Corrupt { .. })));
    let database = rusqlite::Connection::open(&foreign).expect("opens");
    assert_eq!(database.query_row("SELECT count(*) FROM precious", [], |row| row.get::<_, i64>(0)), Ok(1));

    let newer = folder.path().join("newer");
    open(&newer).expect("made");
    rusqlite::Connection::open(&newer).expect("opens").pragma_update(None, "user_version", 99).expect("works");
    assert!(matches!(open(&newer), Err(StoreError::Newer { found: 99, .. })));

    assert!(matches!(open(&folder.path().join("no/such/folder")), Err(StoreError::ReadOnly(_))));
}

#[tokio::test]
async fn what_a_dead_process_has_left_running_is_ended_before_anything_is_taken_over() {
    let machine = Machine::new().expect("a folder");
    let context = Context::default();
    // Dies right before `provision` takes effect; the extension's own process goes on.
    let died = machine.start(Some(2)).expect("opens");
    let died = died.run(async |b: &Broker| b.create(machine.request(), true, &context).await);
    assert!(matches!(died.await, Ended::Crashed));
    with(&machine, async |b: &Broker| {
        machine.set_stubborn(true);
        let before = b.list(&ListFilter::default()).await.expect("only reads");
        let id = before[0].sandbox_id.clone();
        let failure = b.remove(&id, &context).await.expect_err("it does not end");
        assert_eq!((failure.kind, failure.residue), (ErrorKind::Busy, Residue::Present));
        assert!(failure.message.contains("process group 77"), "{failure}");
        let report = b.reconcile(false, &context).await.expect("goes on with others");
        assert!(report.is_incomplete() && report.outcomes[0].errors[0].contains("77"), "{report:?}");
        assert_eq!(b.show(&id).await.expect("known"), before[0], "nothing was taken over");

        machine.set_stubborn(false);
        assert_eq!(b.remove(&id, &context).await.expect("removed").state, State::Gone);
        machine.world.finish_late();
        assert!(machine.world.inventory().is_empty(), "born late");
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_says_what_keeps_it_from_taking_over() {
    let machine = Machine::new().expect("a folder");
    let mut request = machine.request();
    request.idempotency_key = Some("job-4".to_owned());
    let context = Context::default();
    let died = machine.start(Some(2)).expect("opens");
    let died = died.run(async |b: &Broker| b.create(request.clone(), true, &context).await);
    assert!(matches!(died.await, Ended::Crashed));
    machine.set_stubborn(true);
    let failure = with(&machine, async |b: &Broker| b.create(request, true, &context).await).await.expect_err("stuck");
    assert!(failure.message.contains("process group 77"), "{failure}");
}

#[tokio::test]
async fn an_extension_that_cannot_be_opened_makes_nothing_and_keeps_what_is_owed() {
    let machine = Machine::new().expect("a folder");
    let context = Context::default();
    with(&machine, async |b: &Broker| {
        let id = b.create(machine.request(), true, &context).await.expect("made").sandbox_id;
        machine.fail_opening(Some(sandboxer_types::Failure::new(ErrorKind::Unavailable, "no interpreter")));
        let failure = b.create(machine.request(), true, &context).await.expect_err("cannot be opened");
        assert_eq!((failure.kind, failure.residue), (ErrorKind::Unavailable, Residue::None));
        assert_eq!(b.list(&ListFilter::default()).await.expect("readable").len(), 1, "nothing was written");
        let status = b.remove(&id, &context).await.expect("an attempt");
        assert_eq!(status.state, State::TearingDown);
        let said = status.cleanup.expect("a report").errors.join("; ");
        assert!(said.contains("no interpreter") && said.contains(id.as_str()), "{said}");
        machine.fail_opening(None);
        assert_eq!(b.remove(&id, &context).await.expect("done").state, State::Gone);
    })
    .await;
}

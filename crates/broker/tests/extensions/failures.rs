//! What a failed `provision` says of what it left behind, and what follows from that.

use crate::{Files, create, show, with};
use sandboxer_broker::store::RecordFilter;
use sandboxer_broker::{Broker, Context, Control, ListFilter, Observer};
use sandboxer_sdk::{LogLevel, Progress};
use sandboxer_testing::Machine;
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Residue, Retry, SandboxId, SandboxStatus, State};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What became of a create whose attempts failed like that: how often it was tried, whether a teardown followed, and
/// where the record stands.
struct Became {
    failure: Failure,
    attempts: usize,
    teardowns: usize,
    status: SandboxStatus,
}

async fn became(failures: impl IntoIterator<Item = Failure>) -> Became {
    let machine = Machine::new().expect("a folder");
    machine.world.answer(|answers| answers.failures.extend(failures));
    let failure = create(&machine).await.expect_err("as planned");
    let calls = machine.world.take_calls();
    let count = |verb| calls.iter().filter(|call| call.verb == verb).count();
    let records = RecordFilter { include_closed: true, ..RecordFilter::default() };
    let all = with(&machine, async |b: &Broker| {
        b.list(&ListFilter { records, ..ListFilter::default() }).await.expect("readable")
    });
    let status = show(&machine, &all.await[0].sandbox_id).await;
    Became { failure, attempts: count("provision"), teardowns: count("teardown"), status }
}

fn failure(kind: ErrorKind, residue: Residue) -> Failure {
    Failure::new(kind, "as planned").with_residue(residue)
}

#[tokio::test]
async fn every_kind_is_tried_again_as_it_asks_and_torn_down_unless_it_left_nothing() {
    use ErrorKind as K;
    use Residue as R;
    // The usual residues of the protocol's table.
    let table = [
        (K::InvalidInput, R::None, 1),
        (K::Conflict, R::Present, 1),
        (K::Unauthenticated, R::None, 1),
        (K::Forbidden, R::None, 1),
        (K::NotFound, R::None, 1),
        (K::Precondition, R::Present, 1),
        (K::Exhausted, R::None, 3),
        (K::Unavailable, R::Unknown, 3),
        (K::HostUnreachable, R::Unknown, 3),
        (K::Busy, R::Present, 3),
        (K::Deadline, R::InProgress, 1),
        (K::Deadline, R::Unknown, 1),
        (K::Cancelled, R::InProgress, 1),
        (K::Partial, R::Partial, 1),
        (K::NotReady, R::Present, 1),
        (K::Unsupported, R::None, 1),
        (K::ContractViolation, R::Unknown, 1),
        (K::Internal, R::Unknown, 3),
    ];
    for (kind, residue, attempts) in table {
        let became = became((0..attempts).map(|_| failure(kind, residue))).await;
        assert_eq!(became.attempts, attempts, "{kind}");
        assert_eq!(became.teardowns, usize::from(residue.may_exist()), "{kind} {residue}");
        assert_eq!((became.failure.kind, became.status.state), (kind, State::Gone), "{kind}");
        assert_eq!(became.failure.residue, Residue::None, "{kind}: nothing was made, or its cleanup was verified");
    }
}

#[tokio::test]
async fn what_will_never_help_is_not_tried_again() {
    for kind in [ErrorKind::Internal, ErrorKind::ContractViolation] {
        let became = became([failure(kind, Residue::Unknown).with_retry(Retry::Never)]).await;
        assert_eq!((became.attempts, became.teardowns), (1, 1), "{kind}");
        assert_eq!(became.failure.kind, kind);
    }
}

#[tokio::test]
async fn nothing_counts_only_while_no_earlier_attempt_is_in_doubt() {
    let doubt = || failure(ErrorKind::Unavailable, Residue::Unknown);
    let nothing = || failure(ErrorKind::Exhausted, Residue::None);
    let only_nothing = became([nothing(), nothing(), nothing()]).await;
    assert_eq!((only_nothing.attempts, only_nothing.teardowns), (3, 0));
    for attempts in [[doubt(), nothing(), nothing()], [nothing(), doubt(), nothing()]] {
        let became = became(attempts).await;
        assert_eq!((became.attempts, became.teardowns), (3, 1));
    }
}

#[tokio::test]
async fn what_was_half_made_is_removed_by_its_own_handle() {
    let machine = Machine::new().expect("a folder");
    let mut request = machine.request();
    request.sandbox_id = Some("mine".parse().expect("valid"));
    let handle = Handle::minimal(&"mine".parse().expect("valid"), &HostId::localhost()).with("vm", 17);
    let partial = failure(ErrorKind::Partial, Residue::Partial).with_handle(handle.clone());
    machine.world.answer(|answers| answers.failures.push_back(partial));
    let made = with(&machine, async |b: &Broker| b.create(request, true, &Context::default()).await).await;
    assert_eq!(made.expect_err("half made").handle.as_ref(), Some(&handle));
    let calls = machine.world.take_calls();
    let teardown = calls.iter().find(|call| call.verb == "teardown").expect("one");
    assert_eq!(teardown.handle, Some(handle));
}

/// Withdraws once an attempt is about to be repeated.
struct CancelsBeforeTheNext(CancellationToken);

impl Observer for CancelsBeforeTheNext {
    fn progress(&self, _progress: &Progress) {}
    fn log(&self, _level: LogLevel, line: &str) {
        if line.contains("is repeated") {
            self.0.cancel();
        }
    }
    fn moved(&self, _sandbox_id: &SandboxId, _state: State) {}
}

#[tokio::test]
async fn a_wait_between_attempts_ends_with_the_callers_patience_or_the_time_there_is() {
    for (cancels, kind) in [(true, ErrorKind::Cancelled), (false, ErrorKind::Deadline)] {
        let (machine, files) = (Machine::new().expect("a folder"), Files::new());
        files.write_manifest(&format!("{}timeouts: {{provision: 1s}}\n", Files::manifest()));
        machine.use_catalog(files.given());
        let mut busy = failure(ErrorKind::Exhausted, Residue::None);
        busy.retry_after_ms = Some(u64::MAX);
        machine.world.answer(|answers| answers.failures.push_back(busy));
        let mut context = Context::default();
        if cancels {
            context.observer = Arc::new(CancelsBeforeTheNext(context.cancel.clone()));
        }
        let made = with(&machine, async |b: &Broker| b.create(machine.request(), true, &context).await).await;
        let failure = made.expect_err("no more attempts");
        assert_eq!((failure.kind, failure.residue), (kind, Residue::None));
        assert_eq!(failure.causes, ["as planned"]);
        let calls = machine.world.take_calls();
        assert_eq!(calls.len(), 1, "neither a second attempt nor a teardown: {calls:?}");
    }
}

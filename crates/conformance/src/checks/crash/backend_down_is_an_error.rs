use crate::asking::told;
use crate::bench::{Bench, Made, Named};
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_types::{CleanupReport, Failure, Residue, SshDestination};

check!(
    L3,
    "backend-down-is-an-error",
    rule: "What cannot be looked for is not gone: with the backend away, `teardown` is an error",
    does: "takes the backend away (`outage` of the test plan; for what ssh reaches, a port where nobody listens), tears down, brings it back, and looks whether the sandbox is still there to be removed",
    proves: "a network that is down never turns into a leak that nobody knows of"
);

/// Nobody listens there: it is reserved for what throws everything away.
const NOWHERE: &str = "nobody@127.0.0.1:9";

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    bench.count_fault();
    if bench.backend().can_be_taken_away() {
        bench.backend().take_away().await?;
        let answered = bench.teardown(&made.named, &made.handle).await;
        let minimal = bench.teardown(&made.named, &made.named.minimal_handle()).await;
        bench.backend().bring_back().await?;
        must_not_be_success(answered?)?;
        must_not_be_success(minimal?)?;
    } else if bench.subject().ssh.is_some() {
        let nowhere: SshDestination = NOWHERE.parse().map_err(|fault| Stop::failed(format!("{fault}")))?;
        let away = Named { ssh: Some(nowhere), ..made.named.clone() };
        must_not_be_success(bench.teardown(&away, &away.minimal_handle()).await?)?;
    } else {
        bench.remove(&made.named, &made.handle).await?;
        return Err(Stop::skipped("the test plan has no `outage`, and nothing is reached by ssh"));
    }
    still_to_be_removed(bench, &made).await
}

fn must_not_be_success(answered: Result<CleanupReport, Failure>) -> Verdict {
    match answered {
        Ok(report) => hold!(!report.complete, "with the backend away it says that everything is gone"),
        Err(failure) => hold!(
            failure.residue != Residue::None,
            "with the backend away it says that nothing is left: {}",
            told(&failure)
        ),
    }
    Ok(())
}

async fn still_to_be_removed(bench: &Bench, made: &Made) -> Verdict {
    bench.remove(&made.named, &made.handle).await?;
    bench.nothing_new().await
}

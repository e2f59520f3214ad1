use crate::asking::told;
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use crate::making::{checked, must_say_something};
use sandboxer_sdk::wire::AskWaitReady;
use sandboxer_types::Lifecycle;

check!(
    L2,
    "lifecycle-in-one-process",
    rule: "One process makes a sandbox, says how it is reached, and removes it",
    does: "asks one process for all three, and then looks whether the sandbox is gone",
    proves: "the plain way works"
);

async fn run(bench: &Bench) -> Verdict {
    if bench.subject().program.lifecycle == Lifecycle::Oneshot {
        return Err(Stop::skipped("each of its processes serves one request"));
    }
    let failed = |verb: &'static str| move |failure| Stop::failed(format!("`{verb}` failed: {}", told(&failure)));
    let named = bench.name()?;
    let mut peer = bench.peer()?;
    let made = bench.ask_in(&mut peer, &named, &bench.provision_of(&named)).await?;
    let handle = checked(made.map_err(failed("provision"))?.handle, &named)?;
    let reached = bench.ask_in(&mut peer, &named, &AskWaitReady { handle: handle.clone() }).await?;
    bench.remember(&named, &reached.map_err(failed("wait_ready"))?.reachability);
    let removed = bench.ask_in(&mut peer, &named, &bench.teardown_of(&named, &handle)).await?;
    let report = removed.map_err(failed("teardown"))?.report;
    hold!(report.complete, "its teardown is not complete: {}", report.errors.join("; "));
    must_say_something(&report)?;
    bench.leave(&named).await?;
    bench.must_be_gone(&named).await?;
    bench.strike(&named)?;
    peer.kill().await
}

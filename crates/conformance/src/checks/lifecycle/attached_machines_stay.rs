use crate::bench::{Bench, needs_feature};
use crate::check::{Stop, Verdict, check, hold};
use crate::evidence::route;
use sandboxer_types::Feature;

check!(
    L2,
    "attached-machines-stay",
    rule: "A machine that it does not own stays as it was, and its report says so",
    does: "makes a sandbox on such a machine, removes it, and looks whether the report has the machine as `retained` and the machine still answers",
    proves: "nobody's build machine goes with a sandbox"
);

async fn run(bench: &Bench) -> Verdict {
    needs_feature(bench, Feature::Attach)?;
    let made = bench.make().await?;
    hold!(
        !made.reachability.owns_machine,
        "it declares `attach`, and says that the machine is the sandbox (`owns_machine`)"
    );
    let report = bench.remove(&made.named, &made.handle).await?;
    hold!(!report.retained.is_empty(), "its report does not say that the machine was `retained`");
    if let Some(route) = route(&made.reachability)? {
        let visited = bench.subject().doors.visit(&route).await;
        visited.map_err(|error| Stop::failed(format!("after the teardown {route} does not answer: {error}")))?;
    }
    Ok(())
}

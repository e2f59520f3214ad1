use crate::bench::Bench;
use crate::check::{Verdict, check, hold};

check!(
    L2,
    "reachability-keeps-the-rules",
    rule: "What `wait_ready` returns can be used as it is, and claims no more than the manifest",
    does: "makes a sandbox, and checks each member of its reachability, its host and its isolation",
    proves: "its texts may become arguments of ssh and paths of this machine"
);

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let reachability = &made.reachability;
    if let Err(fault) = reachability.check(&made.named.host) {
        hold!(false, "{fault}");
    }
    let levels = &bench.subject().manifest.capabilities.isolation_levels;
    if let Some(level) = &reachability.isolation {
        hold!(levels.contains(level), "it claims the isolation `{level}`, and its manifest does not");
    }
    bench.remove(&made.named, &made.handle).await.map(drop)
}

use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_sdk::wire::{AskRecover, Found};
use sandboxer_types::Verb;

check!(
    L3,
    "owners-never-meet",
    rule: "What bears another owner is never listed, found or removed",
    does: "makes a sandbox for one owner; as another one lists, recovers and tears down its id, by the full handle and by the minimal one; and looks whether it is still there",
    proves: "two teams on one backend cannot sweep each other's sandboxes"
);

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let stranger = made.named.of(&bench.common.stranger);
    if bench.has(Verb::List) {
        let listed = bench.listed(&stranger.owner).await?;
        hold!(!listed.contains(&made.named.sandbox_id), "`list` shows one owner the sandbox of another");
    }
    if bench.has(Verb::Recover) {
        let ask = AskRecover { host: stranger.host.clone(), draft: None };
        let found = bench.ask(&stranger, &ask).await?;
        hold!(!matches!(found, Ok(Found::Present { .. })), "`recover` hands one owner the sandbox of another");
    }
    for handle in [stranger.minimal_handle(), made.handle.clone()] {
        // It may refuse, or say that it is absent: both are true.
        bench.teardown(&stranger, &handle).await?.ok();
        bench.must_be_there(&made).await?;
    }
    bench.remove(&made.named, &made.handle).await.map(drop)
}

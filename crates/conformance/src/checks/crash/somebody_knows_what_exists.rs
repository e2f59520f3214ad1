use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_sdk::wire::Found;
use sandboxer_types::Verb;

check!(
    L3,
    "somebody-knows-what-exists",
    rule: "There is somebody who can say what exists: `recover`, `list` or `status`, or an inventory of the backend's own",
    does: "makes a sandbox, and asks each of them for it",
    proves: "that nothing is left can be seen at all; without this no other check of crashes means much"
);

async fn run(bench: &Bench) -> Verdict {
    hold!(
        !bench.witnesses().is_empty(),
        "it has neither `recover`, `list` nor `status`, and the test plan no `inventory`: nobody could see a leak"
    );
    let made = bench.make().await?;
    let id = &made.named.sandbox_id;
    if bench.has(Verb::Recover) {
        let found = bench.recovered(&made.named).await?;
        hold!(matches!(found, Found::Present { .. }), "`recover` does not find {id}, which is ready");
    }
    if bench.has(Verb::List) {
        hold!(bench.listed(&made.named.owner).await?.contains(id), "`list` does not have {id}, which is ready");
    }
    if bench.has(Verb::Status) {
        let state = bench.status(&made.named).await?;
        hold!(state != sandboxer_sdk::ObservedState::Absent, "`status` says that {id} is absent, which is ready");
    }
    bench.must_be_there(&made).await?;
    bench.remove(&made.named, &made.handle).await.map(drop)
}

use super::{must_leave_nothing, needs_witness};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::fault::{Act, Fault, When};
use sandboxer_sdk::wire::AskWaitReady;

check!(
    L3,
    "answers-lost",
    rule: "An answer that was lost can be had again",
    does: "loses the answers of `provision`, `wait_ready` and `teardown`, with all that was said before them, and asks again",
    proves: "the work was done once, and who asks again learns the same"
);

const LOST: Fault = Fault { act: Act::Lose, when: When::Message(0) };

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    let named = bench.name()?;
    bench.ask_with(&named, &bench.provision_of(&named), LOST).await?;
    let before = bench.backend().inventory().await?;
    let handle = bench.must_provision(&named).await?;
    let after = bench.backend().inventory().await?;
    let count = |lines: &Option<Vec<String>>| lines.as_ref().map_or(0, Vec::len);
    hold!(
        count(&before) == count(&after),
        "the second attempt made a second one: {} entries, then {}",
        count(&before),
        count(&after)
    );
    bench.ask_with(&named, &AskWaitReady { handle: handle.clone() }, LOST).await?;
    bench.must_be_ready(&named, &handle).await?;
    bench.ask_with(&named, &bench.teardown_of(&named, &handle), LOST).await?;
    must_leave_nothing(bench, &named).await?;
    bench.nothing_new().await
}

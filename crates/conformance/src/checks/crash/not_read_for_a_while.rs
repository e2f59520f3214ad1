use super::must_leave_nothing;
use crate::asking::read;
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check};
use crate::conversation::{Request, converse};
use crate::fault::{Act, Fault, When};
use crate::making::checked;
use sandboxer_sdk::wire::AskProvision;
use std::time::Duration;

check!(
    L3,
    "not-read-for-a-while",
    rule: "A host that is slow, or whose line comes in pieces, is served like any other",
    does: "sends a request in two pieces with a pause between them, and another whose answer is not read for a while",
    proves: "nothing hangs on the pace of the pipe"
);

const PAUSE: Duration = Duration::from_millis(400);

async fn run(bench: &Bench) -> Verdict {
    in_pieces(bench).await?;
    let named = bench.name()?;
    let late = Fault { act: Act::Delay(PAUSE), when: When::Message(0) };
    let conversation = bench.ask_with(&named, &bench.provision_of(&named), late).await?;
    let made = read::<AskProvision>(conversation)?;
    made.map_err(|failure| Stop::failed(format!("not read for a while, `provision` failed: {failure}")))?;
    must_leave_nothing(bench, &named).await
}

async fn in_pieces(bench: &Bench) -> Verdict {
    let named = bench.name()?;
    let whole = bench.request(&named, &bench.provision_of(&named))?;
    let (first, rest) = whole.line.split_at(whole.line.len() / 2);
    let mut peer = bench.peer()?;
    peer.send_slowly(first, PAUSE).await;
    bench.count_fault();
    let rest = Request { call: whole.call.clone(), line: rest.to_vec(), limit: whole.limit, hold: None };
    let conversation = converse(&mut peer, &rest, None, bench.common.patience.answering).await?;
    let made = read::<AskProvision>(conversation)?;
    let made = made.map_err(|failure| Stop::failed(format!("in two pieces, `provision` failed: {failure}")))?;
    checked(made.handle, &named)?;
    peer.kill().await?;
    must_leave_nothing(bench, &named).await
}

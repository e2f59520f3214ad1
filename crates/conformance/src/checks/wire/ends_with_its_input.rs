use super::{LIMIT, describe_message, request};
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use crate::conversation::converse;
use std::time::Duration;

check!(
    L1,
    "ends-with-its-input",
    rule: "At the end of its input it ends, with every process that it has started",
    does: "asks it to describe itself, ends its input, and waits for the process and its group",
    proves: "no host leaves processes behind by going away"
);

/// The protocol gives it two seconds; machines that are busy get more.
const ENDING: Duration = Duration::from_secs(8);

async fn run(bench: &Bench) -> Verdict {
    let mut peer = bench.peer()?;
    converse(&mut peer, &request(&describe_message(bench)?), None, LIMIT).await?.answer("describe")?.ok();
    peer.end_input();
    let status = peer.ended(ENDING).await;
    let status = status.ok_or_else(|| Stop::failed(format!("{ENDING:?} after the end of its input it still runs")))?;
    hold!(status.success(), "at the end of its input it ends with {status}");
    let gone = peer.group().ends_within(ENDING).await;
    hold!(gone, "it has ended, and a process that it has started still runs in its group");
    Ok(())
}

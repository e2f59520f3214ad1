use super::{must_have_answered, needs_witness, provision_time};
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check};
use crate::fault::{Act, Fault, When};
use crate::peer::Peer;

check!(
    L3,
    "no-late-birth",
    rule: "What was removed during its create is not born afterwards",
    does: "withdraws or kills `provision` at random instants, tears down at once in another process while the first one still runs, and keeps looking for a while",
    proves: "a `gone` that was said in the midst of a create stays true"
);

const LEAST: u32 = 4;

async fn run(bench: &Bench) -> Verdict {
    needs_witness(bench)?;
    let span = provision_time(bench).await?;
    let mut removed: Vec<(Named, Peer)> = Vec::new();
    for number in 0..LEAST.max(bench.common.kills / 4) {
        let instant = bench.dice().instant(span);
        let act = if number % 3 == 2 { Act::Kill } else { Act::Cancel };
        removed.push(remove_during_create(bench, Fault { act, when: When::After(instant) }).await?);
    }
    tokio::time::sleep(bench.common.patience.late).await;
    for (named, _) in &removed {
        if let Some(how) = bench.seen(named).await? {
            return Err(Stop::failed(format!("{} was born after it was removed: {how}", named.sandbox_id)));
        }
    }
    bench.nothing_new().await?;
    for (named, mut peer) in removed {
        peer.kill().await?;
        bench.strike(&named)?;
    }
    Ok(())
}

async fn remove_during_create(bench: &Bench, fault: Fault) -> Result<(Named, Peer), Stop> {
    let named = bench.name()?;
    bench.did(&format!("`provision` of {} is {fault}", named.sandbox_id));
    let mut peer = bench.peer()?;
    let conversation = bench.converse(&mut peer, &named, &bench.provision_of(&named), Some(fault)).await?;
    must_have_answered(bench, &named, conversation).await?;
    bench.must_tear_down(&named, &named.minimal_handle()).await?;
    bench.must_be_gone(&named).await?;
    Ok((named, peer))
}

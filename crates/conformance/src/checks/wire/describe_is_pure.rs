use crate::asking::told;
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_sdk::wire::{Described, PROTOCOL};

check!(
    L1,
    "describe-is-pure",
    rule: "`describe` needs nothing, and always says the same",
    does: "asks `describe` of two fresh processes, without config and secrets, and compares the answers with each other and with the manifest",
    proves: "what a host learns from one process is true of all of them"
);

async fn run(bench: &Bench) -> Verdict {
    let first = describe(bench).await?;
    let second = describe(bench).await?;
    hold!(first == second, "it says {first:?} first, and then {second:?}");
    let manifest = &bench.subject().manifest;
    hold!(first.id == manifest.id.as_str(), "it says that it is `{}`, and its manifest `{}`", first.id, manifest.id);
    hold!(first.protocols.contains(&PROTOCOL), "it does not say that it speaks protocol {PROTOCOL}");
    for verb in &bench.subject().declared() {
        hold!(first.verbs.contains(verb), "its manifest declares `{verb}`, and `describe` does not");
    }
    Ok(())
}

async fn describe(bench: &Bench) -> Result<Described, Stop> {
    bench.describe().await?.map_err(|failure| Stop::failed(format!("`describe` failed: {}", told(&failure))))
}

use crate::bench::Bench;
use crate::check::{Verdict, check, hold};

check!(
    L1,
    "manifest-is-sound",
    rule: "The manifest and its schemas are valid, and accept what the manifest itself says",
    does: "reads the manifest, takes each schema as JSON Schema, checks `config` and every example by them, and starts the program",
    proves: "hosts, editors and registries can rely on what the manifest says without running anything"
);

async fn run(bench: &Bench) -> Verdict {
    let faults = &bench.subject().manifest_faults;
    hold!(faults.is_empty(), "{}", faults.join("; "));
    let manifest = &bench.subject().manifest;
    let (verbs, features) = (&manifest.capabilities.verbs, &manifest.capabilities.features);
    for (place, verb) in verbs.iter().enumerate() {
        hold!(!verbs[..place].contains(verb), "it declares `{verb}` twice");
    }
    for (place, feature) in features.iter().enumerate() {
        hold!(!features[..place].contains(feature), "it declares `{feature}` twice");
    }
    bench.peer()?.kill().await
}

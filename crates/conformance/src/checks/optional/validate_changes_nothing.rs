use super::must_answer;
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_sdk::wire::AskValidate;
use sandboxer_types::Verb;

check!(
    L4,
    "validate-changes-nothing",
    rule: "`validate` returns the inputs with their defaults, always the same, and does nothing",
    does: "validates the plan's inputs, and what comes back once more; compares, and looks for anything that was made",
    proves: "a host may check inputs as often as it likes"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Validate)?;
    let named = bench.name()?;
    let (host, profile) = (named.host.clone(), bench.subject().profile.clone());
    let ask = AskValidate { host, profile, inputs: named.inputs.clone() };
    let first = must_answer(bench, &named, &ask).await?.inputs;
    for name in named.inputs.keys() {
        hold!(first.contains_key(name), "the input `{name}` is gone after `validate`");
    }
    let again = must_answer(bench, &named, &AskValidate { inputs: first.clone(), ..ask }).await?.inputs;
    hold!(first == again, "validated inputs are changed when they are validated again: {first:?}, {again:?}");
    bench.must_be_gone(&named).await?;
    bench.strike(&named)?;
    bench.nothing_new().await
}

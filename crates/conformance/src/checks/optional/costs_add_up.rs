use super::{must_answer, must_be_currency};
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_sdk::wire::AskEstimateCost;
use sandboxer_types::{MeterQuote, Verb};
use std::time::Duration;

check!(
    L4,
    "costs-add-up",
    rule: "`estimate_cost` does nothing, is exact, and never says that more time costs less",
    does: "asks for a minute, an hour twice, a day and a month; compares the amounts, their bounds and their currency, and looks for anything that was made",
    proves: "a host may compare offers without being billed for that"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::EstimateCost)?;
    let hour = quote(bench, 3600).await?;
    let again = quote(bench, 3600).await?;
    hold!(hour == again, "for the same hour it says {hour:?} first, and then {again:?}");
    let mut before: Option<MeterQuote> = None;
    for seconds in [60, 3600, 86_400, 30 * 86_400] {
        let now = quote(bench, seconds).await?;
        must_be_sound(&now, seconds)?;
        if let Some(before) = &before {
            hold!(now.currency == before.currency, "the currency changes with the duration");
            hold!(
                now.expected >= before.expected,
                "{seconds} s cost {}, and less time {}",
                now.expected,
                before.expected
            );
        }
        before = Some(now);
    }
    bench.nothing_new().await
}

async fn quote(bench: &Bench, seconds: u64) -> Result<MeterQuote, Stop> {
    let named = bench.nobody();
    let inputs = bench.subject().inputs(&bench.subject().plan.inputs);
    let (host, profile) = (named.host.clone(), bench.subject().profile.clone());
    let ask = AskEstimateCost { host, profile, inputs, duration_ms: seconds * 1000 };
    Ok(must_answer(bench, &named, &ask).await?.quote)
}

fn must_be_sound(quote: &MeterQuote, seconds: u64) -> Verdict {
    must_be_currency(&quote.currency)?;
    let asked = Duration::from_secs(seconds);
    hold!(quote.duration.as_duration() == asked, "asked for {asked:?} it quotes {:?}", quote.duration.as_duration());
    let is_negative = |amount: &Option<_>| amount.as_ref().is_some_and(|amount| *amount < Default::default());
    hold!(quote.expected >= Default::default(), "it expects a cost below nothing: {}", quote.expected);
    for (name, amount) in [("low", &quote.low), ("high", &quote.high), ("running_per_hour", &quote.running_per_hour)] {
        hold!(!is_negative(amount), "`{name}` is below nothing: {amount:?}");
    }
    hold!(quote.low.is_none_or(|low| low <= quote.expected), "`low` is more than `expected`");
    hold!(quote.high.is_none_or(|high| high >= quote.expected), "`high` is less than `expected`");
    Ok(())
}

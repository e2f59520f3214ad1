use super::{must_answer, must_be_currency};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_sdk::wire::AskPrices;
use sandboxer_types::Verb;
use std::collections::BTreeSet;

check!(
    L4,
    "prices-are-decimal",
    rule: "`prices` lists each meter once, with an exact amount in a currency, and does nothing",
    does: "asks twice, and compares; looks at each row",
    proves: "a catalog can be built from it"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Prices)?;
    let named = bench.nobody();
    let rows = must_answer(bench, &named, &AskPrices {}).await?.prices;
    let again = must_answer(bench, &named, &AskPrices {}).await?.prices;
    hold!(rows == again, "it says {rows:?} first, and then {again:?}");
    hold!(!rows.is_empty(), "it has no rows");
    let meters: BTreeSet<(&str, &str)> = rows.iter().map(|row| (row.meter.as_str(), row.currency.as_str())).collect();
    hold!(meters.len() == rows.len(), "it has a meter twice");
    for row in &rows {
        must_be_currency(&row.currency)?;
        hold!(!row.meter.is_empty(), "a row has no meter");
        hold!(row.amount >= Default::default(), "`{}` costs less than nothing: {}", row.meter, row.amount);
    }
    bench.nothing_new().await
}

//! L4: the optional verbs and features do what they say.

pub(super) mod connect_again_and_again;
pub(super) mod costs_add_up;
pub(super) mod ends_by_itself;
pub(super) mod exec_statuses;
pub(super) mod exec_streams;
pub(super) mod exec_words;
pub(super) mod extend_moves_the_end;
pub(super) mod files_and_modes;
pub(super) mod forks_are_apart;
pub(super) mod list_is_whole;
pub(super) mod paused_twice;
pub(super) mod prices_are_decimal;
pub(super) mod recover_tells_the_truth;
pub(super) mod snapshots_outlive;
pub(super) mod status_follows;
pub(super) mod validate_changes_nothing;

use crate::asking::told;
use crate::bench::{Bench, Made, Named};
use crate::check::{Stop, hold};
use sandboxer_sdk::wire::Ask;
use std::time::{Duration, Instant};

/// Asks what must be answered with a result.
async fn must_answer<A: Ask>(bench: &Bench, named: &Named, ask: &A) -> Result<A::Answer, Stop> {
    let answer = bench.ask(named, ask).await?;
    answer.map_err(|failure| Stop::failed(format!("`{}` failed: {}", A::METHOD, told(&failure))))
}

/// A sandbox that may live for a little longer than it takes to make one, and when it was ready.
async fn make_short_lived(bench: &Bench) -> Result<(Made, Instant), Stop> {
    let begun = Instant::now();
    let probe = bench.make().await?;
    let takes = begun.elapsed();
    bench.remove(&probe.named, &probe.handle).await?;
    let lifetime = takes * 3 + Duration::from_secs(4);
    let made = bench.make_named(Named { lifetime, ..bench.name()? }).await?;
    Ok((made, Instant::now()))
}

/// Three capital letters, as ISO 4217 has them.
fn must_be_currency(code: &str) -> Result<(), Stop> {
    let is_one = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    hold!(is_one, "`{code}` is not the code of a currency");
    Ok(())
}

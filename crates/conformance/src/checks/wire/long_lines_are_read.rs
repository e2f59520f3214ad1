use super::{described, plainly_described};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use serde_json::json;

check!(
    L1,
    "long-lines-are-read",
    rule: "A line of a mebibyte is a line like any other",
    does: "sends `describe` with a member of a mebibyte, and compares the answer with a plain one",
    proves: "large inputs, handles and intents arrive whole"
);

async fn run(bench: &Bench) -> Verdict {
    let plain = plainly_described(bench).await?;
    let long = described(bench, |message| message["params"]["padding"] = json!("x".repeat(1 << 20))).await?;
    hold!(plain == long, "on a long line it says {long}, and on a short one {plain}");
    Ok(())
}

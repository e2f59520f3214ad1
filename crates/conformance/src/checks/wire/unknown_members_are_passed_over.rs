use super::{described, plainly_described};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use serde_json::json;

check!(
    L1,
    "unknown-members-are-passed-over",
    rule: "Members that it does not know change nothing",
    does: "sends `describe` with members that no version has, in the params and in `_meta`, and compares the answer with a plain one",
    proves: "hosts of later versions can say more without breaking it"
);

async fn run(bench: &Bench) -> Verdict {
    let plain = plainly_described(bench).await?;
    let with_more = described(bench, |message| {
        message["params"]["some_later_member"] = json!({"deep": [1, 2.5, null, {"er": true}]});
        message["params"]["_meta"]["some_later_member"] = json!("x");
    });
    let with_more = with_more.await?;
    hold!(plain == with_more, "with members that it does not know it says {with_more}, and without {plain}");
    Ok(())
}

use super::{LIMIT, describe_message};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::conversation::{Request, converse};
use serde_json::json;

check!(
    L1,
    "texts-come-back-as-they-went",
    rule: "A text is the same text, however it is written",
    does: "sends `describe` under an id of many scripts, once as UTF-8 and once with every letter escaped, and looks at the id of the answer",
    proves: "names and values of any language survive the wire"
);

const CALL: &str = "naïve-Ελλάς-日本語-🦀-\u{2028}-\"quoted\"-\\-end";

async fn run(bench: &Bench) -> Verdict {
    let mut message = describe_message(bench)?;
    message["id"] = json!(CALL);
    message["params"]["_meta"]["call"] = json!(CALL);
    for line in [message.to_string(), escaped(&message.to_string())] {
        let request = Request { call: CALL.to_owned(), line: line.into_bytes(), limit: LIMIT, hold: None };
        let mut peer = bench.peer()?;
        // An answer under another id is one that is not in flight.
        let answer = converse(&mut peer, &request, None, LIMIT).await?.answer("describe")?;
        hold!(answer.is_ok(), "it does not describe itself under the id `{CALL}`");
        peer.kill().await?;
    }
    Ok(())
}

/// The same JSON in ASCII alone.
fn escaped(json: &str) -> String {
    let mut units = [0; 2];
    json.chars()
        .map(|letter| match letter.is_ascii() {
            true => letter.to_string(),
            false => letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        })
        .collect()
}

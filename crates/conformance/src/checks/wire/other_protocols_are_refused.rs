use super::{describe_message, send};
use crate::asking::told;
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use crate::conversation::failure;
use sandboxer_sdk::wire::PROTOCOL;
use sandboxer_types::ErrorKind;
use serde_json::json;

check!(
    L1,
    "other-protocols-are-refused",
    rule: "A version of the protocol that it does not speak is `unsupported`, with the list of those that it speaks",
    does: "sends `describe` in version 99 of the protocol",
    proves: "when there is a second version, hosts and extensions of both can tell"
);

async fn run(bench: &Bench) -> Verdict {
    let mut message = describe_message(bench)?;
    message["params"]["_meta"]["protocol"] = json!(99);
    match send(bench, &message).await? {
        Ok(result) => hold!(false, "it answered in version 99 of the protocol: {result}"),
        Err(error) => {
            let failure = failure(error);
            hold!(failure.kind == ErrorKind::Unsupported, "it refused version 99: {}", told(&failure));
            let spoken = failure.details.get("protocols").and_then(|list| list.as_array()).cloned().unwrap_or_default();
            hold!(spoken.contains(&json!(PROTOCOL)), "its `details.protocols` does not have {PROTOCOL}: {spoken:?}");
        }
    }
    Ok(())
}

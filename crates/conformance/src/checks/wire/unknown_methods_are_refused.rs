use super::{describe_message, send};
use crate::bench::Bench;
use crate::check::{Verdict, check, hold};
use sandboxer_sdk::wire::RpcErrorCode;
use serde_json::json;

check!(
    L1,
    "unknown-methods-are-refused",
    rule: "A method that it does not have is answered with JSON-RPC's -32601",
    does: "sends a request for a method that there is not",
    proves: "a host of a later version learns what this extension lacks, and does not wait for it"
);

async fn run(bench: &Bench) -> Verdict {
    let mut message = describe_message(bench)?;
    message["method"] = json!("no_such_method");
    match send(bench, &message).await? {
        Ok(result) => hold!(false, "it answered a method that there is not with {result}"),
        Err(error) => hold!(
            error.code == RpcErrorCode::METHOD_NOT_FOUND.0,
            "it refused a method that there is not with {} instead of {}: {}",
            error.code,
            RpcErrorCode::METHOD_NOT_FOUND.0,
            error.message
        ),
    }
    Ok(())
}

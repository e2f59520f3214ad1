use super::{LIMIT, describe_message, request};
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use crate::conversation::converse;
use crate::peer::{Heard, Peer};
use sandboxer_sdk::wire::{FromExtension, RpcErrorCode};
use sandboxer_types::Lifecycle;

check!(
    L1,
    "what-is-no-request-is-refused",
    rule: "A line that is no request is answered with JSON-RPC's error and the id null, and nothing else comes of it",
    does: "sends broken JSON, an array and a text; to a process that serves many requests, also a notification that there is not, and a `describe` behind all of them",
    proves: "one bad line costs that line, and neither the process nor the calls after it"
);

/// What is sent, and the codes that may answer it.
const LINES: [(&str, &[RpcErrorCode]); 3] = [
    (r#"{"jsonrpc":"2.0","id":"x","method":"#, &[RpcErrorCode::PARSE]),
    ("[1,2]", &[RpcErrorCode::INVALID_REQUEST]),
    (r#""describe""#, &[RpcErrorCode::INVALID_REQUEST]),
];

async fn run(bench: &Bench) -> Verdict {
    if bench.subject().program.lifecycle == Lifecycle::Oneshot {
        for (line, codes) in LINES {
            let mut peer = bench.peer()?;
            must_refuse(&mut peer, line, codes).await?;
            peer.kill().await?;
        }
        return Ok(());
    }
    let mut peer = bench.peer()?;
    for (line, codes) in LINES {
        must_refuse(&mut peer, line, codes).await?;
    }
    peer.send(br#"{"jsonrpc":"2.0","method":"some_later_notification","params":{}}"#).await;
    let described = converse(&mut peer, &request(&describe_message(bench)?), None, LIMIT).await?;
    let described = described.answer("describe")?;
    hold!(described.is_ok(), "after lines that are no requests it does not describe itself");
    peer.kill().await
}

async fn must_refuse(peer: &mut Peer, line: &str, codes: &[RpcErrorCode]) -> Verdict {
    peer.send(line.as_bytes()).await;
    let wanted = codes.iter().map(|code| code.0.to_string()).collect::<Vec<_>>().join(" or ");
    let answer = match peer.next(LIMIT).await {
        Heard::Message(message) => match *message {
            FromExtension::Answer(answer) => answer,
            message => {
                return Err(Stop::failed(format!("`{line}` is to be refused with {wanted}, and it said {message:?}")));
            }
        },
        Heard::End => return Err(Stop::failed(format!("`{line}` made it end {}", peer.how_it_ended().await))),
        heard => return Err(Stop::failed(format!("`{line}` is to be refused with {wanted}, and it said {heard:?}"))),
    };
    hold!(answer.id.is_none(), "it answered `{line}` under the id {:?}; there is none but null", answer.id);
    let error = answer.outcome.err().ok_or_else(|| Stop::failed(format!("it answered `{line}` with a result")))?;
    let is_one = codes.iter().any(|code| code.0 == error.code);
    hold!(is_one, "it refused `{line}` with {} instead of {wanted}: {}", error.code, error.message);
    Ok(())
}

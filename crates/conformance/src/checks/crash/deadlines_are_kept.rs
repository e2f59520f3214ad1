use super::{must_converge, must_have_answered, provision_time};
use crate::bench::Bench;
use crate::check::{Stop, Verdict, check};
use crate::conversation::{Request, converse};
use crate::fault::{Fault, When};
use sandboxer_sdk::wire::request_line;
use std::time::Duration;

check!(
    L3,
    "deadlines-are-kept",
    rule: "A call whose time is over is answered, with the residue that is true",
    does: "gives `provision` a deadline in the midst of its work, and withdraws it at that instant as hosts do; then provisions again, or tears down what is always known",
    proves: "a backend that is slow costs time, and neither the answer nor a sandbox"
);

async fn run(bench: &Bench) -> Verdict {
    let usual = provision_time(bench).await?;
    for part in [0.05, 0.3, 0.6] {
        let deadline = usual.mul_f64(part).max(Duration::from_millis(1));
        let named = bench.name()?;
        let surroundings = bench.surroundings::<sandboxer_sdk::wire::AskProvision>(&named, deadline);
        let line = request_line(&surroundings, &bench.provision_of(&named))
            .map_err(|error| Stop::failed(error.to_string()))?;
        let limit = bench.limit_of("provision");
        let request = Request { call: surroundings.meta.call, line: line.into_bytes(), limit, hold: None };
        let mut peer = bench.peer()?;
        let over = Fault::cancel(When::After(deadline));
        let conversation = converse(&mut peer, &request, Some(over), bench.common.patience.answering).await?;
        bench.count_fault();
        must_have_answered(bench, &named, conversation).await?;
        peer.kill().await?;
        must_converge(bench, &named).await?;
    }
    Ok(())
}

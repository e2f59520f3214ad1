use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_types::SandboxId;

check!(
    L2,
    "handle-keeps-the-rules",
    rule: "A handle repeats `sandbox_id` and `host`, is small, and goes with any id that a caller may choose",
    does: "makes sandboxes under the longest id that there may be, and under one of few letters, and looks at their handles",
    proves: "a host can keep the handle and find the sandbox by it, whatever it is called"
);

async fn run(bench: &Bench) -> Verdict {
    let word = bench.word();
    let longest = format!("z-{word}-{}-0", "long".repeat(4) + "er");
    hold!(longest.len() == 40 - 1, "the suite's own id has {} letters", longest.len());
    for id in [format!("{longest}9"), format!("z{}", &word[..6])] {
        let sandbox_id: SandboxId = id.parse().map_err(|fault| Stop::failed(format!("{fault}")))?;
        let named = bench.name_as(sandbox_id, bench.subject().inputs(&bench.subject().plan.inputs))?;
        // What breaks a rule is found where the handle is read.
        let made = bench.make_named(named).await?;
        bench.remove(&made.named, &made.handle).await?;
    }
    Ok(())
}

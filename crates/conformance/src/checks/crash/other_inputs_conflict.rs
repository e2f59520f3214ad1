use crate::asking::told;
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_types::{ErrorKind, Residue};

check!(
    L3,
    "other-inputs-conflict",
    rule: "Other inputs under an id that is taken are a `conflict`, and change nothing",
    does: "provisions under the id of a ready sandbox with the test plan's `other_inputs`, and looks whether the sandbox is still what it was",
    proves: "an id stands for one request, and no confusion about it can turn a sandbox into another"
);

async fn run(bench: &Bench) -> Verdict {
    let other = bench.subject().plan.other_inputs.clone();
    let other = other.ok_or_else(|| Stop::skipped("the test plan has no `other_inputs`"))?;
    let made = bench.make().await?;
    let named = Named { inputs: bench.subject().inputs(&other), ..made.named.clone() };
    match bench.provision(&named).await? {
        Ok(_) => hold!(false, "it took other inputs for the same request"),
        Err(failure) => {
            hold!(
                failure.kind == ErrorKind::Conflict,
                "it refused other inputs, but not as a conflict: {}",
                told(&failure)
            );
            hold!(failure.residue != Residue::None, "it says that nothing exists: {}", told(&failure));
        }
    }
    bench.must_be_there(&made).await?;
    bench.remove(&made.named, &made.handle).await.map(drop)
}

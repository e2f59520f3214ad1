use super::answers_first_in_a_fresh_process::ask_about_nothing;
use crate::bench::Bench;
use crate::check::{Verdict, check};

check!(
    L1,
    "only-messages-on-stdout",
    rule: "Nothing but messages comes on the standard output, whatever the code prints",
    does: "asks every verb that makes nothing in processes of their own, and reads their standard output to its end; every other check looks for the same",
    proves: "no library and no command that it starts can break the conversation"
);

async fn run(bench: &Bench) -> Verdict {
    // What is no message fails any check in which it comes.
    bench.describe().await?.ok();
    for method in super::answers_first_in_a_fresh_process::methods(bench) {
        ask_about_nothing(bench, method).await?;
    }
    Ok(())
}

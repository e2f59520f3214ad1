//! The machine is lost at any moment: what is left is removed by a teardown, and nothing is claimed that was not seen.

use crate::near::{Near, Trouble, Wish};
use crate::trial;
use libtest_mimic::Trial;
use sandboxer_sdk::SandboxExtension as _;
use sandboxer_types::ErrorKind;
use serde_json::json;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("failing::a_create_that_breaks_off_leaves_what_a_teardown_removes", creates(false)),
        trial("failing::a_create_that_breaks_off_can_be_done_again", creates(true)),
        trial("failing::a_teardown_that_breaks_off_is_owed", teardowns()),
        trial("failing::a_call_that_is_withdrawn_says_so", withdrawn()),
        trial("failing::a_mark_that_was_changed_is_no_success", changed_marks()),
    ]
}

fn troubles(after: usize) -> [Trouble; 2] {
    [Trouble::Deaf(after), Trouble::Lost(after)]
}

fn wish(near: &Near, source: &std::path::Path) -> Wish {
    Wish::new(near, "web", json!({"vm": "x", "repo": source}))
}

async fn creates(again: bool) {
    let source = tempfile::tempdir().expect("a folder");
    std::fs::write(source.path().join("file"), "x").expect("written");
    for kind in 0..2 {
        let mut after = 0;
        loop {
            let near = Near::new();
            let wish = wish(&near, source.path());
            near.set(troubles(after)[kind]);
            let outcome = wish.provision().await;
            near.set(Trouble::None);
            if let Err(failure) = &outcome {
                assert_eq!(failure.kind, ErrorKind::HostUnreachable, "after {after}: {failure}");
                let something = near.path("sandboxer/web").exists() || !near.leases().is_empty();
                assert!(failure.residue.may_exist() || !something, "after {after}");
            }
            if again {
                let (_, reachability) = wish.made().await;
                assert!(near.path("sandboxer/web/work/file").exists(), "after {after}: {reachability:?}");
            }
            let report = wish.teardown(&wish.minimal()).await.expect("removed");
            assert!(report.complete, "after {after}: {report:?}");
            wish.nothing_left();
            if outcome.is_ok() {
                break;
            }
            after += 1;
        }
        assert!(after >= 8, "it takes more than {after} steps");
    }
}

async fn teardowns() {
    let source = tempfile::tempdir().expect("a folder");
    for kind in 0..2 {
        let mut after = 0;
        loop {
            let near = Near::new();
            let wish = wish(&near, source.path());
            let (handle, _) = wish.made().await;
            near.set(troubles(after)[kind]);
            let outcome = wish.teardown(&handle).await;
            near.set(Trouble::None);
            match outcome {
                Ok(report) => {
                    assert!(report.complete, "after {after}: {report:?}");
                    wish.nothing_left();
                    break;
                }
                Err(failure) => {
                    assert_eq!(failure.kind, ErrorKind::HostUnreachable, "after {after}: {failure}");
                    assert!(failure.residue.may_exist(), "after {after}");
                }
            }
            assert!(wish.teardown(&handle).await.expect("removed").complete, "after {after}");
            wish.nothing_left();
            after += 1;
        }
        assert!(after >= 4, "it takes more than {after} steps");
    }
}

async fn withdrawn() {
    let near = Near::new();
    let wish = Wish::new(&near, "web", json!({"vm": "x"}));
    let call = wish.call(true);
    call.cancel.cancel();
    let failure = wish.extension().provision(&call, &wish.request()).await.expect_err("withdrawn");
    assert_eq!((failure.kind, failure.residue.may_exist()), (ErrorKind::Cancelled, false), "{failure}");
    assert_eq!(near.trouble(), Trouble::None);
    wish.nothing_left();
    let (handle, _) = wish.made().await;
    let request = sandboxer_sdk::Teardown {
        sandbox_id: wish.id.clone(),
        host: wish.host.clone(),
        handle: handle.clone(),
        reason: sandboxer_sdk::TeardownReason::Requested,
    };
    let failure = wish.extension().teardown(&call, &request).await.expect_err("withdrawn");
    assert!(failure.residue.may_exist());
    assert!(wish.teardown(&handle).await.expect("removed").complete);
}

/// The commands of a sandbox without a user of its own may write to its mark.
async fn changed_marks() {
    let near = Near::new();
    let wish = Wish::new(&near, "web", json!({"vm": "x"}));
    let (handle, _) = wish.made().await;
    std::fs::write(near.path("sandboxer/web/.sandboxer"), "sandboxer somebody else\n").expect("written");
    wish.ready(&handle).await.expect_err("it is not known any more");
    let report = wish.teardown(&handle).await.expect("an answer");
    assert!(!report.complete && !report.errors.is_empty(), "{report:?}");
    assert!(near.path("sandboxer/web").exists() && !near.leases().is_empty());
    std::fs::remove_dir_all(near.path("sandboxer/web")).expect("by hand");
    assert!(wish.teardown(&handle).await.expect("removed").complete);
    wish.nothing_left();
}

use super::must_answer;
use crate::bench::{Bench, Made, Named};
use crate::check::{Stop, Verdict, check, hold};
use crate::inside::{leave_word, must_have_word, run as run_inside};
use crate::making::checked;
use sandboxer_sdk::wire::{AskDeleteSnapshot, AskListSnapshots, AskRestore, AskSnapshot};
use sandboxer_types::{SnapshotKind, Verb};

check!(
    L4,
    "snapshots-outlive",
    rule: "A snapshot outlives its source, and restores what was there when it was taken",
    does: "leaves a word in a sandbox, takes a snapshot twice under one id, changes the word, removes the sandbox, restores, and reads the word; lists and deletes the snapshot, twice",
    proves: "what was kept can be had again, and can be got rid of"
);

async fn run(bench: &Bench) -> Verdict {
    bench.needs(Verb::Snapshot)?;
    bench.needs(Verb::Restore)?;
    let source = bench.make().await?;
    let word = bench.word();
    let session = bench.enter(&source).await?;
    leave_word(session.as_ref(), &source, &word).await?;
    // The snapshot goes with the sandbox that is restored from it.
    let target = bench.name()?;
    let snapshot_id = bench.name_snapshot(&target)?;
    let kind = kind(bench);
    let ask = AskSnapshot { handle: source.handle.clone(), snapshot_id: snapshot_id.clone(), kind };
    for _ in 0..2 {
        let snapshot = must_answer(bench, &source.named, &ask).await?.snapshot;
        hold!(
            snapshot.snapshot_id == snapshot_id,
            "asked for the snapshot `{snapshot_id}` it made `{}`",
            snapshot.snapshot_id
        );
        hold!(snapshot.kind == kind, "asked for `{kind}` it kept `{}`", snapshot.kind);
    }
    run_inside(session.as_ref(), &source, &["sh", "-c", "echo changed > sandboxer-word"], b"").await?;
    bench.remove(&source.named, &source.handle).await?;
    let restored = restore(bench, &target, &snapshot_id).await?;
    must_have_word(bench.enter(&restored).await?.as_ref(), &restored, &word).await?;
    must_list(bench, &snapshot_id, true).await?;
    delete(bench, &target, &snapshot_id).await?;
    must_list(bench, &snapshot_id, false).await?;
    must_have_word(bench.enter(&restored).await?.as_ref(), &restored, &word).await?;
    bench.remove(&restored.named, &restored.handle).await.map(drop)
}

fn kind(bench: &Bench) -> SnapshotKind {
    let declared = bench.subject().manifest.capabilities.snapshot.as_ref().map(|snapshot| snapshot.kinds.clone());
    declared.unwrap_or_default().first().copied().unwrap_or(SnapshotKind::Filesystem)
}

async fn restore(bench: &Bench, target: &Named, snapshot_id: &str) -> Result<Made, Stop> {
    let request = bench.provision_of(target).into_request(target.sandbox_id.clone());
    let made = must_answer(bench, target, &AskRestore::of(snapshot_id.to_owned(), &request)).await?;
    let handle = checked(made.handle, target)?;
    let reachability = bench.must_be_ready(target, &handle).await?;
    Ok(Made { named: target.clone(), handle, reachability })
}

async fn must_list(bench: &Bench, snapshot_id: &str, is_there: bool) -> Verdict {
    if !bench.has(Verb::ListSnapshots) {
        return Ok(());
    }
    let named = bench.nobody();
    let ask = AskListSnapshots { host: named.host.clone(), owner: named.owner.clone(), page: None };
    let found = must_answer(bench, &named, &ask).await?.snapshots;
    let has = found.iter().any(|snapshot| snapshot.snapshot_id == snapshot_id);
    hold!(has == is_there, "`list_snapshots` {} `{snapshot_id}`", if has { "still has" } else { "lacks" });
    let stranger = named.of(&bench.common.stranger);
    let ask = AskListSnapshots { owner: stranger.owner.clone(), ..ask };
    let theirs = must_answer(bench, &stranger, &ask).await?.snapshots;
    hold!(theirs.is_empty(), "`list_snapshots` shows one owner the snapshots of another");
    Ok(())
}

async fn delete(bench: &Bench, named: &Named, snapshot_id: &str) -> Verdict {
    bench.needs(Verb::DeleteSnapshot)?;
    let ask = AskDeleteSnapshot { host: named.host.clone(), snapshot_id: snapshot_id.to_owned() };
    for _ in 0..2 {
        let report = must_answer(bench, named, &ask).await?.report;
        hold!(report.complete, "the snapshot is not deleted: {}", report.errors.join("; "));
    }
    Ok(())
}

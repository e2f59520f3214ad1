//! What happens in folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use sandboxer_reach::{ChangeKind, Events, ReachErrorKind, WatchEvent};

use crate::bench::Bench;

/// Waits until that was told; gives all that was told until then.
async fn told(events: &mut Events<WatchEvent>, path: &str, kind: ChangeKind) -> Vec<(PathBuf, ChangeKind)> {
    let mut seen = Vec::new();
    let waiting = async {
        while let Some(event) = events.next().await {
            match event.unwrap() {
                WatchEvent::Overflow => panic!("too much happened"),
                WatchEvent::Changed { path: at, kind: what } => {
                    seen.push((at.clone(), what));
                    if (at.as_path(), what) == (Path::new(path), kind) {
                        return true;
                    }
                }
            }
        }
        false
    };
    let came = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert_eq!(came, Ok(true), "{path} {kind:?} was not told, but {seen:?}");
    seen
}

pub(crate) async fn what_happens_in_a_folder_is_told(bench: &Bench) {
    bench.sh("mkdir folder; echo x > folder/old").await;
    let mut events = bench.session.watch(&bench.path("folder"), false, None).await.unwrap();
    bench.sh("echo text > folder/file").await;
    told(&mut events, "file", ChangeKind::Created).await;
    told(&mut events, "file", ChangeKind::Written).await;
    bench.sh("chmod 600 folder/file").await;
    told(&mut events, "file", ChangeKind::Attributes).await;
    bench.sh("mv folder/file folder/moved").await;
    told(&mut events, "file", ChangeKind::MovedAway).await;
    told(&mut events, "moved", ChangeKind::Created).await;
    bench.sh("rm folder/moved; mv folder/old .").await;
    told(&mut events, "moved", ChangeKind::Removed).await;
    told(&mut events, "old", ChangeKind::MovedAway).await;
    bench.sh("mv old folder/back; touch \"$(printf 'folder/\\377')\"").await;
    told(&mut events, "back", ChangeKind::Created).await;
    let odd = events.next().await.unwrap().unwrap();
    let WatchEvent::Changed { path, .. } = odd else { panic!("{odd:?}") };
    assert_eq!(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()), b"\xff");
}

pub(crate) async fn folders_below_are_watched_when_asked_for(bench: &Bench) {
    bench.sh("mkdir -p top/old/deep").await;
    let mut events = bench.session.watch(&bench.path("top"), true, None).await.unwrap();
    bench.sh("echo x > top/old/deep/file").await;
    told(&mut events, "old/deep/file", ChangeKind::Created).await;
    // Made faster than anybody could begin to watch.
    bench.sh("mkdir -p top/new/a/b; echo x > top/new/a/b/file; echo y > top/new/other").await;
    let mut seen = told(&mut events, "new", ChangeKind::Created).await;
    let wanted = ["new/a", "new/a/b", "new/a/b/file", "new/other"];
    while !wanted.iter().all(|path| seen.contains(&(PathBuf::from(path), ChangeKind::Created))) {
        let Some(Ok(WatchEvent::Changed { path, kind })) = events.next().await else { panic!("after {seen:?}") };
        seen.push((path, kind));
    }
    bench.sh("echo again >> top/new/a/b/file").await;
    told(&mut events, "new/a/b/file", ChangeKind::Written).await;
    bench.sh("mv top/new top/renamed; echo z > top/renamed/a/last").await;
    told(&mut events, "renamed/a/last", ChangeKind::Created).await;
    bench.sh("rm -r top/renamed").await;
    told(&mut events, "renamed", ChangeKind::Removed).await;
}

pub(crate) async fn folders_below_are_left_alone_otherwise(bench: &Bench) {
    bench.sh("mkdir -p top/below").await;
    let mut events = bench.session.watch(&bench.path("top"), false, None).await.unwrap();
    bench.sh("echo x > top/below/file; echo x > top/last").await;
    let seen = told(&mut events, "last", ChangeKind::Written).await;
    assert!(seen.iter().all(|(path, _)| path.components().count() < 2), "{seen:?}");
}

pub(crate) async fn what_cannot_be_watched_says_so(bench: &Bench) {
    bench.sh("echo x > file").await;
    for (name, kind) in [("none", ReachErrorKind::NotFound), ("file", ReachErrorKind::InvalidInput)] {
        for recursive in [false, true] {
            let fault = bench.session.watch(&bench.path(name), recursive, None).await.map(drop).unwrap_err();
            assert_eq!(fault.kind(), kind, "{name}: {fault}");
        }
    }
}

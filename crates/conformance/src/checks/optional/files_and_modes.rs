use crate::bench::Bench;
use crate::check::{Stop, Verdict, check, hold};
use crate::inside::run as run_inside;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use sandboxer_reach::{ReachError, Session, WriteOptions};
use std::path::Path;

check!(
    L4,
    "files-and-modes",
    rule: "Files arrive with their bytes and their permission bits, either way",
    does: "writes files with several modes and every byte there is, also one whose name has blanks and letters of many scripts; looks at them by a command inside, and reads them back",
    proves: "scripts stay executable, and keys stay closed"
);

async fn run(bench: &Bench) -> Verdict {
    let made = bench.make().await?;
    let session = bench.enter(&made).await?;
    let folder = run_inside(session.as_ref(), &made, &["pwd"], b"").await?.text().trim().to_owned();
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    for (name, mode) in [("plain", 0o640), ("tool", 0o755), ("key", 0o600), ("a name of 日本語", 0o444)] {
        let path = Path::new(&folder).join(name);
        write(session.as_ref(), &path, mode, &content).await.map_err(|error| broken(name, "written", &error))?;
        let entry = session.stat(&path, None).await.map_err(|error| broken(name, "looked at", &error))?;
        hold!(entry.mode == mode, "`{name}` was written with the mode {mode:o}, and has {:o}", entry.mode);
        let count = run_inside(session.as_ref(), &made, &["sh", "-c", "wc -c < \"$1\"", "sh", name], b"").await?;
        hold!(count.text().trim() == content.len().to_string(), "`{name}` has {} bytes inside", count.text().trim());
        let back = read(session.as_ref(), &path).await.map_err(|error| broken(name, "read", &error))?;
        hold!(back == content, "`{name}` came back with other bytes");
    }
    bench.remove(&made.named, &made.handle).await.map(drop)
}

async fn write(session: &dyn Session, path: &Path, mode: u32, content: &[u8]) -> Result<(), ReachError> {
    let bytes = Bytes::copy_from_slice(content);
    let content = stream::once(async move { Ok(bytes) }).boxed();
    session.write(path, WriteOptions { mode: Some(mode) }, content, None).await
}

async fn read(session: &dyn Session, path: &Path) -> Result<Vec<u8>, ReachError> {
    let content = session.read(path, None).await?;
    content
        .stream
        .try_fold(Vec::new(), async |mut all, piece| {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

fn broken(name: &str, what: &str, error: &ReachError) -> Stop {
    Stop::failed(format!("`{name}` cannot be {what}: {error}"))
}

//! What is in files.

use std::io;
use std::path::Path;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use sandboxer_reach::{ReachError, ReachErrorKind, Session, WriteOptions};

use crate::bench::Bench;
use crate::support::pattern;

pub(crate) fn whole(bytes: impl Into<Bytes>) -> BoxStream<'static, io::Result<Bytes>> {
    stream::iter([Ok(bytes.into())]).boxed()
}

pub(crate) async fn read(session: &dyn Session, path: &Path) -> Result<Vec<u8>, ReachError> {
    let pieces: Vec<Bytes> = session.read(path, None).await?.stream.try_collect().await?;
    Ok(pieces.concat())
}

pub(crate) async fn write(session: &dyn Session, path: &Path, bytes: impl Into<Bytes>) -> Result<(), ReachError> {
    session.write(path, WriteOptions::default(), whole(bytes), None).await
}

pub(crate) async fn ten_megabytes_each_way(bench: &Bench) {
    let session = bench.session.as_ref();
    let sent = Bytes::from(pattern(10 << 20));
    let mut rest = sent.clone();
    let pieces = std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(100_000));
        (!piece.is_empty()).then_some(Ok(piece))
    });
    let path = bench.path("large");
    session.write(&path, WriteOptions::default(), stream::iter(pieces).boxed(), None).await.unwrap();
    assert_eq!(session.read(&path, None).await.unwrap().size, Some(10 << 20));
    assert!(read(session, &path).await.unwrap() == sent, "other bytes came back");
    let size = bench.sh("stat -c %s large").await;
    assert_eq!(size, format!("{}\n", 10 << 20));
}

pub(crate) async fn empty_files_and_files_that_the_kernel_makes_up(bench: &Bench) {
    let session = bench.session.as_ref();
    let path = bench.path("empty");
    session.write(&path, WriteOptions::default(), stream::empty().boxed(), None).await.unwrap();
    assert_eq!(read(session, &path).await.unwrap(), b"");
    let text = read(session, "/proc/meminfo".as_ref()).await.unwrap();
    assert!(text.starts_with(b"MemTotal"));
}

pub(crate) async fn parents_that_lack_are_made(bench: &Bench) {
    write(bench.session.as_ref(), &bench.path("deep/er/file"), "one").await.unwrap();
    assert_eq!(bench.sh("cat deep/er/file; stat -c ' %a' deep").await, "one 755\n");
}

pub(crate) async fn hostile_paths_are_refused_at_once(bench: &Bench) {
    bench.sh("mkfifo pipe; ln -s /proc/self/environ environ; ln -s loop loop").await;
    let long = format!("/tmp/{}", "x".repeat(300));
    for path in [
        &bench.text("pipe"),
        "/proc/self/environ",
        "/proc/self/mem",
        "/proc/self/fd/0",
        "/proc/1/environ",
        &bench.text("environ"),
        &bench.text("loop"),
        &bench.text(""),
        "/dev/zero",
        "a\0b",
        &long,
        "/",
    ] {
        let fault = read(bench.session.as_ref(), path.as_ref()).await.unwrap_err();
        let kinds = [ReachErrorKind::InvalidInput, ReachErrorKind::PermissionDenied, ReachErrorKind::NotFound];
        assert!(kinds.contains(&fault.kind()), "reading {path:?}: {fault} {:?}", fault.kind());
        let fault = bench.session.read_extents(path.as_ref(), None).await.map(drop).unwrap_err();
        assert!(kinds.contains(&fault.kind()), "reading parts of {path:?}: {fault} {:?}", fault.kind());
        let fault = write(bench.session.as_ref(), path.as_ref(), "x").await.unwrap_err();
        assert_ne!(fault.kind(), ReachErrorKind::Unreachable, "writing {path:?}: {fault}");
    }
    assert!(bench.session.list("/proc/self/fd".as_ref(), None).await.is_err());
    bench.session.health().await.unwrap();
}

pub(crate) async fn a_refusal_reaches_whoever_is_still_sending(bench: &Bench) {
    let piece = Bytes::from(vec![1; 1 << 20]);
    for _ in 0..5 {
        let pieces = stream::iter((0..64).map({
            let piece = piece.clone();
            move |_| Ok(piece.clone())
        }));
        let sent = bench.session.write(&bench.path(""), WriteOptions::default(), pieces.boxed(), None).await;
        let fault = sent.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::InvalidInput, "{fault}");
    }
    bench.session.health().await.unwrap();
}

pub(crate) async fn a_source_that_fails_is_told_and_harms_nothing_else(bench: &Bench) {
    let pieces = stream::iter([Ok(Bytes::from_static(b"half")), Err(io::Error::other("the disk fell off"))]).boxed();
    let sent = bench.session.write(&bench.path("half"), WriteOptions::default(), pieces, None).await;
    let fault = sent.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Local);
    let source = std::error::Error::source(&fault).unwrap();
    assert_eq!(source.to_string(), "the disk fell off");
    bench.session.health().await.unwrap();
}

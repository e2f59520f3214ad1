//! Files with holes.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use sandboxer_reach::{Extent, ReachErrorKind, Session, WriteOptions};

use crate::bench::Bench;
use crate::contents::{read, write};
use crate::support::pattern;

const MEGABYTE: u64 = 1 << 20;

fn content(extents: Vec<Extent>) -> BoxStream<'static, io::Result<Extent>> {
    stream::iter(extents.into_iter().map(Ok)).boxed()
}

/// The parts of a file with pieces of one run put together.
async fn extents(session: &dyn Session, path: &std::path::Path) -> (Vec<(u64, Vec<u8>)>, u64) {
    let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut size = None;
    let mut parts = session.read_extents(path, None).await.unwrap();
    while let Some(part) = parts.try_next().await.unwrap() {
        assert_eq!(size, None, "something came behind the end");
        match part {
            Extent::End { size: end } => size = Some(end),
            Extent::Data { offset, bytes } => match runs.last_mut() {
                Some((start, run)) if *start + run.len() as u64 == offset => run.extend_from_slice(&bytes),
                _ => runs.push((offset, bytes.to_vec())),
            },
        }
    }
    (runs, size.unwrap())
}

pub(crate) async fn extents_are_read_and_written(bench: &Bench) {
    let data = pattern(3 * MEGABYTE as usize);
    let written = vec![
        Extent::Data { offset: MEGABYTE, bytes: Bytes::from(data.clone()) },
        Extent::Data { offset: 8 * MEGABYTE, bytes: Bytes::from_static(b"end") },
        Extent::End { size: 16 * MEGABYTE },
    ];
    let path = bench.path("new/sparse");
    let options = WriteOptions { mode: Some(0o640) };
    bench.session.write_extents(&path, options, content(written), None).await.unwrap();
    let entry = bench.session.stat(&path, None).await.unwrap();
    assert_eq!((entry.size, entry.mode), (16 * MEGABYTE, 0o640));
    assert!(entry.is_sparse() && entry.allocated < 4 * MEGABYTE, "{}", entry.allocated);
    let (runs, size) = extents(bench.session.as_ref(), &path).await;
    assert_eq!(size, 16 * MEGABYTE);
    // A file system gives data in whole blocks.
    let mut expected = vec![0; 16 * MEGABYTE as usize];
    expected[MEGABYTE as usize..4 * MEGABYTE as usize].copy_from_slice(&data);
    expected[8 * MEGABYTE as usize..][..3].copy_from_slice(b"end");
    let mut got = vec![0; 16 * MEGABYTE as usize];
    let mut bytes = 0;
    for (offset, run) in runs {
        let offset = usize::try_from(offset).unwrap();
        got[offset..offset + run.len()].copy_from_slice(&run);
        bytes += run.len() as u64;
    }
    assert!(got == expected && bytes < 4 * MEGABYTE, "{bytes} bytes of data");
    assert!(read(bench.session.as_ref(), &path).await.unwrap() == expected);
    bench.sh("printf whole > plain; : > empty").await;
    assert_eq!(extents(bench.session.as_ref(), &bench.path("plain")).await, (vec![(0, b"whole".to_vec())], 5));
    assert_eq!(extents(bench.session.as_ref(), &bench.path("empty")).await, (vec![], 0));
}

pub(crate) async fn holes_take_no_room_and_no_time(bench: &Bench) {
    bench.sh("truncate -s 10G hole").await;
    let begun = Instant::now();
    assert_eq!(extents(bench.session.as_ref(), &bench.path("hole")).await, (vec![], 10 << 30));
    let end = content(vec![Extent::End { size: 10 << 30 }]);
    bench.session.write_extents(&bench.path("copy"), WriteOptions::default(), end, None).await.unwrap();
    // Ten gigabytes of zeros would take ten times as long.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(bench.sh("stat -c '%s %b' copy").await, format!("{} 0\n", 10_u64 << 30));
}

pub(crate) async fn a_longer_file_is_cut(bench: &Bench) {
    let path = bench.path("file");
    write(bench.session.as_ref(), &path, "what was here before").await.unwrap();
    let written = vec![Extent::Data { offset: 2, bytes: Bytes::from_static(b"ab") }, Extent::End { size: 6 }];
    bench.session.write_extents(&path, WriteOptions::default(), content(written), None).await.unwrap();
    assert_eq!(read(bench.session.as_ref(), &path).await.unwrap(), b"\0\0ab\0\0");
}

pub(crate) async fn extents_that_are_cut_short_are_refused(bench: &Bench) {
    for wrong in [
        vec![],
        vec![Extent::Data { offset: 0, bytes: Bytes::from_static(b"half") }],
        vec![Extent::Data { offset: 0, bytes: Bytes::from_static(b"long") }, Extent::End { size: 1 }],
        vec![Extent::End { size: u64::MAX }],
    ] {
        let shown = format!("{wrong:?}");
        let sent = bench.session.write_extents(&bench.path("x"), WriteOptions::default(), content(wrong), None).await;
        assert_eq!(sent.unwrap_err().kind(), ReachErrorKind::InvalidInput, "{shown}");
    }
    bench.session.health().await.unwrap();
}

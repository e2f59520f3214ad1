//! Links of both kinds.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use sandboxer_reach::{EntryKind, ReachErrorKind};

use crate::bench::Bench;
use crate::contents::{read, write};

async fn target(bench: &Bench, name: &str) -> Option<PathBuf> {
    bench.session.stat(&bench.path(name), None).await.unwrap().target
}

pub(crate) async fn links_are_written_and_read_as_they_are(bench: &Bench) {
    let session = bench.session.as_ref();
    let link = bench.path("folder/link");
    for to in [&b"../no where"[..], b"other", b"/", b"\xff\xfe/..", b"a//b/./c"] {
        let to = Path::new(OsStr::from_bytes(to));
        // Over the one before.
        session.make_symlink(&link, to, None).await.unwrap();
        assert_eq!(target(bench, "folder/link").await.unwrap().as_os_str(), to.as_os_str());
    }
    assert_eq!(bench.sh("readlink folder/link").await, "a//b/./c\n");
    write(session, &bench.path("file"), "").await.unwrap();
    let fault = session.make_symlink(&bench.path("file"), "x".as_ref(), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::AlreadyExists);
    assert_eq!(target(bench, "file").await, None);
}

pub(crate) async fn links_that_lead_nowhere_or_in_circles(bench: &Bench) {
    bench.sh("ln -s nowhere dangling; ln -s b a; ln -s a b; mkdir folder; ln -s folder way").await;
    for name in ["dangling", "a"] {
        let entry = bench.session.stat(&bench.path(name), None).await.unwrap();
        assert_eq!((entry.kind, entry.target_kind), (EntryKind::Symlink, None), "{name}");
        let fault = read(bench.session.as_ref(), &bench.path(name)).await.unwrap_err();
        assert!([ReachErrorKind::NotFound, ReachErrorKind::InvalidInput].contains(&fault.kind()), "{name}: {fault}");
    }
    let entry = bench.session.stat(&bench.path("way"), None).await.unwrap();
    assert_eq!((entry.kind, entry.target_kind), (EntryKind::Symlink, Some(EntryKind::Directory)));
    bench.session.remove(&bench.path("way"), None).await.unwrap();
    bench.session.stat(&bench.path("folder"), None).await.unwrap();
}

pub(crate) async fn hard_links_are_names_of_one_file(bench: &Bench) {
    let session = bench.session.as_ref();
    write(session, &bench.path("first"), "one").await.unwrap();
    write(session, &bench.path("folder/taken"), "old").await.unwrap();
    bench.sh("ln -s nowhere link").await;
    for name in ["second", "new/folder/third", "folder/taken", "link"] {
        session.make_hard_link(&bench.path(name), &bench.path("first"), None).await.unwrap();
    }
    assert_eq!(bench.sh("stat -c %h first; cat link folder/taken").await, "5\noneone");
    let (first, third) = (
        session.stat(&bench.path("first"), None).await.unwrap(),
        session.stat(&bench.path("new/folder/third"), None).await.unwrap(),
    );
    assert_eq!((first.links, first.inode, first.device), (5, third.inode, third.device));
    let fault = session.make_hard_link(&bench.path("x"), &bench.path("none"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::NotFound);
    let fault = session.make_hard_link(&bench.path("folder"), &bench.path("first"), None).await.unwrap_err();
    assert!([ReachErrorKind::AlreadyExists, ReachErrorKind::InvalidInput].contains(&fault.kind()), "{fault}");
    // Over itself: nothing happens.
    session.make_hard_link(&bench.path("second"), &bench.path("first"), None).await.unwrap();
    assert_eq!(bench.sh("stat -c %h first; ls").await, "5\nfirst\nfolder\nlink\nnew\nsecond\n");
}

pub(crate) async fn a_hard_link_follows_no_link(bench: &Bench) {
    bench.sh("echo x > file; ln -s file link").await;
    bench.session.make_hard_link(&bench.path("name"), &bench.path("link"), None).await.unwrap();
    assert_eq!(target(bench, "name").await.as_deref(), Some(Path::new("file")));
    assert_eq!(bench.sh("stat -c %h file").await, "1\n");
}

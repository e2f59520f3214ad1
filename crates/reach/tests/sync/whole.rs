//! What arrives.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use crate::support::pattern;
use crate::{Place, chmod, git, look, touch, write};

#[tokio::test]
async fn everything_arrives_as_it_is() {
    for place in Place::all().await {
        write(place.here("a/b/c.txt"), "text");
        write(place.here("empty"), "");
        write(place.here("a-b"), "between a folder and what is in it");
        write(place.here("large"), pattern(3_000_001));
        write(place.here("run.sh"), "#!/bin/sh\n");
        chmod(place.here("run.sh"), 0o755);
        chmod(place.here("a-b"), 0o666);
        std::fs::create_dir_all(place.here("nothing/in/it")).unwrap();
        symlink("a/b/c.txt", place.here("link")).unwrap();
        symlink("../../../etc/passwd", place.here("a/out")).unwrap();
        symlink("/nowhere//./x", place.here("broken")).unwrap();
        touch(place.here("a/b/c.txt"), 1_000_000_000, 123_456_789);
        touch(place.here("empty"), 1, 0);
        touch(place.here("a/b"), 1_100_000_000, 0);
        let report = place.same().await;
        assert_eq!((report.entries, report.sent, report.removed), (13, 13, 0), "{}", place.name);
        assert!(report.warnings.is_empty(), "{report:?}");
        place.settled().await;
    }
}

#[tokio::test]
async fn names_may_be_anything() {
    for place in Place::all().await {
        let long = "n".repeat(200);
        let names: [&[u8]; 10] = [
            b"a\nb",
            b"\xff\xfe",
            b"-rf",
            b" ",
            b"it's \"$(id)\"",
            b"*",
            b"\\",
            b"..a",
            "ü".as_bytes(),
            long.as_bytes(),
        ];
        for name in names {
            let name = OsStr::from_bytes(name);
            write(place.here("odd").join(name).join(name), "x");
            symlink(format!("{long}/{long}"), place.here("odd").join(name).join("link")).unwrap();
        }
        place.same().await;
        std::fs::remove_dir_all(place.here("odd")).unwrap();
        write(place.here("one"), "");
        place.same().await;
    }
}

#[tokio::test]
async fn what_is_ignored_stays_here_and_the_repository_goes() {
    let place = Place::agent().await;
    git(&place.here(""), &["init", "-q"]);
    write(place.here(".gitignore"), "target/\n*.log\n");
    write(place.here("kept.log"), "tracked, though ignored");
    write(place.here("deep/kept.log"), "the same");
    git(&place.here(""), &["add", "-f", "kept.log", "deep/kept.log", ".gitignore"]);
    git(&place.here(""), &["commit", "-q", "-m", "first"]);
    write(place.here("new.rs"), "not committed");
    write(place.here("target/debug/x"), "made");
    write(place.here("x.log"), "said");
    place.sync().await.unwrap();
    let there = look(&place.there(""));
    let names: Vec<_> =
        there.keys().map(|name| name.to_str().unwrap()).filter(|name| !name.starts_with(".git/")).collect();
    assert_eq!(names, [".git", ".gitignore", "deep", "deep/kept.log", "kept.log", "new.rs"]);
    assert_eq!(look(&place.there(".git")), look(&place.here(".git")));
    git(&place.there(""), &["fsck"]);
    place.settled().await;
}

#[tokio::test]
async fn a_folder_may_forbid_to_be_changed() {
    for place in Place::all().await {
        write(place.here("a/locked/file"), "1");
        chmod(place.here("a/locked/file"), 0o444);
        chmod(place.here("a/locked"), 0o555);
        chmod(place.here("a"), 0o555);
        place.same().await;
        for mode in [0o755, 0o555] {
            chmod(place.here("a"), 0o755);
            chmod(place.here("a/locked"), 0o755);
            chmod(place.here("a/locked/file"), 0o644);
            write(place.here("a/locked/file"), format!("{mode}"));
            write(place.here(format!("a/locked/{mode}")), "");
            chmod(place.here("a/locked"), mode);
            place.same().await;
        }
        for path in ["a", "a/locked"] {
            chmod(place.here(path), 0o755);
        }
        std::fs::remove_dir_all(place.here("a/locked")).unwrap();
        place.same().await;
    }
}

#[tokio::test]
async fn sockets_and_pipes_are_left_out() {
    let place = Place::agent().await;
    let _listener = std::os::unix::net::UnixListener::bind(place.here("socket")).unwrap();
    write(place.here("file"), "x");
    place.sync().await.unwrap();
    assert_eq!(look(&place.there("")).len(), 1);
}

//! What stands in folders.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sandboxer_reach::{EntryKind, ReachError, ReachErrorKind, WriteOptions};

use crate::bench::Bench;
use crate::contents::{read, whole, write};

/// Permission bits as a program inside sees them.
async fn mode_of(bench: &Bench, name: &str) -> u32 {
    u32::from_str_radix(bench.sh(&format!("stat -c %a '{name}'")).await.trim(), 8).unwrap()
}

pub(crate) async fn entries_say_what_they_are(bench: &Bench) {
    let session = bench.session.as_ref();
    bench.sh("printf four > file; chmod 640 file; mkdir -m 711 folder; ln -s file link; mkfifo -m 600 pipe").await;
    let entry = session.stat(&bench.path("file"), None).await.unwrap();
    assert_eq!((entry.path.as_path(), entry.name()), (bench.path("file").as_path(), OsStr::new("file")));
    assert_eq!((entry.kind, entry.size, entry.mode, entry.links), (EntryKind::File, 4, 0o640, 1));
    assert_eq!((entry.target.as_deref(), entry.target_kind), (None, None));
    let seen = format!("{} {} {} {}\n", entry.owner, entry.group, entry.inode, entry.device);
    let expected = bench.sh("stat -c '%U %G %i %d' file").await;
    // A number where no file lists who it is.
    let numbers = bench.sh("stat -c '%u %g %i %d' file").await;
    assert!([expected, numbers].contains(&seen), "{seen}");
    assert!(entry.modified.unwrap().elapsed().unwrap().as_secs() < 600);
    let entry = session.stat(&bench.path("link"), None).await.unwrap();
    assert_eq!((entry.kind, entry.target.as_deref()), (EntryKind::Symlink, Some(Path::new("file"))));
    assert_eq!((entry.target_kind, entry.size), (Some(EntryKind::File), 4));
    for (name, kind, mode) in [("folder", EntryKind::Directory, 0o711), ("pipe", EntryKind::Pipe, 0o600)] {
        let entry = session.stat(&bench.path(name), None).await.unwrap();
        assert_eq!((entry.kind, entry.mode), (kind, mode), "{name}");
    }
    assert_eq!(session.stat("/dev/null".as_ref(), None).await.unwrap().kind, EntryKind::Device);
    assert_eq!(session.stat("/".as_ref(), None).await.unwrap().path, Path::new("/"));
    let absent = session.stat(&bench.path("absent"), None).await.unwrap_err();
    assert_eq!(absent.kind(), ReachErrorKind::NotFound);
    let beneath = session.stat(&bench.path("file/x"), None).await.unwrap_err();
    assert_eq!(beneath.kind(), ReachErrorKind::InvalidInput);
}

pub(crate) async fn folders_list_one_level(bench: &Bench) {
    bench.sh("mkdir -p top/b/c; touch top/a top/b/d; ln -s / top/root; ln -s nowhere top/dangling").await;
    let listed = bench.session.list(&bench.path("top"), None).await.unwrap();
    let names: Vec<&OsStr> = listed.iter().map(sandboxer_reach::Entry::name).collect();
    assert_eq!(names, ["a", "b", "dangling", "root"]);
    assert!(listed.iter().all(|entry| entry.path.parent() == Some(&bench.path("top"))));
    let kinds: Vec<_> = listed.iter().map(|entry| (entry.kind, entry.leads_to())).collect();
    let link = |to| (EntryKind::Symlink, to);
    let same = |kind| (kind, Some(kind));
    let expected = [same(EntryKind::File), same(EntryKind::Directory), link(None), link(Some(EntryKind::Directory))];
    assert_eq!(kinds, expected);
    assert_eq!(bench.session.list(&bench.path("top/b/c"), None).await.unwrap(), []);
    for (name, kind) in [("top/a", ReachErrorKind::InvalidInput), ("none", ReachErrorKind::NotFound)] {
        assert_eq!(bench.session.list(&bench.path(name), None).await.unwrap_err().kind(), kind, "{name}");
    }
}

pub(crate) async fn many_entries_list_whole(bench: &Bench) {
    bench.sh("mkdir many; cd many; seq -f %06g 20000 | xargs touch").await;
    let listed = bench.session.list(&bench.path("many"), None).await.unwrap();
    let expected: Vec<String> = (1..=20_000).map(|number| format!("{number:06}")).collect();
    assert!(listed.iter().map(sandboxer_reach::Entry::name).eq(expected.iter().map(OsStr::new)));
}

pub(crate) async fn folders_are_made_moved_and_removed(bench: &Bench) {
    let session = bench.session.as_ref();
    session.make_dir(&bench.path("a/b/c"), None).await.unwrap();
    let fault = session.make_dir(&bench.path("a/b"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::AlreadyExists);
    write(session, &bench.path("a/file"), "x").await.unwrap();
    let fault = session.make_dir(&bench.path("a/file"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
    session.rename(&bench.path("a"), &bench.path("new/place/a"), None).await.unwrap();
    assert_eq!(read(session, &bench.path("new/place/a/file")).await.unwrap(), b"x");
    write(session, &bench.path("other"), "y").await.unwrap();
    session.rename(&bench.path("other"), &bench.path("new/place/a/file"), None).await.unwrap();
    assert_eq!(bench.sh("cat new/place/a/file; ls").await, "ynew\n");
    let fault = session.rename(&bench.path("a"), &bench.path("elsewhere/a"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::NotFound);
    let fault = session.stat(&bench.path("elsewhere"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::NotFound);
    session.remove(&bench.path("new"), None).await.unwrap();
    session.remove(&bench.path("new"), None).await.unwrap();
    assert_eq!(bench.sh("ls").await, "");
}

pub(crate) async fn odd_names_are_names(bench: &Bench) {
    let session = bench.session.as_ref();
    let odd: [&[u8]; 14] = [
        b"a b",
        "ä".as_bytes(),
        b"100%",
        b"%41",
        b"a+b",
        b"a&b=c",
        b"a#b",
        b"a?b",
        b"quo\"te",
        b"-x",
        b"new\nline",
        b"...",
        b"\xff\xfe",
        b"half-\xc3",
    ];
    for name in odd {
        let path = bench.path(OsStr::from_bytes(name));
        write(session, &path, "odd").await.unwrap();
        assert_eq!(read(session, &path).await.unwrap(), b"odd", "{path:?}");
        assert_eq!(session.stat(&path, None).await.unwrap().path, path);
        let moved = bench.path(OsStr::from_bytes(&[name, b"~"].concat()));
        session.rename(&path, &moved, None).await.unwrap();
        session.set_mode(&moved, 0o600, None).await.unwrap();
    }
    let mut expected: Vec<Vec<u8>> = odd.iter().map(|name| [name, &b"~"[..]].concat()).collect();
    expected.sort();
    let listed = session.list(&bench.kind.folder(), None).await.unwrap();
    let listed = listed.iter().filter(|entry| entry.kind == EntryKind::File);
    assert!(listed.map(|entry| entry.name().as_bytes()).eq(expected.iter().map(Vec::as_slice)));
    for name in expected {
        session.remove(&bench.path(OsStr::from_bytes(&name)), None).await.unwrap();
    }
    session.make_dir(&bench.path(OsStr::from_bytes(b"\xff/\xfe")), None).await.unwrap();
    assert_eq!(bench.sh("ls -b").await.lines().filter(|line| line.starts_with('\\')).collect::<Vec<_>>(), ["\\377"]);
}

pub(crate) async fn modes_are_set_and_kept(bench: &Bench) {
    let session = bench.session.as_ref();
    let path = bench.path("file");
    write(session, &path, "one").await.unwrap();
    assert_eq!(mode_of(bench, "file").await, 0o644);
    let options = WriteOptions { mode: Some(0o755) };
    session.write(&path, options, whole("longer than one"), None).await.unwrap();
    assert_eq!(mode_of(bench, "file").await, 0o755);
    write(session, &path, "two").await.unwrap();
    assert_eq!((mode_of(bench, "file").await, read(session, &path).await.unwrap()), (0o755, b"two".to_vec()));
    let options = WriteOptions { mode: Some(0o400) };
    session.write(&bench.path("private"), options, whole("x"), None).await.unwrap();
    assert_eq!(mode_of(bench, "private").await, 0o400);
    session.set_mode(&path, 0o2711, None).await.unwrap();
    assert_eq!(mode_of(bench, "file").await, 0o2711);
    session.make_symlink(&bench.path("link"), "file".as_ref(), None).await.unwrap();
    session.set_mode(&bench.path("link"), 0o600, None).await.unwrap();
    assert_eq!(mode_of(bench, "file").await, 0o600);
    let fault = session.set_mode(&path, 0o17777, None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
}

pub(crate) async fn an_unknown_user_is_refused(bench: &Bench) {
    let (session, user, path) = (bench.session.as_ref(), Some("no-such-user"), bench.path("x"));
    let target = sandboxer_reach::Target::Socket(path.clone());
    let kinds = [
        session.stat("/".as_ref(), user).await.unwrap_err().kind(),
        session.list("/".as_ref(), user).await.unwrap_err().kind(),
        session.read("/etc/passwd".as_ref(), user).await.unwrap_err().kind(),
        session.remove(&path, user).await.unwrap_err().kind(),
        session.write(&path, WriteOptions::default(), whole("x"), user).await.unwrap_err().kind(),
        session.watch("/".as_ref(), false, user).await.map(drop).unwrap_err().kind(),
        session.connect(&target, user).await.map(drop).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ReachErrorKind::UnknownUser; 7]);
}

pub(crate) async fn everything_is_done_with_the_users_rights(bench: &Bench) {
    let Some(name) = bench.kind.other_user() else { return };
    let (session, other) = (bench.session.as_ref(), Some(name));
    bench.sh("mkdir -m 700 own; echo x > own/secret; mkdir -m 777 open; chmod 711 .").await;
    let refused = |fault: ReachError| assert_eq!(fault.kind(), ReachErrorKind::PermissionDenied, "{fault}");
    let secret = bench.path("own/secret");
    for path in [secret.as_path(), Path::new("/etc/shadow")] {
        refused(session.read(path, other).await.map(drop).unwrap_err());
        refused(session.read_extents(path, other).await.map(drop).unwrap_err());
        refused(session.write(path, WriteOptions::default(), whole("x"), other).await.unwrap_err());
    }
    refused(session.stat(&secret, other).await.map(drop).unwrap_err());
    refused(session.list(&bench.path("own"), other).await.map(drop).unwrap_err());
    refused(session.watch(&bench.path("own"), false, other).await.map(drop).unwrap_err());
    refused(session.remove(&secret, other).await.unwrap_err());
    refused(session.rename(&secret, &bench.path("open/x"), other).await.unwrap_err());
    refused(session.set_mode(&secret, 0o777, other).await.unwrap_err());
    refused(session.make_dir(&bench.path("own/dir"), other).await.unwrap_err());
    refused(session.make_symlink(&bench.path("own/link"), "x".as_ref(), other).await.unwrap_err());
    refused(session.make_hard_link(&bench.path("open/x"), &secret, other).await.unwrap_err());
    let options = WriteOptions { mode: Some(0o4755) };
    session.write(&bench.path("open/sub/file"), options, whole("x"), other).await.unwrap();
    assert_eq!(bench.sh("stat -c '%U %a' open/sub/file").await, format!("{name} 4755\n"));
    assert_eq!(session.stat(&bench.path("open/sub/file"), other).await.unwrap().owner, name);
    session.remove(&bench.path("open/sub"), other).await.unwrap();
    assert_eq!(bench.sh("cat own/secret; ls open").await, "x\n");
}

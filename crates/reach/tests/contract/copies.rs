//! Copies of files and trees, over any session.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use sandboxer_reach::{ReachErrorKind, copy};

use crate::bench::Bench;
use crate::support::pattern;

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(crate) async fn trees_go_in_and_come_back(bench: &Bench) {
    let session = bench.session.as_ref();
    let local = tempfile::tempdir().unwrap();
    let source = local.path().join("source");
    fs::create_dir_all(source.join("inner/empty")).unwrap();
    for number in 0..40 {
        fs::write(source.join(format!("inner/{number}")), pattern(number * 1000)).unwrap();
    }
    fs::write(source.join("tool"), "#!/bin/sh\n").unwrap();
    set_mode(&source.join("tool"), 0o4755);
    symlink("tool", source.join("link")).unwrap();
    symlink("/nowhere", source.join("dangling")).unwrap();
    set_mode(&source.join("inner"), 0o555);
    let remote = bench.path("copies/tree");
    let copied = copy::upload(session, &source, &remote, None).await.unwrap();
    let expected = copy::Copied { files: 41, folders: 3, links: 2, names: 0, bytes: 780_010 };
    assert_eq!(copied, expected);
    // Once more over what stands there.
    assert_eq!(copy::upload(session, &source, &remote, None).await.unwrap(), expected);
    assert_eq!(bench.sh("cd copies/tree; stat -c %a tool inner; readlink dangling").await, "755\n555\n/nowhere\n");
    let back = local.path().join("back");
    assert_eq!(copy::download(session, &remote, &back, None).await.unwrap(), expected);
    assert_eq!(copy::download(session, &remote, &back, None).await.unwrap(), expected);
    for number in 0..40 {
        assert!(fs::read(back.join(format!("inner/{number}"))).unwrap() == pattern(number * 1000));
    }
    assert_eq!(fs::read_link(back.join("dangling")).unwrap().to_str(), Some("/nowhere"));
    assert_eq!((mode_of(&back.join("tool")), back.join("inner/empty").is_dir()), (0o755, true));
    for folder in [source.join("inner"), back.join("inner")] {
        set_mode(&folder, 0o755);
    }
    bench.sh("chmod 755 copies/tree/inner").await;
}

pub(crate) async fn names_and_links_of_any_bytes_are_copied(bench: &Bench) {
    let session = bench.session.as_ref();
    let local = tempfile::tempdir().unwrap();
    let source = local.path().join("source");
    let odd = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    fs::create_dir_all(source.join(odd(b"folder-\xff"))).unwrap();
    fs::write(source.join(odd(b"folder-\xff")).join(odd(b"\xfe\n")), "odd").unwrap();
    symlink(odd(b"no\xffwhere"), source.join(odd(b"\xfd"))).unwrap();
    let expected = copy::Copied { files: 1, folders: 2, links: 1, names: 0, bytes: 3 };
    assert_eq!(copy::upload(session, &source, &bench.path("odd"), None).await.unwrap(), expected);
    let back = local.path().join("back");
    assert_eq!(copy::download(session, &bench.path("odd"), &back, None).await.unwrap(), expected);
    assert_eq!(fs::read(back.join(odd(b"folder-\xff")).join(odd(b"\xfe\n"))).unwrap(), b"odd");
    assert_eq!(fs::read_link(back.join(odd(b"\xfd"))).unwrap().as_os_str(), odd(b"no\xffwhere"));
}

pub(crate) async fn names_of_one_file_stay_names_of_one_file(bench: &Bench) {
    let session = bench.session.as_ref();
    let local = tempfile::tempdir().unwrap();
    let source = local.path().join("source");
    fs::create_dir_all(source.join("a/b")).unwrap();
    fs::write(source.join("one"), "shared").unwrap();
    fs::write(local.path().join("outside"), "alone").unwrap();
    for (from, to) in [("source/one", "source/two"), ("source/one", "source/a/b/three"), ("outside", "source/four")] {
        fs::hard_link(local.path().join(from), local.path().join(to)).unwrap();
    }
    let expected = copy::Copied { files: 2, folders: 3, links: 0, names: 2, bytes: 11 };
    for _ in 0..2 {
        assert_eq!(copy::upload(session, &source, &bench.path("names"), None).await.unwrap(), expected);
        assert_eq!(bench.sh("cd names; stat -c %h one two a/b/three four; cat two").await, "3\n3\n3\n1\nshared");
    }
    let back = local.path().join("back");
    for _ in 0..2 {
        assert_eq!(copy::download(session, &bench.path("names"), &back, None).await.unwrap(), expected);
        let inode = |name: &str| fs::metadata(back.join(name)).unwrap().ino();
        assert_eq!((inode("one"), inode("two")), (inode("two"), inode("a/b/three")));
        assert_ne!(inode("one"), inode("four"));
        assert_eq!(fs::read(back.join("a/b/three")).unwrap(), b"shared");
    }
}

pub(crate) async fn holes_stay_holes(bench: &Bench) {
    let session = bench.session.as_ref();
    let local = tempfile::tempdir().unwrap();
    let source = local.path().join("source");
    fs::create_dir(&source).unwrap();
    let file = File::create(source.join("sparse")).unwrap();
    file.write_all_at(b"in the middle", 5 << 30).unwrap();
    file.set_len(10 << 30).unwrap();
    File::create(source.join("hole")).unwrap().set_len(10 << 30).unwrap();
    let begun = Instant::now();
    copy::upload(session, &source, &bench.path("tree"), None).await.unwrap();
    let back = local.path().join("back");
    copy::download(session, &bench.path("tree"), &back, None).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let inside = bench.sh("cd tree; stat -c '%s %b' sparse hole; tail -c +5368709121 sparse | head -c 13").await;
    let lines: Vec<&str> = inside.lines().collect();
    let blocks: u64 = lines[0].strip_prefix("10737418240 ").unwrap().parse().unwrap();
    assert!((1..200).contains(&blocks), "{inside}");
    assert_eq!(lines[1..], ["10737418240 0", "in the middle"]);
    for (name, most) in [("sparse", 200), ("hole", 0)] {
        let status = fs::metadata(back.join(name)).unwrap();
        assert!(status.len() == 10 << 30 && status.blocks() <= most, "{name}: {status:?}");
    }
    let mut middle = [0; 13];
    File::open(back.join("sparse")).unwrap().read_exact_at(&mut middle, 5 << 30).unwrap();
    assert_eq!(&middle, b"in the middle");
}

pub(crate) async fn single_files_copy_to_where_they_are_told(bench: &Bench) {
    let session = bench.session.as_ref();
    let local = tempfile::tempdir().unwrap();
    let (from, to) = (local.path().join("from"), local.path().join("to"));
    fs::write(&from, "content").unwrap();
    set_mode(&from, 0o750);
    copy::upload(session, &from, &bench.path("x/y"), None).await.unwrap();
    symlink("from", &to).unwrap();
    copy::download(session, &bench.path("x/y"), &to, None).await.unwrap();
    assert!(!to.is_symlink(), "it wrote through a link");
    assert_eq!((fs::read(&to).unwrap(), mode_of(&to)), (b"content".to_vec(), 0o750));
    copy::download(session, &bench.path("x/y"), "/dev/null".as_ref(), None).await.unwrap();
    // A link that is named itself is followed, both ways.
    bench.sh("ln -s x/y one; ln -s ../one x/two; ln -s x folder").await;
    copy::download(session, &bench.path("x/two"), &to, None).await.unwrap();
    assert_eq!((fs::read(&to).unwrap(), mode_of(&to)), (b"content".to_vec(), 0o750));
    copy::download(session, &bench.path("folder"), &local.path().join("back"), None).await.unwrap();
    assert_eq!(fs::read_link(local.path().join("back/two")).unwrap().to_str(), Some("../one"));
    symlink("from", local.path().join("way")).unwrap();
    copy::upload(session, &local.path().join("way"), &bench.path("in"), None).await.unwrap();
    assert_eq!(bench.sh("cat in").await, "content");
}

pub(crate) async fn what_is_refused_or_absent_says_so(bench: &Bench) {
    let session = bench.session.as_ref();
    let local = tempfile::tempdir().unwrap();
    let to = local.path().join("to");
    bench.sh("ln -s a b; ln -s b a; mkdir tree; mkfifo tree/pipe").await;
    for (path, kind) in [
        (bench.path("none"), ReachErrorKind::NotFound),
        ("/dev/null".into(), ReachErrorKind::Unsupported),
        (bench.path("a"), ReachErrorKind::Unsupported),
        (bench.path("tree"), ReachErrorKind::Unsupported),
    ] {
        let fault = copy::download(session, &path, &to, None).await.unwrap_err();
        assert_eq!(fault.kind(), kind, "{path:?}: {fault}");
    }
    let fault = copy::upload(session, &local.path().join("none"), &bench.path("n"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Local);
    let fault = copy::upload(session, "/dev/null".as_ref(), &bench.path("n"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Unsupported);
}

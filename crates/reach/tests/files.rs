//! Files through a real agent.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use sandboxer_reach::{AgentSession, Entry, EntryKind, ReachError, ReachErrorKind, Session, WriteOptions, copy};
use support::{Agent, is_root, own_name, pattern};

fn whole(bytes: impl Into<Bytes>) -> BoxStream<'static, io::Result<Bytes>> {
    stream::iter([Ok(bytes.into())]).boxed()
}

async fn read(session: &AgentSession, path: &str, user: Option<&str>) -> Result<Vec<u8>, ReachError> {
    let content = session.read(path, user).await?;
    content
        .stream
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend(piece);
            Ok(all)
        })
        .await
}

async fn write(session: &AgentSession, path: &str, bytes: &'static [u8]) -> Result<(), ReachError> {
    session.write(path, WriteOptions::default(), whole(bytes), None).await
}

fn mode_of(path: &str) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

async fn session() -> (Agent, AgentSession) {
    let agent = Agent::start();
    let session = agent.session().await;
    (agent, session)
}

#[tokio::test]
async fn sixty_four_megabytes_each_way_in_little_memory() {
    let (agent, session) = session().await;
    let sent = Bytes::from(pattern(64 << 20));
    let before = agent.peak_memory();
    let mut rest = sent.clone();
    let pieces = std::iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(100_000));
        (!piece.is_empty()).then_some(Ok(piece))
    });
    let path = agent.path("large");
    session.write(&path, WriteOptions::default(), stream::iter(pieces).boxed(), None).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == sent, "other bytes arrived");
    let content = session.read(&path, None).await.unwrap();
    assert_eq!(content.size, Some(64 << 20));
    assert!(read(&session, &path, None).await.unwrap() == sent, "other bytes came back");
    let grown = agent.peak_memory() - before;
    assert!(grown < 16 << 20, "the agent grew by {grown} bytes");
}

#[tokio::test]
async fn modes_are_set_and_kept() {
    let (agent, session) = session().await;
    let path = agent.path("deep/er/file");
    write(&session, &path, b"one").await.unwrap();
    assert_eq!((mode_of(&path), mode_of(&agent.path("deep"))), (0o644, 0o755));
    let options = WriteOptions { mode: Some(0o755) };
    session.write(&path, options, whole("longer than one"), None).await.unwrap();
    assert_eq!((mode_of(&path), std::fs::read(&path).unwrap()), (0o755, b"longer than one".to_vec()));
    write(&session, &path, b"two").await.unwrap();
    assert_eq!((mode_of(&path), std::fs::read(&path).unwrap()), (0o755, b"two".to_vec()));
    let options = WriteOptions { mode: Some(0o400) };
    session.write(&agent.path("private"), options, whole("x"), None).await.unwrap();
    assert_eq!(mode_of(&agent.path("private")), 0o400);
    session.set_mode(&path, 0o2711, None).await.unwrap();
    assert_eq!(mode_of(&path), 0o2711);
    let fault = session.set_mode(&path, 0o17777, None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
}

#[tokio::test]
async fn empty_files_and_files_that_the_kernel_makes_up() {
    let (agent, session) = session().await;
    let path = agent.path("empty");
    session.write(&path, WriteOptions::default(), stream::empty().boxed(), None).await.unwrap();
    assert_eq!(read(&session, &path, None).await.unwrap(), b"");
    let text = read(&session, "/proc/meminfo", None).await.unwrap();
    assert!(text.starts_with(b"MemTotal"));
}

#[tokio::test]
async fn entries_say_what_they_are() {
    let (agent, session) = session().await;
    let path = agent.path("file");
    write(&session, &path, b"four").await.unwrap();
    let entry = session.stat(&path, None).await.unwrap();
    assert_eq!((entry.name.as_str(), &entry.path, entry.kind, entry.size), ("file", &path, EntryKind::File, 4));
    assert_eq!((entry.mode, entry.link), (0o644, None));
    // A number where no file lists whoever runs the tests.
    let number = rustix::process::geteuid().as_raw().to_string();
    assert!([own_name(), number].contains(&entry.owner), "{}", entry.owner);
    assert!(entry.modified.unwrap().elapsed().unwrap().as_secs() < 600);
    symlink("file", agent.path("link")).unwrap();
    let entry = session.stat(&agent.path("link"), None).await.unwrap();
    assert_eq!(entry.kind, EntryKind::Symlink);
    let target = std::fs::canonicalize(&path).unwrap();
    let link = entry.link.unwrap();
    assert_eq!((link.path.as_str(), link.kind), (target.to_str().unwrap(), EntryKind::File));
    assert_eq!(session.stat(&agent.path("absent"), None).await.unwrap_err().kind(), ReachErrorKind::NotFound);
    assert_eq!(session.stat(&agent.path("file/x"), None).await.unwrap_err().kind(), ReachErrorKind::InvalidInput);
    assert_eq!(session.stat("/dev/null", None).await.unwrap().kind, EntryKind::Other);
}

#[tokio::test]
async fn folders_list_as_deep_as_asked() {
    let (agent, session) = session().await;
    for path in ["top/a", "top/b/c/d", "top/b/e"] {
        write(&session, &agent.path(path), b"").await.unwrap();
    }
    symlink("/", agent.path("top/root")).unwrap();
    let names = |entries: Vec<Entry>| -> Vec<String> {
        let top = agent.path("top/");
        entries.into_iter().map(|entry| entry.path.strip_prefix(&top).unwrap().to_owned()).collect()
    };
    let top = agent.path("top");
    assert_eq!(names(session.list(&top, 1, None).await.unwrap()), ["a", "b", "root"]);
    assert_eq!(names(session.list(&top, 0, None).await.unwrap()), ["a", "b", "root"]);
    assert_eq!(names(session.list(&top, 2, None).await.unwrap()), ["a", "b", "b/c", "b/e", "root"]);
    let all = ["a", "b", "b/c", "b/c/d", "b/e", "root"];
    assert_eq!(names(session.list(&top, u32::MAX, None).await.unwrap()), all);
    assert_eq!(session.list(&agent.path("top/a"), 1, None).await.unwrap_err().kind(), ReachErrorKind::InvalidInput);
    assert_eq!(session.list(&agent.path("none"), 1, None).await.unwrap_err().kind(), ReachErrorKind::NotFound);
}

#[tokio::test]
async fn folders_are_made_moved_and_removed() {
    let (agent, session) = session().await;
    session.make_dir(&agent.path("a/b/c"), None).await.unwrap();
    let fault = session.make_dir(&agent.path("a/b"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::AlreadyExists);
    write(&session, &agent.path("a/file"), b"x").await.unwrap();
    let fault = session.make_dir(&agent.path("a/file"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::InvalidInput);
    session.rename(&agent.path("a"), &agent.path("new/place/a"), None).await.unwrap();
    assert_eq!(read(&session, &agent.path("new/place/a/file"), None).await.unwrap(), b"x");
    let fault = session.rename(&agent.path("a"), &agent.path("elsewhere/a"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::NotFound);
    assert!(!std::path::Path::new(&agent.path("elsewhere")).exists());
    session.remove(&agent.path("new"), None).await.unwrap();
    session.remove(&agent.path("new"), None).await.unwrap();
    assert!(!std::path::Path::new(&agent.path("new")).exists());
}

#[tokio::test]
async fn links_are_written_and_read_as_they_are() {
    let (agent, session) = session().await;
    let link = agent.path("folder/link");
    session.make_symlink(&link, "../no where", None).await.unwrap();
    assert_eq!(session.read_symlink(&link, None).await.unwrap(), "../no where");
    session.make_symlink(&link, "other", None).await.unwrap();
    assert_eq!(session.read_symlink(&link, None).await.unwrap(), "other");
    write(&session, &agent.path("file"), b"").await.unwrap();
    let fault = session.make_symlink(&agent.path("file"), "x", None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::AlreadyExists);
    assert_eq!(session.read_symlink(&agent.path("file"), None).await.unwrap_err().kind(), ReachErrorKind::InvalidInput);
}

#[tokio::test]
async fn hostile_paths_are_refused_at_once() {
    let (agent, session) = session().await;
    let pipe = agent.path("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    symlink("/proc/self/environ", agent.path("environ")).unwrap();
    symlink("loop", agent.path("loop")).unwrap();
    let long = format!("/tmp/{}", "x".repeat(300));
    for path in [
        pipe.as_str(),
        "/proc/self/environ",
        "/proc/self/mem",
        "/proc/self/fd/0",
        "/proc/1/environ",
        &agent.path("environ"),
        &agent.path("loop"),
        &agent.path(""),
        "/dev/zero",
        "a\0b",
        &long,
        "/",
    ] {
        let fault = read(&session, path, None).await.unwrap_err();
        let kinds = [ReachErrorKind::InvalidInput, ReachErrorKind::PermissionDenied, ReachErrorKind::NotFound];
        assert!(kinds.contains(&fault.kind()), "reading {path:?}: {fault} {:?}", fault.kind());
        let fault = write(&session, path, b"x").await.unwrap_err();
        assert_ne!(fault.kind(), ReachErrorKind::Unreachable, "writing {path:?}: {fault}");
    }
    assert!(session.list("/proc/self/fd", 1, None).await.is_err());
    session.health().await.unwrap();
}

#[tokio::test]
async fn odd_names_are_names() {
    let (agent, session) = session().await;
    for name in ["a b", "ä", "100%", "a+b", "a&b=c", "a#b", "a?b", "quo\"te", "-x", "new\nline", "..."] {
        let path = agent.path(name);
        write(&session, &path, b"odd").await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"odd", "{name:?}");
        assert_eq!(read(&session, &path, None).await.unwrap(), b"odd");
        assert_eq!(session.stat(&path, None).await.unwrap().name, name);
    }
}

#[tokio::test]
async fn an_unknown_user_is_refused() {
    let (agent, session) = session().await;
    let user = Some("no-such-user");
    let kinds = [
        session.stat("/", user).await.unwrap_err().kind(),
        session.read("/etc/passwd", user).await.unwrap_err().kind(),
        session.remove(&agent.path("x"), user).await.unwrap_err().kind(),
        session.write(&agent.path("x"), WriteOptions::default(), whole("x"), user).await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ReachErrorKind::UnknownUser; 4]);
}

#[tokio::test]
async fn everything_is_done_with_the_users_rights() {
    let (agent, session) = session().await;
    let nobody = Some("nobody");
    if !is_root() {
        assert_eq!(session.stat("/", nobody).await.unwrap_err().kind(), ReachErrorKind::PermissionDenied);
        return;
    }
    let refused = |fault: ReachError| assert_eq!(fault.kind(), ReachErrorKind::PermissionDenied, "{fault}");
    std::fs::set_permissions(agent.path(""), std::fs::Permissions::from_mode(0o700)).unwrap();
    write(&session, &agent.path("secret"), b"x").await.unwrap();
    for path in [agent.path("secret"), "/etc/shadow".to_owned()] {
        refused(session.read(&path, nobody).await.map(drop).unwrap_err());
        let written = session.write(&path, WriteOptions::default(), whole("x"), nobody).await;
        refused(written.expect_err(&path));
    }
    refused(session.list(&agent.path(""), 1, nobody).await.map(drop).unwrap_err());
    refused(session.remove(&agent.path("secret"), nobody).await.unwrap_err());
    refused(session.rename(&agent.path("secret"), "/tmp/x", nobody).await.unwrap_err());
    refused(session.set_mode(&agent.path("secret"), 0o777, nobody).await.unwrap_err());
    refused(session.make_dir(&agent.path("dir"), nobody).await.unwrap_err());
    refused(session.make_symlink(&agent.path("link"), "x", nobody).await.unwrap_err());
    let open = tempfile::tempdir().unwrap();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = open.path().join("sub/file");
    let options = WriteOptions { mode: Some(0o4755) };
    session.write(path.to_str().unwrap(), options, whole("x"), nobody).await.unwrap();
    let status = std::fs::metadata(&path).unwrap();
    assert_eq!((status.uid(), status.gid(), status.mode() & 0o7777), (65534, 65534, 0o4755));
    assert_eq!(session.stat(path.to_str().unwrap(), nobody).await.unwrap().owner, "nobody");
    session.remove(open.path().join("sub").to_str().unwrap(), nobody).await.unwrap();
    assert_eq!(read(&session, &agent.path("secret"), None).await.unwrap(), b"x");
}

#[tokio::test]
async fn a_refusal_reaches_whoever_is_still_sending() {
    let (agent, session) = session().await;
    let piece = Bytes::from(vec![1; 1 << 20]);
    for _ in 0..5 {
        let pieces = stream::iter((0..64).map({
            let piece = piece.clone();
            move |_| Ok(piece.clone())
        }));
        let fault = session.write(&agent.path(""), WriteOptions::default(), pieces.boxed(), None).await.unwrap_err();
        assert_eq!(fault.kind(), ReachErrorKind::InvalidInput, "{fault}");
    }
    session.health().await.unwrap();
}

#[tokio::test]
async fn a_source_that_fails_is_told_and_harms_nothing_else() {
    let (agent, session) = session().await;
    let pieces = stream::iter([Ok(Bytes::from_static(b"half")), Err(io::Error::other("the disk fell off"))]).boxed();
    let fault = session.write(&agent.path("half"), WriteOptions::default(), pieces, None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Local);
    let source = std::error::Error::source(&fault).unwrap();
    assert_eq!(source.to_string(), "the disk fell off");
    session.health().await.unwrap();
}

#[tokio::test]
async fn trees_go_in_and_come_back() {
    let (agent, session) = session().await;
    let local = tempfile::tempdir().unwrap();
    let source = local.path().join("source");
    std::fs::create_dir_all(source.join("inner/empty")).unwrap();
    for number in 0..40 {
        std::fs::write(source.join(format!("inner/{number}")), pattern(number * 1000)).unwrap();
    }
    std::fs::write(source.join("tool"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(source.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("tool", source.join("link")).unwrap();
    symlink("/nowhere", source.join("dangling")).unwrap();
    std::fs::set_permissions(source.join("inner"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let remote = agent.path("copies/tree");
    let copied = copy::upload(&session, &source, &remote, None).await.unwrap();
    let expected = copy::Copied { files: 41, folders: 3, links: 2, bytes: 780_010 };
    assert_eq!(copied, expected);
    // Once more over what stands there.
    assert_eq!(copy::upload(&session, &source, &remote, None).await.unwrap(), expected);
    assert_eq!((mode_of(&format!("{remote}/tool")), mode_of(&format!("{remote}/inner"))), (0o755, 0o555));
    let back = local.path().join("back");
    assert_eq!(copy::download(&session, &remote, &back, None).await.unwrap(), expected);
    assert_eq!(copy::download(&session, &remote, &back, None).await.unwrap(), expected);
    for number in 0..40 {
        assert!(std::fs::read(back.join(format!("inner/{number}"))).unwrap() == pattern(number * 1000));
    }
    assert_eq!(std::fs::read_link(back.join("dangling")).unwrap().to_str(), Some("/nowhere"));
    assert_eq!((mode_of(back.join("tool").to_str().unwrap()), back.join("inner/empty").is_dir()), (0o755, true));
    for folder in [source.join("inner"), back.join("inner"), format!("{remote}/inner").into()] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test]
async fn single_files_copy_to_where_they_are_told() {
    let (agent, session) = session().await;
    let local = tempfile::tempdir().unwrap();
    let (from, to) = (local.path().join("from"), local.path().join("to"));
    std::fs::write(&from, "content").unwrap();
    std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o750)).unwrap();
    copy::upload(&session, &from, &agent.path("x/y"), None).await.unwrap();
    symlink("from", &to).unwrap();
    copy::download(&session, &agent.path("x/y"), &to, None).await.unwrap();
    assert!(!to.is_symlink(), "it wrote through a link");
    assert_eq!((std::fs::read(&to).unwrap(), mode_of(to.to_str().unwrap())), (b"content".to_vec(), 0o750));
    copy::download(&session, &agent.path("x/y"), "/dev/null".as_ref(), None).await.unwrap();
    let fault = copy::download(&session, &agent.path("none"), &to, None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::NotFound);
    let fault = copy::upload(&session, &local.path().join("none"), &agent.path("n"), None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Local);
    let fault = copy::download(&session, "/dev/null", &to, None).await.unwrap_err();
    assert_eq!(fault.kind(), ReachErrorKind::Unsupported);
}

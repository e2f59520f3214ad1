//! What is put into the workspace.

use crate::support::{Lab, Sandbox, removal, request, trial};
use libtest_mimic::Trial;
use sandboxer_sdk::Provision;
use sandboxer_types::{ErrorKind, Residue};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_folder_is_copied_whatever_its_names", a_folder_is_copied_whatever_its_names),
        trial("a_work_tree_is_copied_with_its_repository", a_work_tree_is_copied_with_its_repository),
        trial("a_hostile_work_tree_runs_nothing_outside", a_hostile_work_tree_runs_nothing_outside),
        trial("a_repository_is_cloned", a_repository_is_cloned),
        trial("what_cannot_be_put_there_leaves_nothing", what_cannot_be_put_there_leaves_nothing),
        trial("a_long_copy_can_be_given_up", a_long_copy_can_be_given_up),
        trial("its_own_state_is_never_copied_into_a_sandbox", its_own_state_is_never_copied_into_a_sandbox),
    ]
}

fn with_repository(id: &str, repository: &str) -> Provision {
    let mut request = request(id);
    request.inputs.insert("repo".to_owned(), repository.into());
    request
}

fn folder(lab: &Lab, name: &str) -> PathBuf {
    let path = lab.folder.path().join(name);
    std::fs::create_dir_all(&path).expect("made");
    path
}

fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
        .args(words)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn a_folder_is_copied_whatever_its_names() {
    let lab = Lab::new();
    let source = folder(&lab, "source");
    std::fs::create_dir(source.join("-rf")).expect("made");
    for name in [&b"a\nb"[..], b"\xff\xfe", b"-rf/--help", b"with space", b".hidden"] {
        std::fs::write(source.join(OsStr::from_bytes(name)), name).expect("written");
    }
    std::fs::write(source.join("program"), "#!/bin/sh\necho ran\n").expect("written");
    std::fs::set_permissions(source.join("program"), std::fs::Permissions::from_mode(0o755)).expect("set");
    symlink(".", source.join("loop")).expect("linked");
    symlink("/etc/shadow", source.join("shadow")).expect("linked");
    symlink("/", source.join("everything")).expect("linked");
    std::fs::create_dir(source.join("closed")).expect("made");
    std::fs::write(source.join("closed/file"), "x").expect("written");
    std::fs::set_permissions(source.join("closed"), std::fs::Permissions::from_mode(0o555)).expect("set");
    let _socket = std::os::unix::net::UnixListener::bind(source.join("socket")).expect("bound");
    let sandbox = lab.make_from(with_repository("names", source.to_str().expect("text"))).await;
    let script = r#"set -e; cd /workspace; cat "$(printf 'a\nb')" "$(printf '\377\376')" | wc -c; cat ./-rf/--help; echo; ./program
        readlink loop shadow everything; stat -c '%U %a' program closed; ls -A | wc -l; echo new > program; stat -c %U ."#;
    let (status, output) = sandbox.run(script).await;
    let expected = "5\n-rf/--help\nran\n.\n/etc/shadow\n/\nuser 755\nuser 555\n11\nuser\n";
    assert_eq!((status, output.as_str()), (0, expected));
    assert!(sandbox.remove().await.complete);
    assert_eq!(std::fs::read_to_string(source.join("program")).expect("there"), "#!/bin/sh\necho ran\n");
    lab.assert_empty();
}

async fn a_work_tree_is_copied_with_its_repository() {
    let lab = Lab::new();
    let source = folder(&lab, "tree");
    git(&source, &["init", "-q"]);
    for (name, contents) in [(".gitignore", "*.log\ntarget/\n"), ("kept.log", "tracked"), ("main", "committed")] {
        std::fs::write(source.join(name), contents).expect("written");
    }
    git(&source, &["add", "-f", "."]);
    git(&source, &["commit", "-qm", "first"]);
    std::fs::create_dir(source.join("target")).expect("made");
    for (name, contents) in [("main", "changed"), ("new", "untracked"), ("noise.log", "x"), ("target/big", "x")] {
        std::fs::write(source.join(name), contents).expect("written");
    }
    let sandbox = lab.make_from(with_repository("tree", source.to_str().expect("text"))).await;
    let (status, output) = sandbox
        .run("cd /workspace; ls -A; cat main new kept.log; echo; git status --short; git log --oneline | wc -l")
        .await;
    let expected = ".git\n.gitignore\nkept.log\nmain\nnew\nchangeduntrackedtracked\n M main\n?? new\n1\n";
    assert_eq!((status, output.as_str()), (0, expected));
    assert!(sandbox.remove().await.complete);
}

/// Its settings name programs for git to run: to watch its files, as hooks, and to fetch an ignore file that is missing.
async fn a_hostile_work_tree_runs_nothing_outside() {
    let lab = Lab::new();
    let source = folder(&lab, "hostile");
    let marks = folder(&lab, "marks");
    let touch = |name: &str| format!("touch {}; false", marks.join(name).display());
    git(&source, &["init", "-q"]);
    std::fs::write(source.join("file"), "x").expect("written");
    git(&source, &["add", "file"]);
    let missing = format!("100644,{},.gitignore", "1".repeat(40));
    git(&source, &["update-index", "--add", "--cacheinfo", &missing]);
    git(&source, &["update-index", "--skip-worktree", ".gitignore"]);
    for (name, value) in [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", source.to_str().expect("text")),
        ("remote.origin.uploadpack", &touch("fetch")),
        ("core.fsmonitor", &touch("watch")),
        ("core.sshCommand", &touch("ssh")),
    ] {
        git(&source, &["config", name, value]);
    }
    let sandbox = lab.make_from(with_repository("hostile", source.to_str().expect("text"))).await;
    let (status, output) = sandbox.run("cat /workspace/file").await;
    assert_eq!((status, output.as_str()), (0, "x"));
    let ran: Vec<_> =
        std::fs::read_dir(&marks).expect("readable").map(|entry| entry.expect("read").file_name()).collect();
    assert!(ran.is_empty(), "ran outside: {ran:?}");
    assert!(sandbox.remove().await.complete);
}

async fn a_repository_is_cloned() {
    let lab = Lab::new();
    let source = folder(&lab, "origin");
    git(&source, &["init", "-q"]);
    for version in ["one", "two"] {
        std::fs::write(source.join("version"), version).expect("written");
        git(&source, &["add", "."]);
        git(&source, &["commit", "-qm", version]);
    }
    git(&source, &["branch", "old", "HEAD~1"]);
    let commit = git(&source, &["rev-parse", "HEAD~1"]);
    let url = format!("file://{}", source.display());
    for (number, (reference, expected)) in
        [(None, "two"), (Some("old"), "one"), (Some(commit.trim()), "one")].into_iter().enumerate()
    {
        let mut request = with_repository(&format!("clone-{number}"), &url);
        request.inputs.extend(reference.map(|reference| ("ref".to_owned(), reference.into())));
        let sandbox = lab.make_from(request).await;
        let (status, output) =
            sandbox.run("cd /workspace; cat version; git status --short; stat -c %U version .git/HEAD").await;
        assert_eq!((status, output), (0, format!("{expected}user\nuser\n")));
        assert!(sandbox.remove().await.complete);
    }
}

async fn what_cannot_be_put_there_leaves_nothing() {
    let lab = Lab::new();
    let plain = lab.folder.path().join("plain-file");
    std::fs::write(&plain, "x").expect("written");
    let plain = plain.display().to_string();
    let cases = [
        ("/nonexistent/folder", ErrorKind::NotFound),
        (plain.as_str(), ErrorKind::InvalidInput),
        ("file:///nonexistent/repository", ErrorKind::NotFound),
        ("relative/path", ErrorKind::InvalidInput),
        ("ext::sh -c 'touch /tmp/owned'", ErrorKind::InvalidInput),
        ("--upload-pack=touch /tmp/owned", ErrorKind::InvalidInput),
        ("ssh://-oProxyCommand=touch/x", ErrorKind::InvalidInput),
    ];
    for (repository, kind) in cases {
        let request = with_repository("nowhere", repository);
        let failure = lab.extension.provision(&lab.call(&request.sandbox_id), &request).await.expect_err(repository);
        assert_eq!((failure.kind, failure.residue), (kind, Residue::None), "{failure:?}");
        lab.assert_empty();
    }
    let mut request = with_repository("nowhere", &format!("file://{}", folder(&lab, "empty").display()));
    request.inputs.insert("ref".to_owned(), "absent".into());
    let failure = lab.extension.provision(&lab.call(&request.sandbox_id), &request).await.expect_err("no such ref");
    assert_eq!(failure.residue, Residue::None, "{failure:?}");
    lab.assert_empty();
}

/// Many files, so that a copy is caught in the middle.
fn large(lab: &Lab) -> String {
    let source = folder(lab, "large");
    for number in 0..20 {
        let part = folder(lab, &format!("large/{number}"));
        (0..300).for_each(|file| std::fs::write(part.join(file.to_string()), "contents").expect("written"));
    }
    source.display().to_string()
}

async fn a_long_copy_can_be_given_up() {
    let lab = Lab::new();
    let source = large(&lab);
    let request = with_repository("slow", &source);
    let call = lab.call(&request.sandbox_id);
    let cancel = call.cancel.clone();
    let copying = lab.extension.provision(&call, &request);
    let cancelling = async {
        wait_for_workspace(&lab, "slow").await;
        cancel.cancel();
    };
    let (made, ()) = tokio::join!(copying, cancelling);
    let failure = made.expect_err("is cancelled");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Cancelled, Residue::None), "{failure:?}");
    lab.assert_empty();
    // The same by a teardown from elsewhere.
    let call = lab.call(&request.sandbox_id);
    let removing = async {
        wait_for_workspace(&lab, "slow").await;
        lab.extension.teardown(&call, &removal(&request.sandbox_id)).await.expect("removes")
    };
    let (made, report) = tokio::join!(lab.extension.provision(&call, &request), removing);
    let failure = made.expect_err("is torn down");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Cancelled, Residue::None), "{failure:?}");
    assert!(report.complete, "{report:?}");
    lab.assert_empty();
}

async fn wait_for_workspace(lab: &Lab, id: &str) {
    let first = lab.root.join(id).join("workspace/0");
    while !first.exists() {
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
}

async fn its_own_state_is_never_copied_into_a_sandbox() {
    let lab = Lab::new();
    std::fs::write(lab.folder.path().join("file"), "x").expect("written");
    let sandbox: Sandbox = lab.make_from(with_repository("inner", lab.folder.path().to_str().expect("text"))).await;
    assert_eq!(sandbox.run("ls -A /workspace").await.1, "file\n");
    assert!(sandbox.remove().await.complete);
}

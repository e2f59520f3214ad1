//! Files of sandboxes, by `sftp`, `scp` and `rsync`.

use super::ssh_commands::bytes;
use crate::support::{House, Running, Sandbox, SshClient, Who};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// A server of files, by the name of its subsystem: the sandbox's own, and ours.
const SERVERS: [&str; 2] = ["sftp", "sandboxer-sftp"];

/// Has `sftp` do all of that, or fail.
#[track_caller]
fn sftp(client: &SshClient<'_>, server: &str, commands: &str) -> String {
    let typed = ["-q", "-s", server, "-b", "-", "box"];
    client.run_program("sftp", &typed, Some(commands.as_bytes())).succeeded().text()
}

/// A tree with folders, modes, times and a name that is no text.
fn make_tree(house: &House) {
    house.write("tree/inner/deep/file", "deep\n");
    house.write("tree/empty", "");
    house.write("tree/large", bytes(5_000_000));
    house.write("tree/with space 'n \"quote", "odd\n");
    std::fs::write(house.work().join("tree").join(OsStr::from_bytes(b"latin-\xe9")), "e\n").expect("ours");
    let mode = |name: &str, mode| {
        let path = house.work().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    mode("tree/inner", 0o700);
    mode("tree/large", 0o750);
    mode("tree/empty", 0o444);
}

/// Every path below, with kind, mode, content and, with `times`, when it was written.
fn described(root: &Path, times: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("readable").flatten() {
            let path = entry.path();
            let status = std::fs::symlink_metadata(&path).expect("there");
            let content = if status.is_dir() {
                folders.push(path.clone());
                String::new()
            } else if status.is_symlink() {
                format!("{:?}", std::fs::read_link(&path).expect("a link"))
            } else {
                let bytes = std::fs::read(&path).expect("readable");
                format!(
                    "{} {:?}",
                    bytes.len(),
                    bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31) ^ u64::from(*byte))
                )
            };
            let time = if times && status.is_file() { status.mtime() } else { 0 };
            let name = path.strip_prefix(root).expect("below").to_owned();
            found.push(format!("{name:?} {:o} {time} {content}", status.mode()));
        }
    }
    found.sort();
    found
}

#[test]
fn trees_go_there_and_back() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    make_tree(&house);
    for server in SERVERS {
        sftp(&client, server, &format!("put -rp tree {server}\nget -rp {server} back-{server}\n"));
        let back = house.work().join(format!("back-{server}"));
        assert_eq!(described(&back, true), described(&house.work().join("tree"), true), "{server}");
    }
    sandbox.remove();
}

#[test]
fn what_sftp_can_do_is_done() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    house.write("one", "one\n");
    std::fs::set_permissions(house.work().join("one"), std::fs::Permissions::from_mode(0o755)).expect("ours");
    for server in SERVERS {
        let said = sftp(
            &client,
            server,
            &format!("mkdir {server}\ncd {server}\npwd\nput one\nln -s one link\nln one hard\nls -l\n"),
        );
        assert!(said.contains(&format!("Remote working directory: /workspace/{server}\n")), "{said}");
        for part in ["-rwxr-xr-x", "lrwxrwxrwx", "hard", "link"] {
            assert!(said.contains(part), "{server}: no {part} in {said}");
        }
        sftp(
            &client,
            server,
            &format!("cd {server}\nget link\nrename one two\nchmod 640 two\nrm hard\nmkdir empty\nrmdir empty\n"),
        );
        let seen = sandbox.sh(&format!("cd {server} && stat -c '%n %a %h %N' * && readlink link && cat two"));
        assert_eq!(seen.succeeded().text(), "link 777 1 'link' -> 'one'\ntwo 640 1 'two'\none\none\n", "{server}");
        assert_eq!(std::fs::read(house.work().join("link")).expect("it was got"), b"one\n");
        for refused in ["get nothing", "mkdir a/b", "rmdir ..", "put one /proc/version", "rm .."] {
            let typed = ["-q", "-s", server, "-b", "-", "box"];
            let commands = format!("cd {server}\n{refused}\n");
            let outcome = client.run_program("sftp", &typed, Some(commands.as_bytes())).ended_with(1);
            assert!(!outcome.stderr.is_empty(), "{server}: {refused}");
        }
        assert_eq!(sandbox.sh(&format!("ls {server}")).succeeded().text(), "link\ntwo\n", "{server}");
        sftp(&client, server, &format!("rm {server}/*\nrmdir {server}\n"));
    }
    sandbox.remove();
}

#[test]
fn transfers_that_broke_off_go_on() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    let large = bytes(7_000_001);
    house.write("large", &large);
    for server in SERVERS {
        house.write("part", &large[..3_000_000]);
        house.write("back", &large[..1_234_567]);
        sftp(&client, server, &format!("put part {server}\nreput large {server}\nreget {server} back\n"));
        assert!(std::fs::read(house.work().join("back")).expect("it was got") == large, "{server}");
    }
    sandbox.remove();
}

#[test]
fn scp_and_rsync_copy_trees() {
    let house = House::new(Who::Caller);
    let sandbox = Sandbox::create(&house, "local --name box");
    let client = SshClient::new(&house);
    make_tree(&house);
    let scp = |typed: &[&str]| client.run_program("scp", &[&["-q", "-rp"], typed].concat(), None).succeeded();
    scp(&["tree", "box:by-scp"]);
    scp(&["box:by-scp", "back-scp"]);
    assert_eq!(described(&house.work().join("back-scp"), true), described(&house.work().join("tree"), true));
    symlink("inner/deep", house.work().join("tree/link")).expect("ours");
    scp(&["tree/large", "box.sandboxer:/tmp/one file"]);
    assert_eq!(sandbox.sh("stat -c '%s %a' '/tmp/one file'").succeeded().text(), "5000000 750\n");
    let rsync = |from: &str, to: &str| {
        let mut command = house.program_command("rsync");
        command.args(["-a", "--delete", "-e"]).arg(format!("sh {}", house.work().join("ssh").display()));
        Running::start(
            {
                command.args([from, to]);
                command
            },
            None,
        )
        .finish()
        .succeeded()
    };
    rsync("tree/", "box:by-rsync/");
    std::fs::remove_file(house.work().join("tree/large")).expect("ours");
    rsync("tree/", "box:by-rsync/");
    rsync("box:by-rsync/", "back-rsync/");
    assert_eq!(described(&house.work().join("back-rsync"), true), described(&house.work().join("tree"), true));
    sandbox.remove();
}

//! What hosts are asked, over real ssh: each test has an sshd of its own on this machine, and ends it.

use crate::support::{House, Outcome, Running, Terminal, Who};
use sandboxer_machinery::{Sshd, SshdOptions, until};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

/// All that the other side's commands find.
const TOOLS: [&str; 20] = [
    "awk", "bash", "cat", "chmod", "cut", "date", "df", "env", "grep", "head", "id", "mktemp", "rm", "sed", "sh",
    "sleep", "tail", "timeout", "tr", "uname",
];
const GOOD_DOCKER: &str = "#!/bin/sh\ncase \"$1\" in compose) echo 2.40.0 ;; *) echo 28.0.1 ;; esac\n";

/// An sshd, and a house whose `ssh` knows it as `good`.
struct Place {
    // Before the house: it ends first.
    sshd: Sshd,
    house: House,
}

impl Place {
    /// With these lines in its sshd's configuration.
    fn new(settings: &str) -> Self {
        let house = House::new(Who::Caller);
        for name in ["there", "tools", "programs"] {
            std::fs::create_dir(house.path(name)).expect("a new folder");
        }
        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(tool));
            let found = found.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{tool} is missing"));
            symlink(found, house.path("tools").join(tool)).expect("ours");
        }
        let options = SshdOptions {
            home: Some(house.path("there")),
            programs: Some(house.path("tools")),
            lines: settings.to_owned(),
        };
        std::fs::create_dir(house.path("server")).expect("a new folder");
        let place = Self { sshd: Sshd::start(&house.path("server"), &options), house };
        place.knows("host");
        let config = format!(
            "Host good\n  HostName 127.0.0.1\n  Port {}\nHost *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile \
             /dev/null\n  IdentityFile {}\n  IdentitiesOnly yes\n",
            place.sshd.port(),
            place.path("known"),
            place.path("server/id"),
        );
        std::fs::write(place.house.path("ssh-config"), config).expect("ours");
        let wrapper = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", place.path("ssh-config"));
        place.program("programs/ssh", &wrapper);
        place
    }

    fn path(&self, name: &str) -> String {
        self.house.path(name).display().to_string()
    }

    fn program(&self, name: &str, text: &str) {
        std::fs::write(self.house.path(name), text).expect("ours");
        std::fs::set_permissions(self.house.path(name), std::fs::Permissions::from_mode(0o755)).expect("ours");
    }

    /// Has the user know that key as the machine's.
    fn knows(&self, key: &str) {
        let key = std::fs::read_to_string(self.house.path(&format!("server/{key}.pub"))).expect("made");
        std::fs::write(self.house.path("known"), format!("[127.0.0.1]:{} {key}", self.sshd.port())).expect("ours");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.house.command(arguments);
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("programs")));
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.house.noted(Running::start(self.command(arguments), None).finish())
    }

    /// Checks one host, and returns its report.
    #[track_caller]
    fn checked(&self, host: &str, status: i32) -> Value {
        let outcome = self.run(&["host", "check", "--json", host]).ended_with(status);
        let report = outcome.json()["hosts"][0].clone();
        assert_eq!(report["usable"], Value::from(status == 0), "{report:#}");
        let left = std::fs::read_dir(self.house.path("there")).expect("ours").flatten();
        let left: Vec<_> = left.filter(|one| one.file_name() != ".bashrc").collect();
        assert!(left.is_empty(), "{left:?}");
        report
    }
}

/// The finding of one check.
#[track_caller]
fn finding<'r>(report: &'r Value, check: &str) -> &'r Value {
    let found = report["checks"].as_array().expect("a list").iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("no `{check}` in {report:#}"))
}

#[track_caller]
fn is(report: &Value, check: &str, status: &str, part: &str) {
    let found = finding(report, check);
    let detail = found["detail"].as_str().expect("text");
    assert!(found["status"] == status && detail.contains(part), "{found:#}");
    assert_eq!(found["advice"].is_string(), status != "ok", "{found:#}");
}

#[test]
fn a_host_in_good_order() {
    let place = Place::new("");
    place.program("tools/docker", GOOD_DOCKER);
    let report = place.checked("good", 0);
    is(&report, "reach", "ok", "OpenSSH");
    is(&report, "login", "ok", "publickey");
    is(&report, "login", "ok", "/server/id ED25519 SHA256:");
    is(&report, "machine", "ok", "Linux");
    is(&report, "home", "ok", &place.path("there"));
    is(&report, "compose", "ok", "docker compose 2.40.0, engine 28.0.1");
    is(&report, "clock", "ok", "");
    is(&report, "sessions", "ok", "10 at once");
    is(&report, "forwarding", "ok", "both ways");
    let left = std::fs::read_dir("/tmp").expect("readable").flatten();
    let is_ours = |name: &str| name.starts_with(".sandboxer-check-sbx");
    let sockets: Vec<_> = left.filter(|one| one.file_name().to_str().is_some_and(is_ours)).collect();
    // Those of tests beside this one are gone soon.
    until("no socket is left", || sockets.iter().all(|one| !one.path().exists()).then_some(()));
}

#[test]
fn a_host_without_compose_and_this_machine() {
    let place = Place::new("");
    let report = place.checked("good", 0);
    is(&report, "compose", "warning", "none");
    let here = place.checked("localhost", 0);
    is(&here, "reach", "ok", "without ssh");
    is(&here, "home", "ok", &place.path("home"));
}

#[test]
fn compose_of_every_flavour() {
    let place = Place::new("");
    place.program("tools/podman-compose", "#!/bin/sh\necho 'podman-compose version 1.0.3'\necho 'using podman'\n");
    place.program("tools/podman", "#!/bin/sh\necho 4.3.1\n");
    is(&place.checked("good", 0), "compose", "ok", "podman-compose 1.0.3, engine 4.3.1");
    place.program("tools/docker-compose", "#!/bin/sh\necho 1.29.2\n");
    place.program(
        "tools/docker",
        "#!/bin/sh\n[ \"$1\" = version ] && { echo; printf '\\033[31mCannot connect to the daemon\\n' >&2; }\nexit 1\n",
    );
    let report = place.checked("good", 0);
    is(
        &report,
        "compose",
        "warning",
        "docker-compose 1.29.2; the engine does not answer: [31mCannot connect to the daemon",
    );
}

#[test]
fn hosts_that_are_not_reached() {
    let place = Place::new("");
    let reason = |host: &str| finding(&place.checked(host, 5), "reach")["reason"].as_str().expect("one").to_owned();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port").port();
    let hosts = format!(
        "hosts:\n  - id: closed\n    ssh: 127.0.0.1:{free}\n  - id: nowhere\n    ssh: no-such-host.invalid\n  - id: other\n    \
         ssh: 127.0.0.1:{}\n",
        place.sshd.port()
    );
    std::fs::create_dir_all(place.house.path("config/sandboxer")).expect("ours");
    std::fs::write(place.house.path("config/sandboxer/hosts.yaml"), hosts).expect("ours");
    assert_eq!(reason("closed"), "refused");
    assert_eq!(reason("nowhere"), "name_not_found");
    place.knows("other");
    assert_eq!(reason("other"), "host_key_changed");
    std::fs::write(place.house.path("known"), "").expect("ours");
    assert_eq!(reason("other"), "host_key_unknown");
    assert_eq!(std::fs::read_to_string(place.house.path("known")).expect("ours"), "", "no key is taken unasked");
    place.knows("host");
    std::fs::write(place.house.path("server/authorized"), "").expect("ours");
    assert_eq!(reason("other"), "login_refused");
    let outcome = place.run(&["host", "check", "nosuch"]).ended_with(3);
    assert!(outcome.stderr.contains("no host `nosuch`"), "{}", outcome.stderr);
}

#[test]
fn what_start_up_files_print_is_no_answer() {
    let place = Place::new("");
    place.program("tools/docker", GOOD_DOCKER);
    let noise = "echo welcome; echo 'sbx0 system Plan9'; echo 'system Plan9'; sleep 0.2; printf 'no end of line'\n";
    std::fs::write(place.house.path("there/.bashrc"), noise).expect("ours");
    let report = place.checked("good", 0);
    is(&report, "machine", "ok", "Linux");
    is(&report, "compose", "ok", "2.40.0");
    is(&report, "forwarding", "ok", "both ways");
    // Only bash reads that file.
    if finding(&report, "shell")["detail"].as_str().expect("text").contains("bash") {
        is(&report, "shell", "warning", " ms");
    }
}

#[test]
fn hosts_that_allow_little() {
    let place = Place::new("MaxSessions 2\nAllowStreamLocalForwarding no\n");
    let report = place.checked("good", 0);
    is(&report, "sessions", "warning", "2 at once");
    is(&report, "forwarding", "warning", "refuses");
    let place = Place::new("AllowStreamLocalForwarding remote\n");
    is(&place.checked("good", 0), "forwarding", "warning", "refuses connections to its sockets");
    let place = Place::new("ForceCommand echo go away\n");
    is(&place.checked("good", 5), "commands", "failed", "no answer");
    let place = Place::new("MaxSessions 0\n");
    is(&place.checked("good", 5), "commands", "failed", "");
}

#[test]
fn the_first_login_accepts_the_key() {
    let place = Place::new("");
    std::fs::write(place.house.path("known"), "").expect("ours");
    let destination = format!("127.0.0.1:{}", place.sshd.port());
    let mut terminal = Terminal::with(&place.command(&["host", "add", "mine", &destination]), 24, 100);
    terminal.shows("continue connecting");
    terminal.types("yes\n");
    terminal.ends_with(0);
    is(&place.checked("mine", 0), "reach", "ok", "OpenSSH");
}

/// What an extension and the agent need there, too.
const MORE_TOOLS: [&str; 17] = [
    "cp",
    "find",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "pwd",
    "readlink",
    "rmdir",
    "setsid",
    "sha256sum",
    "stat",
    "tar",
    "touch",
    "wc",
    "uniq",
];

fn add_tools(place: &Place) {
    for tool in MORE_TOOLS {
        let found = ["/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(tool));
        let found = found.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{tool} is missing"));
        symlink(found, place.house.path("tools").join(tool)).expect("ours");
    }
}

/// The class of the 0.1 guide, on a machine that is reached by ssh: commands and files go by its address alone.
#[test]
fn an_extension_in_python_whose_sandboxes_have_an_ssh_address_alone() {
    let place = Place::new("");
    add_tools(&place);
    let config = place.path("ssh-config");
    let manifest = format!(
        "id: ext.packed\ntitle: A workspace on a VM\nhandler: python:sandboxer.extensions.vm_packer:VMPackerExtension\n\
         capabilities: {{isolation_levels: [none], pricing_model: self-hosted}}\n\
         config: {{vms: {{haskell-build: {{target: good, config_file: {config}}}}}}}\n"
    );
    place.house.write("catalog/extensions/ext.packed.yaml", manifest);
    place.house.write(
        "catalog/profiles/profile.vm-haskell-build.yaml",
        "id: profile.vm-haskell-build\nextension: ext.packed\ninputs: {defaults: {vm: haskell-build}}\n",
    );
    let run = |typed: &[&str]| place.run(&[&["--catalog", "catalog"], typed].concat());
    let status = run(&["--json", "create", "vm-haskell-build", "--name", "one"]).succeeded().json();
    assert_eq!(status["reachability"]["ssh"], "good", "{status:#}");
    assert_eq!(status["conditions"], Value::Null, "{status:#}");
    let workspace = status["reachability"]["remote_dir"].as_str().expect("a path");
    assert_eq!(run(&["exec", "one", "--", "pwd"]).succeeded().text().trim(), workspace);
    assert_eq!(run(&["exec", "one", "--", "sh", "-c", "echo hello > note; exit 3"]).ended_with(3).text(), "");
    place.house.write("sent", "sent there\n");
    run(&["cp", "sent", "one:"]).succeeded();
    assert_eq!(run(&["exec", "one", "--", "cat", "note", "sent"]).succeeded().text(), "hello\nsent there\n");
    let removed = run(&["--json", "rm", "one"]).succeeded().json();
    assert!(removed.to_string().contains("which was there before"), "{removed:#}");
    assert!(!std::path::Path::new(workspace).exists());
    place.sshd.stop();
    place.house.end_what_stays();
}

/// Says what services say, too: by words that are run over there.
const WITH_SERVICES: &str = r#"
from sandboxer.extensions.vm_packer import VMPackerExtension


class Tried(VMPackerExtension):
    def wait_ready(self, handle, *rest, **more):
        found = dict(super().wait_ready(handle, *rest, **more))
        found["logs"] = ["sh", "-c", "printf 'web | %s\\n' up; echo 'db | down' >&2; printf 'no end'"]
        found["logs_follow"] = ["sh", "-c", "echo 'web | following'; exec sleep 1234.5"]
        return found
"#;

/// What the services of `box` say, once and then on; gives a command that goes on.
fn what_services_say(command: &dyn Fn(&[&str]) -> Command) -> Running {
    let run = |words: &[&str]| Running::start(command(words), None).finish();
    let logs = run(&["logs", "box"]).succeeded();
    assert!(logs.text().ends_with("web | up\nno end") && logs.stderr.contains("db | down"), "{logs:?}");
    let logs = run(&["--json", "logs", "box"]).succeeded().json();
    assert!(logs["services"].as_array().expect("lines").iter().any(|line| line == "web | up"), "{logs:#}");
    let following = Running::start(command(&["logs", "-f", "box"]), None);
    following.says("web | following");
    following.signal(rustix::process::Signal::INT);
    following.finish().succeeded();
    let following = Running::start(command(&["--json", "logs", "-f", "box"]), None);
    following.says(r#"{"service_line":"web | following"}"#);
    following
}

/// What people do with a sandbox that is behind ssh: a shell, a port, copies, logs, and their own ssh.
#[test]
fn every_way_leads_into_a_sandbox_on_a_machine() {
    let place = Place::new("");
    add_tools(&place);
    let config = place.path("ssh-config");
    place.house.write("catalog/extensions/tried.py", WITH_SERVICES);
    let manifest = format!(
        "id: ext.tried\ntitle: Tried\nhandler: python:tried:Tried\ncapabilities: {{isolation_levels: [none], \
         pricing_model: free}}\nconfig: {{vms: {{good: {{target: good, config_file: {config}}}}}}}\n"
    );
    place.house.write("catalog/extensions/ext.tried.yaml", manifest);
    let profile = "id: profile.tried\nextension: ext.tried\ninputs: {defaults: {vm: good}}\n";
    place.house.write("catalog/profiles/profile.tried.yaml", profile);
    let command = |words: &[&str]| place.command(&[&["--catalog", "catalog"], words].concat());
    let run = |words: &[&str]| place.house.noted(Running::start(command(words), None).finish());
    run(&["create", "tried", "--name", "box"]).succeeded();

    let mut shell = Terminal::with(&command(&["shell", "box"]), 24, 90);
    shell.types("stty size; echo fir''st > note; exit 6\n");
    shell.shows("24 90\r\n");
    shell.ends_with(6);
    run(&["cp", "box:note", "note"]).succeeded();
    assert_eq!(std::fs::read_to_string(place.house.work().join("note")).expect("it was copied"), "first\n");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let remote = listener.local_addr().expect("bound").port().to_string();
    let forward = Running::start(command(&["forward", "box", &format!("0:{remote}")]), None);
    let local: u16 = until("it says where it listens", || {
        let end = format!(" → {remote}");
        forward
            .said()
            .lines()
            .find_map(|line| line.strip_suffix(end.as_str())?.strip_prefix("127.0.0.1:")?.parse().ok())
    });
    let greeting = std::thread::spawn(move || listener.accept().and_then(|(mut one, _)| one.write_all(b"hello")));
    let mut said = String::new();
    std::net::TcpStream::connect(("127.0.0.1", local)).expect("listens").read_to_string(&mut said).expect("it says so");
    assert_eq!(said, "hello");
    greeting.join().expect("no panic").expect("it took it");
    forward.signal(rustix::process::Signal::INT);
    forward.finish().succeeded();

    let blocks = place.house.write("by-ssh", run(&["ssh-config"]).succeeded().stdout);
    // Not the wrapper, which is for the way to the machine; that one is found by the program that this one starts.
    let mut ssh = place.house.program_command("/usr/bin/ssh");
    ssh.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", place.path("programs")));
    ssh.arg("-F").arg(blocks).args(["box", "cat note; exit 4"]);
    let outcome = Running::start(ssh, None).finish().ended_with(4);
    assert_eq!(outcome.text(), "first\n", "{}", outcome.stderr);

    let following = what_services_say(&command);
    run(&["rm", "box"]).succeeded();
    following.finish().succeeded();
    until("nothing goes on over there", || {
        let words = std::fs::read_dir("/proc").expect("there").flatten();
        let mut words = words.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        (!words.any(|words| words == b"sleep\x001234.5\0")).then_some(())
    });
    place.sshd.stop();
    place.house.end_what_stays();
}

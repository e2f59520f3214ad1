//! The machinery itself: what tests rely on.

use sandboxer_machinery::{Compose, HostOptions, Network, Sshd, SshdOptions, make_key, until};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// Logs in and runs a command.
fn ssh(network: &Network, name: &str, address: SocketAddr, words: &[&str]) -> Output {
    let config = network.ssh_config(&[(name, address)]);
    let mut command = network.command("timeout");
    command.args(["10", "ssh"]);
    command.arg("-F").arg(config).args(["-oBatchMode=yes", "-oConnectTimeout=5", name]).args(words);
    command.output().expect("ssh starts")
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_private_server_stops_starts_and_stands_still() {
    let folder = tempfile::tempdir().expect("a folder");
    let sshd = Sshd::start(folder.path(), &SshdOptions::default());
    let greets = || TcpStream::connect(("127.0.0.1", sshd.port())).is_ok();
    assert!(greets());
    sshd.stop();
    assert!(!greets());
    sshd.start_again();
    assert!(greets());
    sshd.freeze();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", sshd.pid())).expect("it lives");
    until("it stands still", || state().contains(") T ").then_some(()));
    sshd.thaw();
    until("it goes on", || state().contains(") S ").then_some(()));
}

mod netns {
    use super::*;

    #[test]
    fn hosts_are_machines_of_their_own() {
        let network = Network::new();
        let first = network.host("first");
        let options = HostOptions { pam: true, login_shell: Some("/usr/bin/fish"), ..HostOptions::default() };
        let second = network.host_with("second", options);
        assert_eq!(said(&ssh(&network, "one", first.address(), &["hostname; pwd"])), "first\n/root");
        assert_eq!(said(&ssh(&network, "two", second.address(), &["hostname; echo $version | wc -l"])), "second\n1");
        said(&ssh(&network, "one", first.address(), &["touch here /tmp/there"]));
        assert_eq!(first.contents(), ["/root/here", "/tmp/there"]);
        assert!(!second.contents().contains(&"/root/here".to_owned()));
        assert!(!Path::new("/tmp/there").exists() && !Path::new("/root/here").exists());
        assert!(!ssh(&network, "one", first.address(), &["touch /usr/bin/nothing"]).status.success());
        first.change_key();
        first.stop_sshd();
        first.start_sshd();
        let refused = ssh(&network, "one", first.address(), &["true"]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("IDENTIFICATION HAS CHANGED"));
    }

    #[test]
    fn hosts_are_cut_off_and_come_back() {
        let network = Network::new();
        let host = network.host("host");
        let works = || ssh(&network, "it", host.address(), &["true"]).status.success();
        assert!(works());
        host.lose(20);
        assert!(works());
        for (breaks, mends) in [
            (Box::new(|| host.refuse()) as Box<dyn Fn()>, Box::new(|| host.restore()) as Box<dyn Fn()>),
            (Box::new(|| host.cut()), Box::new(|| host.restore())),
            (Box::new(|| host.unplug()), Box::new(|| host.plug())),
            (Box::new(|| host.freeze_sshd()), Box::new(|| host.thaw_sshd())),
            (Box::new(|| host.stop_sshd()), Box::new(|| host.start_sshd())),
        ] {
            breaks();
            assert!(!works());
            mends();
            assert!(works());
        }
    }

    #[test]
    fn nothing_outlives_a_reboot_but_what_is_on_disk() {
        let network = Network::new();
        let host = network.host("host");
        said(&ssh(
            &network,
            "it",
            host.address(),
            &["setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo kept > kept"],
        ));
        let sleeps = || host.processes().iter().any(|process| process.command == "sleep 1000");
        until("it sleeps", || sleeps().then_some(()));
        host.reboot();
        assert!(!sleeps());
        assert_eq!(said(&ssh(&network, "it", host.address(), &["cat kept"])), "kept");
        host.small_disk("/root", 65536);
        assert!(!ssh(&network, "it", host.address(), &["head -c 100000 /dev/zero > big"]).status.success());
        host.remove_disk("/root");
        assert_eq!(host.contents(), ["/root/kept"]);
    }

    #[test]
    fn a_way_is_slow_or_silent() {
        let network = Network::new();
        let host = network.host("host");
        let proxy = network.proxy(host.address(), Duration::from_millis(20));
        assert_eq!(said(&ssh(&network, "it", proxy.address(), &["echo through"])), "through");
        let passed = proxy.passed();
        assert!(passed > 1000, "{passed}");
        proxy.silence_after(passed / 2);
        assert!(!ssh(&network, "it", proxy.address(), &["true"]).status.success());
        assert_eq!(proxy.passed(), passed + passed / 2);
        proxy.restore();
        proxy.break_after(passed / 2);
        assert!(!ssh(&network, "it", proxy.address(), &["true"]).status.success());
        assert!(proxy.was_cut());
        assert_eq!(said(&ssh(&network, "it", proxy.address(), &["echo again"])), "again");
    }

    #[test]
    fn the_end_of_a_host_is_the_end_of_everything_on_it() {
        let network = Network::new();
        let host = network.host("host");
        said(&ssh(&network, "it", host.address(), &["setsid sleep 1001 >/dev/null 2>&1 </dev/null & exit 0"]));
        let sleeper = until("it sleeps", || host.processes().into_iter().find(|one| one.command == "sleep 1001"));
        drop(host);
        assert!(!Path::new(&format!("/proc/{}", sleeper.pid)).exists());
    }
}

mod docker {
    use super::*;

    const STACK: &str = "services:\n  web:\n    image: busybox\n    command: httpd -f -p 80\n    ports: [\"8080:80\"]\n    \
                         volumes: [\"data:/data\"]\nvolumes: {data: {}}\n";

    fn host(network: &Network, compose: Compose) -> sandboxer_machinery::Host {
        let host = network.host_with("host", HostOptions { compose, ..HostOptions::default() });
        host.engine().load_busybox();
        host.write("/tmp/stack/compose.yaml", STACK);
        host
    }

    #[test]
    fn a_stack_comes_up_and_goes() {
        let network = Network::new();
        for (compose, words) in [(Compose::Plugin, "docker compose"), (Compose::Standalone, "docker-compose")] {
            let host = host(&network, compose);
            let run =
                |rest: &str| said(&ssh(&network, "it", host.address(), &[&format!("cd /tmp/stack && {words} {rest}")]));
            run("up -d --wait");
            let holdings = host.engine().holdings();
            assert_eq!(holdings.containers, ["stack-web-1"]);
            assert_eq!(
                (holdings.networks, holdings.volumes),
                (vec!["stack_default".into()], vec!["stack_data".into()])
            );
            run("down -v -t 0");
            assert!(host.engine().holdings().is_empty());
        }
    }

    #[test]
    fn podman_brings_a_stack_up_too() {
        let network = Network::new();
        let host = network.host_with("host", HostOptions { compose: Compose::Podman, ..HostOptions::default() });
        host.load_busybox_for_podman();
        host.write("/tmp/stack/compose.yaml", STACK);
        let run = |words: &str| said(&ssh(&network, "it", host.address(), &[&format!("cd /tmp/stack && {words}")]));
        run("podman-compose up -d");
        assert_eq!(run("podman ps --format '{{.Names}}'"), "stack_web_1");
        run("podman-compose down -v -t 0");
        assert_eq!(run("podman ps --all --quiet; podman volume ls --quiet"), "");
        assert!(!ssh(&network, "it", host.address(), &["docker compose version"]).status.success());
    }

    #[test]
    fn an_engine_stops_hangs_and_comes_back() {
        let network = Network::new();
        let host = host(&network, Compose::EngineAlone);
        let answers = || {
            let words = ["timeout 2 docker ps"];
            ssh(&network, "it", host.address(), &words).status.success()
        };
        assert!(answers());
        host.engine().stop();
        assert!(!answers());
        host.engine().start_again();
        assert!(answers());
        host.engine().freeze();
        assert!(!answers());
        host.engine().thaw();
        assert!(answers());
        host.reboot();
        assert!(answers());
        assert_eq!(host.engine().run(&["image", "ls", "--quiet"]).lines().count(), 1);
    }
}

mod vm {
    use super::*;

    #[test]
    fn a_machine_of_its_own_comes_up_and_is_reached() {
        let network = Network::new();
        let machine = network.virtual_machine("guest");
        let run = |words: &str| said(&ssh(&network, "it", machine.address(), &[words]));
        assert_eq!(run("hostname; pwd; echo $BASH_VERSION | wc -l"), "guest\n/root\n1");
        assert!(run("uname -r").ends_with("-cloud-amd64"));
        assert_eq!(run("useradd --create-home builder && cd /home && ls && git --version | cut -c1-3"), "builder\ngit");
        let host = network.host("host");
        let behind = host.virtual_machine("behind");
        assert!(
            !ssh(&network, "it", SocketAddr::from((host.address().ip(), behind.address().port())), &["true"])
                .status
                .success()
        );
        let config = network.ssh_config(&[("host", host.address()), ("behind", behind.address())]);
        let mut command = network.command("ssh");
        // A jump does not take the configuration along.
        let jump = format!("ProxyCommand=ssh -F {} -W %h:%p host", config.display());
        let output =
            command.arg("-F").arg(&config).args(["-oBatchMode=yes", "-o", &jump, "behind", "hostname"]).output();
        assert_eq!(said(&output.expect("ssh starts")), "behind");
    }
}

#[test]
fn a_key_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    make_key(&folder.path().join("key"));
    let shown = Command::new("ssh-keygen").arg("-lf").arg(folder.path().join("key")).output().expect("it starts");
    assert!(String::from_utf8_lossy(&shown.stdout).contains("ED25519"));
}

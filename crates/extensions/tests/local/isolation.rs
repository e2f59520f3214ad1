//! What a sandbox cannot see, reach or do.

use crate::hostile;
use crate::support::{Lab, request_with, trial};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("system_calls_of_a_hostile_program_fail", system_calls_of_a_hostile_program_fail),
        trial("no_command_has_a_capability", no_command_has_a_capability),
        trial("processes_of_the_host_are_out_of_sight", processes_of_the_host_are_out_of_sight),
        trial("the_agent_is_out_of_reach", the_agent_is_out_of_reach),
        trial("files_of_the_host_are_out_of_sight", files_of_the_host_are_out_of_sight),
        trial("programs_cannot_be_changed", programs_cannot_be_changed),
        trial("there_is_no_network", there_is_no_network),
        trial("the_host_network_is_there_when_asked_for", the_host_network_is_there_when_asked_for),
        trial("sandboxes_cannot_see_each_other", sandboxes_cannot_see_each_other),
        trial("ordinary_programs_work", ordinary_programs_work),
    ]
}

async fn system_calls_of_a_hostile_program_fail() {
    let lab = Lab::new();
    let program = std::env::current_exe().expect("known");
    let program = program.display();
    let profile = format!(r#"{{"expose": [{{"path": "{program}", "mode": "ro"}}]}}"#);
    let sandbox = lab.make_from(request_with("hostile", &profile)).await;
    let users: &[&str] = if has_root() { &["user", "root"] } else { &["user"] };
    for user in users {
        let (status, output) = sandbox.run_as(user, &format!("{program} {} </dev/ptmx", hostile::ARGUMENT)).await;
        assert_eq!(status, 0, "{output}");
        let answers: BTreeMap<&str, i32> = output
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, error)| (name, error.parse().expect("a number")))
            .collect();
        assert!(answers.len() > 30, "{output}");
        for (name, error) in answers {
            let expected = match name {
                "clone3" | "x32" => libc::ENOSYS,
                // Root may become root.
                "become-root" if *user == "root" => 0,
                _ => libc::EPERM,
            };
            // Without a range of ids there is no root to become.
            let none_to_become = name == "become-root" && !has_root() && error == libc::EINVAL;
            assert!(error == expected || none_to_become, "{name} as {user}: {error}, not {expected}");
        }
    }
    assert!(sandbox.remove().await.complete);
}

fn has_root() -> bool {
    rustix::process::geteuid().is_root()
}

async fn no_command_has_a_capability() {
    let lab = Lab::new();
    let sandbox = lab.make("powerless").await;
    let users: &[&str] = if has_root() { &["user", "root"] } else { &["user"] };
    for user in users {
        let (_, output) = sandbox.run_as(user, "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status").await;
        assert_eq!(
            output.lines().filter(|line| line.starts_with("Cap") && line.ends_with("\t0000000000000000")).count(),
            5,
            "{output}"
        );
        assert!(output.contains("NoNewPrivs:\t1") && output.contains("Seccomp:\t2"), "{output}");
    }
    assert!(sandbox.remove().await.complete);
}

async fn processes_of_the_host_are_out_of_sight() {
    let lab = Lab::new();
    let sandbox = lab.make("alone").await;
    let own = std::process::id();
    let (_, output) = sandbox.run(&format!("ls /proc | grep -c '^[0-9]'; kill -0 {own} 2>&1; ls /proc/{own}")).await;
    let count: u32 = output.lines().next().and_then(|line| line.parse().ok()).expect("a number");
    assert!(count < 10, "{output}");
    assert!(output.contains("No such process") && output.contains("No such file"), "{output}");
    assert!(sandbox.remove().await.complete);
}

async fn the_agent_is_out_of_reach() {
    let lab = Lab::new();
    let sandbox = lab.make("agent").await;
    let script = "for file in environ mem maps exe fd/0 cwd root; do head -c1 /proc/1/$file 2>&1; ls -l /proc/1/$file 2>&1; done;
                  ls /proc/1/fd 2>&1; kill -9 1 2>&1; kill -STOP 1 2>&1; kill -TERM 1 2>&1; echo done";
    let users: &[&str] = if has_root() { &["user", "root"] } else { &["user"] };
    for user in users {
        let (_, output) = sandbox.run_as(user, script).await;
        assert!(output.ends_with("done\n"), "{output}");
        // Names may be listed; neither contents nor where a link leads.
        assert!(!output.contains("->") && output.matches("ermission denied").count() >= 9, "as {user}: {output}");
        assert_eq!(sandbox.run("echo alive").await.1, "alive\n");
    }
    assert!(sandbox.remove().await.complete);
}

async fn files_of_the_host_are_out_of_sight() {
    let lab = Lab::new();
    let secret = lab.folder.path().join("secret");
    std::fs::write(&secret, "canary").expect("written");
    let sandbox = lab.make("blind").await;
    let users: &[&str] = if has_root() { &["user", "root"] } else { &["user"] };
    for user in users {
        let script = format!(
            "cat {} /etc/shadow /etc/sudoers /proc/kcore 2>&1; ls -A /root /home /home/user /etc/ssl /var /run /mnt /sys 2>&1",
            secret.display()
        );
        let (_, output) = sandbox.run_as(user, &script).await;
        for absent in ["canary", "private", "lib/", ".ssh", "fs\n"] {
            assert!(!output.contains(absent), "{absent}: {output}");
        }
        let refused = output.matches("No such file").count() + output.matches("ermission denied").count();
        assert!(refused >= 3, "{output}");
    }
    let (_, output) = sandbox.run("cat /proc/keys /proc/timer_list /proc/kmsg; env; cat /proc/self/mountinfo").await;
    assert!(!output.contains("keyring") && !output.contains("CARGO"), "{output}");
    assert!(sandbox.remove().await.complete);
}

async fn programs_cannot_be_changed() {
    let lab = Lab::new();
    let sandbox = lab.make("fixed").await;
    let script = "touch /usr/x /usr/bin/x /bin/x /lib/x /etc/ssl/certs/x /proc/sys/kernel/hostname 2>&1;
                  echo 1 > /proc/sys/vm/drop_caches; echo b > /proc/sysrq-trigger;
                  echo x > /proc/sys/kernel/core_pattern; echo 1 > /proc/sys/net/ipv4/ip_forward";
    let users: &[&str] = if has_root() { &["user", "root"] } else { &["user"] };
    for user in users {
        let (status, output) = sandbox.run_as(user, &format!("({script}) 2>&1")).await;
        assert_ne!(status, 0, "{output}");
        let refused = output.matches("Read-only file system").count() + output.matches("ermission denied").count();
        let absent = output.matches("No such file").count();
        assert!(refused >= 7 && refused + absent >= 9, "{refused}: {output}");
    }
    let (status, output) =
        sandbox.run("touch /tmp/a /var/tmp/a /home/user/a /workspace/a /dev/shm/a && echo can").await;
    assert_eq!((status, output.as_str()), (0, "can\n"));
    assert!(sandbox.remove().await.complete);
}

async fn there_is_no_network() {
    let lab = Lab::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = listener.local_addr().expect("has one").port();
    let name = format!("sandboxer-test-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).expect("valid")).expect("listens");
    let program = std::env::current_exe().expect("known");
    let program = program.display();
    let profile = format!(r#"{{"expose": [{{"path": "{program}", "mode": "ro"}}]}}"#);
    let sandbox = lab.make_from(request_with("cut-off", &profile)).await;
    let connect = hostile::CONNECT_ARGUMENT;
    let script = format!(
        "cat /proc/net/dev | tail -n +3 | grep -v lo: ; grep -c {name} /proc/net/unix;
         {program} {connect} 127.0.0.1:{port}; {program} {connect} 192.0.2.1:80; {program} {connect} {name}"
    );
    let (_, output) = sandbox.run(&script).await;
    let (refused, unreachable) = (libc::ECONNREFUSED, libc::ENETUNREACH);
    assert_eq!(output, format!("0\n{refused}\n{unreachable}\n{refused}\n"));
    // Its own loopback works.
    let (status, output) = sandbox.run("ping -c1 -W1 127.0.0.1 >/dev/null 2>&1; grep lo: /proc/net/dev | wc -l").await;
    assert_eq!((status, output.trim()), (0, "1"));
    assert!(sandbox.remove().await.complete);
}

async fn the_host_network_is_there_when_asked_for() {
    let lab = Lab::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = listener.local_addr().expect("has one").port();
    let program = std::env::current_exe().expect("known");
    let program = program.display();
    let profile = format!(r#"{{"network": "host", "expose": [{{"path": "{program}", "mode": "ro"}}]}}"#);
    let sandbox = lab.make_from(request_with("connected", &profile)).await;
    let (_, output) = sandbox.run(&format!("{program} {} 127.0.0.1:{port}", hostile::CONNECT_ARGUMENT)).await;
    assert_eq!(output, "0\n");
    // Sockets that only happen to be named in the same network are not a network.
    let name = format!("sandboxer-host-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).expect("valid")).expect("listens");
    let (_, output) = sandbox.run(&format!("{program} {} {name}", hostile::CONNECT_ARGUMENT)).await;
    let answered = lab.extension.wait_ready(&lab.call(&sandbox.id), &sandbox.handle).await.expect("is ready");
    let expected = if answered.limits_unenforced.is_empty() { libc::EPERM } else { 0 };
    assert_eq!(output.trim(), expected.to_string());
    assert!(sandbox.remove().await.complete);
}

async fn sandboxes_cannot_see_each_other() {
    let lab = Lab::new();
    let (one, other) = (lab.make("one").await, lab.make("other").await);
    one.run("echo canary > /tmp/canary; echo canary > /dev/shm/canary; sleep 1000 & true").await;
    let script =
        format!("cat /tmp/canary /dev/shm/canary {0}/tmp/canary 2>&1; ls {0} 2>&1; ls /proc", one.folder().display());
    let (_, output) = other.run(&script).await;
    assert!(!output.contains("canary\n") || output.matches("No such file").count() >= 3, "{output}");
    if has_root() {
        let (_, maps) = one.run("cat /proc/self/uid_map").await;
        assert_ne!(maps, other.run("cat /proc/self/uid_map").await.1);
    }
    assert!(one.remove().await.complete && other.remove().await.complete);
    lab.assert_empty();
}

async fn ordinary_programs_work() {
    let lab = Lab::new();
    let sandbox = lab.make_from(request_with("useful", r#"{"env": {"GREETING": "hello"}}"#)).await;
    let script = "set -e; echo $GREETING; ls -l /dev/null >/dev/null; echo x > /dev/null; head -c 10 /dev/urandom | wc -c
                  ls / | sort | uniq | wc -l >/dev/null; date >/dev/null; getent hosts localhost | head -1 | tr -s ' ' | cut -d' ' -f2
                  mkdir -p /workspace/a/b; cp /bin/ls /workspace/ls; /workspace/ls /workspace/a; tty </dev/null || true; stty --version | head -1 >/dev/null
                  python3 -c 'import ssl, multiprocessing as m; print(m.Pool(2).map(abs, [-1, -2]))' 2>/dev/null || echo no python";
    let (status, output) = sandbox.run(script).await;
    assert_eq!(status, 0, "{output}");
    assert!(output.starts_with("hello\n10\n"), "{output}");
    assert!(output.contains("[1, 2]") || output.contains("no python"), "{output}");
    assert!(sandbox.remove().await.complete);
}

//! The connection itself: one a machine, whatever the configuration says, and failures that say what to do.

use std::error::Error as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use sandboxer_reach::{ReachError, ReachErrorKind as Kind, SshMaster, SshSettings};

use crate::support::sshd::Machine;
use crate::support::{ended, still, watch};

fn with(machine: &Machine, change: impl FnOnce(&mut SshSettings)) -> SshMaster {
    let mut settings = machine.settings();
    change(&mut settings);
    SshMaster::new(settings, machine.destination()).unwrap()
}

/// The kind of a failure that says, too, what ssh said and what to do.
fn told(result: Result<(), ReachError>, words: &str) -> Kind {
    let error = result.unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(source.contains(words), "{source}");
    assert!(error.hint().is_some(), "{error}");
    error.kind()
}

#[tokio::test]
async fn many_at_once_make_one_connection() {
    let machine = Machine::start();
    let masters: Vec<_> = (0..12).map(|_| machine.master()).collect();
    for opened in futures::future::join_all(masters.iter().map(SshMaster::open)).await {
        opened.unwrap();
    }
    assert_eq!(machine.masters(), 1);
    let process = masters[0].check().await.unwrap().unwrap();
    assert_eq!(masters[1].check().await.unwrap(), Some(process));
    let process = watch(process);
    assert!(masters[2].exit().await.unwrap());
    ended(process).await;
    assert!(!masters[2].exit().await.unwrap());
    assert_eq!(masters[0].check().await.unwrap(), None);
}

/// As the kernel writes them: a session that began in an outer process namespace is 0, which `getsid` of rustix cannot hold.
fn session_and_terminal(process: &str) -> (String, String) {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = status.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[3].to_owned(), fields[4].to_owned())
}

#[tokio::test]
async fn it_belongs_to_no_terminal_and_leaves_when_nobody_uses_it() {
    let machine = Machine::start();
    let master = with(&machine, |settings| settings.linger = Duration::from_secs(3));
    master.open().await.unwrap();
    let process = master.check().await.unwrap().unwrap();
    let (session, terminal) = session_and_terminal(&process.to_string());
    assert_eq!(terminal, "0");
    assert_ne!(session, session_and_terminal("self").0);
    assert_eq!(std::fs::read_link(format!("/proc/{process}/cwd")).unwrap(), Path::new("/"));
    ended(watch(process)).await;
}

#[tokio::test]
async fn a_login_that_is_refused_says_so() {
    let machine = Machine::start();
    let master = with(&machine, |settings| settings.identity = Some(machine.path("other")));
    assert_eq!(told(master.open().await, "Permission denied (publickey)"), Kind::LoginRefused);
}

#[tokio::test]
async fn a_key_that_changed_is_refused() {
    let machine = Machine::start();
    let master = machine.master();
    master.open().await.unwrap();
    let process = watch(master.check().await.unwrap().unwrap());
    machine.stop();
    ended(process).await;
    machine.change_key();
    machine.start_again();
    assert_eq!(told(master.open().await, "Host key verification failed"), Kind::HostKeyChanged);
    assert_eq!(machine.masters(), 0);
}

#[tokio::test]
async fn machines_that_are_not_there_say_so() {
    let machine = Machine::start();
    machine.stop();
    assert_eq!(told(machine.master().open().await, "Connection refused"), Kind::Refused);
    let nobody = SshMaster::new(machine.settings(), "no-such-machine.invalid".parse().unwrap()).unwrap();
    assert_eq!(told(nobody.open().await, "Could not resolve hostname"), Kind::UnknownHost);
    let missing = with(&machine, |settings| settings.program = "/none/ssh".into());
    assert_eq!(missing.open().await.unwrap_err().kind(), Kind::Local);
}

#[tokio::test]
async fn a_machine_that_says_nothing_is_given_up() {
    let machine = Machine::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = machine.settings();
    settings.connect_timeout = Duration::from_secs(1);
    let destination = format!("127.0.0.1:{}", silent.local_addr().unwrap().port());
    let master = SshMaster::new(settings, destination.parse().unwrap()).unwrap();
    assert_eq!(told(master.open().await, "timed out"), Kind::Deadline);
}

#[tokio::test]
async fn a_login_that_waits_for_ever_is_given_up() {
    let machine = Machine::start();
    let noted = machine.path("proxy");
    let line = format!("ProxyCommand sh -c 'echo $$ > {}; exec sleep 1000'\n", noted.display());
    std::fs::write(machine.path("config"), line).unwrap();
    let master = with(&machine, |settings| {
        settings.connect_timeout = Duration::from_secs(600);
        settings.login_timeout = Duration::from_secs(1);
    });
    let error = master.open().await.unwrap_err();
    assert_eq!((error.kind(), error.hint().is_some()), (Kind::Deadline, true));
    let proxy: u32 = std::fs::read_to_string(noted).unwrap().trim().parse().unwrap();
    if let Some(proxy) = still(proxy) {
        ended(proxy).await;
    }
}

#[tokio::test]
async fn a_proxy_that_fails_is_no_crowd() {
    let machine = Machine::start();
    std::fs::write(machine.path("config"), "ProxyCommand false\n").unwrap();
    assert_eq!(told(machine.master().open().await, "UNKNOWN port"), Kind::Unreachable);
}

#[tokio::test]
async fn a_crowd_before_the_door_is_waited_for() {
    let machine = Machine::start_with("MaxStartups 2:100:2\n");
    let address = format!("127.0.0.1:{}", machine.destination().port().unwrap());
    let crowd: Vec<_> = (0..2).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // Each is counted once the server has greeted it.
    for mut one in &crowd {
        std::io::Read::read_exact(&mut one, &mut [0; 4]).unwrap();
    }
    assert_eq!(told(machine.master().open().await, "kex_exchange_identification"), Kind::Busy);
    drop(crowd);
    machine.master().open().await.unwrap();
}

#[tokio::test]
async fn a_hostile_configuration_does_no_harm() {
    let machine = Machine::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (touched, socket) = (machine.path("touched"), machine.path("socket"));
    let text = format!(
        "Host *\n RemoteCommand sleep 1000\n RequestTTY force\n ControlMaster auto\n ControlPath {}\n ControlPersist no\n\
         LocalForward {port} 127.0.0.1:1\n RemoteForward {port} 127.0.0.1:1\n DynamicForward {port}\n LogLevel QUIET\n\
         PermitLocalCommand yes\n LocalCommand touch {}\n ForwardAgent yes\n ForwardX11 yes\n BatchMode no\n\
         StrictHostKeyChecking no\n VisualHostKey yes\n UserKnownHostsFile /dev/null\n ServerAliveInterval 0\n",
        socket.display(),
        touched.display()
    );
    std::fs::write(machine.path("config"), text).unwrap();
    let ssh = machine.ssh(&machine.home());
    ssh.relayed().await.unwrap();
    ssh.forwarded().await.unwrap();
    assert!(!touched.exists() && !socket.exists());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(machine.path("ssh/known_hosts").exists());
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense_says_so() {
    let machine = Machine::start();
    std::fs::write(machine.path("config"), "Nonsense yes\n").unwrap();
    assert_eq!(told(machine.master().open().await, "nonsense"), Kind::InvalidInput);
    let relative = SshSettings { config: Some("config".into()), ..machine.settings() };
    let error = SshMaster::new(relative, machine.destination()).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput);
}

#[tokio::test]
async fn a_socket_that_a_dead_connection_left_is_no_hindrance() {
    let machine = Machine::start();
    let master = machine.master();
    master.open().await.unwrap();
    let process = master.check().await.unwrap().unwrap();
    let handle = watch(process);
    rustix::process::pidfd_send_signal(&handle, rustix::process::Signal::KILL).unwrap();
    ended(handle).await;
    assert_eq!(master.check().await.unwrap(), None);
    master.open().await.unwrap();
    assert_ne!(master.check().await.unwrap(), Some(process));
}

#[tokio::test]
async fn a_connection_that_others_may_have_made_is_not_used() {
    let machine = Machine::start();
    let ssh = machine.ssh(&machine.home());
    ssh.relayed().await.unwrap();
    ssh.forwarded().await.unwrap();
    std::fs::set_permissions(machine.path("ssh"), std::fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(ssh.master().check().await.unwrap(), None);
    assert_eq!(ssh.master().open().await.unwrap_err().kind(), Kind::Precondition);
    assert_eq!(ssh.relayed().await.map(drop).unwrap_err().kind(), Kind::Precondition);
    assert_eq!(ssh.forwarded().await.map(drop).unwrap_err().kind(), Kind::Precondition);
    assert_eq!(ssh.master().forward(&machine.path("x"), "/x").await.unwrap_err().kind(), Kind::Precondition);
}

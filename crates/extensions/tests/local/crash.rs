//! Processes killed at random instants: afterwards a teardown from the id alone always leaves nothing.

use crate::support::{Lab, recorded, request, trial};
use libtest_mimic::Trial;
use sandboxer_extensions::local::{LocalExtension, LocalSettings};
use sandboxer_sdk::{Call, SandboxExtension};
use sandboxer_types::{Handle, HostId, OwnerId, SandboxId};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// The first argument that makes the test binary a broker that makes one sandbox and then waits to be killed.
pub(crate) const BROKER_ARGUMENT: &str = "broker";

const SEED: u64 = 0x5EED_0001;
const ROUNDS: u32 = 120;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("killed_at_any_instant_everything_can_be_removed", killed_at_any_instant_everything_can_be_removed)]
}

/// Makes a sandbox: root folder, owner, id, and what to copy into it.
pub(crate) fn broker(words: &[String]) -> ExitCode {
    let [root, owner, id, repository] = words else { return ExitCode::FAILURE };
    let owner: OwnerId = owner.parse().expect("valid");
    let id: SandboxId = id.parse().expect("valid");
    let settings =
        LocalSettings { root: PathBuf::from(root), executable: PathBuf::from("/proc/self/exe"), owner: owner.clone() };
    let extension = LocalExtension::new(settings);
    let mut request = request(id.as_str());
    request.profile.resources.pids = Some(64);
    if !repository.is_empty() {
        request.inputs.insert("repo".to_owned(), repository.as_str().into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
    runtime.block_on(async {
        let made = extension.provision(&Call::detached(id, owner), &request).await;
        assert!(made.is_ok(), "{made:?}");
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

/// How long it takes on this machine, as busy as it is, until a sandbox is complete: the start of the broker included.
async fn time_of_a_create(lab: &Lab) -> Duration {
    let id: SandboxId = "timed".parse().expect("valid");
    let start = std::time::Instant::now();
    let mut broker = start_broker(lab, &id, Path::new(""));
    while recorded(&lab.root.join(id.as_str()), "init").is_none() {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let handle = Handle::minimal(&id, &HostId::localhost());
    lab.extension.wait_ready(&lab.call(&id), &handle).await.expect("is ready");
    let span = start.elapsed();
    broker.kill().and_then(|()| broker.wait()).expect("is killed");
    assert!(lab.remove(&id).await.complete);
    span
}

fn start_broker(lab: &Lab, id: &SandboxId, repository: &Path) -> Child {
    Command::new("/proc/self/exe")
        .arg(BROKER_ARGUMENT)
        .args([lab.root.as_os_str(), lab.owner.as_str().as_ref(), id.as_str().as_ref(), repository.as_os_str()])
        .stdin(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

async fn killed_at_any_instant_everything_can_be_removed() {
    let lab = Lab::new();
    let repository = lab.folder.path().join("repository");
    std::fs::create_dir(&repository).expect("made");
    for number in 0..200 {
        std::fs::write(repository.join(number.to_string()), "content").expect("written");
    }
    let latest = 1 + u64::try_from(time_of_a_create(&lab).await.as_micros()).expect("short") * 3 / 2;
    let mut numbers = Numbers(SEED);
    let mut found = 0;
    for round in 0..ROUNDS {
        // Nobody else's: the same test may run at the same time as another user.
        let id: SandboxId = format!("crash-{}-{round}", std::process::id()).parse().expect("valid");
        let copied = if round % 3 == 0 { repository.as_path() } else { Path::new("") };
        let delay = Duration::from_micros(numbers.below(latest));
        let victim = numbers.below(3);
        kill_a_create(&lab, &id, copied, delay, victim).await;
        let listed = lab.extension.list().expect("offered").list(&lab.call(&id), &HostId::localhost()).await;
        found += listed.expect("lists").len();
        let report = lab.remove(&id).await;
        assert!(report.complete, "round {round}, after {delay:?}, victim {victim}: {report:#?}");
        lab.assert_empty();
        assert_no_process(&lab, &id);
    }
    assert!(found > 0, "no create was caught in the middle: the delays are wrong");
}

async fn kill_a_create(lab: &Lab, id: &SandboxId, repository: &Path, delay: Duration, victim: u64) {
    let mut broker = start_broker(lab, id, repository);
    tokio::time::sleep(delay).await;
    broker.kill().expect("is killed");
    broker.wait().expect("is reaped");
    // The supervisor, or the agent, dies too: whichever of them there is by now.
    let name = ["", "supervisor", "init"][usize::try_from(victim).expect("small")];
    let pid = recorded(&lab.root.join(id.as_str()), name).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let killed = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        assert!(matches!(killed, Ok(()) | Err(rustix::io::Errno::SRCH)), "{killed:?}");
    }
}

/// No supervisor bears the id, and no process has the sandbox's root mounted.
fn assert_no_process(lab: &Lab, id: &SandboxId) {
    let root = format!("{}/{id}/", lab.root.display());
    for entry in std::fs::read_dir("/proc").expect("is there") {
        let folder = entry.expect("listed").path();
        let words = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        // One that is only not reaped yet has neither words nor mounts.
        let supervises = words.contains("local-supervisor") && words.split('\0').any(|word| word == id.as_str());
        assert!(!supervises, "{} still supervises: {words}", folder.display());
        let mounts = std::fs::read_to_string(folder.join("mountinfo")).unwrap_or_default();
        assert!(!mounts.contains(&root), "{} is still inside: {words}", folder.display());
    }
}

//! What the backend starts for a sandbox: processes that nobody's end takes along, since each is in a session of its own.

use crate::cloud::{Cloud, Thing};
use crate::processes::VARIABLE;
use rustix::thread::{Timespec, nanosleep};
use sandboxer_agent::{Listen, Options};
use sandboxer_sdk::{Clock, SystemClock};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// The agent inside.
pub(crate) const AGENT: &str = "agent";
/// Ends a sandbox when its time has come.
pub(crate) const WATCHDOG: &str = "watchdog";
/// Makes a sandbox some time after it was asked to.
pub(crate) const LATE: &str = "late";

/// How often a watchdog looks at its sandbox.
const WATCHING: Duration = Duration::from_millis(100);

/// Starts one of them. Returns once it is in a session of its own: before that, the end of whoever started it is its own end.
#[allow(clippy::disallowed_methods, reason = "a child gets what this process has")]
pub(crate) fn start(words: &[&str], environment: &[(String, String)]) -> std::io::Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).env_clear().env("PATH", path).envs(environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    // One that ends before it says so has been ended.
    child.stdout.take().map_or(Ok(0), |mut said| said.read(&mut [0])).map(drop)
}

/// `agent FOLDER BOOT_MS`: listens once it has booted.
pub(crate) fn agent(words: &[String]) -> ExitCode {
    let (folder, boot) = (PathBuf::from(&words[0]), words[1].parse().unwrap());
    alone();
    rest(Duration::from_millis(boot));
    let mut options = Options::new(Listen::Unix(folder.join("agent")), sandboxer_agent::own_user());
    options.workdir = Some(folder.join("workspace"));
    options.environment.insert(VARIABLE.to_owned(), words[0].clone());
    options.environment.extend(own_path(&folder));
    match sandboxer_agent::run(options, |_| ()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// `watchdog FOLDER`: ends the sandbox when its time has come.
pub(crate) fn watchdog(words: &[String]) -> ExitCode {
    let folder = Path::new(&words[0]);
    alone();
    let (cloud, id) = Cloud::of_folder(folder);
    while let Ok(Some(thing)) = cloud.seen_from_inside(&id) {
        if thing.expires_at.is_some_and(|end| end <= SystemClock.now()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(cloud.end(&id)).unwrap();
            break;
        }
        rest(WATCHING);
    }
    ExitCode::SUCCESS
}

/// `late ROOT THING AFTER_MS`: a backend that does what it was asked when nobody thinks of it any more.
pub(crate) fn late(words: &[String]) -> ExitCode {
    alone();
    let thing: Thing = serde_json::from_str(&words[1]).unwrap();
    rest(Duration::from_millis(words[2].parse().unwrap()));
    let cloud = Cloud::at(Path::new(&words[0]));
    let id = cloud.create(&thing, None).unwrap();
    cloud.start(&id, Duration::ZERO, &[]).unwrap();
    ExitCode::SUCCESS
}

/// Where the sandbox has programs of its own, these come first.
#[allow(clippy::disallowed_methods, reason = "what is inside finds what is outside")]
fn own_path(folder: &Path) -> Option<(String, String)> {
    let own = folder.join("bin");
    let path = std::env::var("PATH").unwrap_or_default();
    own.exists().then(|| ("PATH".to_owned(), format!("{}:{path}", own.display())))
}

/// In a session of its own, of which it tells whoever started it, if that is still there.
fn alone() {
    rustix::process::setsid().unwrap();
    std::io::stdout().write_all(b"\n").unwrap_or_default();
}

fn rest(span: Duration) {
    let span = Timespec { tv_sec: span.as_secs().cast_signed(), tv_nsec: span.subsec_nanos().into() };
    // Woken early it is only a little early.
    let _woken = nanosleep(&span);
}

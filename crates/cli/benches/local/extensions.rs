//! What it costs to speak to extensions that are programs: in Rust (this binary again), Python and shell.

use crate::sample::{ROUNDS, Sample, Table};
use sandboxer_sdk::host::{HostLimits, HostedExtension, Program};
use sandboxer_sdk::testing::FolderExtension;
use sandboxer_sdk::{Call, GroupList, PROCESS_VARIABLE, SandboxExtension, StatusVerb};
use sandboxer_types::{Handle, HostId, Lifecycle, Verb};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// With this argument this binary is an extension.
pub(crate) const ARGUMENT: &str = "folder-extension";
/// Bears the name of this measuring tool, so that its extensions are found.
const PROCESS: &str = "bench";
/// So many extensions are spoken to at once.
const TOGETHER: usize = 8;
/// How long, all together.
const LONG: Duration = Duration::from_secs(3);
/// Python and shell take their time to start.
const STARTS: usize = 50;

const SHELL: &str = r#"#!/bin/sh
request=$(cat)
printf %s "$request" | jq -c '{jsonrpc: "2.0", id, result: (if .method == "status" then {state: "running"} else
    {id: .params._meta.ext, protocols: [1]} end)}'
"#;
const PYTHON: &str = "from sandboxer.extensions.base import SandboxExtension

class Measured(SandboxExtension):
    def provision(self, profile, inputs, host): ...
    def wait_ready(self, handle): ...
    def teardown(self, handle): ...
    def status(self, handle):
        return 'running'
";

struct Kind {
    name: &'static str,
    argv: Vec<OsString>,
    lifecycle: Lifecycle,
}

fn kinds(folder: &Path) -> Vec<Kind> {
    let this = std::env::current_exe().unwrap().into_os_string();
    let script = folder.join("script.sh");
    fs::write(&script, SHELL).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join("measured.py"), PYTHON).unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python").canonicalize().unwrap();
    let package = folder.join("package");
    fs::create_dir(&package).unwrap();
    symlink(python.join("src/sandboxer"), package.join("sandboxer")).unwrap();
    symlink(python.join("launcher.py"), package.join("__main__.py")).unwrap();
    let mut cache = OsString::from("pycache_prefix=");
    cache.push(folder.join("bytecode"));
    let interpreter = [interpreter(), "-X".into(), "utf8".into(), "-X".into(), cache, package.into_os_string()];
    let class = ["measured:Measured".into(), "--folder".into(), folder.as_os_str().to_owned()];
    vec![
        Kind { name: "Rust", argv: vec![this, ARGUMENT.into()], lifecycle: Lifecycle::Persistent },
        Kind { name: "Python", argv: interpreter.into_iter().chain(class).collect(), lifecycle: Lifecycle::Persistent },
        Kind { name: "shell", argv: vec![script.into_os_string()], lifecycle: Lifecycle::Oneshot },
    ]
}

/// The interpreter itself: what the search path has first may be a script that looks for it, and takes longer than it.
fn interpreter() -> OsString {
    let output =
        std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

impl Kind {
    fn open(&self, folder: &Path) -> HostedExtension {
        let program = Program {
            extension: "ext.measured".parse().unwrap(),
            argv: self.argv.clone(),
            hint: None,
            folder: folder.to_owned(),
            environment: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            lifecycle: self.lifecycle,
            concurrency: 1,
            verbs: [Verb::Status].into(),
            groups: Some(GroupList::new(
                PROCESS.to_owned(),
                fs::File::options().append(true).open("/dev/null").unwrap().into(),
            )),
        };
        HostedExtension::new(program, HostLimits::default())
    }
}

fn call(folder: &Path) -> (Call, Handle) {
    let mut call = Call::detached("measured".parse().unwrap(), "ownmeasured".parse().unwrap());
    call.config.insert("folder".to_owned(), folder.join("kept").to_string_lossy().into());
    let handle = Handle::minimal(&call.sandbox_id, &HostId::localhost());
    (call, handle)
}

async fn ask(extension: &dyn SandboxExtension, call: &Call, handle: &Handle) {
    StatusVerb::status(extension.status().unwrap(), call, handle).await.unwrap();
}

/// The proportional share of the idle processes, in kB.
fn memory() -> i64 {
    let marker = format!("{PROCESS_VARIABLE}={PROCESS}");
    let share = |process: PathBuf| {
        let environment = fs::read(process.join("environ")).ok()?;
        environment.split(|byte| *byte == 0).find(|variable| *variable == marker.as_bytes())?;
        let rollup = fs::read_to_string(process.join("smaps_rollup")).ok()?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_ascii_whitespace().nth(1)?.parse::<i64>().ok()
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| share(entry.path())).sum()
}

/// Measures each kind, and many at once.
pub(crate) fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        own_work(table, folder.path()).await;
        for kind in kinds(folder.path()) {
            start(table, folder.path(), &kind).await;
            if kind.lifecycle == Lifecycle::Persistent {
                round_trip(table, folder.path(), &kind).await;
                together(table, folder.path(), &kind).await;
            }
        }
    });
}

async fn sample(rounds: usize, extension: &dyn SandboxExtension, folder: &Path) -> Sample {
    let (call, handle) = call(folder);
    let mut sample = Sample::empty();
    for round in 0..rounds + 5 {
        let begin = Instant::now();
        ask(extension, &call, &handle).await;
        sample.add_after(5, round, begin.elapsed());
    }
    sample
}

/// What the extension in Rust does by itself: it looks for a file.
async fn own_work(table: &mut Table, folder: &Path) {
    let sample = sample(ROUNDS * 10, &FolderExtension, folder).await;
    table.times("extension in Rust: its own work, called directly", &sample, "-");
}

async fn start(table: &mut Table, folder: &Path, kind: &Kind) {
    let (call, handle) = call(folder);
    let mut sample = Sample::empty();
    for round in 0..STARTS + 5 {
        let extension = kind.open(folder);
        let begin = Instant::now();
        ask(&extension, &call, &handle).await;
        sample.add_after(5, round, begin.elapsed());
        extension.stop().await;
    }
    let what = match kind.lifecycle {
        Lifecycle::Persistent => "start and first answer",
        Lifecycle::Oneshot => "each call, a process of its own",
    };
    table.times(&format!("extension in {}: {what}", kind.name), &sample, "-");
}

async fn round_trip(table: &mut Table, folder: &Path, kind: &Kind) {
    let extension = kind.open(folder);
    let sample = sample(ROUNDS * 10, &extension, folder).await;
    let aim = if kind.name == "Rust" { "≤ 0.15 and its own work" } else { "-" };
    table.times(&format!("extension in {}: round trip", kind.name), &sample, aim);
    let figures = format!("{:.1} MB", memory() as f64 / 1024.0);
    table.figures(&format!("extension in {}: idle", kind.name), &figures, "-");
    extension.stop().await;
}

async fn together(table: &mut Table, folder: &Path, kind: &Kind) {
    let extensions: Vec<Arc<HostedExtension>> = (0..TOGETHER).map(|_| Arc::new(kind.open(folder))).collect();
    let begin = Instant::now();
    let calls = extensions.iter().map(|extension| {
        let (extension, (call, handle)) = (extension.clone(), call(folder));
        tokio::spawn(async move {
            let mut calls = 0_u64;
            while begin.elapsed() < LONG {
                ask(extension.as_ref(), &call, &handle).await;
                calls += 1;
            }
            calls
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut sum = 0;
    for calls in calls {
        sum += calls.await.unwrap();
    }
    let figures = format!("{:.0} a second", sum as f64 / begin.elapsed().as_secs_f64());
    let aim = if kind.name == "Rust" { "≥ 5,000" } else { "-" };
    table.figures(&format!("{TOGETHER} extensions in {} at once", kind.name), &figures, aim);
    for extension in extensions {
        extension.stop().await;
    }
}

//! Extensions of a few lines, each a script, and someone who hears what they say.

use async_trait::async_trait;
use sandboxer_sdk::host::{HostLimits, HostedExtension, Program};
use sandboxer_sdk::{Call, CallSink, LogLevel, Progress, Provision, Teardown, TeardownReason};
use sandboxer_types::{Failure, Handle, HostId, Lifecycle, Object, SandboxId, TimeSpan, Verb};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was heard of one call.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) lines: Mutex<Vec<(LogLevel, String)>>,
    pub(crate) progress: Mutex<Vec<Progress>>,
    pub(crate) drafts: Mutex<Vec<Object>>,
}

impl Heard {
    pub(crate) fn said(&self, part: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|(_, line)| line.contains(part))
    }
}

#[async_trait]
impl CallSink for Heard {
    fn progress(&self, progress: Progress) {
        self.progress.lock().unwrap().push(progress);
    }

    fn log(&self, level: LogLevel, line: String) {
        self.lines.lock().unwrap().push((level, line));
    }

    async fn checkpoint(&self, draft: Object) -> Result<(), Failure> {
        self.drafts.lock().unwrap().push(draft);
        Ok(())
    }
}

/// A folder with one extension's program.
pub(crate) struct House {
    folder: tempfile::TempDir,
}

impl House {
    /// With this script as its program. `$1` of none of them is set; each begins with the interpreter it wants.
    pub(crate) fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// With a program in Python that has this body, for each request `call`, with `answer(result)` and `say(message)`.
    pub(crate) fn python(body: &str) -> Self {
        let body = body.lines().map(|line| format!("    {line}\n")).collect::<String>();
        Self::new(&format!(
            "#!/usr/bin/python3 -u
import json, os, subprocess, sys, time
def say(message):
    sys.stdout.write(json.dumps(dict(jsonrpc='2.0', **message)) + '\\n')
    sys.stdout.flush()
for line in sys.stdin:
    request = json.loads(line)
    if 'id' not in request:
        continue
    call, params = request['id'], request['params']
    sandbox_id, host = params.get('sandbox_id'), params.get('host')
    def answer(result, id=call):
        say(dict(id=id, result=result))
    def made(**more):
        answer(dict(handle=dict(sandbox_id=sandbox_id, host=host, **more)))
{body}"
        ))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn program(&self, lifecycle: Lifecycle) -> Program {
        Program {
            extension: "ext.tested".parse().unwrap(),
            argv: vec![self.folder.path().join("program").into()],
            hint: None,
            folder: self.folder.path().to_owned(),
            environment: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            lifecycle,
            concurrency: 4,
            verbs: Verb::WORDS.iter().map(|word| word.parse().unwrap()).collect(),
            groups: None,
        }
    }

    pub(crate) fn persistent(&self) -> HostedExtension {
        HostedExtension::new(self.program(Lifecycle::Persistent), limits())
    }

    pub(crate) fn oneshot(&self) -> HostedExtension {
        HostedExtension::new(self.program(Lifecycle::Oneshot), limits())
    }

    /// The text of a file that a script wrote beside itself.
    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The processes that still run something of this folder, or in it.
    pub(crate) fn processes(&self) -> Vec<PathBuf> {
        let here = self.folder.path().canonicalize().unwrap();
        let runs_here = |process: &PathBuf| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == here);
        let entries = fs::read_dir("/proc").unwrap();
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(runs_here).collect()
    }
}

/// Short, so that a test need not wait long for the worst.
pub(crate) fn limits() -> HostLimits {
    HostLimits { answer: Duration::from_millis(300), end: Duration::from_millis(300), ..HostLimits::default() }
}

pub(crate) fn call() -> (Call, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let mut call = Call::detached("sbx-one".parse().unwrap(), "owntests".parse().unwrap());
    call.sink = heard.clone();
    (call, heard)
}

pub(crate) fn provision() -> Provision {
    let profile = serde_json::from_value(serde_json::json!({"id": "profile.tested"})).unwrap();
    Provision {
        sandbox_id: "sbx-one".parse().unwrap(),
        host: HostId::localhost(),
        profile,
        inputs: Object::new(),
        expires_at: jiff::Timestamp::UNIX_EPOCH,
        ttl: TimeSpan::seconds(60),
        tether: None,
        draft: None,
    }
}

pub(crate) fn teardown() -> Teardown {
    let sandbox_id: SandboxId = "sbx-one".parse().unwrap();
    let host = HostId::localhost();
    let handle = Handle::minimal(&sandbox_id, &host);
    Teardown { sandbox_id, host, handle, reason: TeardownReason::Requested }
}

//! This machine as one that is reached, with a home of a test's own, and with whatever goes wrong with it.

use async_trait::async_trait;
use sandboxer_agent::{Account, End, Folder};
use sandboxer_extensions::machine::{Machine, Machines, SyncReport};
use sandboxer_extensions::vm_packer::VmPackerExtension;
use sandboxer_reach::Route;
use sandboxer_sdk::{
    Call, CommandLine, CommandOutput, CommandRunner, Intent, Provision, SandboxExtension, SystemRunner, Teardown,
    TeardownReason,
};
use sandboxer_types::{
    CleanupReport, ErrorKind, Failure, Handle, HostId, Object, Profile, Reachability, Residue, SandboxId, TimeSpan,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const OWNER: &str = "own01h00000000000000000000000";

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// So many more answers arrive; what is asked from then on is done, but nobody hears of it.
    Deaf(usize),
    /// So many more are done; nothing of what is asked from then on is.
    Lost(usize),
}

#[derive(Clone)]
pub(crate) struct Near {
    pub(crate) home: Arc<TempDir>,
    route: Route,
    state: Arc<Mutex<State>>,
}

struct State {
    leases: BTreeMap<String, Vec<String>>,
    routes: Vec<String>,
    trouble: Trouble,
    /// No agent runs there.
    bare: bool,
}

impl Near {
    pub(crate) fn new() -> Self {
        let home = TempDir::with_prefix("sandboxer-vm-").expect("a folder");
        let state = State { leases: BTreeMap::new(), routes: Vec::new(), trouble: Trouble::None, bare: false };
        Self { home: Arc::new(home), route: Route::Here, state: Arc::new(Mutex::new(state)) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().expect("nobody panics with it"))
    }

    pub(crate) fn set(&self, trouble: Trouble) {
        self.with(|state| state.trouble = trouble);
    }

    pub(crate) fn set_bare(&self) {
        self.with(|state| state.bare = true);
    }

    pub(crate) fn trouble(&self) -> Trouble {
        self.with(|state| state.trouble)
    }

    pub(crate) fn leases(&self) -> BTreeMap<String, Vec<String>> {
        self.with(|state| state.leases.clone())
    }

    /// Everywhere that somebody went.
    pub(crate) fn routes(&self) -> Vec<String> {
        self.with(|state| state.routes.clone())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn begins(&self) -> Result<(), Failure> {
        self.with(|state| match &mut state.trouble {
            Trouble::Lost(0) => Err(lost()),
            Trouble::Lost(left) => {
                *left -= 1;
                Ok(())
            }
            Trouble::None | Trouble::Deaf(_) => Ok(()),
        })
    }

    fn answers(&self) -> Result<(), Failure> {
        self.with(|state| match &mut state.trouble {
            Trouble::Deaf(0) => Err(lost()),
            Trouble::Deaf(left) => {
                *left -= 1;
                Ok(())
            }
            Trouble::None | Trouble::Lost(_) => Ok(()),
        })
    }

    /// The lease of our sandbox of that id runs out: the machine runs what it was told to.
    pub(crate) fn expire(&self, id: &str) -> CommandOutput {
        let words = self.leases().remove(&marked(id)).expect("a lease");
        let output = Command::new(&words[0]).args(&words[1..]).output().expect("it runs");
        CommandOutput { status: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: output.stderr }
    }
}

/// What our sandbox of that id is called on machines.
pub(crate) fn marked(id: &str) -> String {
    let owner = OWNER.parse().expect("an owner");
    sandboxer_types::SandboxMark::of(&id.parse().expect("an id"), &owner).to_string()
}

fn lost() -> Failure {
    Failure::new(ErrorKind::HostUnreachable, "the machine does not answer").with_residue(Residue::Unknown)
}

#[async_trait]
impl Machines for Near {
    async fn open(&self, route: &Route) -> Result<Arc<dyn Machine>, Failure> {
        self.begins().and_then(|()| self.answers()).map_err(|failure| failure.with_residue(Residue::None))?;
        self.with(|state| state.routes.push(route.to_string()));
        Ok(Arc::new(Self { route: route.clone(), ..self.clone() }))
    }
}

#[async_trait]
impl Machine for Near {
    fn route(&self) -> &Route {
        &self.route
    }

    async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, Failure> {
        self.begins()?;
        let command = command.clone().with_env("HOME", self.home.path().to_str().expect("text"));
        let ran = SystemRunner::default().run(&command, limit).await;
        self.answers()?;
        // As a shell says it.
        Ok(ran.unwrap_or_else(|_| CommandOutput { status: 127, ..CommandOutput::default() }))
    }

    async fn sync(&self, source: &Path, target: &str) -> Result<SyncReport, Failure> {
        self.begins()?;
        let copied = Command::new("cp").args(["-aT", "--"]).arg(source).arg(target).status();
        assert!(copied.expect("cp starts").success());
        self.answers()?;
        Ok(SyncReport::default())
    }

    async fn place_lease(&self, name: &str, _span: Duration, expire: &[String]) -> Result<(), Failure> {
        self.agent_path().await?;
        self.with(|state| state.leases.insert(name.to_owned(), expire.to_vec()));
        Ok(())
    }

    async fn release_lease(&self, name: &str) -> Result<bool, Failure> {
        self.agent_path().await?;
        Ok(self.with(|state| state.leases.remove(name)).is_some())
    }

    async fn agent_path(&self) -> Result<String, Failure> {
        self.begins()?;
        if self.with(|state| state.bare) {
            return Err(Failure::new(ErrorKind::Unsupported, "no agent runs there").with_residue(Residue::None));
        }
        self.answers()?;
        Ok(std::env::current_exe().expect("a program").to_str().expect("text").to_owned())
    }
}

/// The agent's `--end`, with the words that the extension gives it.
pub(crate) fn agent(words: &[String]) -> ExitCode {
    let mut end = End { sandbox: String::new(), folders: Vec::new(), account: None };
    let (mut label, mut account) = (None, None);
    for pair in words.chunks(2) {
        let value = pair[1].clone();
        match pair[0].as_str() {
            "--end" => end.sandbox = value,
            "--label" => label = Some(value),
            "--remove" => end.folders.push(Folder { path: value.into(), label: None }),
            "--remove-labelled" => end.folders.push(Folder { path: value.into(), label: label.clone() }),
            "--account" => account = Some(value),
            other => panic!("{other} is none of its words"),
        }
    }
    end.account = account.zip(label).map(|(name, comment)| Account { name, comment });
    let ended = sandboxer_agent::end(&end);
    std::io::Write::write_all(&mut std::io::stdout(), json!(ended).to_string().as_bytes()).expect("somebody reads");
    if ended.complete() { ExitCode::SUCCESS } else { ExitCode::from(8) }
}

/// A request for a sandbox, and the calls about it.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) near: Near,
    pub(crate) id: SandboxId,
    pub(crate) owner: String,
    pub(crate) host: HostId,
    pub(crate) inputs: Object,
    pub(crate) profile: Profile,
    pub(crate) config: Object,
    pub(crate) ssh: Option<String>,
}

pub(crate) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => panic!("no object"),
    }
}

impl Wish {
    pub(crate) fn new(near: &Near, id: &str, inputs: Value) -> Self {
        let profile = json!({"id": "profile.vm", "extension": "ext.vm-packer", "network": "host"});
        Self {
            near: near.clone(),
            id: id.parse().expect("an id"),
            owner: OWNER.to_owned(),
            host: HostId::localhost(),
            inputs: object(inputs),
            profile: serde_json::from_value(profile).expect("a profile"),
            config: Object::new(),
            ssh: None,
        }
    }

    pub(crate) fn extension(&self) -> VmPackerExtension {
        VmPackerExtension::new(Arc::new(self.near.clone()))
    }

    /// A call that knows what was meant, or only the id.
    pub(crate) fn call(&self, knows: bool) -> Call {
        let mut call = Call::detached(self.id.clone(), self.owner.parse().expect("an owner"));
        call.config = self.config.clone();
        call.ssh = self.ssh.as_ref().map(|ssh| ssh.parse().expect("a destination"));
        call.intent = knows.then(|| Intent { profile: self.profile.clone(), inputs: self.inputs.clone() });
        call
    }

    pub(crate) fn request(&self) -> Provision {
        Provision {
            sandbox_id: self.id.clone(),
            host: self.host.clone(),
            profile: self.profile.clone(),
            inputs: self.inputs.clone(),
            expires_at: jiff::Timestamp::MAX,
            ttl: TimeSpan::seconds(3600),
            tether: None,
            draft: None,
        }
    }

    pub(crate) async fn provision(&self) -> Result<Handle, Failure> {
        self.extension().provision(&self.call(true), &self.request()).await
    }

    pub(crate) async fn ready(&self, handle: &Handle) -> Result<Reachability, Failure> {
        self.extension().wait_ready(&self.call(true), handle).await
    }

    pub(crate) async fn made(&self) -> (Handle, Reachability) {
        let handle = self.provision().await.expect("made");
        handle.check(&self.id, &self.host).expect("a good handle");
        let reachability = self.ready(&handle).await.expect("ready");
        reachability.check(&self.host).expect("a good reachability");
        (handle, reachability)
    }

    pub(crate) async fn teardown(&self, handle: &Handle) -> Result<CleanupReport, Failure> {
        self.teardown_knowing(handle, true).await
    }

    pub(crate) async fn teardown_knowing(&self, handle: &Handle, knows: bool) -> Result<CleanupReport, Failure> {
        let reason = TeardownReason::Requested;
        let request = Teardown { sandbox_id: self.id.clone(), host: self.host.clone(), handle: handle.clone(), reason };
        self.extension().teardown(&self.call(knows), &request).await
    }

    pub(crate) fn minimal(&self) -> Handle {
        Handle::minimal(&self.id, &self.host)
    }

    /// Nothing of any sandbox is there any more.
    pub(crate) fn nothing_left(&self) {
        let folder = self.near.path("sandboxer");
        let left: Vec<_> =
            std::fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.expect("readable").path()).collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(self.near.leases().is_empty(), "{:?}", self.near.leases());
    }
}

/// A process that goes with the test.
pub(crate) struct Running(Child);

impl Running {
    /// In a folder, and perhaps with the variable that a sandbox's agent gives its commands.
    pub(crate) fn start(folder: &Path, sandbox: Option<&SandboxId>) -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.envs(sandbox.map(|id| (sandboxer_agent::SANDBOX_VARIABLE, marked(id.as_str()))));
        Self(command.spawn().expect("it starts"))
    }

    pub(crate) fn lives(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already in most tests.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

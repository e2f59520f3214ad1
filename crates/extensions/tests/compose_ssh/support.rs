//! A host with an engine as a machine that extensions work on, without a way there that could break.

use async_trait::async_trait;
use sandboxer_extensions::compose_ssh::ComposeSshExtension;
use sandboxer_extensions::machine::{Machine, Machines, SyncReport};
use sandboxer_machinery::{Compose, Host, HostOptions, Network};
use sandboxer_reach::Route;
use sandboxer_sdk::TeardownReason;
use sandboxer_sdk::{
    Call, CommandLine, CommandOutput, CommandRunner, Provision, SandboxExtension, SystemRunner, Teardown,
};
use sandboxer_types::{
    CleanupReport, ErrorKind, Failure, Handle, HostId, Network as Reach, Profile, Reachability, Residue, TimeSpan,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The agent's place there; any program does that can be run anywhere.
const AGENT: &str = "/root/.cache/sandboxer/agent";
const OWNER: &str = "own01h00000000000000000000000";

/// A host and the leases that it holds.
#[derive(Clone)]
pub(crate) struct There {
    pub(crate) host: Arc<Host>,
    leases: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    /// How many commands it still runs; one more finds it gone.
    pub(crate) patience: Arc<Mutex<Option<usize>>>,
    /// The answer to the last of them is lost: it is done, and nobody is told.
    pub(crate) loses_answers: bool,
}

impl There {
    pub(crate) fn leases(&self) -> BTreeMap<String, Vec<String>> {
        self.leases.lock().expect("nobody panics").clone()
    }

    fn answers(&self) -> Result<(), Failure> {
        let mut patience = self.patience.lock().expect("nobody panics");
        if let Some(left) = patience.as_mut() {
            *left = left.checked_sub(1).ok_or_else(gone)?;
        }
        Ok(())
    }

    pub(crate) async fn run(&self, words: &[&str]) -> CommandOutput {
        Machine::run(self, &CommandLine::new(words.iter().copied()), Duration::from_secs(60))
            .await
            .expect("it is there")
    }
}

fn gone() -> Failure {
    Failure::new(ErrorKind::HostUnreachable, "the machine does not answer").with_residue(Residue::Unknown)
}

#[async_trait]
impl Machines for There {
    async fn open(&self, _route: &Route) -> Result<Arc<dyn Machine>, Failure> {
        self.answers().map_err(|failure| failure.with_residue(Residue::None))?;
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Machine for There {
    fn route(&self) -> &Route {
        &Route::Here
    }

    async fn run(&self, command: &CommandLine, limit: Duration) -> Result<CommandOutput, Failure> {
        self.answers()?;
        let prepared = self.host.command("env");
        let head = std::iter::once(prepared.get_program()).chain(prepared.get_args());
        let mut argv: Vec<String> = head.map(|word| word.to_string_lossy().into_owned()).collect();
        argv.extend(["-i", "HOME=/root", "DOCKER_CONFIG=/run/docker-config"].map(str::to_owned));
        argv.push("PATH=/run/programs:/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
        argv.extend(command.env.iter().map(|(name, value)| format!("{name}={value}")));
        argv.extend(command.argv.iter().cloned());
        let command = CommandLine::new(argv).with_stdin(command.stdin.clone());
        SystemRunner::default()
            .run(&command, limit)
            .await
            .map_err(|fault| Failure::new(ErrorKind::Deadline, fault.to_string()).with_residue(Residue::Unknown))
    }

    async fn sync(&self, source: &Path, target: &str) -> Result<SyncReport, Failure> {
        self.answers()?;
        let target = self.host.path(target);
        let status = std::process::Command::new("cp").args(["-rT", "--"]).arg(source).arg(target).status();
        assert!(status.expect("cp starts").success());
        Ok(SyncReport::default())
    }

    async fn place_lease(&self, name: &str, _span: Duration, expire: &[String]) -> Result<(), Failure> {
        self.answers()?;
        self.leases.lock().expect("nobody panics").insert(name.to_owned(), expire.to_vec());
        Ok(())
    }

    async fn release_lease(&self, name: &str) -> Result<bool, Failure> {
        self.answers()?;
        Ok(self.leases.lock().expect("nobody panics").remove(name).is_some())
    }

    async fn agent_path(&self) -> Result<String, Failure> {
        self.answers()?;
        Ok(AGENT.to_owned())
    }
}

/// A host with that compose tool, the extension, and a place for repositories.
pub(crate) struct Scene {
    pub(crate) there: There,
    pub(crate) extension: ComposeSshExtension,
    pub(crate) repositories: tempfile::TempDir,
    _network: Network,
}

impl Scene {
    pub(crate) fn new(compose: Compose) -> Self {
        let network = Network::new();
        let host = network.host_with("build-1", HostOptions { compose, ..HostOptions::default() });
        if compose == Compose::Podman {
            host.load_busybox_for_podman();
        } else {
            host.engine().load_busybox();
        }
        host.run(&["mkdir", "-p", "/root/.cache/sandboxer"]);
        host.run(&["cp", "/bin/busybox", AGENT]);
        let there =
            There { host: Arc::new(host), leases: Arc::default(), patience: Arc::default(), loses_answers: false };
        let extension = ComposeSshExtension::new(Arc::new(there.clone()));
        Self { there, extension, repositories: tempfile::tempdir().expect("a folder"), _network: network }
    }

    /// A folder with a compose file, as an input.
    pub(crate) fn repository(&self, name: &str, compose: &str) -> String {
        let folder = self.repositories.path().join(name);
        std::fs::create_dir_all(&folder).expect("ours");
        std::fs::write(folder.join("compose.yaml"), compose).expect("ours");
        folder.to_str().expect("a text").to_owned()
    }

    pub(crate) async fn provision(&self, sandbox: &Sandbox) -> Result<Handle, Failure> {
        self.extension.provision(&sandbox.call, &sandbox.request).await
    }

    pub(crate) async fn ready(&self, sandbox: &Sandbox) -> Reachability {
        let handle = self.provision(sandbox).await.unwrap_or_else(|failure| panic!("{failure:#?}"));
        let handle_host: HostId = "build-1".parse().expect("a host");
        handle.check(&sandbox.call.sandbox_id, &handle_host).expect("a good handle");
        let reachability = self.extension.wait_ready(&sandbox.call, &handle).await;
        let reachability = reachability.unwrap_or_else(|failure| panic!("{failure:#?}"));
        reachability.check(&handle_host).expect("a good reachability");
        reachability
    }

    /// Removes it knowing nothing but its id.
    pub(crate) async fn teardown(&self, sandbox: &Sandbox) -> Result<CleanupReport, Failure> {
        let host: HostId = "build-1".parse().expect("a host");
        let request = Teardown {
            sandbox_id: sandbox.call.sandbox_id.clone(),
            host: host.clone(),
            handle: Handle::minimal(&sandbox.call.sandbox_id, &host),
            reason: TeardownReason::Requested,
        };
        self.extension.teardown(&sandbox.call, &request).await
    }

    /// From now on the last answer before the machine is gone is lost.
    pub(crate) fn lose_answers(&mut self) {
        self.there.loses_answers = true;
        self.extension = ComposeSshExtension::new(Arc::new(self.there.clone()));
    }

    /// Whether nothing of any sandbox is there; a lease may be, which would find nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.there.host.engine().holdings().is_empty()
            && !self.there.host.contents().iter().any(|path| path.contains("/compose/"))
    }

    /// Nothing is left there of any sandbox.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        assert!(self.there.host.engine().holdings().is_empty(), "{:?}", self.there.host.engine().holdings());
        let left: Vec<String> =
            self.there.host.contents().into_iter().filter(|path| path.contains("/.local")).collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(self.there.leases().is_empty(), "{:?}", self.there.leases());
    }
}

/// One sandbox that is asked for.
pub(crate) struct Sandbox {
    pub(crate) call: Call,
    pub(crate) request: Provision,
}

impl Sandbox {
    pub(crate) fn new(id: &str, inputs: Value) -> Self {
        let mut call = Call::detached(id.parse().expect("an id"), OWNER.parse().expect("an owner"));
        call.deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        let Value::Object(inputs) = inputs else { panic!("a mapping") };
        let request = Provision {
            sandbox_id: call.sandbox_id.clone(),
            host: "build-1".parse().expect("a host"),
            profile: profile(json!({})),
            inputs,
            expires_at: "2100-01-01T00:00:00Z".parse().expect("a time"),
            ttl: TimeSpan::seconds(3600),
            tether: None,
            draft: None,
        };
        Self { call, request }
    }

    pub(crate) fn minimal(&self) -> Handle {
        Handle::minimal(&self.request.sandbox_id, &self.request.host)
    }

    pub(crate) fn with_profile(mut self, change: impl FnOnce(&mut Profile)) -> Self {
        change(&mut self.request.profile);
        self
    }

    pub(crate) fn with_options(mut self, options: Value) -> Self {
        self.request.profile = profile(options);
        self
    }
}

fn profile(options: Value) -> Profile {
    let text = json!({"id": "profile.compose", "extension": "ext.compose-ssh", "network": "host", "options": options});
    let profile: Profile = serde_json::from_value(text).expect("a profile");
    assert_eq!(profile.network, Reach::Host);
    profile
}

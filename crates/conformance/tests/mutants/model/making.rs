//! From a request to a sandbox, and back to nothing.

use super::{BOOT, Model, STEP};
use crate::cloud::{BackendId, Cloud, Thing};
use crate::inhabitants::{self, LATE, WATCHDOG};
use crate::mutation::Mutation;
use sandboxer_sdk::{Call, Clock, Provision, SystemClock, Teardown};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Handle, Object, Residue};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// What a sandbox is made from.
pub(super) enum Source {
    Nothing,
    /// These files.
    Files(PathBuf),
}

/// How far from an instant to the next a mutant is that is slow where it must not be interrupted.
const SLOW: Duration = Duration::from_millis(300);

impl Model {
    /// Makes a sandbox, or finishes what an earlier attempt began.
    pub(super) async fn make(&self, call: &Call, request: &Provision, source: &Source) -> Result<Handle, Failure> {
        let inputs = self.checked(&request.inputs)?;
        let cloud = self.cloud(call)?;
        let _turn = self.turn(call, &cloud).await?;
        call.progress("look", "looking whether it exists");
        let found = self.what_is_there(call, request, &cloud)?;
        let id = match found.into_iter().next() {
            Some((_, thing)) if thing.inputs != inputs && !self.is(Mutation::TakesOtherInputsForTheSame) => {
                let failure = Failure::new(ErrorKind::Conflict, "it exists with other inputs");
                return Err(failure.with_residue(Residue::Present));
            }
            Some((id, _)) => id,
            None => self.begin(call, request, &cloud, inputs, source).await?,
        };
        let left = |failure: Failure| failure.with_residue(Residue::Partial);
        let draft = Object::from_iter([("backend_id".to_owned(), json!(id))]);
        call.sink.checkpoint(draft).await.map_err(left)?;
        self.step(call).await.map_err(left)?;
        call.progress("start", "starting its agent");
        self.start(call, &cloud, &id).await.map_err(|failure| {
            match self.is(Mutation::FailsMidwayAndSaysNothingIsLeft) {
                true => failure.with_residue(Residue::None),
                false => left(failure),
            }
        })?;
        self.step(call).await.map_err(left)?;
        self.made.lock().unwrap().insert(request.sandbox_id.clone());
        Ok(self.handle(call, request, &id))
    }

    /// Has the backend make it. What this sandbox is called there is known only afterwards, but what is made bears its labels
    /// from its first instant.
    async fn begin(
        &self,
        call: &Call,
        request: &Provision,
        cloud: &Cloud,
        inputs: Object,
        source: &Source,
    ) -> Result<BackendId, Failure> {
        // Nobody else makes it now, and it was looked for: whoever gives up here leaves nothing.
        let nothing = |failure: Failure| failure.with_residue(Residue::None);
        call.progress("create", "asking the backend for it");
        let thing = Thing {
            labels: call.labels.clone(),
            inputs,
            created_at: Some(SystemClock.now()),
            expires_at: SystemClock.now().checked_add(request.ttl.as_duration()).ok(),
            paused: false,
        };
        let step = if self.is(Mutation::BornAfterTheCancel) { 3 * SLOW } else { STEP };
        if let Err(failure) = self.rest(call, step).await {
            self.be_born_late(cloud, &thing)?;
            return Err(nothing(failure));
        }
        self.run_in_a_shell(&thing.inputs);
        if self.is(Mutation::TwoProcessesDoNotWaitForEachOther) {
            tokio::time::sleep(3 * SLOW).await;
        }
        let files = match source {
            Source::Nothing => None,
            Source::Files(files) => Some(files.as_path()),
        };
        let id = self.create(cloud, &thing, files).await?;
        self.write_secrets_down(call, cloud, &id)?;
        self.record(call, cloud, &id).await?;
        Ok(id)
    }

    async fn create(
        &self,
        cloud: &Cloud,
        thing: &Thing,
        files: Option<&std::path::Path>,
    ) -> Result<BackendId, Failure> {
        if self.is(Mutation::LeavesAVolumeBehind) {
            cloud.create(&Thing::default(), None)?;
        }
        if self.is(Mutation::LabelsWhatItMadeAfterwards) {
            let id = cloud.create(&Thing { labels: Default::default(), ..thing.clone() }, files)?;
            tokio::time::sleep(3 * SLOW).await;
            cloud.change(&id, |made| made.labels = thing.labels.clone())?;
            return Ok(id);
        }
        if self.is(Mutation::HandleRecordedAfterTheEffect) {
            return Ok(cloud.create(&Thing { labels: Default::default(), ..thing.clone() }, files)?);
        }
        Ok(cloud.create(thing, files)?)
    }

    async fn start(&self, call: &Call, cloud: &Cloud, id: &str) -> Result<(), Failure> {
        if self.is(Mutation::FailsMidwayAndSaysNothingIsLeft) {
            tokio::time::sleep(SLOW).await;
        }
        let boot = if self.is(Mutation::ReadyBeforeUsable) { 30 * SLOW } else { BOOT };
        let without: &[&str] = if self.is(Mutation::TtlKeptOnlyByTheBroker) { &[WATCHDOG] } else { &[] };
        self.put_a_shell_of_its_own(cloud, id);
        cloud.start(id, boot, without)?;
        if self.is(Mutation::HandsSecretsToAChild) {
            let secrets: Vec<_> = call.secrets.clone().into_iter().collect();
            let folder = cloud.folder(id).to_string_lossy().into_owned();
            inhabitants::start(&[WATCHDOG, &folder], &secrets)
                .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        }
        if self.is(Mutation::TellsSecretsInItsLog) {
            call.log(format!("the keys are {:?}", call.secrets));
        }
        Ok(())
    }

    fn handle(&self, call: &Call, request: &Provision, id: &str) -> Handle {
        let handle = Handle::minimal(&request.sandbox_id, &request.host).with("backend_id", id);
        if self.is(Mutation::HandleNamesAnotherHost) {
            return handle.with("host", "somewhere-else");
        }
        if self.is(Mutation::HandsSecretsOutWithTheHandle) {
            return handle.with("keys", json!(call.secrets));
        }
        handle
    }

    /// Removes it, and looks whether it is gone.
    pub(super) async fn remove(&self, call: &Call, request: &Teardown) -> Result<CleanupReport, Failure> {
        if self.is(Mutation::TeardownNeverSucceeds) {
            return Err(Failure::new(ErrorKind::Forbidden, "it may not").with_residue(Residue::Present));
        }
        let cloud = self.cloud(call)?;
        let _turn = self.turn(call, &cloud).await?;
        let mut report = CleanupReport { complete: true, ..CleanupReport::default() };
        if call.config.get("attach") == Some(&Value::Bool(true)) && !self.is(Mutation::ForgetsTheMachineItIsOn) {
            report.retained.push("the machine that it was on".to_owned());
        }
        let found = match self.what_to_remove(call, &cloud, request) {
            Err(_) if self.is(Mutation::TakesAnOutageForAbsence) => Vec::new(),
            found => found?,
        };
        self.refuse_what_is_gone(call, &cloud, found.is_empty())?;
        call.progress("remove", format!("removing {} things", found.len()));
        for id in &found {
            self.step(call).await.map_err(|failure| failure.with_residue(Residue::Present))?;
            match self.is(Mutation::LeavesProcessesBehind) {
                true => cloud.drop_folder(&cloud.folder(id))?,
                false => cloud.delete(id).await?,
            }
            self.forget(call, &cloud)?;
            report.removed.push(format!("`{id}`, which was {}", call.sandbox_id));
        }
        if found.is_empty() {
            report.already_absent.push(format!("{}: the backend has nothing with its labels", call.sandbox_id));
        }
        let left = if self.is(Mutation::TakesAnOutageForAbsence) { Vec::new() } else { self.find(call, &cloud)? };
        if !left.is_empty() && !self.is(Mutation::TeardownTrustsAMissingId) {
            report.complete = false;
            report.errors.push(format!("{} of it are still there", left.len()));
        }
        Ok(report)
    }

    fn what_to_remove(&self, call: &Call, cloud: &Cloud, request: &Teardown) -> Result<Vec<BackendId>, Failure> {
        let ids = |things: Vec<(BackendId, Thing)>| things.into_iter().map(|(id, _)| id).collect();
        if self.is(Mutation::TeardownTrustsAMissingId) {
            return Ok(request.handle.text("backend_id").map(str::to_owned).into_iter().collect());
        }
        if self.is(Mutation::TeardownWithoutOwnerCheck) {
            return Ok(ids(cloud.find(&[("sandboxer.id", call.sandbox_id.as_str())])?));
        }
        if self.is(Mutation::TeardownGoesByAPartOfTheId) {
            let part = |id: &str| id.split('-').next().unwrap_or_default().to_owned();
            let all = cloud.find(&[("sandboxer.owner", call.owner.as_str())])?;
            let is_like = |thing: &Thing| {
                thing.labels.get("sandboxer.id").is_some_and(|id| part(id) == part(call.sandbox_id.as_str()))
            };
            return Ok(ids(all.into_iter().filter(|(_, thing)| is_like(thing)).collect()));
        }
        Ok(ids(self.find(call, cloud)?))
    }
}

/// What only mutants do.
impl Model {
    fn what_is_there(
        &self,
        call: &Call,
        request: &Provision,
        cloud: &Cloud,
    ) -> Result<Vec<(BackendId, Thing)>, Failure> {
        if self.is(Mutation::MakesAnotherEachTime) {
            return Ok(Vec::new());
        }
        if self.is(Mutation::FindsOnlyWhatItsDraftNames) {
            let draft = request.draft.as_ref().and_then(|draft| draft.get("backend_id")?.as_str());
            let found = draft.map(|id| cloud.get(id)).transpose()?.flatten();
            return Ok(found.into_iter().filter_map(|thing| Some((draft?.to_owned(), thing))).collect());
        }
        self.find(call, cloud)
    }

    fn be_born_late(&self, cloud: &Cloud, thing: &Thing) -> Result<(), Failure> {
        if !self.is(Mutation::BornAfterTheCancel) {
            return Ok(());
        }
        let (root, thing) = (cloud.root().to_string_lossy(), serde_json::to_string(thing).unwrap());
        inhabitants::start(&[LATE, &root, &thing, "1200"], &[])
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))
    }

    /// A `sh` that comes before the one of the machine.
    fn put_a_shell_of_its_own(&self, cloud: &Cloud, id: &str) {
        let script = if self.is(Mutation::StatusesOfFailuresAreOne) {
            "/bin/sh \"$@\" || exit 1"
        } else if self.is(Mutation::ErrorsGoIntoTheOutput) {
            "exec /bin/sh \"$@\" 2>&1"
        } else if self.is(Mutation::SplitsTheWordsOfCommands) {
            "command=$2; shift 3; exec /bin/sh -c \"$command\" sh $*"
        } else if self.is(Mutation::CommandsSeeOtherFiles) {
            "cd \"$MODEL_OBJECT/bin\"; exec /bin/sh \"$@\""
        } else {
            return;
        };
        let bin = cloud.folder(id).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("sh"), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(bin.join("sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run_in_a_shell(&self, inputs: &Object) {
        if self.is(Mutation::RunsInputsInAShell) {
            let note = inputs["note"].as_str().unwrap_or_default();
            let script = format!("echo {note} > /dev/null");
            let mut command = std::process::Command::new("sh");
            command.args(["-c", &script]).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
            command.stderr(std::process::Stdio::null()).status().map(drop).unwrap();
        }
    }

    fn write_secrets_down(&self, call: &Call, cloud: &Cloud, id: &str) -> Result<(), Failure> {
        if self.is(Mutation::WritesSecretsDown) {
            let text = json!(call.secrets).to_string();
            std::fs::write(cloud.folder(id).join("keys"), text)
                .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        }
        Ok(())
    }

    /// What the backend called it, in a file of the extension's own.
    async fn record(&self, call: &Call, cloud: &Cloud, id: &str) -> Result<(), Failure> {
        if !self.is(Mutation::HandleRecordedAfterTheEffect) {
            return Ok(());
        }
        call.progress("create", "the backend has made it");
        tokio::time::sleep(SLOW).await;
        let file = record_of(call, cloud);
        std::fs::create_dir_all(file.parent().unwrap())
            .and_then(|()| std::fs::write(file, id))
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))
    }

    pub(super) fn find_by_record(&self, call: &Call, cloud: &Cloud) -> Result<Vec<(BackendId, Thing)>, Failure> {
        let Ok(id) = std::fs::read_to_string(record_of(call, cloud)) else { return Ok(Vec::new()) };
        Ok(cloud.get(&id)?.map(|thing| (id, thing)).into_iter().collect())
    }

    fn forget(&self, call: &Call, cloud: &Cloud) -> Result<(), Failure> {
        if self.is(Mutation::TeardownFailsOnWhatIsGone) {
            let file = record_of(call, cloud);
            std::fs::create_dir_all(file.parent().unwrap())
                .and_then(|()| std::fs::write(file, "gone"))
                .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        }
        Ok(())
    }

    fn refuse_what_is_gone(&self, call: &Call, cloud: &Cloud, is_gone: bool) -> Result<(), Failure> {
        let refuses = self.is(Mutation::UnknownIdsAreNotFound) && is_gone && !record_of(call, cloud).exists()
            || self.is(Mutation::TeardownFailsOnWhatIsGone) && is_gone && record_of(call, cloud).exists();
        match refuses {
            true => Err(Failure::new(ErrorKind::NotFound, "there is no such sandbox").with_residue(Residue::None)),
            false => Ok(()),
        }
    }
}

fn record_of(call: &Call, cloud: &Cloud) -> PathBuf {
    cloud.root().join("records").join(format!("{}-{}", call.owner, call.sandbox_id))
}

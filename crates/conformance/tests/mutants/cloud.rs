//! A backend in a folder, as a cloud's API would be: it gives ids of its own, knows labels, does each thing whole or not at
//! all, and goes on when whoever asked is gone.
//!
//! ```text
//! objects/ID/thing.json   what it is, and for whom
//! objects/ID/workspace    its files
//! objects/ID/agent        the socket of its agent
//! snapshots/ID/…          the same for what was kept
//! down                    the API does not answer
//! ```

use crate::copying::copy_folder;
use crate::inhabitants::{self, AGENT, WATCHDOG};
use crate::processes;
use jiff::Timestamp;
use rustix::process::Signal;
use sandboxer_sdk::{Ids, SystemIds};
use sandboxer_types::{ErrorKind, Failure, Object};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The backend in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Cloud(PathBuf);

/// What the backend knows of something that it has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Thing {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) inputs: Object,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) paused: bool,
}

/// What the backend gives its things for names.
pub(crate) type BackendId = String;

/// The API does not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloudFault {
    #[error("the backend does not answer")]
    Down,
    #[error("the backend has no `{0}`")]
    Unknown(String),
    #[error("the backend's disk")]
    Disk(#[from] io::Error),
}

impl From<CloudFault> for Failure {
    /// Who was not heard does not know what has become of what was asked.
    fn from(fault: CloudFault) -> Self {
        Self::new(ErrorKind::Unavailable, fault.to_string()).caused_by(&fault)
    }
}

impl Cloud {
    pub(crate) fn at(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// The backend that has this folder, and the id of what is in it.
    pub(crate) fn of_folder(folder: &Path) -> (Self, BackendId) {
        let root = folder.parent().and_then(Path::parent).unwrap();
        (Self::at(root), folder.file_name().unwrap().to_string_lossy().into_owned())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.0.join("objects").join(id)
    }

    fn snapshot_folder(&self, id: &str) -> PathBuf {
        self.0.join("snapshots").join(id)
    }

    fn answers(&self) -> Result<(), CloudFault> {
        if self.0.join("down").exists() { Err(CloudFault::Down) } else { Ok(()) }
    }

    /// Makes something, with these files in its workspace.
    pub(crate) fn create(&self, thing: &Thing, files: Option<&Path>) -> Result<BackendId, CloudFault> {
        self.answers()?;
        let id = fresh();
        self.put(thing, files, &self.folder(&id))?;
        Ok(id)
    }

    /// Keeps the files of something.
    pub(crate) fn keep(&self, id: &str, labels: &BTreeMap<String, String>) -> Result<(), CloudFault> {
        self.answers()?;
        let thing = Thing { labels: labels.clone(), ..Thing::default() };
        self.put(&thing, Some(&self.folder(id).join("workspace")), &self.snapshot_folder(&fresh()))
    }

    /// Whole or not at all.
    fn put(&self, thing: &Thing, files: Option<&Path>, place: &Path) -> Result<(), CloudFault> {
        let draft = self.0.join("drafts").join(fresh());
        match files {
            Some(files) => copy_folder(files, &draft.join("workspace"))?,
            None => std::fs::create_dir_all(draft.join("workspace"))?,
        }
        std::fs::write(draft.join("thing.json"), text(thing)?)?;
        std::fs::create_dir_all(place.parent().unwrap())?;
        Ok(std::fs::rename(draft, place)?)
    }

    /// Starts what lives in it, as far as that does not live yet. The agent listens after `boot`.
    pub(crate) fn start(&self, id: &str, boot: Duration, without: &[&str]) -> Result<(), CloudFault> {
        self.answers()?;
        self.read(&self.folder(id))?.ok_or_else(|| CloudFault::Unknown(id.to_owned()))?;
        let folder = self.folder(id);
        let boot = boot.as_millis().to_string();
        let place = folder.to_string_lossy();
        for words in [&[WATCHDOG, &place][..], &[AGENT, &place, &boot]] {
            if !without.contains(&words[0]) && processes::with_word(&folder, words[0]).is_empty() {
                inhabitants::start(words, &[])?;
            }
        }
        Ok(())
    }

    /// What it is.
    pub(crate) fn get(&self, id: &str) -> Result<Option<Thing>, CloudFault> {
        self.answers()?;
        self.read(&self.folder(id))
    }

    /// The same for whoever lives there and needs no API.
    pub(crate) fn seen_from_inside(&self, id: &str) -> Result<Option<Thing>, CloudFault> {
        self.read(&self.folder(id))
    }

    fn read(&self, folder: &Path) -> Result<Option<Thing>, CloudFault> {
        match std::fs::read(folder.join("thing.json")) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text).map_err(io::Error::from)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes what is known of it.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Thing)) -> Result<(), CloudFault> {
        let mut thing = self.get(id)?.ok_or_else(|| CloudFault::Unknown(id.to_owned()))?;
        change(&mut thing);
        let draft = self.folder(id).join(fresh());
        std::fs::write(&draft, text(&thing)?)?;
        Ok(std::fs::rename(draft, self.folder(id).join("thing.json"))?)
    }

    /// Everything that bears all of these labels.
    pub(crate) fn find(&self, labels: &[(&str, &str)]) -> Result<Vec<(BackendId, Thing)>, CloudFault> {
        self.answers()?;
        self.those(&self.0.join("objects"), labels)
    }

    /// Every snapshot that bears all of these labels.
    pub(crate) fn find_snapshots(&self, labels: &[(&str, &str)]) -> Result<Vec<(BackendId, Thing)>, CloudFault> {
        self.answers()?;
        self.those(&self.0.join("snapshots"), labels)
    }

    fn those(&self, place: &Path, labels: &[(&str, &str)]) -> Result<Vec<(BackendId, Thing)>, CloudFault> {
        let entries = match std::fs::read_dir(place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(thing) = self.read(&entry.path())? else { continue };
            if labels.iter().all(|(key, value)| thing.labels.get(*key).is_some_and(|label| label == value)) {
                found.push((entry.file_name().to_string_lossy().into_owned(), thing));
            }
        }
        Ok(found)
    }

    /// The files of something, or of a snapshot, to make others from.
    pub(crate) fn files(&self, id: &str, of_snapshot: bool) -> PathBuf {
        (if of_snapshot { self.snapshot_folder(id) } else { self.folder(id) }).join("workspace")
    }

    /// Removes it with everything that lives in it.
    pub(crate) async fn delete(&self, id: &str) -> Result<(), CloudFault> {
        self.answers()?;
        self.end(id).await
    }

    pub(crate) async fn end(&self, id: &str) -> Result<(), CloudFault> {
        processes::end(&self.folder(id)).await;
        self.drop_folder(&self.folder(id))
    }

    pub(crate) fn delete_snapshot(&self, id: &str) -> Result<(), CloudFault> {
        self.answers()?;
        self.drop_folder(&self.snapshot_folder(id))
    }

    /// Removes its entry, and nothing that lives in it.
    pub(crate) fn drop_folder(&self, folder: &Path) -> Result<(), CloudFault> {
        let trash = self.0.join("drafts").join(fresh());
        std::fs::create_dir_all(trash.parent().unwrap())?;
        match std::fs::rename(folder, &trash) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => Ok(renamed.and_then(|()| std::fs::remove_dir_all(trash))?),
        }
    }

    /// Whether its agent runs.
    pub(crate) fn runs(&self, id: &str) -> bool {
        !processes::with_word(&self.folder(id), AGENT).is_empty()
    }

    /// Stops its agent's clock, or lets it go on.
    pub(crate) fn freeze(&self, id: &str, frozen: bool) -> Result<(), CloudFault> {
        self.change(id, |thing| thing.paused = frozen)?;
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        let is_inside = |process: &processes::Process| !process.has_word(WATCHDOG);
        processes::of(&self.folder(id)).iter().filter(|one| is_inside(one)).for_each(|one| one.signal(signal));
        Ok(())
    }

    /// What there is, a line each.
    fn inventory(&self) -> Result<String, CloudFault> {
        let mut lines = String::new();
        for kind in ["objects", "snapshots"] {
            for (id, thing) in self.those(&self.0.join(kind), &[])? {
                let labels: Vec<String> = thing.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                lines.push_str(&format!("{kind} {id} {}\n", labels.join(" ")));
            }
        }
        Ok(lines)
    }
}

fn fresh() -> String {
    SystemIds.fresh().to_string().to_ascii_lowercase()
}

fn text(thing: &Thing) -> io::Result<Vec<u8>> {
    serde_json::to_vec(thing).map_err(io::Error::from)
}

/// `backend inventory ROOT`, `backend stop ROOT ID`: what the test plan asks of the backend, whether its API answers or not.
pub(crate) fn tool(words: &[String]) -> ExitCode {
    let cloud = Cloud::at(Path::new(&words[1]));
    match words[0].as_str() {
        "inventory" => {
            let lines = cloud.inventory().unwrap();
            io::stdout().write_all(lines.as_bytes()).unwrap();
        }
        "stop" => {
            let things = cloud.those(&cloud.0.join("objects"), &[("sandboxer.id", &words[2])]).unwrap();
            for (id, _) in things {
                let agents = processes::with_word(&cloud.folder(&id), AGENT);
                agents.iter().for_each(|agent| agent.signal(Signal::KILL));
            }
        }
        other => panic!("the backend has no `{other}`"),
    }
    ExitCode::SUCCESS
}

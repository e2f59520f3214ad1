//! Whether it is ready, how it is, and what there is.

use super::{Model, TRYING, try_turn};
use crate::cloud::Cloud;
use crate::mutation::Mutation;
use async_trait::async_trait;
use sandboxer_sdk::{
    Call, Connect, Connection, List, Listed, ObservedState, Recover, Recovered, StatusReport, StatusVerb,
};
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Object, Reachability, Residue};
use tokio::net::UnixStream;

impl Model {
    /// How it is reached, once it answers.
    pub(super) async fn reach(&self, call: &Call, handle: &Handle) -> Result<Reachability, Failure> {
        let never = |message: &str, residue| Failure::new(ErrorKind::NotReady, message).with_residue(residue);
        if self.is(Mutation::RemembersInMemoryOnly) && !self.made.lock().unwrap().contains(&call.sandbox_id) {
            return Err(never("this process did not make it", Residue::Unknown));
        }
        let cloud = self.cloud(call)?;
        let found = self.find(call, &cloud)?;
        let Some((id, _)) = found.first() else { return Err(never("it does not exist", Residue::None)) };
        let folder = cloud.folder(id);
        call.progress("wait", "waiting for its agent");
        while !self.is(Mutation::ReadyBeforeUsable) && UnixStream::connect(folder.join("agent")).await.is_err() {
            if !cloud.runs(id) {
                return Err(never("its agent does not run", Residue::Present));
            }
            self.rest(call, TRYING).await.map_err(|failure| failure.with_residue(Residue::Present))?;
        }
        let socket = folder.join("agent").to_string_lossy().into_owned();
        let socket = if self.is(Mutation::ReachabilityNamesARelativeSocket) { "agent".to_owned() } else { socket };
        Ok(Reachability {
            enter: self.behind_a_door.then(|| vec!["env".to_owned()]),
            host: handle.text("host").and_then(|host| host.parse().ok()),
            remote_dir: Some(folder.join("workspace").to_string_lossy().into_owned()),
            agent: (!self.behind_a_door).then(|| format!("unix:{socket}")),
            ..Reachability::default()
        })
    }

    fn state(&self, call: &Call, cloud: &Cloud) -> Result<(ObservedState, String), Failure> {
        let found = self.find(call, cloud)?;
        let Some((id, thing)) = found.first() else {
            return Ok((ObservedState::Absent, "the backend has nothing with its labels".to_owned()));
        };
        let state = match (thing.paused, cloud.runs(id)) {
            _ if self.is(Mutation::StatusIsAMemory) => ObservedState::Running,
            (true, true) => ObservedState::Paused,
            (false, true) => ObservedState::Running,
            // Somebody is about to start it.
            (_, false) if try_turn(call, cloud)?.is_none() => ObservedState::Busy,
            (_, false) => ObservedState::Stopped,
        };
        Ok((state, format!("`{id}`")))
    }
}

#[async_trait]
impl StatusVerb for Model {
    async fn status(&self, call: &Call, _handle: &Handle) -> Result<StatusReport, Failure> {
        let (state, detail) = self.state(call, &self.cloud(call)?)?;
        Ok(StatusReport { state, detail })
    }
}

#[async_trait]
impl Recover for Model {
    async fn recover(&self, call: &Call, host: &HostId, _draft: Option<&Object>) -> Result<Recovered, Failure> {
        let cloud = self.cloud(call)?;
        let turn = try_turn(call, &cloud)?;
        let found = self.find(call, &cloud)?;
        if self.is(Mutation::RecoverFindsNothing) {
            return Ok(Recovered::Absent);
        }
        Ok(match found.first() {
            Some((id, _)) => {
                Recovered::Present(Handle::minimal(&call.sandbox_id, host).with("backend_id", id.as_str()))
            }
            None if turn.is_none() => Recovered::InProgress,
            None => Recovered::Absent,
        })
    }
}

#[async_trait]
impl List for Model {
    async fn list(&self, call: &Call, host: &HostId) -> Result<Vec<Listed>, Failure> {
        let owner = [("sandboxer.owner", call.owner.as_str())];
        let labels: &[_] = if self.is(Mutation::ListWithoutOwnerCheck) { &[] } else { &owner };
        let found = self.cloud(call)?.find(labels)?;
        let listed = found.into_iter().filter_map(|(_, thing)| {
            let sandbox_id = thing.labels.get("sandboxer.id")?.parse().ok()?;
            Some(Listed { sandbox_id, host: host.clone(), labels: thing.labels, created_at: thing.created_at })
        });
        Ok(listed.collect())
    }
}

#[async_trait]
impl Connect for Model {
    async fn connect(&self, call: &Call, _handle: &Handle) -> Result<Connection, Failure> {
        let cloud = self.cloud(call)?;
        let found = self.find(call, &cloud)?;
        let missing = || Failure::new(ErrorKind::NotFound, "it does not exist").with_residue(Residue::None);
        let (id, _) = found.first().ok_or_else(missing)?;
        let socket = cloud.folder(id).join("agent");
        if self.is(Mutation::ConnectsOnlyOnce) {
            let used = cloud.folder(id).join("connected");
            if used.exists() {
                return Err(
                    Failure::new(ErrorKind::Exhausted, "it has been connected to").with_residue(Residue::Present)
                );
            }
            std::fs::write(used, "").unwrap();
        }
        Ok(Connection::Socket { socket: socket.to_string_lossy().into_owned() })
    }
}

//! Whether something exists: what everybody says who could know.

use crate::asking::told;
use crate::bench::{Bench, Made, Named};
use crate::check::{Stop, hold};
use sandboxer_reach::{AgentSession, Connector, Doorway, ProcessStream, Route, Session, SessionOptions, UnixSocket};
use sandboxer_sdk::wire::{AskConnect, AskList, AskRecover, AskStatus, Found};
use sandboxer_sdk::{Connection, ObservedState};
use sandboxer_types::{ErrorKind, OwnerId, Reachability, SandboxId, SandboxMark, Verb};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const LOOKING: Duration = Duration::from_millis(200);
/// So many pages are asked for.
const MOST_PAGES: usize = 1000;

impl Bench {
    /// Who can say what exists, apart from the ways into a sandbox.
    pub(crate) fn witnesses(&self) -> Vec<&'static str> {
        let verbs = [Verb::Recover, Verb::List, Verb::Status].into_iter().filter(|verb| self.has(*verb));
        let inventory = self.common.baseline().map(|_| "the plan's inventory");
        verbs.map(Verb::as_str).chain(inventory).collect()
    }

    /// That it is gone, as everybody says who could know.
    pub(crate) async fn must_be_gone(&self, named: &Named) -> Result<(), Stop> {
        let end = Instant::now() + self.common.patience.vanishing;
        loop {
            match self.seen(named).await? {
                None => return Ok(()),
                Some(_) if Instant::now() < end => tokio::time::sleep(LOOKING).await,
                Some(how) => return Err(Stop::failed(format!("{} is not gone: {how}", named.sandbox_id))),
            }
        }
    }

    /// That it stays gone: what was begun may be born late.
    pub(crate) async fn must_stay_gone(&self, named: &Named) -> Result<(), Stop> {
        let end = Instant::now() + self.common.patience.late;
        self.must_be_gone(named).await?;
        while Instant::now() < end {
            tokio::time::sleep(LOOKING).await;
            if let Some(how) = self.seen(named).await? {
                return Err(Stop::failed(format!("{} was born late: {how}", named.sandbox_id)));
            }
        }
        Ok(())
    }

    /// That it exists and works.
    pub(crate) async fn must_be_there(&self, made: &Made) -> Result<(), Stop> {
        let ready = self.wait_ready(&made.named, &made.handle).await?;
        if let Err(failure) = ready {
            return Err(Stop::failed(format!("{} is not there any more: {}", made.named.sandbox_id, told(&failure))));
        }
        if self.has(Verb::Recover) {
            let found = self.recovered(&made.named).await?;
            hold!(matches!(found, Found::Present { .. }), "`recover` does not find {}", made.named.sandbox_id);
        }
        if let Some(lines) = self.backend().inventory().await? {
            let baseline = self.common.baseline().unwrap_or_default();
            hold!(!added(&baseline, &lines).is_empty(), "the inventory has nothing of {}", made.named.sandbox_id);
        }
        Ok(())
    }

    /// How it is seen; `None` when nobody sees it.
    pub(crate) async fn seen(&self, named: &Named) -> Result<Option<String>, Stop> {
        if self.has(Verb::Recover) {
            match self.recovered(named).await? {
                Found::Absent => {}
                Found::InProgress => return Ok(Some("`recover` says that it is in progress".to_owned())),
                Found::Present { .. } => return Ok(Some("`recover` finds it".to_owned())),
            }
        }
        if self.has(Verb::Status) {
            let state = self.status(named).await?;
            if state != ObservedState::Absent {
                return Ok(Some(format!("`status` says {state:?}")));
            }
        }
        if self.has(Verb::List) && self.listed(&named.owner).await?.contains(&named.sandbox_id) {
            return Ok(Some("`list` has it".to_owned()));
        }
        if let Some(lines) = self.backend().inventory().await?
            && let Some(line) = lines.iter().find(|line| line.contains(named.sandbox_id.as_str()))
        {
            return Ok(Some(format!("the inventory has `{line}`")));
        }
        self.seen_by_its_ways(named).await
    }

    /// That the backend has nothing that it did not have before, once everything was removed.
    pub(crate) async fn nothing_new(&self) -> Result<(), Stop> {
        let Some(baseline) = self.common.baseline() else { return Ok(()) };
        let end = Instant::now() + self.common.patience.vanishing;
        loop {
            let lines = self.backend().inventory().await?.unwrap_or_default();
            let new = added(&baseline, &lines);
            if new.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end {
                let new = new.join("`, `");
                return Err(Stop::failed(format!("the backend has what it did not have before: `{new}`")));
            }
            tokio::time::sleep(LOOKING).await;
        }
    }

    /// What `recover` says.
    pub(crate) async fn recovered(&self, named: &Named) -> Result<Found, Stop> {
        let ask = AskRecover { host: named.host.clone(), draft: self.provision_of(named).draft };
        let found = self.ask(named, &ask).await?;
        found.map_err(|failure| Stop::failed(format!("`recover` failed: {}", told(&failure))))
    }

    /// What `status` says. That there is nothing to say something about is absence, too.
    pub(crate) async fn status(&self, named: &Named) -> Result<ObservedState, Stop> {
        match self.ask(named, &AskStatus { handle: named.minimal_handle() }).await? {
            Ok(report) => Ok(report.state),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(ObservedState::Absent),
            Err(failure) => Err(Stop::failed(format!("`status` failed: {}", told(&failure)))),
        }
    }

    /// What `list` has for this owner, page by page.
    pub(crate) async fn listed(&self, owner: &OwnerId) -> Result<Vec<SandboxId>, Stop> {
        let named = self.nobody().of(owner);
        let mut found = Vec::new();
        let mut page = None;
        for _ in 0..MOST_PAGES {
            let ask = AskList { host: named.host.clone(), owner: owner.clone(), page };
            let answer = self.ask(&named, &ask).await?;
            let answer = answer.map_err(|failure| Stop::failed(format!("`list` failed: {}", told(&failure))))?;
            for listed in answer.sandboxes {
                let theirs = listed.labels.get("sandboxer.owner").is_none_or(|label| label != owner.as_str());
                hold!(!theirs, "`list` has {}, which does not bear the owner's label", listed.sandbox_id);
                found.push(listed.sandbox_id);
            }
            page = answer.next;
            if page.is_none() {
                return Ok(found);
            }
        }
        Err(Stop::failed(format!("`list` has more than {MOST_PAGES} pages")))
    }

    async fn seen_by_its_ways(&self, named: &Named) -> Result<Option<String>, Stop> {
        let Some(reachability) = self.reachability(&named.sandbox_id) else { return Ok(None) };
        if let Some(path) = reachability.agent.as_deref().and_then(|agent| agent.strip_prefix("unix:"))
            && UnixSocket(path.into()).connect().await.is_ok()
        {
            return Ok(Some("its agent still answers".to_owned()));
        }
        let (Some(route), Some(folder)) = (route(&reachability)?, &reachability.remote_dir) else { return Ok(None) };
        if reachability.owns_machine {
            return Ok(None);
        }
        // Whoever cannot be asked has nothing to say; the extension's own word was heard.
        let Ok(machine) = self.subject().doors.visit(&route).await else { return Ok(None) };
        let there = machine.session.stat(Path::new(folder), None).await.is_ok();
        Ok(there.then(|| format!("`{folder}` is still there")))
    }

    /// A way into it. Skips the check where there is none.
    pub(crate) async fn enter(&self, made: &Made) -> Result<Arc<dyn Session>, Stop> {
        let cannot =
            |error: &dyn std::fmt::Display| Stop::failed(format!("it is ready, and cannot be entered: {error}"));
        let reachability = &made.reachability;
        let connector: Box<dyn Connector> = match &reachability.agent {
            Some(agent) => Box::new(UnixSocket(agent.strip_prefix("unix:").unwrap_or(agent).into())),
            None if self.has(Verb::Connect) => {
                let answer = self.ask(&made.named, &AskConnect { handle: made.handle.clone() }).await?;
                connector(answer.map_err(|failure| Stop::failed(format!("`connect` failed: {}", told(&failure))))?)?
            }
            None => {
                let Some(route) = route(reachability)? else {
                    return Err(Stop::skipped("nothing leads into its sandboxes"));
                };
                let door = Doorway {
                    sandbox: SandboxMark::of(&made.named.sandbox_id, &made.named.owner),
                    enter: reachability.enter.clone().unwrap_or_default(),
                    agent_path: reachability.agent_path.clone(),
                };
                return Ok(self.subject().doors.enter(&route, &door).await.map_err(|error| cannot(&error))?.session);
            }
        };
        let session = AgentSession::connect(connector.as_ref(), SessionOptions::default()).await;
        Ok(Arc::new(session.map_err(|error| cannot(&error))?))
    }

    /// Undoes what entering has left on its machine.
    pub(crate) async fn leave(&self, named: &Named) -> Result<(), Stop> {
        let Some(reachability) = self.reachability(&named.sandbox_id) else { return Ok(()) };
        let Some(route) = route(&reachability)?.filter(|_| !reachability.owns_machine) else { return Ok(()) };
        let left = self.subject().doors.leave(&route, &SandboxMark::of(&named.sandbox_id, &named.owner)).await;
        left.map_err(|error| Stop::failed(format!("what it was entered by cannot be ended: {error}")))
    }
}

/// The machine that a sandbox is reached through, if any.
pub(crate) fn route(reachability: &Reachability) -> Result<Option<Route>, Stop> {
    Route::of(reachability).map_err(|fault| Stop::failed(fault.to_string()))
}

fn connector(connection: Connection) -> Result<Box<dyn Connector>, Stop> {
    match connection {
        Connection::Argv { argv } => {
            hold!(argv.first().is_some_and(|word| !word.is_empty()), "`connect` names a command without a program");
            Ok(Box::new(ProcessStream::new(argv)))
        }
        Connection::Socket { socket } => {
            hold!(socket.starts_with('/'), "`connect` names a socket whose path is not absolute");
            Ok(Box::new(UnixSocket(socket.into())))
        }
        Connection::Url { .. } => {
            Err(Stop::skipped("the way into its sandboxes is a WebSocket, which cannot be used yet"))
        }
    }
}

/// The lines that were not there before.
fn added(before: &[String], now: &[String]) -> Vec<String> {
    let mut before = before.to_vec();
    let mut new = Vec::new();
    for line in now {
        match before.iter().position(|known| known == line) {
            Some(place) => drop(before.remove(place)),
            None => new.push(line.clone()),
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_and_was_there_once_is_new() {
        let lines = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(added(&lines(&["a", "b"]), &lines(&["a", "a", "b"])), lines(&["a"]));
        assert!(added(&lines(&["a", "b"]), &lines(&["a"])).is_empty());
    }
}

//! The way into a sandbox: by the agent's socket where `wait_ready` named one, else as the extension says when asked, else
//! through the machine that it is on.

use crate::engine::{Broker, Placement};
use crate::sagas::{reach_failure, supervised};
use crate::state::{Attachment, Record};
use sandboxer_reach::{
    AgentSession, Connector, Doorway, Entered, ExecRequest, Execution, ProcessStream, Route, Session, SessionOptions,
    UnixSocket,
};
use sandboxer_sdk::Connection;
use sandboxer_types::{ErrorKind, Failure, Reachability, Residue, Verb};
use std::path::PathBuf;
use std::sync::Arc;

impl Broker {
    /// Opens a way into a sandbox. `placement` is its extension, where that is open already.
    pub(crate) async fn open_session(
        &self,
        record: &Record,
        placement: Option<&Placement>,
    ) -> Result<Arc<dyn Session>, Failure> {
        let reachability = record.lifecycle.reachability();
        if let Some(attachment) = reachability.map(|found| self.attachment(record, found)).transpose()?.flatten() {
            return Ok(self.enter_machine(record, &attachment).await?.session);
        }
        let connector: Box<dyn Connector> = match (reachability.and_then(|found| found.agent.as_deref()), placement) {
            (Some(agent), _) => Box::new(UnixSocket(socket_path(agent)?)),
            (None, Some(placement)) => self.ask_for_way(record, placement).await?,
            (None, None) => {
                let placement = self.placement(&record.extension).await.map_err(|fault| unaskable(record, &fault))?;
                self.ask_for_way(record, &placement).await?
            }
        };
        let session = AgentSession::connect(connector.as_ref(), SessionOptions::default()).await;
        Ok(Arc::new(session.map_err(|error| reach_failure(&error))?))
    }

    /// Opens a way to a sandbox's workspace: to its machine, where that has the workspace beside what commands enter.
    pub(crate) async fn open_workspace(&self, record: &Record) -> Result<Arc<dyn Session>, Failure> {
        let beside = record.lifecycle.reachability().filter(|found| {
            found.enter.is_some()
                && found.remote_dir.is_some()
                && found.starting_folder() != found.remote_dir.as_deref()
        });
        let Some(reachability) = beside else { return self.open_session(record, None).await };
        let route = Attachment::of(reachability)?.map_or(Route::Here, |attachment| attachment.route());
        let machine = self.parts.machines.visit(&route).await;
        machine.map(|entered| entered.session).map_err(|error| reach_failure(&error))
    }

    /// What is to be done on the machine that a sandbox of that reachability is reached through; `None` where another way leads
    /// in. By the manifest's word: nothing is started to hear that an extension knows no other way.
    pub(crate) fn attachment(
        &self,
        record: &Record,
        reachability: &Reachability,
    ) -> Result<Option<Attachment>, Failure> {
        if reachability.agent.is_some() || self.declares_connect(record) {
            return Ok(None);
        }
        Attachment::of(reachability)
    }

    /// Opens a way in through the machine. Its agent is put there where it lacks.
    pub(crate) async fn enter_machine(&self, record: &Record, attachment: &Attachment) -> Result<Entered, Failure> {
        let reachability = record.lifecycle.reachability();
        let door = Doorway {
            sandbox: self.mark(&record.sandbox_id),
            enter: reachability.and_then(|found| found.enter.clone()).unwrap_or_default(),
            agent_path: reachability.and_then(|found| found.agent_path.clone()),
        };
        let entered = self.parts.machines.enter(&attachment.route(), &door).await;
        entered.map_err(|error| reach_failure(&error))
    }

    /// Starts what prints what the services say, on the machine that they run on, where the extension has named that.
    pub(crate) async fn open_service_logs(&self, record: &Record, follow: bool) -> Result<Option<Execution>, Failure> {
        let Some(reachability) = record.lifecycle.reachability() else { return Ok(None) };
        let words = if follow { &reachability.logs_follow } else { &reachability.logs };
        let Some(words) = words else { return Ok(None) };
        let route = Attachment::of(reachability)?.map_or(Route::Here, |attachment| attachment.route());
        let started = async {
            let machine = self.parts.machines.visit(&route).await?;
            machine.session.exec(ExecRequest::new(words.iter().cloned())).await
        };
        started.await.map(Some).map_err(|error| reach_failure(&error))
    }

    fn declares_connect(&self, record: &Record) -> bool {
        self.parts.catalog.extension(&record.extension).is_ok_and(|known| known.manifest.declares(Verb::Connect))
    }

    /// Asks the extension for one stream to the agent.
    async fn ask_for_way(&self, record: &Record, placement: &Placement) -> Result<Box<dyn Connector>, Failure> {
        let (Some(verb), Some(handle)) = (placement.extension.connect(), record.lifecycle.handle()) else {
            return Err(no_way(record));
        };
        let asked = async {
            let call = self.query_about(record, placement, Verb::Connect)?;
            supervised(&call, &self.parts.patience, verb.connect(&call, handle)).await
        };
        let connection = asked.await.map_err(|failure| match failure.residue.may_exist() {
            true => failure,
            // It exists, whatever is said of this one call.
            false => failure.with_residue(Residue::Present),
        })?;
        connector(connection)
    }
}

fn socket_path(agent: &str) -> Result<PathBuf, Failure> {
    agent.strip_prefix("unix:").map(PathBuf::from).filter(|path| path.is_absolute()).ok_or_else(|| {
        Failure::new(ErrorKind::ContractViolation, format!("`{agent}` is not the address of an agent"))
            .with_residue(Residue::Present)
            .with_hint("extensions give it as `unix:` and an absolute path")
    })
}

/// What opens the stream that an extension has named.
fn connector(connection: Connection) -> Result<Box<dyn Connector>, Failure> {
    let breach = |what: &str| {
        Failure::new(ErrorKind::ContractViolation, format!("the extension returned a connection whose {what}"))
            .with_residue(Residue::Present)
    };
    match connection {
        Connection::Argv { argv } if argv.first().is_none_or(String::is_empty) => Err(breach("`argv` has no program")),
        Connection::Argv { argv } if argv.iter().any(|word| word.contains('\0')) => {
            Err(breach("`argv` has a word with a NUL byte"))
        }
        Connection::Argv { argv } => Ok(Box::new(ProcessStream::new(argv))),
        Connection::Socket { socket } if !socket.starts_with('/') || socket.contains('\0') => {
            Err(breach("`socket` is not an absolute path"))
        }
        Connection::Socket { socket } => Ok(Box::new(UnixSocket(socket.into()))),
        // The address and the headers may hold what lets one in.
        Connection::Url { .. } => Err(Failure::new(
            ErrorKind::Unsupported,
            "the way into this sandbox is a WebSocket, which cannot be used yet",
        )
        .with_residue(Residue::Present)
        .with_hint("an extension can name a command (`argv`) or a unix socket (`socket`) instead")),
    }
}

fn no_way(record: &Record) -> Failure {
    let message = format!("`{}` gives no way to run commands in this sandbox", record.extension);
    Failure::new(ErrorKind::Unsupported, message)
        .with_residue(Residue::Present)
        .with_hint("an extension that returns `agent` or `ssh`, or has the verb `connect`, gives one")
}

fn unaskable(record: &Record, fault: &Failure) -> Failure {
    let message = format!("`{}` has to be asked for the way into this sandbox, and cannot be called", record.extension);
    let mut failure = Failure::new(fault.kind, message).with_residue(Residue::Present);
    failure.causes.push(fault.message.clone());
    failure.causes.extend(fault.causes.iter().cloned());
    failure.hint.clone_from(&fault.hint);
    failure
}

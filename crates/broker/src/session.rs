//! The way into a sandbox: by the agent's socket where `wait_ready` named one, else as the extension says when asked, else
//! by the agent of the machine at its ssh address.

use crate::engine::{Broker, Placement};
use crate::sagas::{reach_failure, supervised};
use crate::state::Record;
use sandboxer_reach::{AgentSession, Connector, ProcessStream, Session, SessionOptions, UnixSocket};
use sandboxer_sdk::Connection;
use sandboxer_types::{ErrorKind, Failure, Residue, Verb};
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
        let agent = reachability.and_then(|reachability| reachability.agent.as_deref());
        let ssh = reachability.and_then(|reachability| reachability.ssh.as_deref());
        let connector: Box<dyn Connector> = match (agent, ssh, placement) {
            (Some(agent), ..) => Box::new(UnixSocket(socket_path(agent)?)),
            // By the manifest's word: nothing is started to hear that there is no other way.
            (None, Some(ssh), _) if !self.declares_connect(record) => self.parts.machines.agent(ssh).await?,
            (None, _, Some(placement)) => self.ask_for_way(record, placement).await?,
            (None, _, None) => {
                let placement = self.placement(&record.extension).await.map_err(|fault| unaskable(record, &fault))?;
                self.ask_for_way(record, &placement).await?
            }
        };
        let session = AgentSession::connect(connector.as_ref(), SessionOptions::default()).await;
        Ok(Arc::new(session.map_err(|error| reach_failure(&error))?))
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

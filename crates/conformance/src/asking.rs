//! Questions to the extension, and how their answers are read.

use crate::bench::{Bench, Named};
use crate::check::Stop;
use crate::conversation::{Conversation, Ending, Request, converse, failure};
use crate::fault::Fault;
use crate::peer::Peer;
use sandboxer_sdk::wire::{Ask, Meta, PROTOCOL, Surroundings, request_line};
use sandboxer_sdk::{Ids, Intent, SystemIds};
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::collections::BTreeMap;
use std::time::Duration;

/// For the verbs that only look, as the engine has it.
const QUERY: Duration = Duration::from_secs(30);

impl Bench {
    /// What every request about it brings along.
    pub(crate) fn surroundings<A: Ask>(&self, named: &Named, limit: Duration) -> Surroundings {
        let method = A::METHOD.as_str();
        let labels = [("sandboxer.owner", named.owner.to_string()), ("sandboxer.id", named.sandbox_id.to_string())];
        let is_query = matches!(method, "list" | "list_snapshots" | "prices" | "estimate_cost" | "delete_snapshot");
        let makes = matches!(method, "provision" | "restore" | "fork" | "validate");
        let intent = Intent { profile: self.subject().profile.clone(), inputs: named.inputs.clone() };
        let meta = Meta {
            protocol: PROTOCOL,
            ext: self.subject().manifest.id.clone(),
            owner: named.owner.clone(),
            ssh: named.ssh.clone().filter(|_| method != "describe"),
            call: SystemIds.fresh().to_string().to_ascii_lowercase(),
            attempt: 1,
            deadline_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
        };
        if method == "describe" {
            // To it, all but that is empty.
            let (config, secrets, labels) = Default::default();
            return Surroundings { meta, sandbox_id: None, intent: None, config, secrets, labels };
        }
        Surroundings {
            meta,
            sandbox_id: (!is_query).then(|| named.sandbox_id.clone()),
            intent: (!is_query && !makes).then_some(intent),
            config: self.subject().manifest.config.clone(),
            secrets: self.secrets_for(method),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    /// The secrets that the manifest hands to this method.
    fn secrets_for(&self, method: &str) -> BTreeMap<String, String> {
        let is_for = |name: &String| {
            let declared = self.subject().manifest.secrets.get(name);
            declared.is_some_and(|one| one.verbs.is_empty() || one.verbs.iter().any(|verb| verb == method))
        };
        self.common
            .secrets
            .iter()
            .filter(|(name, _)| is_for(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// How long a call of this method has.
    pub(crate) fn limit_of(&self, method: &str) -> Duration {
        let timeouts = &self.subject().manifest.timeouts;
        let (given, usual) = match method {
            "provision" | "restore" | "fork" => (timeouts.provision, 15 * 60),
            "wait_ready" | "resume" => (timeouts.wait_ready, 10 * 60),
            "teardown" | "delete_snapshot" | "snapshot" => (timeouts.teardown, 10 * 60),
            _ => (None, QUERY.as_secs()),
        };
        given.map_or(Duration::from_secs(usual), |given| given.as_duration())
    }

    /// A question about it as a request.
    pub(crate) fn request<A: Ask>(&self, named: &Named, ask: &A) -> Result<Request, Stop> {
        let limit = self.limit_of(A::METHOD.as_str());
        let surroundings = self.surroundings::<A>(named, limit);
        let line = request_line(&surroundings, ask).map_err(|error| Stop::failed(error.to_string()))?;
        Ok(Request { call: surroundings.meta.call, line: line.into_bytes(), limit, hold: None })
    }

    /// Asks a process, in which this goes wrong.
    pub(crate) async fn converse<A: Ask>(
        &self,
        peer: &mut Peer,
        named: &Named,
        ask: &A,
        fault: Option<Fault>,
    ) -> Result<Conversation, Stop> {
        let request = self.request(named, ask)?;
        let conversation = converse(peer, &request, fault, self.common.patience.answering).await?;
        if conversation.struck {
            self.count_fault();
        }
        if let Some(draft) = conversation.drafts.last() {
            self.known().entry(named.sandbox_id.clone()).or_default().draft = Some(draft.clone());
        }
        Ok(conversation)
    }

    /// Asks a process.
    pub(crate) async fn ask_in<A: Ask>(
        &self,
        peer: &mut Peer,
        named: &Named,
        ask: &A,
    ) -> Result<Result<A::Answer, Failure>, Stop> {
        let conversation = self.converse(peer, named, ask, None).await?;
        read::<A>(conversation)
    }

    /// Asks a fresh process, whose group is killed once it has answered: what should stay must not mind.
    pub(crate) async fn ask<A: Ask>(&self, named: &Named, ask: &A) -> Result<Result<A::Answer, Failure>, Stop> {
        let mut peer = self.peer()?;
        let answer = self.ask_in(&mut peer, named, ask).await?;
        peer.kill().await?;
        Ok(answer)
    }

    /// Asks a fresh process, in which this goes wrong.
    pub(crate) async fn ask_with<A: Ask>(&self, named: &Named, ask: &A, fault: Fault) -> Result<Conversation, Stop> {
        self.did(&format!("`{}` of {} is {fault}", A::METHOD, named.sandbox_id));
        let mut peer = self.peer()?;
        let conversation = self.converse(&mut peer, named, ask, Some(fault)).await?;
        peer.kill().await?;
        Ok(conversation)
    }
}

/// The answer in its shape.
pub(crate) fn read<A: Ask>(conversation: Conversation) -> Result<Result<A::Answer, Failure>, Stop> {
    let method = A::METHOD.as_str();
    match conversation.answer(method)? {
        Err(error) => Ok(Err(failure(error))),
        Ok(result) => serde_json::from_value(result)
            .map(Ok)
            .map_err(|error| Stop::failed(format!("its answer to `{method}` has the wrong shape: {error}"))),
    }
}

/// The answer in its shape, where there was one.
pub(crate) fn read_if_answered<A: Ask>(conversation: Conversation) -> Result<Option<Result<A::Answer, Failure>>, Stop> {
    match &conversation.ending {
        Ending::Answered(_) => read::<A>(conversation).map(Some),
        Ending::Died(_) | Ending::Cut => Ok(None),
    }
}

/// Whether trying again may help: somebody else is still at it.
pub(crate) fn may_pass(failure: &Failure) -> bool {
    matches!(failure.kind, ErrorKind::Busy | ErrorKind::Unavailable | ErrorKind::Deadline)
        || failure.residue == Residue::InProgress
}

/// A failure in a sentence.
pub(crate) fn told(failure: &Failure) -> String {
    let fields =
        failure.fields.iter().map(|field| format!("; `{}` {}", field.field, field.message)).collect::<String>();
    format!("{} (`{}`, residue `{}`){fields}", failure.message, failure.kind, failure.residue)
}

//! One request, what goes wrong with it, and what comes back.

use crate::check::Stop;
use crate::fault::{Act, Fault, When};
use crate::peer::{Heard, Peer};
use sandboxer_sdk::wire::{AnswerMessage, CheckpointMessage, FromExtension, LogMessage, ProgressMessage, RpcError};
use sandboxer_types::{Failure, Object};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A request as it is sent.
pub(crate) struct Request {
    /// The name of the call, which is the id of the request.
    pub(crate) call: String,
    /// The line.
    pub(crate) line: Vec<u8>,
    /// How long its answer is waited for.
    pub(crate) limit: Duration,
    /// What happens elsewhere while nothing is read, at [`Act::Hold`].
    pub(crate) hold: Option<Arc<Hold>>,
}

/// A place in a conversation at which something else happens first.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    /// Turned when the conversation has come there.
    pub(crate) reached: Notify,
    /// Turned when it may go on.
    pub(crate) done: Notify,
}

/// What came of a request.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// How it ended.
    pub(crate) ending: Ending,
    /// How many lines were heard, the answer among them.
    pub(crate) messages: usize,
    /// How long it took.
    pub(crate) took: Duration,
    /// What it wanted to be kept, the latest last.
    pub(crate) drafts: Vec<Object>,
    /// Everything it said in words, for those who look for what should not be there.
    pub(crate) words: Vec<String>,
    /// Whether the fault came to pass before the end.
    pub(crate) struck: bool,
    /// How long the answer took after the cancel.
    pub(crate) answered_after: Option<Duration>,
}

/// How a conversation ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With an answer.
    Answered(Result<Value, Box<RpcError>>),
    /// The process ended by itself: how.
    Died(String),
    /// The planned kill came before the answer, or the answer was lost.
    Cut,
}

impl Conversation {
    /// The answer, for those who planned no fault.
    pub(crate) fn answer(self, method: &str) -> Result<Result<Value, RpcError>, Stop> {
        match self.ending {
            Ending::Answered(answer) => Ok(answer.map_err(|error| *error)),
            Ending::Died(how) => Err(Stop::failed(format!("it ended {how} before it answered `{method}`"))),
            Ending::Cut => Err(Stop::failed(format!("`{method}` was cut off"))),
        }
    }
}

/// A failure as hosts take it: what it does not say counts as the worst case.
pub(crate) fn failure(error: RpcError) -> Failure {
    Failure::from(error)
}

/// Sends a request and hears the process to the end of it. A process that says what it must not, or nothing for too long, is
/// a broken rule.
pub(crate) async fn converse(
    peer: &mut Peer,
    request: &Request,
    fault: Option<Fault>,
    answering: Duration,
) -> Result<Conversation, Stop> {
    let mut talk = Talk::begin(peer, request, fault, answering).await?;
    loop {
        if let Some(ending) = talk.strike_if_due().await? {
            return Ok(talk.end(ending));
        }
        let wait = talk.until_next();
        match talk.peer.next(wait).await {
            Heard::Message(message) => {
                if let Some(ending) = talk.hear(*message).await? {
                    return Ok(talk.end(ending));
                }
            }
            Heard::Broken(why) => return Err(Stop::failed(format!("it broke the rule `message`: {why}"))),
            Heard::End => {
                let how = talk.peer.how_it_ended().await;
                return Ok(talk.end(Ending::Died(how)));
            }
            Heard::Silence => talk.judge_silence()?,
        }
    }
}

struct Talk<'a> {
    peer: &'a mut Peer,
    request: &'a Request,
    fault: Option<Fault>,
    sent: Instant,
    cancelled: Option<Instant>,
    losing: bool,
    /// Whether the request was sent twice: the second one may be refused as none.
    repeated: bool,
    /// How long a cancelled call has to answer.
    answering: Duration,
    found: Conversation,
}

impl<'a> Talk<'a> {
    async fn begin(
        peer: &'a mut Peer,
        request: &'a Request,
        fault: Option<Fault>,
        answering: Duration,
    ) -> Result<Self, Stop> {
        peer.send(&request.line).await;
        let found = Conversation {
            ending: Ending::Cut,
            messages: 0,
            took: Duration::ZERO,
            drafts: Vec::new(),
            words: Vec::new(),
            struck: false,
            answered_after: None,
        };
        Ok(Self {
            peer,
            request,
            fault,
            sent: Instant::now(),
            cancelled: None,
            losing: false,
            repeated: false,
            answering,
            found,
        })
    }

    fn end(mut self, ending: Ending) -> Conversation {
        self.found.took = self.sent.elapsed();
        self.found.answered_after = self.cancelled.map(|instant| instant.elapsed());
        self.found.ending = ending;
        self.found
    }

    fn due(&self) -> Option<Act> {
        let fault = self.fault?;
        let is_due = match fault.when {
            When::Message(number) => self.found.messages >= number,
            When::After(span) => self.sent.elapsed() >= span,
        };
        is_due.then_some(fault.act)
    }

    async fn strike_if_due(&mut self) -> Result<Option<Ending>, Stop> {
        let Some(act) = self.due() else { return Ok(None) };
        self.fault = None;
        self.found.struck = true;
        match act {
            Act::Kill => {
                self.peer.kill().await?;
                return Ok(Some(Ending::Cut));
            }
            Act::Lose => self.losing = true,
            Act::Repeat => {
                self.repeated = true;
                self.peer.send(&self.request.line).await;
            }
            Act::Delay(span) => tokio::time::sleep(span).await,
            Act::Hold => {
                if let Some(hold) = &self.request.hold {
                    hold.reached.notify_one();
                    hold.done.notified().await;
                }
            }
            Act::Cancel => {
                self.peer.cancel(&self.request.call).await?;
                self.cancelled = Some(Instant::now());
            }
        }
        Ok(None)
    }

    /// Until when the next line is waited for.
    fn until_next(&self) -> Duration {
        let deadline = match self.cancelled {
            Some(cancelled) => cancelled + self.answering,
            None => self.sent + self.request.limit,
        };
        let strike = match self.fault {
            Some(Fault { when: When::After(span), .. }) => self.sent + span,
            _ => deadline,
        };
        strike.min(deadline).saturating_duration_since(Instant::now())
    }

    fn judge_silence(&self) -> Result<(), Stop> {
        match self.cancelled {
            Some(cancelled) if cancelled.elapsed() >= self.answering => {
                Err(Stop::failed(format!("it did not answer within {:?} of the cancel", self.answering)))
            }
            None if self.sent.elapsed() >= self.request.limit => {
                Err(Stop::failed(format!("it did not answer within {:?}", self.request.limit)))
            }
            _ => Ok(()),
        }
    }

    async fn hear(&mut self, message: FromExtension) -> Result<Option<Ending>, Stop> {
        self.found.messages += 1;
        match message {
            FromExtension::Answer(answer) => return self.answered(answer).await,
            FromExtension::Progress(ProgressMessage { call, phase, message, .. }) => {
                self.own(&call, "progress")?;
                self.found.words.extend([phase, message]);
            }
            FromExtension::Log(LogMessage { call, message, .. }) => {
                self.own(&call, "log")?;
                self.found.words.push(message);
            }
            FromExtension::Checkpoint(CheckpointMessage { call, draft }) => {
                self.own(&call, "checkpoint")?;
                if Value::Object(draft.clone()).to_string().len() > sandboxer_sdk::wire::LARGEST_DRAFT {
                    return Err(Stop::failed("it broke the rule `size`: a draft has more than 64 KiB"));
                }
                if !self.losing {
                    self.found.drafts.push(draft);
                }
            }
        }
        Ok(None)
    }

    fn own(&self, call: &str, what: &str) -> Result<(), Stop> {
        if call == self.request.call {
            return Ok(());
        }
        Err(Stop::failed(format!("it sent `{what}` for the call `{call}`, which is not in flight")))
    }

    async fn answered(&mut self, AnswerMessage { id, outcome }: AnswerMessage) -> Result<Option<Ending>, Stop> {
        if id.is_none() && self.repeated {
            return Ok(None);
        }
        if id.as_deref() != Some(self.request.call.as_str()) {
            let id = id.as_deref().unwrap_or("null");
            return Err(Stop::failed(format!(
                "it broke the rule `own-answer`: it answered `{id}`, which is not in flight"
            )));
        }
        // A fault that is due with the answer itself comes before anybody has read that.
        if matches!(self.due(), Some(Act::Kill | Act::Lose)) {
            self.found.struck = true;
            self.peer.kill().await?;
            return Ok(Some(Ending::Cut));
        }
        if self.losing {
            self.peer.kill().await?;
            return Ok(Some(Ending::Cut));
        }
        Ok(Some(Ending::Answered(outcome.map_err(Box::new))))
    }
}

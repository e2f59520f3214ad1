//! Asks a host all there is to ask.

use super::answer::{Answer, LARGEST, script};
use super::arguments::by_hand;
use super::connection::{Connection, Session, ssh};
use super::findings::{Asked, Finding, MOST_SESSIONS, Seen, Status, of_machine, of_this_machine, unreached};
use futures::future::join_all;
use sandboxer_sdk::{Clock, Ids, SystemClock, SystemIds};
use sandboxer_types::{Host, HostId, SshDestination};
use serde::Serialize;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::time::timeout;

/// An engine that does not answer is waited for this long, and more.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
/// A session is opened so often, and the fastest counts.
const OPENINGS: usize = 3;
/// No question to ssh about its config takes longer.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// All that was asked of a host, and what it came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) id: HostId,
    /// Where ssh looked for it.
    pub(crate) ssh: Option<SshDestination>,
    /// Whether sandboxes can be placed on it.
    pub(crate) usable: bool,
    pub(crate) checks: Vec<Finding>,
}

/// Asks a host all there is to ask, by the user's ssh config or the one given in its place. Changes nothing there, and leaves nothing.
pub(crate) async fn probe(host: &Host, config: Option<&Path>) -> Report {
    let destination = host.destination();
    let checks = match &destination {
        None => of_this_machine(&asked(Session::start(Command::new("/bin/sh")), &word()).await),
        Some(place) => match Connection::open(place, config).await {
            Err((reason, detail)) => unreached(reason, &detail, &by_hand(place, config)),
            Ok((connection, login)) => {
                let asked = asked(connection.session(), &word()).await;
                let mut seen = Seen { login, asked, opening: None, sessions: 0, forwarding: Err(String::new()) };
                // Where no command runs, what forwarding leaves could not be removed.
                if seen.asked.answer.is_ok() {
                    seen.opening = opening(&connection).await;
                    seen.sessions = sessions(&connection).await;
                    seen.forwarding = forwarding(&connection).await;
                }
                connection.close().await;
                of_machine(&seen)
            }
        },
    };
    let usable = checks.iter().all(|finding| finding.status != Status::Failed);
    Report { id: host.id.clone(), ssh: destination, usable, checks }
}

/// A word that nobody can guess.
fn word() -> String {
    format!("sbx{}", SystemIds.fresh().to_string().to_ascii_lowercase())
}

async fn asked(session: std::io::Result<Session>, word: &str) -> Asked {
    let began = SystemClock.now().as_second();
    let printed = match session {
        Ok(session) => session.runs(&script(word), LARGEST, LONGEST_ANSWER).await,
        Err(error) => Err(format!("a shell could not be started: {error}")),
    };
    let ended = SystemClock.now().as_second() + 1;
    let nothing = || "a plain script had no answer, or one behind too much else".to_owned();
    let answer = printed.and_then(|printed| Answer::parse(&printed, word).ok_or_else(nothing));
    Asked { answer, began, ended }
}

async fn opening(connection: &Connection) -> Option<(Duration, Duration)> {
    let mut fastest: Option<(Duration, Duration)> = None;
    for _ in 0..OPENINGS {
        let start = Instant::now();
        let mut session = connection.session().ok()?;
        if !session.echoes(&word()).await {
            return fastest;
        }
        let open = start.elapsed();
        let start = Instant::now();
        session.echoes(&word()).await;
        let one = (open, start.elapsed());
        session.end().await;
        fastest = Some(fastest.map_or(one, |fastest| fastest.min(one)));
    }
    fastest
}

/// How many sessions are open at once. Those that are stay open until all were tried.
async fn sessions(connection: &Connection) -> usize {
    let one = || async {
        let mut session = connection.session().ok()?;
        session.echoes(&word()).await.then_some(session)
    };
    let open: Vec<Session> = join_all((0..MOST_SESSIONS).map(|_| one())).await.into_iter().flatten().collect();
    let count = open.len();
    join_all(open.into_iter().map(Session::end)).await;
    count
}

async fn forwarding(connection: &Connection) -> Result<(), String> {
    let word = word();
    let outcome = connection.loops_back(&word).await;
    // sshd leaves the socket's name behind.
    if let Ok(session) = connection.session() {
        let script = format!("rm -f /tmp/.sandboxer-check-{word}\n");
        drop(session.runs(&script, LARGEST, LONGEST_LOOK).await);
    }
    outcome
}

/// Whether the user's ssh config, or the one given in its place, says something of that name which it does not say of every name.
pub(crate) async fn is_alias(name: &HostId, config: Option<&Path>) -> bool {
    let (stranger, name) = (word(), name.as_str());
    let (known, unknown) = tokio::join!(config_of(name, config), config_of(&stranger, config));
    match (known, unknown) {
        // Names of machines have no case.
        (Some(known), Some(unknown)) => {
            known.to_lowercase() != unknown.to_lowercase().replace(&stranger, &name.to_lowercase())
        }
        _ => false,
    }
}

async fn config_of(name: &str, config: Option<&Path>) -> Option<String> {
    let mut command = ssh(["-G".into()]);
    if let Some(config) = config {
        command.arg("-F").arg(config);
    }
    command.args(["--", name]);
    let output = timeout(LONGEST_LOOK, command.stdout(Stdio::piped()).output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

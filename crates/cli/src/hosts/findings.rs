//! What is asked about a host, and what follows from what was seen. Pure.

use super::answer::Answer;
use super::reason::{Login, Reason};
use serde::Serialize;
use std::time::Duration;

/// So many sessions are opened at once; sshd's own limit is 10 where nobody changed it.
pub(super) const MOST_SESSIONS: usize = 11;
/// Fewer sessions than this are too few for a few commands beside each other.
const FEW_SESSIONS: usize = 4;
/// A login shell that takes longer makes itself felt.
const SLOW_SHELL: Duration = Duration::from_millis(50);
/// Whole seconds are compared, so one more is nothing.
const MOST_SKEW: i64 = 2;
const MEBIBYTE: u64 = 1024;
/// What a sandbox's first steps need, in KiB.
const LITTLE_DISK: u64 = 1024 * MEBIBYTE;
/// What the agent needs, in KiB.
const NO_DISK: u64 = 64 * MEBIBYTE;

/// A question about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Check {
    Reach,
    Login,
    Commands,
    Machine,
    Disk,
    Home,
    Compose,
    Shell,
    Clock,
    Sessions,
    Forwarding,
}

impl Check {
    /// Its word.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Login => "login",
            Self::Commands => "commands",
            Self::Machine => "machine",
            Self::Disk => "disk",
            Self::Home => "home",
            Self::Compose => "compose",
            Self::Shell => "shell",
            Self::Clock => "clock",
            Self::Sessions => "sessions",
            Self::Forwarding => "forwarding",
        }
    }

    const fn question(self) -> &'static str {
        match self {
            Self::Reach => "Does ssh reach it, with nobody there to answer questions?",
            Self::Login => "Which key or method opened it?",
            Self::Commands => "Do commands run there, whatever its login shell prints?",
            Self::Machine => "Is it a machine that our agent was built for?",
            Self::Disk => "Is there room in the home and in /tmp?",
            Self::Home => "May programs be put into the home and run from there?",
            Self::Compose => "Which compose is there, and does its engine answer?",
            Self::Shell => "What does its login shell cost each time?",
            Self::Clock => "Does its clock agree with ours?",
            Self::Sessions => "How many sessions does one connection carry?",
            Self::Forwarding => "Are connections to its sockets passed on?",
        }
    }
}

/// How a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Ok,
    Warning,
    Failed,
}

/// A question and its answer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) question: &'static str,
    pub(crate) status: Status,
    pub(crate) detail: String,
    /// Why it was not reached, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Finding {
    fn new(check: Check, status: Status, detail: impl Into<String>) -> Self {
        Self { check, question: check.question(), status, detail: detail.into(), reason: None, advice: None }
    }

    fn ok(check: Check, detail: impl Into<String>) -> Self {
        Self::new(check, Status::Ok, detail)
    }

    fn warning(check: Check, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(check, Status::Warning, detail) }
    }

    fn failed(check: Check, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(check, Status::Failed, detail) }
    }
}

/// What was seen of a machine that ssh reached.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) login: Login,
    pub(super) asked: Asked,
    /// How long it took to open a session up to its first word, and a word's way there and back.
    pub(super) opening: Option<(Duration, Duration)>,
    /// How many sessions were open at once.
    pub(super) sessions: usize,
    /// Whether what was sent came back, or what stood in the way.
    pub(super) forwarding: Result<(), String>,
}

/// What a machine answered, and our clock, in seconds, when it was asked and when it had answered.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) answer: Result<Answer, String>,
    pub(super) began: i64,
    pub(super) ended: i64,
}

/// Of a machine that ssh did not reach.
pub(super) fn unreached(reason: Reason, detail: &str, by_hand: &str) -> Vec<Finding> {
    let advice = match reason {
        Reason::HostKeyUnknown | Reason::HostKeyChanged | Reason::Other => format!("{}: {by_hand}", reason.advice()),
        _ => reason.advice().to_owned(),
    };
    vec![Finding { reason: Some(reason.word()), ..Finding::failed(Check::Reach, detail, advice) }]
}

/// Of this machine, which needs no ssh.
pub(super) fn of_this_machine(asked: &Asked) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(Check::Reach, "this machine, without ssh")];
    findings.extend(of_answer(asked));
    findings
}

/// Of a machine that ssh reached.
pub(super) fn of_machine(seen: &Seen) -> Vec<Finding> {
    let server = seen.login.server.as_deref().unwrap_or("an sshd that did not say its name");
    let mut findings = vec![Finding::ok(Check::Reach, server), login(&seen.login)];
    findings.extend(of_answer(&seen.asked));
    if let Ok(answer) = &seen.asked.answer {
        findings.push(shell(answer, seen.opening));
        findings.push(clock(answer, &seen.asked));
        findings.push(sessions(seen.sessions, answer));
        findings.push(forwarding(&seen.forwarding));
    }
    findings
}

fn login(login: &Login) -> Finding {
    match (login.method.as_deref(), &login.key) {
        (Some("publickey"), Some(key)) => Finding::ok(Check::Login, format!("publickey, {key}")),
        (Some(method), _) => Finding::ok(Check::Login, method),
        (None, _) => Finding::ok(Check::Login, "ssh did not say which"),
    }
}

fn of_answer(asked: &Asked) -> Vec<Finding> {
    match &asked.answer {
        Ok(answer) => {
            let user = answer.text("user").unwrap_or("nobody");
            let ran = Finding::ok(Check::Commands, format!("as {user}"));
            vec![ran, machine(answer), disk(answer), home(answer), compose(answer)]
        }
        Err(why) => vec![Finding::failed(
            Check::Commands,
            why,
            "see that `ssh DEST 'exec /bin/sh' </dev/null` ends with 0 and prints little: a forced command, a shell like \
             nologin, MaxSessions 0 or a start-up file that ends the shell stand in the way",
        )],
    }
}

fn machine(answer: &Answer) -> Finding {
    let (system, machine) = (answer.text("system").unwrap_or("?"), answer.text("machine").unwrap_or("?"));
    let detail = match answer.text("distribution") {
        Some(distribution) => format!("{system} {machine}, {distribution}"),
        None => format!("{system} {machine}"),
    };
    let ours = std::env::consts::ARCH;
    if system == "Linux" && machine == ours {
        return Finding::ok(Check::Machine, detail);
    }
    Finding::failed(Check::Machine, detail, format!("our agent was built for Linux {ours}; use such a machine"))
}

fn size(kibibytes: u64) -> String {
    match kibibytes / MEBIBYTE {
        mebibytes @ 0..1024 => format!("{mebibytes} MiB"),
        mebibytes => format!("{} GiB", mebibytes / 1024),
    }
}

fn disk(answer: &Answer) -> Finding {
    let (home, tmp) = (answer.number("home_free"), answer.number("tmp_free"));
    let shown = |free: Option<u64>| free.map_or_else(|| "an unknown amount".to_owned(), size);
    let detail = format!("{} free in the home, {} in /tmp", shown(home), shown(tmp));
    let advice = "make room there: remove old images, build folders and logs";
    match home.min(tmp) {
        None => Finding::warning(Check::Disk, detail, "see whether `df -Pk ~ /tmp` works there"),
        Some(least) if least < NO_DISK => Finding::failed(Check::Disk, detail, advice),
        Some(least) if least < LITTLE_DISK => Finding::warning(Check::Disk, detail, advice),
        Some(_) => Finding::ok(Check::Disk, detail),
    }
}

fn home(answer: &Answer) -> Finding {
    let place = answer.text("home").unwrap_or("the home");
    match answer.text("home_runs") {
        Some("yes") => Finding::ok(Check::Home, format!("{place}, programs run")),
        Some("no") => Finding::failed(
            Check::Home,
            format!("{place} is mounted noexec, or runs nothing for another reason"),
            "have it mounted without noexec, or log in as a user whose home is elsewhere: the agent is run from there",
        ),
        _ => Finding::failed(
            Check::Home,
            format!("{place} cannot be written to"),
            "give the user a home of its own, with room and without a full quota: the agent is put there",
        ),
    }
}

fn compose(answer: &Answer) -> Finding {
    let Some(flavour) = answer.text("compose") else {
        return Finding::warning(
            Check::Compose,
            "none",
            "to place compose sandboxes there, install Docker's compose plugin, or podman-compose",
        );
    };
    let detail = format!("{flavour} {}", answer.text("compose_version").unwrap_or("of an unknown version"));
    match (answer.text("engine"), answer.text("engine_fault")) {
        (Some(engine), _) => Finding::ok(Check::Compose, format!("{detail}, engine {engine}")),
        (None, fault) => Finding::warning(
            Check::Compose,
            format!("{detail}; the engine does not answer: {}", fault.unwrap_or("it took too long")),
            "start the engine there (`systemctl start docker`), and let the user use it (group `docker`)",
        ),
    }
}

/// An open session took a few ways there and back; the rest is sshd's and the login shell's.
fn shell(answer: &Answer, opening: Option<(Duration, Duration)>) -> Finding {
    let name = answer.text("shell").unwrap_or("an unknown shell");
    let Some((open, round_trip)) = opening else {
        return Finding::warning(Check::Shell, format!("{name}, not measured"), "try again: a session was refused");
    };
    let cost = open.saturating_sub(round_trip * 3);
    let detail = format!("{name}, about {} ms", cost.as_millis().max(1));
    if cost <= SLOW_SHELL {
        return Finding::ok(Check::Shell, detail);
    }
    let advice = "move what is slow in its start-up files (version managers, say) to where only interactive shells read \
                  it: every new session pays for it";
    Finding::warning(Check::Shell, detail, advice)
}

/// Its clock was read twice between two readings of ours, so the difference lies between two bounds.
fn clock(answer: &Answer, asked: &Asked) -> Finding {
    let seconds = |key| answer.number(key).and_then(|seconds| i64::try_from(seconds).ok());
    let (Some(began), Some(ended)) = (seconds("began"), seconds("ended")) else {
        return Finding::warning(Check::Clock, "it did not tell the time", "see whether `date +%s` works there");
    };
    let (least, most) = (ended.saturating_sub(asked.ended), began.saturating_sub(asked.began));
    let skew = if least > 0 { least } else { most.min(0) };
    if skew.abs() <= MOST_SKEW {
        return Finding::ok(Check::Clock, "as ours");
    }
    let side = if skew > 0 { "ahead of" } else { "behind" };
    let detail = format!("{} s {side} ours", skew.unsigned_abs());
    Finding::warning(Check::Clock, detail, "run an NTP client on both machines: times in logs are not to be compared")
}

fn sessions(open: usize, answer: &Answer) -> Finding {
    let startups = answer.text("startups").map(|limit| format!("; MaxStartups {limit}")).unwrap_or_default();
    let count = if open >= MOST_SESSIONS { format!("{open} or more") } else { open.to_string() };
    let detail = format!("{count} at once{startups}");
    if open >= FEW_SESSIONS {
        return Finding::ok(Check::Sessions, detail);
    }
    Finding::warning(Check::Sessions, detail, "raise MaxSessions in its sshd_config to 10, which is usual")
}

fn forwarding(outcome: &Result<(), String>) -> Finding {
    match outcome {
        Ok(()) => Finding::ok(Check::Forwarding, "both ways"),
        Err(why) => Finding::warning(
            Check::Forwarding,
            why,
            "set `AllowStreamLocalForwarding yes` in its sshd_config, and neither `DisableForwarding` there nor \
             `restrict` before the key; without it short commands take longer",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(said: &str) -> Asked {
        let text = format!("{}\nW ended 1000\n", said.replace("; ", "\nW ").replacen("", "W ", 1));
        let answer = Answer::parse(text.as_bytes(), "W").ok_or_else(|| "no answer".to_owned());
        Asked { answer, began: 1000, ended: 1001 }
    }

    fn printed(findings: &[Finding]) -> String {
        let line = |finding: &Finding| format!("{} {:?}: {}\n", finding.check.id(), finding.status, finding.detail);
        findings.iter().map(line).collect()
    }

    fn seen(said: &str) -> Seen {
        let millis = Duration::from_millis;
        let (login, opening) = (Login::default(), Some((millis(80), millis(5))));
        Seen { login, asked: asked(said), opening, sessions: 10, forwarding: Ok(()) }
    }

    #[test]
    fn what_was_seen_is_judged() {
        let sound = format!(
            "began 1000; system Linux; machine {}; user me; shell /bin/bash; home /home/me; home_free 9999999; \
             tmp_free 5000000; home_runs yes; compose docker compose; compose_version 2.40.0; engine 28.0; startups 10:30:100",
            std::env::consts::ARCH
        );
        let mut text = printed(&of_machine(&seen(&sound)));
        text.push_str("# nothing is as it should be\n");
        let wrong = "began 4000; system Darwin; machine arm64; home /srv/me; home_free 1000; tmp_free 9; home_runs no; \
                     compose podman-compose; engine_fault no such thing";
        let machine = Seen { opening: None, sessions: 1, forwarding: Err("refused".to_owned()), ..seen(wrong) };
        text.push_str(&printed(&of_machine(&machine)));
        text.push_str("# nothing is said\n");
        let nothing = Seen { asked: asked("x y"), ..seen("x y") };
        text.push_str(&printed(&of_machine(&nothing)));
        insta::assert_snapshot!(text.replace(std::env::consts::ARCH, "[ARCH]"));
    }

    #[test]
    fn whatever_is_wrong_comes_with_advice() {
        let machine = Seen { opening: None, sessions: 0, forwarding: Err(String::new()), ..seen("x y") };
        let mut findings = of_machine(&machine);
        let silent = Asked { answer: Err("nothing".to_owned()), began: 0, ended: 0 };
        findings.extend(of_this_machine(&silent));
        findings.extend(unreached(Reason::HostKeyChanged, "x", "ssh -- a"));
        for finding in findings.iter().filter(|finding| finding.status != Status::Ok) {
            assert!(finding.advice.as_ref().is_some_and(|advice| !advice.is_empty()), "{finding:?}");
        }
    }

    #[test]
    fn clocks_are_compared_by_bounds() {
        let skew = |began: i64, ended: i64, remote: (u64, u64)| {
            let text = format!("W began {}\nW ended {}\n", remote.0, remote.1);
            let answer = Answer::parse(text.as_bytes(), "W").unwrap();
            let asked = Asked { answer: Err(String::new()), began, ended };
            clock(&answer, &asked).detail
        };
        assert_eq!(skew(1000, 1030, (1001, 1029)), "as ours", "a slow answer is no skew");
        assert_eq!(skew(1000, 1002, (1100, 1101)), "99 s ahead of ours");
        assert_eq!(skew(1000, 1002, (900, 901)), "100 s behind ours");
        assert!(skew(0, 0, (u64::MAX, u64::MAX)).contains("did not tell"));
    }
}

//! `sandboxer show`: all that is known of a sandbox.

use super::Session;
use crate::error::CommandResult;
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_types::{CleanupReport, SandboxStatus};
use serde_json::Value;
use std::process::ExitCode;

/// What `show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// An id, a unique prefix or suffix of one, or a name
    id: String,
}

/// Shows it.
pub(crate) async fn show(session: &Session<'_>, arguments: &ShowArguments) -> CommandResult<ExitCode> {
    let id = session.control().resolve(&arguments.id).await?;
    let status = session.control().show(&id).await?;
    Ok(session.output.data(&status, || describe(&status)))
}

/// A sandbox in words, a line a fact.
pub(crate) fn describe(status: &SandboxStatus) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        text.push_str(&format!("{name:<12}{}\n", harmless(value)));
    };
    line("id", status.sandbox_id.as_str());
    if let Some(name) = &status.name {
        line("name", name.as_str());
    }
    line("state", status.state.as_str());
    for condition in &status.conditions {
        line("condition", &format!("{}: {}", condition.kind, condition.detail));
    }
    line("profile", status.profile.as_str());
    line("extension", status.extension.as_str());
    line("host", status.host.as_str());
    line("consumer", status.consumer.as_str());
    if let Some(isolation) = &status.isolation {
        line("isolation", isolation.as_str());
    }
    for (key, value) in &status.labels {
        line("label", &format!("{key}={value}"));
    }
    line("created", &status.created_at.to_string());
    line("expires", &status.expires_at.to_string());
    if let Some(closed) = status.closed_at {
        line("closed", &closed.to_string());
    }
    if let Some(reachability) = &status.reachability {
        for (name, value) in
            [("workspace", &reachability.remote_dir), ("ssh", &reachability.ssh), ("agent", &reachability.agent)]
        {
            if let Some(value) = value {
                line(name, value);
            }
        }
        for port in ports(reachability.ports.as_ref()) {
            line("port", &port);
        }
    }
    if let Some(failure) = &status.failure {
        line("failure", &format!("{} ({}, residue {})", failure.message, failure.kind, failure.residue));
    }
    if let Some(report) = &status.cleanup {
        for fact in report_lines(report) {
            line("cleanup", &fact);
        }
    }
    text
}

/// Ports that are somewhere else outside, a line each; those of an extension that says it in another way, as it does.
fn ports(ports: Option<&Value>) -> Vec<String> {
    let Some(ports) = ports else { return Vec::new() };
    let said = |port: &Value| {
        let number = |name: &str| port.get(name).and_then(Value::as_u64);
        let word = |name: &str| port.get(name).and_then(Value::as_str).unwrap_or_default();
        let (inside, outside) = (number("port")?, number("host_port")?);
        let shown = format!("{} {inside}/{} is {outside} on {}", word("service"), word("protocol"), word("host_ip"));
        Some(harmless(&shown).trim_start().to_owned())
    };
    let lines: Option<Vec<String>> = ports.as_array().and_then(|ports| ports.iter().map(said).collect());
    lines.unwrap_or_else(|| vec![ports.to_string()])
}

/// A cleanup report, a line a fact.
pub(crate) fn report_lines(report: &CleanupReport) -> Vec<String> {
    let parts = [
        ("removed", &report.removed),
        ("already absent", &report.already_absent),
        ("kept", &report.retained),
        ("error", &report.errors),
    ];
    parts.iter().flat_map(|(word, facts)| facts.iter().map(move |fact| format!("{word}: {fact}"))).collect()
}

//! Removes a sandbox, and looks whether it is gone.

use super::engine::{Engine, Found};
use super::failure::{garbled, late, of_status, said};
use super::host::{Host, REMOVE, SHORT, VERIFY};
use super::names::Names;
use crate::machine::{Machines, report_lease};
use sandboxer_sdk::{Call, CommandLine, Teardown};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Residue};
use std::time::Duration;

/// How long the removal of one sandbox may take.
const REMOVAL: Duration = Duration::from_secs(300);
/// What is listed to see whether it is gone.
const KINDS: [&str; 5] = ["container", "network", "volume", "image", "folder"];

/// The words that remove the sandbox from its machine, also without us.
pub(super) fn words(engine: &Engine, names: &Names) -> Vec<String> {
    REMOVE.words(parameters(engine, names))
}

fn parameters(engine: &Engine, names: &Names) -> [String; 6] {
    let (program, docker_host) = (engine.program().to_owned(), engine.docker_host.clone());
    [program, docker_host, names.folder(), names.owner().to_string(), names.mark(), names.project()]
}

/// Removes the sandbox of a teardown. Works from its id alone.
pub(super) async fn teardown(
    machines: &dyn Machines,
    call: &Call,
    request: &Teardown,
) -> Result<CleanupReport, Failure> {
    let unknown = |failure: Failure| failure.with_residue(Residue::Unknown);
    call.check().map_err(|end| unknown(end.failure()))?;
    let host = Host::open(machines, call).await.map_err(unknown)?;
    let engine = request.handle.get("engine").and_then(Engine::from_value);
    if let Some((names, engine)) = Names::of_handle(call, &request.handle).zip(engine) {
        return remove(&host, &[engine], &names).await;
    }
    let found = Found::on(&host).await.map_err(unknown)?;
    let names = found.names(&host).map_err(unknown)?;
    let engines = engines(&host, &names, &found).await.map_err(unknown)?;
    remove(&host, &engines, &names).await
}

/// The engine that made it, as the folder says; every engine of the machine when there is none.
async fn engines(host: &Host<'_>, names: &Names, found: &Found) -> Result<Vec<Engine>, Failure> {
    let about = names.inside("about");
    let output = host.run(&CommandLine::new(["cat", &about]), SHORT, "look for the sandbox's folder").await?;
    let about: Option<serde_json::Value> =
        if output.success() { serde_json::from_slice(&output.stdout).ok() } else { None };
    let kept = about.and_then(|about| about.get("engine").and_then(Engine::from_value));
    Ok(kept.map_or_else(|| found.engines(), |engine| vec![engine]))
}

/// Removes it from these engines, and its folder and lease. `complete` only when a second look found nothing.
pub(super) async fn remove(host: &Host<'_>, engines: &[Engine], names: &Names) -> Result<CleanupReport, Failure> {
    let mut report = CleanupReport::default();
    if engines.is_empty() {
        return without_engine(host, names).await;
    }
    let (mut left, mut removed) = (Vec::new(), Vec::new());
    for engine in engines {
        let doing = "remove the sandbox";
        let output = host.run(&CommandLine::new(words(engine, names)), REMOVAL, doing).await.map_err(owed)?;
        removed.extend(String::from_utf8_lossy(&output.stdout).lines().filter_map(shown));
        let complaint = said(&output);
        if let Some(failure) = of_status(&output, doing) {
            return Err(owed(if output.status == 137 { late(doing) } else { failure }));
        }
        let still = verify(host, engine, names).await.map_err(owed)?;
        if !still.is_empty() && !output.stderr.is_empty() {
            report.errors.push(complaint);
        }
        left.extend(still);
    }
    removed.sort();
    removed.dedup();
    for kind in KINDS {
        let is_kind = |one: &&String| one.split_once(' ').is_some_and(|(word, _)| word == kind);
        if !removed.iter().any(|one| is_kind(&one)) && !left.iter().any(|one| is_kind(&one)) {
            report.already_absent.push(format!("{kind}: none bears the sandbox's name or labels"));
        }
    }
    report.removed = removed;
    report.errors.extend(left.iter().map(|one| format!("still there: {one}")));
    if left.is_empty() {
        report_lease(&mut report, release(host, names).await?);
        report.errors.clear();
        report.complete = true;
    }
    Ok(report)
}

/// Where no engine is, only a folder can be.
async fn without_engine(host: &Host<'_>, names: &Names) -> Result<CleanupReport, Failure> {
    let folder = names.folder();
    let output =
        host.run(&CommandLine::new(["test", "-e", &folder]), SHORT, "look for its folder").await.map_err(owed)?;
    if output.status != 1 {
        let message = "the machine has no container engine any more, and the sandbox's folder is still there";
        return Err(Failure::new(ErrorKind::Precondition, message).with_residue(Residue::Present));
    }
    let mut report = CleanupReport {
        already_absent: vec![format!("{folder}: not there, and the machine has no container engine")],
        complete: true,
        ..CleanupReport::default()
    };
    report_lease(&mut report, release(host, names).await?);
    Ok(report)
}

/// Gives up the lease. Says whether there was one.
async fn release(host: &Host<'_>, names: &Names) -> Result<bool, Failure> {
    match host.machine.release_lease(names.lease().as_str()).await {
        // Where no agent runs, nobody holds any.
        Err(failure) if failure.kind == ErrorKind::Unsupported => Ok(false),
        released => released.map_err(owed),
    }
}

/// A removal that did not come to its end leaves something, as far as anybody knows.
fn owed(failure: Failure) -> Failure {
    failure.with_residue(Residue::Unknown)
}

/// `KIND NAME`, if that is what the line is.
fn shown(line: &str) -> Option<String> {
    let (kind, name) = line.split_once(' ')?;
    let known = KINDS.contains(&kind) || kind == "pod";
    (known && !name.is_empty() && !name.chars().any(char::is_control)).then(|| line.to_owned())
}

/// What is left, by a look of its own.
async fn verify(host: &Host<'_>, engine: &Engine, names: &Names) -> Result<Vec<String>, Failure> {
    let parameters = parameters(engine, names);
    let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
    let text = host.text(VERIFY, &parameters, "look whether the sandbox is gone").await?;
    read_left(&text)
}

/// Only an answer that is whole says that nothing is left.
fn read_left(text: &str) -> Result<Vec<String>, Failure> {
    let mut left = Vec::new();
    let mut lines = text.lines();
    loop {
        match lines.next() {
            Some("looked") if lines.next().is_none() => {
                left.sort();
                left.dedup();
                return Ok(left);
            }
            Some(line) => left.push(shown(line).ok_or_else(|| garbled("what is left"))?),
            None => return Err(garbled("what is left")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_says_that_nothing_is_left() {
        assert_eq!(read_left("looked\n"), Ok(Vec::new()));
        assert_eq!(read_left("container a\ncontainer a\nfolder /x\nlooked\n").map(|left| left.len()), Ok(2));
        for bad in
            ["", "container a\n", "looked\nmore\n", "rubbish\nlooked\n", "container \nlooked\n", "looked\nlooked\n"]
        {
            read_left(bad).expect_err(bad);
        }
    }
}

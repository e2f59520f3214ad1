//! Removes a sandbox, and looks whether it is gone. The machine stays.

use super::failure::{garbled, precondition, said};
use super::names::lease;
use super::survey::Standing;
use super::target::Target;
use super::verbs::target_of;
use super::vm::{END, Place, Vm};
use crate::machine::{Machines, report_lease};
use sandboxer_sdk::{Call, CommandLine, Teardown};
use sandboxer_types::{CleanupReport, ErrorKind, Failure, Residue};
use serde::Deserialize;
use std::time::Duration;

/// How long the removal of one sandbox may take.
const REMOVAL: Duration = Duration::from_secs(300);
/// The status of an end that left something, and says what.
const LEFT: i32 = 8;

/// What the agent's `--end` says.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
struct Ended {
    ended: Vec<Process>,
    removed: Vec<String>,
    already_absent: Vec<String>,
    left: Vec<Left>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Process {
    pid: i32,
    command: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Left {
    what: String,
    why: String,
}

/// See the trait.
pub(super) async fn teardown(
    machines: &dyn Machines,
    call: &Call,
    request: &Teardown,
) -> Result<CleanupReport, Failure> {
    call.check().map_err(|end| owed(end.failure()))?;
    let was_made = request.handle.text("workspace").is_some();
    match target_of(call, Some(&request.handle)) {
        Ok(target) => remove(machines, call, &target, was_made).await.map_err(owed),
        Err(failure) if call.intent.is_none() => everywhere(machines, call, failure).await.map_err(owed),
        Err(failure) => Err(owed(failure)),
    }
}

/// Of a sandbox of which only the id is known, the machines that the manifest names are asked for it.
async fn everywhere(machines: &dyn Machines, call: &Call, unknown: Failure) -> Result<CleanupReport, Failure> {
    let targets = Target::all(&call.config, call.ssh.as_ref())?;
    if targets.is_empty() {
        return Err(unknown);
    }
    let mut all = CleanupReport { complete: true, ..CleanupReport::default() };
    for target in &targets {
        let report = remove(machines, call, target, false).await?;
        all.complete &= report.complete;
        all.removed.extend(report.removed);
        all.already_absent.extend(report.already_absent);
        all.retained.extend(report.retained);
        all.errors.extend(report.errors);
    }
    Ok(all)
}

async fn remove(
    machines: &dyn Machines,
    call: &Call,
    target: &Target,
    was_made: bool,
) -> Result<CleanupReport, Failure> {
    let vm = Vm::open(machines, call, target).await?;
    let place = vm.look(target, &call.sandbox_id).await?;
    let mut report =
        CleanupReport { retained: vec![format!("the machine {}", target.route)], ..CleanupReport::default() };
    let folder = place.names.folder();
    match &place.survey.standing {
        Standing::Own(_) | Standing::Nothing => {}
        // Its processes and its lease bear the same id as ours would.
        Standing::Others(_) => {
            report.already_absent.push(format!("{folder}: it is of a sandbox that another state directory made"));
            report.complete = true;
            return Ok(report);
        }
        Standing::Foreign if was_made => {
            report.errors.push(format!(
                "{folder}: its mark `.sandboxer` is gone or changed, so it is not removed: do that by hand"
            ));
        }
        Standing::Foreign => {}
    }
    end(&vm, &place, &mut report).await?;
    verify(&vm, target, &place, &mut report).await?;
    if report.errors.is_empty() {
        release(&vm, &mut report).await?;
        report.complete = true;
    }
    Ok(report)
}

/// Ends it by our agent there, or by a shell where none can run.
async fn end(vm: &Vm<'_>, place: &Place, report: &mut CleanupReport) -> Result<(), Failure> {
    if place.names.separate_users && place.survey.root.is_none() && place.survey.standing != Standing::Nothing {
        return Err(precondition("the sandbox has a user of its own, and the login may not become root any more"));
    }
    let agent = match vm.machine.agent_path().await {
        Ok(agent) => agent,
        Err(failure) if failure.kind == ErrorKind::Unsupported => return end_by_shell(vm, place).await,
        Err(failure) => return Err(failure),
    };
    let command = CommandLine::new(place.names.end(&agent, place.prefix()));
    let output = vm.run(&command, REMOVAL).await?;
    if !matches!(output.status, 0 | LEFT) {
        let message = format!("the sandbox could not be ended: {}", said(&output));
        return Err(Failure::new(ErrorKind::Unavailable, message));
    }
    let ended = last_line(&output.stdout).ok_or_else(|| garbled("what it removed"))?;
    report.removed.extend(ended.ended.iter().map(|process| format!("process {} ({})", process.pid, process.command)));
    report.removed.extend(ended.removed);
    report.already_absent.extend(ended.already_absent);
    report.errors.extend(ended.left.iter().map(|left| format!("{}: {}", left.what, left.why)));
    if output.status == LEFT && report.errors.is_empty() {
        return Err(garbled("what it left"));
    }
    Ok(())
}

async fn end_by_shell(vm: &Vm<'_>, place: &Place) -> Result<(), Failure> {
    let names = &place.names;
    let unfinished = format!("{}/{}", names.base, names.unfinished());
    let mark = names.mark();
    let parameters = [mark.as_str(), &names.folder(), &names.label(), &unfinished];
    vm.script(END, place.prefix(), &parameters, Vec::new(), "end the sandbox").await.map(drop)
}

/// A look of its own: only what is seen to be gone is.
async fn verify(vm: &Vm<'_>, target: &Target, before: &Place, report: &mut CleanupReport) -> Result<(), Failure> {
    let after = vm.look(target, &vm.call.sandbox_id).await?;
    let folder = after.names.folder();
    match (&before.survey.standing, &after.survey.standing) {
        (_, Standing::Own(_)) => report.errors.push(format!("{folder}: still there")),
        (Standing::Own(_), _) if !report.removed.contains(&folder) => report.removed.push(folder),
        _ => {}
    }
    let account = after.names.account().unwrap_or_default();
    if after.survey.account.as_ref().is_some_and(|comment| *comment == after.names.label()) {
        report.errors.push(format!("account {account}: still there"));
    }
    Ok(())
}

async fn release(vm: &Vm<'_>, report: &mut CleanupReport) -> Result<(), Failure> {
    match vm.machine.release_lease(lease(vm.call).as_str()).await {
        Ok(was_there) => report_lease(report, was_there),
        Err(failure) if failure.kind == ErrorKind::Unsupported => {
            report.already_absent.push("lease: nobody there holds any".to_owned());
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}

/// A login may say something before.
fn last_line(stdout: &[u8]) -> Option<Ended> {
    let text = std::str::from_utf8(stdout).ok()?;
    serde_json::from_str(text.trim_end().lines().last()?).ok()
}

/// A removal that did not come to its end leaves something, as far as anybody knows.
fn owed(failure: Failure) -> Failure {
    failure.with_residue(Residue::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_is_one() {
        let whole = r#"{"ended":[{"pid":7,"command":"sleep"}],"removed":["/w/a"],"already_absent":[],"left":[{"what":"x","why":"y"}]}"#;
        let ended = last_line(format!("Welcome!\n{whole}\n").as_bytes()).expect("an answer");
        assert_eq!((ended.ended.len(), ended.removed.len(), ended.left.len()), (1, 1, 1));
        for bad in ["", "{}", "null", &whole[..40], &format!("{whole}\nGoodbye"), "{\"left\":[]}"] {
            assert_eq!(last_line(bad.as_bytes()), None, "{bad}");
        }
    }
}

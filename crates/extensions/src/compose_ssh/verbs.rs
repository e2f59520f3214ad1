//! The optional verbs.

use super::engine::Found;
use super::failure::garbled;
use super::host::{Host, LIST};
use super::judge::{Condition, State};
use super::names::{MARK, Names};
use super::ready::Standing;
use super::remove;
use crate::machine::{Machines, lease_span};
use sandboxer_sdk::{Call, Listed, ObservedState, Recovered, StatusReport};
use sandboxer_types::{ErrorKind, Failure, Handle, HostId, Object, Residue, SandboxId, TimeSpan};
use std::collections::BTreeMap;

/// What is there under the call's id.
pub(super) async fn recover(machines: &dyn Machines, call: &Call, host: &HostId) -> Result<Recovered, Failure> {
    let minimal = Handle::minimal(&call.sandbox_id, host);
    let standing = Standing::open(machines, call, &minimal).await?;
    let state = standing.look().await?;
    Ok(match state.kept {
        None if state.containers.is_empty() => Recovered::Absent,
        Some(kept) if !kept.is_empty() => Recovered::Present(handle_of(kept, &minimal)),
        // Half of it, by an attempt that died: a handle that finds it is enough to go on or to remove it.
        _ => Recovered::Present(minimal),
    })
}

/// The handle that was kept, if it is this sandbox's.
fn handle_of(kept: Object, minimal: &Handle) -> Handle {
    let kept = Handle::from(kept);
    let same = |key: &str| kept.text(key) == minimal.text(key);
    if same("sandbox_id") && same("host") { kept } else { minimal.clone() }
}

/// How it is now.
pub(super) async fn status(machines: &dyn Machines, call: &Call, handle: &Handle) -> Result<StatusReport, Failure> {
    let standing = Standing::open(machines, call, handle).await?;
    Ok(judge(&standing.look().await?))
}

fn judge(state: &State) -> StatusReport {
    let report = |state, detail: String| StatusReport { state, detail };
    if state.is_absent() {
        return report(ObservedState::Absent, "it has neither a folder nor containers".to_owned());
    }
    if state.containers.is_empty() {
        return report(ObservedState::Error, "its containers are gone; a teardown removes what is left".to_owned());
    }
    let mut told = Vec::new();
    let (mut runs, mut done, mut failed) = (0, 0, 0);
    for container in &state.containers {
        let word = match container.condition() {
            Condition::Ready => {
                runs += 1;
                "runs".to_owned()
            }
            Condition::Done => {
                done += 1;
                "has ended with status 0".to_owned()
            }
            Condition::Waiting(why) => why,
            Condition::Failed(why) => {
                failed += 1;
                why
            }
        };
        told.push(format!("`{}` {word}", container.service));
    }
    let all = state.containers.len();
    let state = if state.containers.iter().all(super::judge::Container::is_paused) {
        ObservedState::Paused
    } else if runs == 0 && failed + done == all {
        ObservedState::Stopped
    } else if failed > 0 {
        ObservedState::Error
    } else {
        ObservedState::Running
    };
    report(state, told.join(", "))
}

/// Moves the lease that the machine holds.
pub(super) async fn extend(
    machines: &dyn Machines,
    call: &Call,
    handle: &Handle,
    ttl: TimeSpan,
) -> Result<(), Failure> {
    let standing = Standing::open(machines, call, handle).await?;
    if standing.look().await?.is_absent() {
        let message = format!("there is no sandbox `{}`", call.sandbox_id);
        return Err(Failure::new(ErrorKind::NotFound, message).with_residue(Residue::None));
    }
    let expire = remove::words(&standing.engine, &standing.names);
    let span = lease_span(ttl.as_duration());
    standing.host.machine.place_lease(standing.names.lease().as_str(), span, &expire).await
}

/// Everything on the machine that the caller's owner made.
pub(super) async fn list(machines: &dyn Machines, call: &Call, host_id: &HostId) -> Result<Vec<Listed>, Failure> {
    let host = Host::open(machines, call).await?;
    let found = Found::on(&host).await?;
    let names = Names::of(call, &found.home)?;
    let owner = call.owner.to_string();
    let mut listed = BTreeMap::new();
    let engines = found.engines();
    // Without an engine there are folders at most.
    let programs = if engines.is_empty() {
        vec![("true", "")]
    } else {
        engines.iter().map(|engine| (engine.program(), engine.docker_host.as_str())).collect()
    };
    for (program, docker_host) in programs {
        let parameters = [program, docker_host, names.root(), &owner];
        let bytes = host.script(LIST, &parameters, Vec::new(), "list the sandboxes there").await?;
        for (id, labels) in read_list(&bytes, &owner)? {
            let one = Listed { sandbox_id: id.clone(), host: host_id.clone(), labels, created_at: None };
            listed.entry(id).or_insert(one);
        }
    }
    Ok(listed.into_values().collect())
}

type Labels = BTreeMap<String, String>;

/// Reads what the script `list` printed. What bears another owner is passed over.
fn read_list(bytes: &[u8], owner: &str) -> Result<Vec<(SandboxId, Labels)>, Failure> {
    let no = || garbled("its sandboxes");
    let mut listed = Vec::new();
    let mut rest = bytes;
    let mut field = || {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (field, behind) = (&rest[..end], &rest[end + 1..]);
        rest = behind;
        Some(field)
    };
    loop {
        let name = field().ok_or_else(no)?;
        if name.is_empty() {
            break;
        }
        let about: Object = serde_json::from_slice(field().ok_or_else(no)?).unwrap_or_default();
        let Some(id) = std::str::from_utf8(name).ok().and_then(|name| name.parse::<SandboxId>().ok()) else { continue };
        let labels = about.get("labels").cloned().and_then(|labels| serde_json::from_value::<Labels>(labels).ok());
        let mut labels = labels.unwrap_or_default();
        // Whose it is, the folder says.
        labels.insert("sandboxer.owner".to_owned(), owner.to_owned());
        labels.insert("sandboxer.id".to_owned(), id.to_string());
        listed.push((id, labels));
    }
    for line in rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let labels: Labels = serde_json::from_slice(line).map_err(|_| no())?;
        let id = labels.get("sandboxer.id").and_then(|id| id.parse::<SandboxId>().ok());
        let mark = id.as_ref().map(|id| format!("{owner}/{id}"));
        if let (Some(id), true) = (id, labels.get(MARK) == mark.as_ref()) {
            listed.push((id, labels));
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_the_owners_is_listed() {
        let text = "box-1\0{\"labels\":{\"a\":\"b\",\"sandboxer.owner\":\"ownx\"}}\0../x\0{}\0\0\
            {\"sandboxer.id\":\"box-2\",\"sandboxer.compose\":\"own1/box-2\"}\n\
            {\"sandboxer.id\":\"box-3\",\"sandboxer.compose\":\"own2/box-3\",\"x\":\"sandboxer.compose=own1/box-3\"}\n";
        let listed = read_list(text.as_bytes(), "own1").expect("readable");
        let ids: Vec<&str> = listed.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["box-1", "box-2"]);
        assert_eq!(listed[0].1["sandboxer.owner"], "own1");
        assert_eq!(listed[0].1["a"], "b");
        for bad in ["", "box-1\0", "box-1\0{}\0", "\0rubbish\n"] {
            read_list(bad.as_bytes(), "own1").expect_err(bad);
        }
    }
}

//! How a stack is, from what the engine says of its containers. Pure.

use super::failure::garbled;
use super::names::{ASKED_PORTS, MARK};
use sandboxer_types::{Failure, Object};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So often a container may be started again before it counts as one that fails.
const MOST_RESTARTS: u64 = 5;

/// What the folder and the engine say of a sandbox.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// What its folder keeps: `None` without a folder, empty when it was not made to its end.
    pub(super) kept: Option<Object>,
    pub(super) containers: Vec<Container>,
}

/// One container of the stack.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) service: String,
    status: String,
    exit_code: i64,
    /// Why the engine could not start it.
    error: String,
    health: Option<String>,
    restart: String,
    pub(super) restarts: u64,
    ports: Vec<Value>,
}

/// How one container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// It runs, and is healthy where that can be told.
    Ready,
    /// It did what it was for, and ended.
    Done,
    /// Not yet, and why.
    Waiting(String),
    /// It will not be, and why.
    Failed(String),
}

/// How the stack is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Everything is ready; the container that commands enter, where they enter one.
    Ready(Option<Container>),
    /// Not yet, and why.
    Waiting(String),
    /// It will not be: why, and the container to ask for its last words.
    Failed(String, Option<String>),
}

impl State {
    /// Reads what the script `state` printed. Containers that bear another mark are passed over.
    pub(super) fn read(bytes: &[u8], mark: &str) -> Result<Self, Failure> {
        let no = || garbled("its containers");
        let split = bytes.iter().position(|byte| *byte == 0).ok_or_else(no)?;
        let kept = match &bytes[..split] {
            b"" => None,
            kept => Some(serde_json::from_slice::<Object>(kept).map_err(|_| no())?),
        };
        let inspected: Vec<Value> = serde_json::from_slice(&bytes[split + 1..]).map_err(|_| no())?;
        let containers = inspected.iter().filter_map(|one| Container::read(one, mark)).collect();
        Ok(Self { kept, containers })
    }

    /// Whether anything is there.
    pub(super) fn is_absent(&self) -> bool {
        self.kept.is_none() && self.containers.is_empty()
    }

    /// The services that must have a container, where that is kept.
    fn expected(&self) -> impl Iterator<Item = &str> {
        let services = self.kept.as_ref().and_then(|kept| kept.get("services")).and_then(Value::as_array);
        services.into_iter().flatten().filter_map(Value::as_str)
    }

    /// The service that commands enter, where they enter one.
    pub(super) fn entered(&self) -> Option<&str> {
        self.kept.as_ref().and_then(|kept| kept.get("service")).and_then(Value::as_str)
    }

    /// How the stack is.
    pub(super) fn verdict(&self) -> Verdict {
        let mut waiting = None;
        for container in &self.containers {
            let named = |why: String| format!("`{}` {why}", container.service);
            match container.condition() {
                Condition::Failed(why) => return Verdict::Failed(named(why), Some(container.id.clone())),
                Condition::Waiting(why) => waiting = waiting.or(Some(named(why))),
                Condition::Ready | Condition::Done => {}
            }
        }
        let has = |service: &str| self.containers.iter().any(|container| container.service == service);
        if let Some(missing) = self.expected().find(|service| !has(service)) {
            return Verdict::Failed(format!("`{missing}` has no container"), None);
        }
        if let Some(why) = waiting {
            return Verdict::Waiting(why);
        }
        if self.containers.is_empty() {
            return Verdict::Failed("the stack has no containers".to_owned(), None);
        }
        let Some(entered) = self.entered() else { return Verdict::Ready(None) };
        let of_service = |container: &&Container| container.service == entered;
        let ready = |container: &&Container| container.condition() == Condition::Ready;
        match self.containers.iter().filter(of_service).find(ready) {
            Some(container) => Verdict::Ready(Some(container.clone())),
            None => {
                let ended = self.containers.iter().find(of_service).map(|container| container.id.clone());
                Verdict::Failed(format!("`{entered}`, which commands would enter, has ended"), ended)
            }
        }
    }

    /// How often each container was started again, by which a loop is told from a start.
    pub(super) fn restarts(&self) -> BTreeMap<&str, u64> {
        self.containers.iter().filter(|one| one.restarts > 0).map(|one| (one.id.as_str(), one.restarts)).collect()
    }

    /// Where the stack's ports are.
    pub(super) fn ports(&self) -> Vec<Value> {
        self.containers.iter().flat_map(|container| container.ports.clone()).collect()
    }
}

impl Container {
    fn read(inspected: &Value, mark: &str) -> Option<Self> {
        let text = |path: &str| inspected.pointer(path).and_then(Value::as_str);
        let number = |path: &str| inspected.pointer(path).and_then(Value::as_i64).unwrap_or(0);
        let labels = inspected.pointer("/Config/Labels").and_then(Value::as_object)?;
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        let is_id =
            |id: &&str| !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // What `run` made is no part of the stack.
        if label(MARK) != Some(mark) || label("com.docker.compose.oneoff").is_some_and(|one| one == "True") {
            return None;
        }
        // An older podman calls it otherwise.
        let health = text("/State/Health/Status").or_else(|| text("/State/Healthcheck/Status"));
        let service = label("com.docker.compose.service").unwrap_or_default().to_owned();
        let ports = inspected.pointer("/NetworkSettings/Ports").and_then(Value::as_object);
        let asked = label(ASKED_PORTS).unwrap_or_default();
        Some(Self {
            id: text("/Id").filter(is_id)?.to_owned(),
            status: text("/State/Status").unwrap_or_default().to_owned(),
            exit_code: number("/State/ExitCode"),
            error: text("/State/Error").unwrap_or_default().to_owned(),
            health: health.filter(|health| !matches!(*health, "" | "none")).map(str::to_owned),
            restart: text("/HostConfig/RestartPolicy/Name").unwrap_or_default().to_owned(),
            restarts: number("/RestartCount").unsigned_abs(),
            ports: ports.map(|ports| read_ports(ports, &service, asked)).unwrap_or_default(),
            service,
        })
    }

    /// How it is.
    pub(super) fn condition(&self) -> Condition {
        let starts_again = matches!(self.restart.as_str(), "always" | "unless-stopped");
        match self.status.as_str() {
            "running" => match self.health.as_deref() {
                None | Some("healthy") => Condition::Ready,
                Some("unhealthy") => Condition::Failed("is unhealthy".to_owned()),
                Some(_) => Condition::Waiting("is not healthy yet".to_owned()),
            },
            "exited" | "stopped" if self.exit_code != 0 => {
                Condition::Failed(format!("ended with status {}", self.exit_code))
            }
            "exited" | "stopped" if starts_again => Condition::Waiting("has ended and is started again".to_owned()),
            "exited" | "stopped" => Condition::Done,
            "restarting" if self.restarts >= MOST_RESTARTS => Condition::Failed(format!(
                "ends again and again, by now {} times, the last time with status {}",
                self.restarts, self.exit_code
            )),
            "restarting" => Condition::Waiting(format!("ended with status {} and is started again", self.exit_code)),
            "dead" => Condition::Failed("is dead".to_owned()),
            "created" | "initialized" | "configured" if !self.error.is_empty() => {
                Condition::Failed(format!("could not be started: {}", self.error))
            }
            "paused" => Condition::Waiting("is paused".to_owned()),
            other => Condition::Waiting(format!("is {}", if other.is_empty() { "in no known state" } else { other })),
        }
    }

    /// Whether it is paused.
    pub(super) fn is_paused(&self) -> bool {
        self.status == "paused"
    }
}

/// Where each port of a container is, and which port of the machine the compose file had asked for.
fn read_ports(ports: &Object, service: &str, asked: &str) -> Vec<Value> {
    let asked: BTreeMap<&str, &str> = asked.split(',').filter_map(|one| one.split_once('=')).collect();
    let mut seen = Vec::new();
    for (port, bindings) in ports {
        let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        for binding in bindings.as_array().into_iter().flatten() {
            let part = |key: &str| binding.get(key).and_then(Value::as_str).unwrap_or_default();
            let (Ok(port_there), Ok(port_inside)) = (part("HostPort").parse::<u16>(), number.parse::<u16>()) else {
                continue;
            };
            let mut one = json!({
                "service": service, "port": port_inside, "protocol": protocol,
                "host_ip": part("HostIp"), "host_port": port_there,
            });
            if let Some(asked) = asked.get(port.as_str()) {
                one["asked"] = (*asked).into();
            }
            if !seen.contains(&one) {
                seen.push(one);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKED: &str = "own1/box";

    fn inspected(service: &str, state: Value) -> Value {
        json!({
            "Id": "0a1b", "State": state, "RestartCount": 0, "HostConfig": {"RestartPolicy": {"Name": "no"}},
            "Config": {"Labels": {MARK: MARKED, "com.docker.compose.service": service, ASKED_PORTS: "80/tcp=8080"}},
            "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}], "81/tcp": null}},
        })
    }

    fn state(kept: &Value, containers: &[Value]) -> State {
        let text = format!("{kept}\0{}", Value::from(containers.to_vec()));
        State::read(text.as_bytes(), MARKED).expect("readable")
    }

    #[test]
    fn a_stack_is_ready_when_every_container_is_or_has_done_its_work() {
        let kept = json!({"services": ["init", "web"], "service": "web"});
        let done = inspected("init", json!({"Status": "exited", "ExitCode": 0}));
        let running = inspected("web", json!({"Status": "running"}));
        let Verdict::Ready(Some(entered)) = state(&kept, &[done.clone(), running.clone()]).verdict() else {
            panic!("not ready")
        };
        assert_eq!(entered.service, "web");
        let ports = state(&kept, std::slice::from_ref(&running)).ports();
        let expected = json!({
            "service": "web", "port": 80, "protocol": "tcp", "host_ip": "0.0.0.0", "host_port": 32768, "asked": "8080",
        });
        assert_eq!(ports, [expected]);
        assert!(matches!(state(&kept, &[running]).verdict(), Verdict::Failed(why, _) if why.contains("`init` has no")));
        let ended = inspected("web", json!({"Status": "exited", "ExitCode": 0}));
        assert!(matches!(state(&kept, &[done, ended]).verdict(), Verdict::Failed(why, _) if why.contains("has ended")));
    }

    #[test]
    fn what_fails_is_told_at_once_whatever_else_is_waited_for() {
        let kept = json!({});
        let starting = inspected("db", json!({"Status": "running", "Health": {"Status": "starting"}}));
        assert!(matches!(state(&kept, std::slice::from_ref(&starting)).verdict(), Verdict::Waiting(_)));
        for broken in [
            json!({"Status": "exited", "ExitCode": 3}),
            json!({"Status": "running", "Health": {"Status": "unhealthy"}}),
            json!({"Status": "running", "Healthcheck": {"Status": "unhealthy"}}),
            json!({"Status": "dead"}),
            json!({"Status": "created", "Error": "no such program"}),
        ] {
            let verdict = state(&kept, &[starting.clone(), inspected("web", broken.clone())]).verdict();
            assert!(
                matches!(&verdict, Verdict::Failed(why, Some(_)) if why.starts_with("`web`")),
                "{broken}: {verdict:?}"
            );
        }
        assert!(matches!(state(&kept, &[]).verdict(), Verdict::Failed(..)));
    }

    #[test]
    fn a_container_that_starts_again_gets_some_tries() {
        let mut looping = inspected("web", json!({"Status": "restarting", "ExitCode": 1}));
        looping["HostConfig"]["RestartPolicy"]["Name"] = "always".into();
        assert!(matches!(state(&json!({}), &[looping.clone()]).verdict(), Verdict::Waiting(_)));
        looping["RestartCount"] = 5.into();
        assert!(matches!(state(&json!({}), &[looping]).verdict(), Verdict::Failed(..)));
    }

    #[test]
    fn crafted_answers_name_nothing_that_could_become_an_option() {
        let mut option = inspected("web", json!({"Status": "running"}));
        option["Id"] = "--privileged".into();
        let mut other = inspected("web", json!({"Status": "running"}));
        other["Config"]["Labels"][MARK] = "own2/box".into();
        assert!(state(&json!({}), &[option, other, json!("x"), json!(null)]).containers.is_empty());
        for bad in [&b""[..], b"{}", b"{}\0", b"{}\0{}", b"[]\0[]", b"{\0[]"] {
            State::read(bad, MARKED).expect_err("garbled");
        }
        assert!(State::read(b"\0[]", MARKED).expect("absent").is_absent());
    }
}

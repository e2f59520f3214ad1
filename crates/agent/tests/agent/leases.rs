//! Leases run out whoever placed them may be.

use std::path::Path;

use serde_json::{Value, json};

use crate::http::{Answer, streaming, unary};
use crate::support::Agent;

fn call(agent: &Agent, procedure: &str, message: &Value) -> Answer {
    unary(agent, &format!("sandboxer.agent.v1.Agent/{procedure}"), message)
}

fn leases(agent: &Agent) -> Vec<Value> {
    call(agent, "ListLeases", &json!({})).json()["leases"].as_array().cloned().unwrap_or_default()
}

/// Each look is a call to the agent, which takes its turn with everything else there.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < end, "{what} did not come about");
    }
}

#[test]
fn a_lease_that_runs_out_ends_its_commands_and_runs_its_own() {
    let agent = Agent::start();
    let done = agent.path("done");
    let lease = json!({"name": "box", "ttlMs": 60_000, "expire": ["touch", done]});
    assert_eq!(call(&agent, "SetLease", &lease).status, 200);
    let held = &leases(&agent)[0];
    let left: u64 = held["remainingMs"].as_str().unwrap().parse().unwrap();
    assert!((50_000..=60_000).contains(&left), "{held}");
    let start = json!({"process": {"cmd": "sh", "args": ["-c", "echo $$ > pid; exec sleep 1000"]}, "tag": "t"});
    let started = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            streaming(&agent, "process.Process/Start", "\r\nsandboxer-lease: box", std::slice::from_ref(&start))
                .frames()
        });
        wait_for("the start", || Path::new(&agent.path("pid")).exists());
        assert!(!Path::new(&done).exists());
        let short = json!({"name": "box", "ttlMs": 100, "expire": ["touch", done]});
        assert_eq!(call(&agent, "SetLease", &short).status, 200);
        running.join().unwrap()
    });
    assert_eq!(started[1].1["event"]["end"]["status"], "signal: killed");
    wait_for("the lease's command", || Path::new(&done).exists());
    wait_for("the lease's end", || leases(&agent).is_empty());
    let late = streaming(&agent, "process.Process/Start", "\r\nsandboxer-lease: box", &[start]).frames();
    assert_eq!(late[0].1["error"]["code"], "failed_precondition");
}

#[test]
fn what_fails_is_tried_again_and_said() {
    let agent = Agent::start();
    let script = format!("test -e {0} && exit; touch {0}; echo not yet >&2; exit 9", agent.path("tried"));
    let lease = json!({"name": "box", "ttlMs": 1, "expire": ["sh", "-c", script]});
    assert_eq!(call(&agent, "SetLease", &lease).status, 200);
    wait_for("a failure", || leases(&agent).first().is_some_and(|lease| lease.get("lastFault").is_some()));
    let failed = &leases(&agent)[0];
    assert_eq!((&failed["expired"], &failed["attempts"]), (&json!(true), &json!(1)));
    assert_eq!(failed["lastFault"], "exit status 9: not yet");
    let renewed = call(&agent, "SetLease", &lease);
    assert_eq!(renewed.json()["code"], "failed_precondition");
    wait_for("a success", || leases(&agent).is_empty());
}

#[test]
fn a_released_lease_does_nothing() {
    let agent = Agent::start();
    let lease = json!({"name": "box", "ttlMs": 60_000, "expire": ["touch", agent.path("done")]});
    assert_eq!(call(&agent, "SetLease", &lease).status, 200);
    assert_eq!(call(&agent, "ReleaseLease", &json!({"name": "box"})).status, 200);
    assert_eq!(call(&agent, "ReleaseLease", &json!({"name": "box"})).status, 200);
    assert_eq!(leases(&agent), Vec::<Value>::new());
    assert_eq!(call(&agent, "SetLease", &json!({"name": "", "ttlMs": 5})).status, 400);
    assert_eq!(call(&agent, "SetLease", &json!({"name": "x"})).status, 400);
}

#[test]
fn few_of_the_leases_that_run_out_together_run_their_commands_at_once() {
    let agent = Agent::start();
    let script = "echo >> begun; while ! test -e go; do sleep 0.05; done";
    for number in 0..20 {
        let lease = json!({"name": format!("box-{number}"), "ttlMs": 1, "expire": ["sh", "-c", script]});
        assert_eq!(call(&agent, "SetLease", &lease).status, 200);
    }
    wait_for("the leases' ends", || leases(&agent).iter().all(|lease| lease["attempts"] == json!(1)));
    let begun = || std::fs::read_to_string(agent.path("begun")).unwrap_or_default().len();
    wait_for("some commands", || begun() >= 8);
    let listed = call(&agent, "ListCommands", &json!({})).json();
    assert_eq!((listed["commands"].as_array().unwrap().len(), begun()), (8, 8));
    std::fs::write(agent.path("go"), "").unwrap();
    wait_for("all commands", || leases(&agent).is_empty());
    assert_eq!(begun(), 20);
}

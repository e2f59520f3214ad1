//! From a machine into a sandbox on it.

use crate::place::{PROGRAM, Place};
use sandboxer_reach::{Doorway, ExecEvent, ExecRequest, Session, SessionKind};
use std::time::Duration;

async fn output(session: &dyn Session, words: &[&str]) -> String {
    let mut execution = session.exec(ExecRequest::new(words.iter().copied())).await.unwrap();
    let mut said = Vec::new();
    while let Some(event) = execution.next_event().await.unwrap() {
        if let ExecEvent::Stdout(bytes) = event {
            said.extend_from_slice(&bytes);
        }
    }
    String::from_utf8(said).unwrap()
}

fn door(name: &str, enter: &[&str], agent_path: Option<&str>) -> Doorway {
    Doorway {
        sandbox: name.parse().unwrap(),
        enter: enter.iter().map(|word| (*word).to_owned()).collect(),
        agent_path: agent_path.map(str::to_owned),
    }
}

/// Words that a shell would read otherwise, before a command.
const ENTER: [&str; 3] = ["env", "--chdir=/usr", "INSIDE=it's $(inside)"];

#[tokio::test]
async fn each_sandbox_has_an_agent_of_its_own() {
    let place = Place::new();
    for route in place.routes() {
        let machine = place.ways().at(&route).await.unwrap();
        let (one, other) = (door("sbx01", &[], None), door("sbx02", &[], None));
        let one = machine.enter(&one).await.unwrap();
        let other = machine.enter(&other).await.unwrap();
        assert_eq!((one.kind, other.kind), (SessionKind::Agent, SessionKind::Agent));
        for (session, name) in [(&one.session, "sbx01"), (&other.session, "sbx02")] {
            assert_eq!(output(session.as_ref(), &["printenv", "SANDBOXER_SANDBOX"]).await, format!("{name}\n"));
        }
        // What the one runs, the other does not see.
        let running = one.session.exec(ExecRequest::new(["sleep", "1000"])).await.unwrap();
        let pids = |commands: Vec<sandboxer_reach::CommandInfo>| {
            commands.iter().map(|command| command.pid).collect::<Vec<_>>()
        };
        assert!(pids(one.session.commands().await.unwrap()).contains(&running.pid()));
        assert!(!pids(other.session.commands().await.unwrap()).contains(&running.pid()));
        running.input().signal(9).await.unwrap();
        assert_eq!(
            output(machine.session().await.unwrap().session.as_ref(), &["sh", "-c", "echo ${SANDBOXER_SANDBOX-none}"])
                .await,
            "none\n"
        );
    }
}

#[tokio::test]
async fn a_sandbox_is_entered_by_words() {
    let place = Place::new();
    for route in place.routes() {
        let machine = place.ways().at(&route).await.unwrap();
        for (name, agent_path) in [("sbx03", None), ("sbx04", Some(PROGRAM))] {
            let name = format!("{name}-{}", std::process::id());
            let entered = machine.enter(&door(&name, &ENTER, agent_path)).await.unwrap();
            assert_eq!(entered.kind, SessionKind::Agent);
            let session = entered.session.as_ref();
            assert_eq!(output(session, &["printenv", "INSIDE"]).await, "it's $(inside)\n");
            if agent_path.is_some() {
                assert_eq!(output(session, &["pwd"]).await, "/usr\n");
            }
            assert_eq!(output(session, &["printenv", "SANDBOXER_SANDBOX"]).await, format!("{name}\n"));
        }
    }
}

#[tokio::test]
async fn a_sandbox_that_cannot_be_entered_says_so() {
    let place = Place::new();
    for route in place.routes() {
        let machine = place.ways().at(&route).await.unwrap();
        for agent_path in [None, Some(PROGRAM), Some("/none")] {
            let error = machine.enter(&door("sbx05", &["false"], agent_path)).await.unwrap_err();
            assert!(error.hint().is_some(), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_machine_behind_another_is_reached_through_it() {
    let place = Place::new();
    let machine = place.ways().at(&place.roundabout()).await.unwrap();
    let entered = machine.enter(&door("sbx06", &[], None)).await.unwrap();
    assert_eq!(output(entered.session.as_ref(), &["echo", "there"]).await, "there\n");
    machine.place_lease("sbx06", Duration::from_secs(600), &[]).await.unwrap();
    // The same machine, whichever way one comes.
    let straight = place.ways().at(&place.routes()[1]).await.unwrap();
    assert_eq!(straight.leases().await.unwrap()[0].name, "sbx06");
    straight.release_lease("sbx06").await.unwrap();
    place.sshd().stop();
    assert!(place.ways().at(&place.roundabout()).await.unwrap().session().await.is_err());
}

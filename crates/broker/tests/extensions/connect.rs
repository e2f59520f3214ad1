//! The way into a sandbox whose extension has to be asked for it.

use crate::{Files, create, detail, show, with};
use sandboxer_broker::{Broker, Control, Entrance};
use sandboxer_sdk::Connection;
use sandboxer_testing::Machine;
use sandboxer_types::{ConditionKind, ErrorKind, Failure, Reachability, Residue, SandboxId};

async fn enter(machine: &Machine, id: &SandboxId) -> Result<Entrance, Failure> {
    with(machine, async |b: &Broker| b.enter(id).await).await
}

fn offering(machine: &Machine) -> Files {
    let files = Files::new();
    files.write_manifest(&Files::manifest().replace("extend]", "extend, connect]"));
    machine.use_catalog(files.given());
    files
}

#[tokio::test]
async fn there_is_no_session_only_where_neither_serves() {
    let machine = Machine::new().expect("a folder");
    let id = create(&machine).await.expect("made").sandbox_id;
    let nothing = detail(&show(&machine, &id).await, ConditionKind::NoSession).expect("no way").to_owned();
    assert!(nothing.contains("no way"), "{nothing}");
    let failure = enter(&machine, &id).await.err().expect("no way");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Unsupported, Residue::Present));

    let _files = offering(&machine);
    assert_eq!(detail(&show(&machine, &id).await, ConditionKind::NoSession), None);
    assert!(machine.world.take_calls().iter().all(|call| call.verb != "connect"), "a look asks nobody");
}

#[tokio::test]
async fn an_ssh_address_is_a_way_and_the_machine_is_asked() {
    let machine = Machine::new().expect("a folder");
    let reachability = Reachability { ssh: Some("me@box".to_owned()), ..Reachability::default() };
    machine.world.answer(|answers| answers.reachability = Some(reachability));
    let id = create(&machine).await.expect("made").sandbox_id;
    let status = show(&machine, &id).await;
    assert_eq!(detail(&status, ConditionKind::NoSession), None);
    enter(&machine, &id).await.expect("a way in");
    machine.world.machines(|park| park.is_down = true);
    let failure = enter(&machine, &id).await.err().expect("nobody answers");
    assert_eq!((failure.message.as_str(), failure.residue), ("the machine is down", Residue::Present));
}

#[tokio::test]
async fn every_stream_is_asked_for_anew_and_comes_from_what_is_named() {
    let machine = Machine::new().expect("a folder");
    let _files = offering(&machine);
    let id = create(&machine).await.expect("made").sandbox_id;
    machine.world.take_calls();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("agent.sock");
    let listener = tokio::net::UnixListener::bind(&socket).expect("a short path");
    let named = Connection::Socket { socket: socket.to_str().expect("a plain path").to_owned() };
    machine.world.answer(|answers| answers.connection = Some(named));
    let argv = Connection::Argv { argv: vec!["cat".to_owned()] };
    for round in 0..3 {
        if round == 2 {
            machine.world.answer(|answers| answers.connection = Some(argv.clone()));
        }
        enter(&machine, &id).await.expect("a stream; that an agent answers shows with the first call");
    }
    let calls = machine.world.take_calls();
    assert_eq!(calls.iter().filter(|call| call.verb == "connect").count(), 3);
    for _ in 0..2 {
        listener.accept().await.expect("somebody came");
    }
}

#[tokio::test]
async fn a_way_that_is_none_is_said() {
    let machine = Machine::new().expect("a folder");
    let _files = offering(&machine);
    let id = create(&machine).await.expect("made").sandbox_id;
    let words = |words: &[&str]| Connection::Argv { argv: words.iter().map(|word| (*word).to_owned()).collect() };
    let socket = |path: &str| Connection::Socket { socket: path.to_owned() };
    let url = Connection::Url { url: "wss://box/?token=canary".to_owned(), headers: [].into() };
    for (connection, kind, said) in [
        (words(&[]), ErrorKind::ContractViolation, "`argv`"),
        (words(&["", "x"]), ErrorKind::ContractViolation, "`argv`"),
        (words(&["ssh", "a\0b"]), ErrorKind::ContractViolation, "`argv`"),
        (socket("agent.sock"), ErrorKind::ContractViolation, "`socket`"),
        (url, ErrorKind::Unsupported, "WebSocket"),
        (words(&["/nowhere/at/all"]), ErrorKind::Unavailable, "/nowhere/at/all"),
    ] {
        machine.world.answer(|answers| answers.connection = Some(connection));
        let failure = enter(&machine, &id).await.err().expect("no way");
        assert_eq!((failure.kind, failure.residue), (kind, Residue::Present), "{failure}");
        assert!(failure.message.contains(said) && !format!("{failure:?}").contains("canary"), "{failure:?}");
    }
}

#[tokio::test]
async fn an_agents_socket_needs_no_extension_and_one_to_ask_does() {
    let machine = Machine::new().expect("a folder");
    let files = offering(&machine);
    let asked = create(&machine).await.expect("made").sandbox_id;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("agent.sock");
    let _listener = tokio::net::UnixListener::bind(&socket).expect("a short path");
    let agent = Some(format!("unix:{}", socket.display()));
    machine.world.answer(|answers| answers.reachability = Some(Reachability { agent, ..Reachability::default() }));
    let direct = create(&machine).await.expect("made").sandbox_id;
    files.remove_manifest();
    enter(&machine, &direct).await.expect("nobody has to be asked");
    let failure = enter(&machine, &asked).await.err().expect("nobody can be asked");
    assert!(failure.message.contains("`ext.fake` has to be asked"), "{failure}");
}

//! What every machine promises to extensions.

use crate::place::Place;
use sandboxer_extensions::machine::{FakeMachine, Machine, Machines, ReachedMachines};
use sandboxer_reach::Route;
use sandboxer_sdk::CommandLine;
use sandboxer_sdk::testing::FakeHost;
use sandboxer_types::Failure;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

async fn run(machine: &dyn Machine, words: &[&str]) -> (i32, String) {
    let output = machine.run(&CommandLine::new(words.iter().copied()), LIMIT).await.unwrap();
    (output.status, output.text())
}

/// `folder` is one of the machine's that is empty; `source` one of this machine's.
async fn keeps_its_promises(machine: Arc<dyn Machine>, folder: &str, source: &std::path::Path) {
    let machine = machine.as_ref();
    assert_eq!(run(machine, &["true"]).await.0, 0);
    assert_eq!(run(machine, &["false"]).await.0, 1);
    assert_eq!(run(machine, &["no-such-program"]).await.0, 127);
    let file = format!("{folder}/deep/it's $(id)");
    run(machine, &["mkdir", "-p", &format!("{folder}/deep")]).await;
    let written = CommandLine::new(["tee", &file]).with_stdin(b"a\nb".to_vec());
    assert_eq!(machine.run(&written, LIMIT).await.unwrap().stdout, b"a\nb");
    assert_eq!(run(machine, &["cat", &file]).await, (0, "a\nb".to_owned()));
    assert_eq!(run(machine, &["ls", &format!("{folder}/deep")]).await, (0, "it's $(id)".to_owned()));
    assert_eq!(run(machine, &["test", "-e", &file]).await.0, 0);
    run(machine, &["rm", "-rf", &format!("{folder}/deep")]).await;
    assert_eq!(run(machine, &["test", "-e", &file]).await.0, 1);
    let missing = machine.run(&CommandLine::new(["cat", &file]), LIMIT).await.unwrap();
    assert!(!missing.success() && !missing.stderr.is_empty());

    std::fs::write(source.join("one"), "1").unwrap();
    std::fs::write(source.join("two"), "22").unwrap();
    let target = format!("{folder}/tree");
    let first = machine.sync(source, &target).await.unwrap();
    assert_eq!((first.entries >= 2, first.sent >= 2, first.bytes), (true, true, 3));
    assert_eq!(machine.sync(source, &target).await.unwrap().sent, 0);
    std::fs::write(source.join("two"), "333").unwrap();
    let second = machine.sync(source, &target).await.unwrap();
    assert_eq!((second.sent, second.bytes), (1, 3));
    assert_eq!(run(machine, &["cat", &format!("{target}/two")]).await.1, "333");
    run(machine, &["rm", "-rf", &target]).await;

    let path = machine.agent_path().await.unwrap();
    assert!(path.starts_with('/'), "{path}");
    machine.release_lease("never-placed").await.unwrap();
    machine.place_lease("sbx01", Duration::from_secs(600), &["false".to_owned()]).await.unwrap();
    machine.place_lease("sbx01", Duration::from_secs(900), &["true".to_owned()]).await.unwrap();
    machine.release_lease("sbx01").await.unwrap();
}

#[tokio::test]
async fn one_in_memory() {
    let fake = FakeMachine::new(FakeHost::new().file("/srv/empty/.keep", ""));
    let source = tempfile::tempdir().unwrap();
    let machine = fake.open(&sandboxer_reach::Route::Here).await.unwrap();
    keeps_its_promises(machine, "/srv/empty", source.path()).await;
    assert!(fake.leases().is_empty());
    fake.host().set_down(true);
    assert!(fake.open(&sandboxer_reach::Route::Here).await.is_err());
}

#[tokio::test]
async fn this_one_and_one_behind_ssh() {
    let place = Place::new();
    let machines = ReachedMachines::new(place.ways(), [("HERE".to_owned(), "set".to_owned())].into());
    for (route, name) in place.routes().iter().zip(["here", "there"]) {
        let source = tempfile::tempdir().unwrap();
        let folder = place.path("work").join(name);
        std::fs::create_dir(&folder).unwrap();
        let machine = machines.open(route).await.unwrap();
        keeps_its_promises(Arc::clone(&machine), folder.to_str().unwrap(), source.path()).await;
        let here = run(machine.as_ref(), &["sh", "-c", "echo ${HERE-unset}"]).await.1;
        assert_eq!(here, if *route == Route::Here { "set" } else { "unset" });
        // The agent can be run by anybody who may read it.
        let path = machine.agent_path().await.unwrap();
        assert_eq!(run(machine.as_ref(), &[&path, "agent", "--envd-version"]).await.0, 0);
    }
}

#[tokio::test]
async fn an_answer_with_a_hole_in_it_is_none() {
    let place = Place::new();
    let machines = ReachedMachines::new(place.ways(), Default::default());
    let machine = machines.open(&Route::Here).await.unwrap();
    let words = ["/bin/sh", "-c", "head -c 70000000 /dev/zero; printf 'looked\n'; exit \"$1\"", "sh"];
    let ending = |status| CommandLine::new(words.into_iter().chain([status]));
    let failure = machine.run(&ending("0"), LIMIT).await.unwrap_err();
    assert_eq!(failure.kind, sandboxer_types::ErrorKind::Unavailable);
    // One that failed says so all the same.
    assert_eq!(machine.run(&ending("3"), LIMIT).await.unwrap().status, 3);
}

#[tokio::test]
async fn a_lease_that_nobody_renews_is_ended_there() {
    let place = Place::new();
    for (route, name) in place.routes().iter().zip(["here", "there"]) {
        let machine = place.ways().at(route).await.unwrap();
        let gone = place.path("work").join(name);
        std::fs::create_dir(&gone).unwrap();
        let expire = ["rmdir", gone.to_str().unwrap()].map(str::to_owned);
        machine.place_lease("sbx01", Duration::from_millis(300), &expire).await.unwrap();
        let mut left = machine.leases().await.unwrap();
        while !left.is_empty() {
            left = machine.leases().await.unwrap();
        }
        assert!(!gone.exists());
    }
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_is_killed() {
    let place = Place::new();
    let machines = ReachedMachines::new(place.ways(), [("HERE".to_owned(), "set".to_owned())].into());
    for (route, name) in place.routes().iter().zip(["here", "there"]) {
        let machine = machines.open(route).await.unwrap();
        let noted = place.path("work").join(name);
        let script = format!("echo $$ > {0}.part; mv {0}.part {0}; sleep 1000", noted.display());
        let command = CommandLine::new(["/bin/sh", "-c", &script]);
        let begun = async {
            while !noted.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = machine.run(&command, LIMIT) => panic!("{ended:?}"),
            () = begun => {}
        }
        let pid = std::fs::read_to_string(&noted).unwrap().trim().to_owned();
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let late = machine.run(&CommandLine::new(["sleep", "1000"]), Duration::from_millis(100)).await;
        let failure: Failure = late.unwrap_err();
        assert_eq!(failure.kind, sandboxer_types::ErrorKind::Deadline);
    }
}

#[tokio::test]
async fn a_later_version_renews_and_releases_what_an_earlier_one_placed() {
    let place = Place::new();
    // The same program, and yet another file.
    let later = place.path("later");
    std::fs::copy(crate::place::PROGRAM, &later).unwrap();
    let mut file = std::fs::File::options().append(true).open(&later).unwrap();
    std::io::Write::write_all(&mut file, &[0]).unwrap();
    drop(file);
    for route in &place.routes() {
        let earlier = place.ways().at(route).await.unwrap();
        earlier.place_lease("sbx01", Duration::from_secs(600), &["false".to_owned()]).await.unwrap();
        let later = place.ways_of(&later).at(route).await.unwrap();
        // By a relay of its own, as when it comes for the first time.
        later.close().await.unwrap();
        later.place_lease("sbx01", Duration::from_secs(6000), &["true".to_owned()]).await.unwrap();
        let leases = earlier.leases().await.unwrap();
        assert_eq!(leases.len(), 1);
        assert!(leases[0].remaining.unwrap() > Duration::from_secs(600), "{leases:?}");
        later.release_lease("sbx01").await.unwrap();
        assert!(earlier.leases().await.unwrap().is_empty());
    }
}

//! What breaks in the middle, and what is never said to be done when it was not.

use crate::support::{Sandbox, Scene};
use sandboxer_machinery::Compose;
use sandboxer_sdk::SandboxExtension;
use sandboxer_types::{ErrorKind, Residue};
use serde_json::json;
use std::time::Duration;

const SMALL: &str = "
services:
  web: {image: busybox, command: [sleep, '1000'], volumes: ['kept:/kept'], build: {context: ., dockerfile_inline: 'FROM busybox'}}
volumes: {kept: {}}
";

/// Without a build, which takes its time.
const SMALLER: &str =
    "services: {web: {image: busybox, command: [sleep, '1000'], volumes: ['kept:/kept']}}\nvolumes: {kept: {}}\n";

#[tokio::test]
async fn the_machine_may_be_lost_before_every_step() {
    lost_at_every_step(Scene::new(Compose::Plugin)).await;
}

#[tokio::test]
async fn the_answer_to_every_step_may_be_lost() {
    let mut scene = Scene::new(Compose::Plugin);
    scene.lose_answers();
    lost_at_every_step(scene).await;
}

async fn lost_at_every_step(scene: Scene) {
    let repository = scene.repository("app", SMALLER);
    let patience = |left: Option<usize>| *scene.there.patience.lock().expect("nobody panics") = left;
    let mut steps = 0;
    loop {
        let sandbox = Sandbox::new(&format!("box-{steps}"), json!({"repo": repository}));
        patience(Some(steps));
        let made = scene.provision(&sandbox).await;
        patience(Some(0));
        let removed = scene.teardown(&sandbox).await;
        patience(None);
        if let Err(failure) = &made {
            assert!(failure.residue.may_exist() || scene.is_empty(), "{failure:#?}");
        }
        // Whatever was done, with the machine gone nothing is said to be removed.
        let failure = removed.expect_err("the machine is gone");
        assert!(failure.residue.may_exist() && failure.kind == ErrorKind::HostUnreachable, "{failure:#?}");
        let report = scene.teardown(&sandbox).await.expect("the machine is back");
        assert!(report.complete, "{report:?}");
        scene.is_clean();
        if made.is_ok() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 6, "only {steps} steps");
}

#[tokio::test]
async fn what_another_attempt_left_is_finished() {
    let scene = Scene::new(Compose::Plugin);
    let repository = scene.repository("app", SMALLER);
    let sandbox = Sandbox::new("box", json!({"repo": repository}));
    for left in [3, 6, 8] {
        *scene.there.patience.lock().expect("nobody panics") = Some(left);
        scene.provision(&sandbox).await.expect_err("lost in the middle");
        *scene.there.patience.lock().expect("nobody panics") = None;
    }
    scene.ready(&sandbox).await;
    let containers = scene.there.host.engine().holdings().containers;
    // Once more, as after an answer that was lost.
    scene.ready(&sandbox).await;
    assert_eq!(scene.there.host.engine().holdings().containers, containers);
    let other = Sandbox::new("box", json!({"repo": repository, "env": {"A": "b"}}));
    let failure = scene.provision(&other).await.expect_err("other inputs");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Conflict, Residue::Present));
    let mut foreign = Sandbox::new("box", json!({"repo": repository}));
    foreign.call.owner = "own02h00000000000000000000000".parse().expect("an owner");
    let failure = scene.provision(&foreign).await.expect_err("another owner's");
    assert_eq!(failure.kind, ErrorKind::Conflict);
    scene.teardown(&foreign).await.expect_err("another owner's");
    assert_eq!(scene.there.host.engine().holdings().containers, containers);
    assert!(scene.teardown(&sandbox).await.expect("removed").complete);
    scene.is_clean();
}

#[tokio::test]
async fn a_service_that_fails_is_told_with_its_last_words() {
    let scene = Scene::new(Compose::Plugin);
    for (number, (compose, word)) in [
        ("services: {web: {image: busybox, command: [sh, -c, 'echo out of luck; exit 3']}}\n", "status 3"),
        (
            "services: {web: {image: busybox, command: [sh, -c, 'echo out of luck; sleep 1000'], healthcheck: \
             {test: ['CMD', 'false'], interval: 1s, retries: 1}}}\n",
            "unhealthy",
        ),
        (
            "services:\n  web: {image: busybox, command: [sleep, '1000'], depends_on: {db: {condition: service_healthy}}}\n  \
             db: {image: busybox, command: [sh, -c, 'echo out of luck; exit 4'], healthcheck: {test: ['CMD', 'true']}}\n",
            "status 4",
        ),
        (
            "services: {web: {image: busybox, restart: always, command: [sh, -c, 'echo out of luck; exit 5']}}\n",
            "status 5",
        ),
        ("services: {web: {image: busybox, command: [sh, -c, 'echo out of luck']}}\n", "has ended"),
    ]
    .into_iter()
    .enumerate()
    {
        let sandbox = Sandbox::new(&format!("box-{number}"), json!({"repo": scene.repository("app", compose)}));
        let failure = match scene.provision(&sandbox).await {
            Ok(handle) => scene.extension.wait_ready(&sandbox.call, &handle).await.expect_err(word),
            Err(failure) => failure,
        };
        assert_eq!((failure.kind, failure.residue), (ErrorKind::NotReady, Residue::Present), "{failure:#?}");
        assert!(failure.message.contains(word) && failure.message.contains("out of luck"), "{failure:#?}");
        assert!(scene.teardown(&sandbox).await.expect("removed").complete);
    }
    scene.is_clean();
}

#[tokio::test]
async fn an_engine_that_is_down_or_hangs_is_no_success() {
    let scene = Scene::new(Compose::Plugin);
    let sandbox = Sandbox::new("box", json!({"repo": scene.repository("app", SMALL)}));
    scene.ready(&sandbox).await;
    scene.there.host.engine().stop();
    let failure = scene.teardown(&sandbox).await.expect_err("no engine");
    assert!(failure.residue.may_exist() && failure.kind == ErrorKind::Unavailable, "{failure:#?}");
    let mut other = Sandbox::new("other", json!({"repo": scene.repository("app", SMALL)}));
    let failure = scene.provision(&other).await.expect_err("no engine");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Unavailable, Residue::None), "{failure:#?}");
    scene.there.host.engine().start_again();
    let status = scene.extension.status().expect("it has that").status(&sandbox.call, &sandbox.minimal()).await;
    assert_eq!(status.expect("it answers").state, sandboxer_sdk::ObservedState::Stopped);
    scene.there.host.engine().freeze();
    other.call.deadline = tokio::time::Instant::now() + Duration::from_secs(2);
    let failure = scene.provision(&other).await.expect_err("it hangs");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Deadline, Residue::None), "{failure:#?}");
    scene.there.host.engine().thaw();
    let report = scene.teardown(&sandbox).await.expect("removed");
    assert!(report.complete && report.removed.iter().any(|one| one.starts_with("image ")), "{report:?}");
    scene.is_clean();
}

#[tokio::test]
async fn the_lease_removes_the_same() {
    let scene = Scene::new(Compose::Plugin);
    let sandbox = Sandbox::new("box", json!({"repo": scene.repository("app", SMALL)}));
    scene.ready(&sandbox).await;
    let leases = scene.there.leases();
    let expire: Vec<&str> = leases["box-00000000"].iter().map(String::as_str).collect();
    assert!(scene.there.run(&expire).await.success());
    let report = scene.teardown(&sandbox).await.expect("it is gone already");
    assert!(report.complete && report.removed == ["lease"], "{report:?}");
    scene.is_clean();
}

#[tokio::test]
async fn a_wait_that_is_given_up_says_what_for_and_changes_nothing() {
    let scene = Scene::new(Compose::Plugin);
    let compose = "services: {web: {image: busybox, command: [sleep, '1000'], healthcheck: {test: ['CMD', 'false'], \
                   interval: 1s, retries: 1000}}}\n";
    let mut sandbox = Sandbox::new("box", json!({"repo": scene.repository("app", compose)}));
    let handle = scene.provision(&sandbox).await.expect("made");
    let cancel = sandbox.call.cancel.clone();
    let (waited, ()) = tokio::join!(scene.extension.wait_ready(&sandbox.call, &handle), async { cancel.cancel() });
    let failure = waited.expect_err("cancelled");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Cancelled, Residue::Present), "{failure:#?}");
    sandbox.call.cancel = Default::default();
    sandbox.call.deadline = tokio::time::Instant::now() + Duration::from_secs(3);
    let failure = scene.extension.wait_ready(&sandbox.call, &handle).await.expect_err("too late");
    assert_eq!((failure.kind, failure.residue), (ErrorKind::Deadline, Residue::Present), "{failure:#?}");
    assert!(failure.message.contains("`web` is not healthy yet"), "{failure}");
    sandbox.call.deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    assert!(scene.teardown(&sandbox).await.expect("removed").complete);
    scene.is_clean();
}

//! The other compose tools, and repositories that are cloned.

use crate::support::{Sandbox, Scene};
use sandboxer_machinery::Compose;
use sandboxer_sdk::{Recovered, SandboxExtension};
use serde_json::json;

const STACK: &str = "
services:
  web:
    image: busybox
    command: [httpd, -f, -p, '8080', -h, /www]
    ports: ['127.0.0.1:18080:8080']
    volumes: ['./www:/www:ro', 'kept:/kept', /anonymous, 'v:/v', 'v:/seen:ro']
    env_file: in.env
    environment: {COST: 'a$$b'}
    depends_on: [db]
  db: {image: busybox, command: [sleep, '1000']}
volumes: {kept: {}, v: {}}
";

async fn a_stack_stands_and_falls(scene: &Scene) {
    let repository = scene.repository("app", STACK);
    std::fs::create_dir(format!("{repository}/www")).expect("ours");
    std::fs::write(format!("{repository}/www/index.html"), "hello").expect("ours");
    std::fs::write(format!("{repository}/in.env"), "FROM_FILE=yes\n").expect("ours");
    // No setting of the tool, which fails with it.
    std::fs::write(format!("{repository}/.env"), "COMPOSE_REMOVE_ORPHANS=1\n").expect("ours");
    let sandbox = Sandbox::new("box", json!({"repo": repository, "env": {"MINE": "it's"}}));
    let reachability = scene.ready(&sandbox).await;
    let enter = reachability.enter.expect("a container");
    let script = ["sh", "-c", "echo mine >/v/x; [ -d /anonymous ] && echo $COST $FROM_FILE $MINE $(cat /seen/x)"];
    let words: Vec<&str> = enter.iter().map(String::as_str).chain(script).collect();
    assert_eq!(scene.there.run(&words).await.text(), "a$b yes it's mine");
    let port = &reachability.ports.expect("ports")[0];
    assert_eq!((&port["asked"], &port["host_ip"]), (&json!("18080"), &json!("127.0.0.1")));
    let address = format!("http://127.0.0.1:{}/", port["host_port"]);
    assert_eq!(scene.there.run(&["busybox", "wget", "-qO-", &address]).await.text(), "hello");
    let report = scene.teardown(&sandbox).await.expect("removed");
    assert!(report.complete, "{report:?}");
    assert!(scene.there.leases().is_empty());
}

#[tokio::test]
async fn a_program_of_its_own_does() {
    let scene = Scene::new(Compose::Standalone);
    a_stack_stands_and_falls(&scene).await;
    scene.is_clean();
}

#[tokio::test]
async fn a_machine_without_compose_is_told_what_it_lacks() {
    let scene = Scene::new(Compose::EngineAlone);
    let sandbox = Sandbox::new("box", json!({"repo": scene.repository("app", STACK)}));
    let failure = scene.provision(&sandbox).await.expect_err("no compose");
    assert!(failure.hint.expect("a hint").contains("install"), "{}", failure.message);
    scene.is_clean();
}

#[tokio::test]
async fn a_clone_at_a_commit_is_found_again_and_listed() {
    let scene = Scene::new(Compose::Plugin);
    let script = "set -e; git init -q /root/app; cd /root/app; git config user.email a@b; git config user.name a; \
        printf 'services: {web: {image: busybox, command: [sleep, \"1000\"]}}\\n' >compose.yaml; git add .; git commit -qm one; \
        git tag first; echo broken >compose.yaml; git commit -qam two";
    assert!(scene.there.run(&["sh", "-c", script]).await.success());
    let sandbox = Sandbox::new("box", json!({"repo": "file:///root/app", "ref": "first"}));
    scene.ready(&sandbox).await;
    let recover = scene.extension.recover().expect("it has that");
    let found = recover.recover(&sandbox.call, &sandbox.request.host, None).await.expect("it answers");
    let Recovered::Present(handle) = found else { panic!("{found:?}") };
    assert_eq!(handle.text("compose_project"), Some("sandboxer-box"));
    let list = scene.extension.list().expect("it has that");
    let listed = list.list(&sandbox.call, &sandbox.request.host).await.expect("it answers");
    assert_eq!(listed.iter().map(|one| one.sandbox_id.as_str()).collect::<Vec<_>>(), ["box"]);
    let mut foreign = Sandbox::new("box", json!({}));
    foreign.call.owner = "own01h0000000000000000000000".parse().expect("an owner");
    assert!(list.list(&foreign.call, &foreign.request.host).await.expect("it answers").is_empty());
    assert!(scene.teardown(&sandbox).await.expect("removed").complete);
    let found = recover.recover(&sandbox.call, &sandbox.request.host, None).await.expect("it answers");
    assert_eq!(found, Recovered::Absent);
    scene.is_clean();
}

#[tokio::test]
async fn podman_does() {
    let scene = Scene::new(Compose::Podman);
    a_stack_stands_and_falls(&scene).await;
    let podman = |words: &'static [&'static str]| scene.there.run(words);
    assert_eq!(podman(&["podman", "ps", "-aq"]).await.text(), "");
    assert_eq!(podman(&["podman", "volume", "ls", "-q"]).await.text(), "");
    assert_eq!(podman(&["podman", "network", "ls", "--format", "{{.Name}}"]).await.text(), "podman");
}

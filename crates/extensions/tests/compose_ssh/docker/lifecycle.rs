//! From a repository to a stack, and back to nothing.

use crate::support::{Sandbox, Scene};
use sandboxer_machinery::Compose;
use sandboxer_types::{ByteSize, Network, Resources};
use serde_json::{Value, json};

const TWO: &str = "
services:
  web:
    image: busybox
    command: [httpd, -f, -p, '8080', -h, /www]
    container_name: fixed
    ports: ['18080:8080', '127.0.0.1:19000:9000/udp']
    volumes: ['./www:/www:ro', 'kept:/kept']
    depends_on: {db: {condition: service_healthy}, init: {condition: service_completed_successfully}}
  db:
    image: busybox
    command: [sh, -c, 'touch /ready; sleep 1000']
    healthcheck: {test: [CMD, test, -e, /ready], interval: 1s, start_period: 5s}
    volumes: [/anonymous]
  init: {image: busybox, command: ['true'], network_mode: none}
networks: {default: {name: clash, ipam: {config: [{subnet: 10.77.0.0/24}]}}}
volumes: {kept: {name: clash}}
";

#[tokio::test]
async fn two_sandboxes_of_one_repository_stand_side_by_side_and_leave_nothing() {
    let scene = Scene::new(Compose::Plugin);
    let repository = scene.repository("app", TWO);
    std::fs::create_dir(scene.repositories.path().join("app/www")).expect("ours");
    std::fs::write(scene.repositories.path().join("app/www/index.html"), "hello").expect("ours");
    let boxes = ["one", "two"].map(|id| Sandbox::new(id, json!({"repo": repository, "env": {"SAID": "a $b 'c'"}})));
    let mut ports = Vec::new();
    for one in &boxes {
        let reachability = scene.ready(one).await;
        assert_eq!(reachability.compose_project, Some(format!("sandboxer-{}", one.call.sandbox_id)));
        let enter = reachability.enter.expect("a container");
        let inside =
            |words: &[&'static str]| [enter.iter().map(String::as_str).collect::<Vec<_>>(), words.to_vec()].concat();
        // It runs: it says that it is no applet of that name.
        let agent = scene.there.run(&inside(&["/.sandboxer/agent"])).await;
        assert!(String::from_utf8_lossy(&agent.stderr).contains("applet not found"), "{agent:?}");
        assert_eq!(scene.there.run(&inside(&["sh", "-c", "echo $SAID"])).await.text(), "a $b 'c'");
        assert!(scene.there.run(&inside(&["sh", "-c", "touch /.sandboxer/run/x"])).await.success());
        assert!(!scene.there.run(&inside(&["sh", "-c", "touch /.sandboxer/agent"])).await.success());
        let listed = reachability.ports.expect("ports");
        let web = listed.as_array().expect("a list").iter().find(|port| port["port"] == 8080).expect("moved").clone();
        assert_eq!(web["asked"], "18080");
        let address = format!("http://127.0.0.1:{}/", web["host_port"]);
        assert_eq!(scene.there.run(&["busybox", "wget", "-qO-", &address]).await.text(), "hello");
        ports.push(web["host_port"].clone());
        let logs: Vec<String> = serde_json::from_value(reachability.other["logs"].clone()).expect("words");
        assert!(scene.there.run(&logs.iter().map(String::as_str).collect::<Vec<_>>()).await.success());
    }
    assert_ne!(ports[0], ports[1]);
    assert_eq!(scene.there.leases().len(), 2);
    for one in &boxes {
        let report = scene.teardown(one).await.expect("removed");
        assert!(report.complete, "{report:?}");
        assert!(report.removed.iter().any(|one| one.starts_with("container ")), "{report:?}");
        let again = scene.teardown(one).await.expect("nothing to do");
        assert!(again.complete && again.already_absent.len() >= 5, "{again:?}");
    }
    scene.is_clean();
}

#[tokio::test]
async fn a_profile_without_a_network_and_with_limits_is_honoured() {
    let scene = Scene::new(Compose::Plugin);
    let compose = "services: {web: {image: busybox, command: [sleep, '1000'], ports: ['8080:80'], deploy: {resources: {limits: {cpus: '0.1', memory: 1g}}}}}\n";
    let sandbox = Sandbox::new("box", json!({"repo": scene.repository("app", compose)})).with_profile(|profile| {
        profile.network = Network::None;
        profile.resources =
            Resources { cpus: Some(1.0), memory: Some(ByteSize::bytes(64 << 20)), pids: Some(50), disk: None };
    });
    let reachability = scene.ready(&sandbox).await;
    assert!(reachability.ports.is_none());
    assert_eq!(reachability.limits_unenforced.len(), 1, "{:?}", reachability.limits_unenforced);
    let network: Value =
        serde_json::from_str(&scene.there.host.engine().run(&["network", "inspect", "sandboxer-box_default"]))
            .expect("JSON");
    assert_eq!(network[0]["Internal"], true);
    let inspected: Value =
        serde_json::from_str(&scene.there.host.engine().run(&["inspect", "sandboxer-box-web-1"])).expect("JSON");
    let limits = &inspected[0]["HostConfig"];
    assert_eq!(
        (&limits["Memory"], &limits["NanoCpus"], &limits["PidsLimit"]),
        (&json!(64 << 20), &json!(100_000_000), &json!(50))
    );
    assert!(scene.teardown(&sandbox).await.expect("removed").complete);
    scene.is_clean();
}

#[tokio::test]
async fn what_it_builds_is_its_own_and_goes_with_it() {
    let scene = Scene::new(Compose::Plugin);
    let compose = "services:\n  web: {image: app, build: {context: ., dockerfile: in/Dockerfile}, command: [sleep, '1000']}\n  \
        worker: {image: app, command: [sleep, '1000'], depends_on: [web]}\n";
    let repository = scene.repository("app", compose);
    std::fs::create_dir(format!("{repository}/in")).expect("ours");
    std::fs::write(format!("{repository}/in/Dockerfile"), "FROM busybox\nRUN echo built >/built\n").expect("ours");
    scene.there.host.engine().run(&["tag", "busybox", "app"]);
    for (id, build) in [("one", false), ("two", true)] {
        let sandbox = Sandbox::new(id, json!({"repo": repository, "service": "worker", "build": build}));
        let enter = scene.ready(&sandbox).await.enter.expect("a container");
        let words: Vec<&str> = enter.iter().map(String::as_str).chain(["cat", "/built"]).collect();
        assert_eq!(scene.there.run(&words).await.text(), "built");
    }
    for id in ["one", "two"] {
        let report = scene.teardown(&Sandbox::new(id, json!({}))).await.expect("removed");
        assert!(report.complete && report.removed.iter().any(|one| one.starts_with("image ")), "{report:?}");
    }
    // What was called so before is what it was.
    let images = scene.there.host.engine().run(&["image", "ls", "--format", "{{.Repository}}"]);
    assert_eq!(images.lines().filter(|name| *name == "app").count(), 1, "{images}");
    scene.there.host.engine().run(&["rmi", "app"]);
    scene.is_clean();
}

//! From a repository to a stack, and back to nothing.

use crate::support::{Sandbox, Scene};
use sandboxer_machinery::Compose;
use serde_json::json;

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

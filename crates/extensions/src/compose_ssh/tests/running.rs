//! The file that runs.

use super::{at, normalised};
use crate::compose_ssh::inputs::{Place, Plan};
use crate::compose_ssh::names::Names;
use crate::compose_ssh::run_file::{Additions, RunFile, make};
use crate::source::Source;
use sandboxer_sdk::Call;
use sandboxer_types::{Failure, Resources};
use serde_json::json;
use std::collections::BTreeMap;

fn plan() -> Plan {
    Plan {
        source: Source::Directory("/app".into()),
        file: None,
        service: None,
        place: Place::Service,
        build: false,
        env: BTreeMap::from([("COST".to_owned(), "a$b".to_owned())]),
        allowance: Default::default(),
        resources: Resources::default(),
        isolated: false,
    }
}

fn made(text: &str, plan: &Plan) -> Result<RunFile, Failure> {
    let owner = "own01h00000000000000000000000".parse().expect("an owner");
    let call = Call::detached("box".parse().expect("an id"), owner);
    let names = Names::of(&call, "/home/me").expect("plain");
    let labels = names.labels(&call);
    make(normalised(text), &Additions { names: &names, labels, plan, agent: Some("/cache/agent".to_owned()) })
}

#[test]
fn nothing_in_it_clashes_with_another_sandbox_of_the_same_file() {
    let text = "
services:
  web:
    image: app
    build: {context: ., tags: [app], labels: {sandboxer.owner: someone}}
    container_name: fixed
    develop: {watch: []}
    ports: ['8080:80', '127.0.0.1:53:53/udp', '[::1]:1:2']
    networks: {front: {ipv4_address: 10.0.0.2, aliases: [w]}}
    labels: {sandboxer.id: other, com.docker.compose.project: other, mine: a$$b}
    depends_on: [worker]
  worker: {image: app}
networks: {front: {name: fixed, ipam: {config: [{subnet: 10.0.0.0/24}]}, driver_opts: {com.docker.network.bridge.name: br9}}}
volumes: {kept: {name: fixed}}
secrets: {s: {name: fixed, file: ./s}}
";
    let file = made(text, &plan()).expect("good");
    let web = |path: &str| at(&file.document, &format!("services/web/{path}")).clone();
    assert_eq!(file.document["name"], "sandboxer-box");
    assert_eq!(web("ports"), json!(["80/tcp", "127.0.0.1::53/udp", "[::1]::2/tcp"]));
    assert_eq!(web("labels")["sandboxer.ports"], "80/tcp=8080,53/udp=53,2/tcp=1");
    assert_eq!((web("labels")["sandboxer.id"].clone(), web("labels")["mine"].clone()), (json!("box"), json!("a$$b")));
    assert_eq!(web("labels")["com.docker.compose.project"], json!(null));
    // Whoever runs the image by hand makes no part of the sandbox.
    assert_eq!(web("build/labels"), json!({"sandboxer.built": "own01h00000000000000000000000/box"}));
    assert_eq!(
        (web("image"), web("container_name"), web("build/tags")),
        (json!("sandboxer-box-web"), json!(null), json!(null))
    );
    // Whoever uses what is built goes along.
    assert_eq!(at(&file.document, "services/worker/image"), &json!("sandboxer-box-web"));
    assert_eq!(web("networks/front"), json!({"aliases": ["w"]}));
    let front = at(&file.document, "networks/front");
    assert_eq!((&front["name"], &front["ipam"], &front["driver_opts"]), (&json!(null), &json!(null), &json!({})));
    assert_eq!(front["labels"]["sandboxer.id"], "box");
    assert_eq!(at(&file.document, "networks/default/labels/sandboxer.id"), &json!("box"));
    assert_eq!(at(&file.document, "volumes/kept/name"), &json!(null));
    assert_eq!(at(&file.document, "secrets/s/name"), &json!(null));
    assert_eq!(file.remarks.len(), 2, "{:?}", file.remarks);
}

#[test]
fn the_service_that_commands_enter_gets_our_agent_and_the_callers_variables() {
    let text =
        "services: {web: {image: a, tmpfs: /x, depends_on: [db], environment: {A: b}}, db: {image: b, scale: 0}}\n";
    let file = made(text, &plan()).expect("good");
    assert_eq!((file.entered.as_deref(), file.services.as_slice()), (Some("web"), &["web".to_owned()][..]));
    let volumes = at(&file.document, "services/web/volumes");
    let agent = json!({"type": "bind", "source": "/cache/agent", "target": "/.sandboxer/agent", "read_only": true});
    assert_eq!(volumes, &json!([agent]));
    assert_eq!(at(&file.document, "services/web/tmpfs"), &json!(["/x", "/.sandboxer/run:mode=1777,size=1m"]));
    assert_eq!(at(&file.document, "services/web/environment"), &json!({"A": "b", "COST": "a$$b"}));
    assert_eq!(at(&file.document, "services/db/volumes"), &json!(null));
    let host = Plan { place: Place::Host, ..plan() };
    let file = made(text, &host).expect("good");
    assert_eq!((file.entered, at(&file.document, "services/web/volumes")), (None, &json!(null)));
}

#[test]
fn a_volume_without_a_name_is_written_as_every_tool_reads_it() {
    let text = "services: {web: {image: a, volumes: [/anon, {type: volume, target: /b, volume: {}}, \
        {type: volume, target: /c, volume: {nocopy: true}}, {type: volume, target: '/etc:/d'}, 'v:/v']}}\nvolumes: {v: }\n";
    let file = made(text, &plan()).expect("good");
    let volumes = at(&file.document, "services/web/volumes").as_array().expect("a list").clone();
    assert_eq!(volumes[..2], [json!("/anon"), json!("/b")]);
    assert!(volumes[2..].iter().all(serde_json::Value::is_object), "{volumes:?}");
    assert_eq!(volumes[4], json!({"type": "volume", "source": "v", "target": "/v"}));
}

#[test]
fn which_service_commands_enter_must_be_clear() {
    let two = "services: {web: {image: a}, db: {image: b}}\n";
    let failure = made(two, &plan()).expect_err("two");
    assert!(failure.fields[0].field == "inputs.service" && failure.message.contains("`web`"), "{failure:?}");
    let asked = |service: &str| Plan { service: Some(service.to_owned()), ..plan() };
    assert_eq!(made(two, &asked("db")).expect("named").entered.as_deref(), Some("db"));
    made(two, &asked("cache")).expect_err("there is none");
}

#[test]
fn a_network_without_a_way_out_publishes_nothing() {
    let isolated = Plan { isolated: true, ..plan() };
    let file = made("services: {web: {image: a, ports: ['8080:80']}}\n", &isolated).expect("good");
    assert_eq!(at(&file.document, "networks/default/internal"), &json!(true));
    assert_eq!(at(&file.document, "services/web/ports"), &json!(null));
    assert_eq!(file.limits_unenforced.len(), 1);
}

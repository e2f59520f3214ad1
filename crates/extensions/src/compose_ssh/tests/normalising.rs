//! Short forms and long ones mean the same.

use super::{at, normalised};
use crate::compose_ssh::engine::Tool;
use crate::compose_ssh::normalise::normalise;
use serde_json::json;

#[test]
fn short_forms_become_long_ones() {
    let document = normalised(
        "version: '3'
x-mine: 1
services:
  web:
    image: a
    build: ./b
    x-other: 2
    environment: [A=b=c, D]
    labels: [l=m]
    env_file: in.env
    networks: [front]
    depends_on: [db]
    volumes: ['./data:/data:ro', 'kept:/kept', /anonymous, '../out:/out', {type: bind, source: x, target: /x}]
    ports: ['8080:80', '127.0.0.1:9000-9001:90-91/udp', 7000, '[::1]:1:2', {target: 3, published: 4}]
  db: {image: a}
networks: {front: }
volumes: {kept: }
secrets: {s: {file: ./s}}
",
    );
    assert_eq!(at(&document, "services/web/environment"), &json!({"A": "b=c", "D": null}));
    assert_eq!(at(&document, "services/web/env_file"), &json!([{"path": "/p/work/in.env", "required": true}]));
    assert_eq!(at(&document, "services/web/build"), &json!({"context": "/p/work/b"}));
    assert_eq!(at(&document, "services/web/networks"), &json!({"front": null}));
    assert_eq!(at(&document, "secrets/s/file"), &json!("/p/work/s"));
    let volumes = json!([
        {"type": "bind", "source": "/p/work/data", "target": "/data", "read_only": true},
        {"type": "volume", "source": "kept", "target": "/kept"},
        {"type": "volume", "target": "/anonymous"},
        {"type": "bind", "source": "/p/out", "target": "/out"},
        {"type": "bind", "source": "/p/work/x", "target": "/x"},
    ]);
    assert_eq!(at(&document, "services/web/volumes"), &volumes);
    let ports = json!([
        {"target": 80, "published": "8080", "protocol": "tcp"},
        {"target": 90, "published": "9000", "protocol": "udp", "host_ip": "127.0.0.1"},
        {"target": 91, "published": "9001", "protocol": "udp", "host_ip": "127.0.0.1"},
        {"target": 7000, "protocol": "tcp"},
        {"target": 2, "published": "1", "protocol": "tcp", "host_ip": "::1"},
        {"target": 3, "published": "4"},
    ]);
    assert_eq!(at(&document, "services/web/ports"), &ports);
    assert!(!document.contains_key("version") && !document.contains_key("x-mine"));
    assert_eq!(at(&document, "services/web/x-other"), &json!(null));
}

#[test]
fn a_volume_of_one_letter_is_no_drive_of_another_system() {
    // As `docker compose config` resolves `v:/v`, `v:/w:ro` and what stands in the long form.
    let file = json!({"services": {"a": {"volumes": [
        {"type": "volume", "target": "v:/v", "volume": {}},
        {"type": "bind", "source": "v:/w", "target": "ro", "bind": {"create_host_path": true}},
        {"type": "volume", "source": "k", "target": "/k"},
    ]}}, "volumes": {"k": {"labels": {"a": "b"}}}});
    let document = normalise(file, Tool::Plugin, "/p").expect("good");
    let volumes = json!([
        {"type": "volume", "source": "v", "target": "/v"},
        {"type": "volume", "source": "v", "target": "/w", "read_only": true},
        {"type": "volume", "source": "k", "target": "/k"},
    ]);
    assert_eq!(at(&document, "services/a/volumes"), &volumes);
    assert_eq!(at(&document, "volumes"), &json!({"k": {"labels": {"a": "b"}}, "v": {}}));
    let hostile = json!({"services": {"a": {"volumes": [{"type": "volume", "target": "v:/v:rshared"}]}}});
    normalise(hostile, Tool::Plugin, "/p").expect_err("no option");
}

#[test]
fn what_means_nothing_clear_is_refused() {
    for file in [
        json!([]),
        json!({}),
        json!({"services": {}}),
        json!({"services": {"-v": {}}}),
        json!({"services": {"a b": {}}}),
        json!({"services": {"a": []}}),
        json!({"services": {"a": {"volumes": ["a:b:c:d:e"]}}}),
        json!({"services": {"a": {"volumes": ["~/x:/x"]}}}),
        json!({"services": {"a": {"volumes": ["./x:/x:rshared"]}}}),
        json!({"services": {"a": {"volumes": {"x": 1}}}}),
        json!({"services": {"a": {"ports": ["x:y"]}}}),
        json!({"services": {"a": {"ports": [{"target": "22:80"}]}}}),
        json!({"services": {"a": {"ports": [{"target": 80, "host_ip": "0.0.0.0:22"}]}}}),
        json!({"services": {"a": {"ports": ["80/tcp,x"]}}}),
        json!({"services": {"a": {"environment": [1]}}}),
        json!({"services": {"a": {}}, "volumes": ["x"]}),
    ] {
        let shown = file.to_string();
        normalise(file, Tool::Plugin, "/p").expect_err(&shown);
    }
}

#[test]
fn only_what_was_replaced_is_written_so_that_it_is_not_replaced_again() {
    let file = json!({"services": {"a": {"image": "a", "environment": {"COST": "a$b"}}}});
    let podman = normalise(file.clone(), Tool::Podman, "/p").expect("good");
    assert_eq!(at(&podman, "services/a/environment/COST"), &json!("a$$b"));
    let docker = normalise(file, Tool::Plugin, "/p").expect("good");
    assert_eq!(at(&docker, "services/a/environment/COST"), &json!("a$b"));
}

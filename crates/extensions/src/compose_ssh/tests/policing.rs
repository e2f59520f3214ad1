//! Every way to ask for too much has a word, and what is harmless passes.

use super::{at, normalised};
use crate::compose_ssh::allowance::{Allowance, Word};
use crate::compose_ssh::mounting::{examine_places, settle};
use crate::compose_ssh::places::Found;
use crate::compose_ssh::policy::{Refusal, examine, judge};
use sandboxer_types::ErrorKind;
use std::collections::BTreeMap;

/// Refused words of a service, with the rest of the file.
fn words(service: &str, rest: &str) -> Vec<Word> {
    let image = if service.starts_with("image") { "" } else { "image: a, " };
    let document = normalised(&format!("services: {{web: {{{image}{service}}}, other: {{image: b}}}}\n{rest}"));
    examine(&document).0.into_iter().map(|refusal| refusal.word).collect()
}

#[test]
fn every_power_has_a_word() {
    for (service, word) in [
        ("privileged: true", Word::Privileged),
        ("devices: ['/dev/sda']", Word::Devices),
        ("device_cgroup_rules: ['a *:* rwm']", Word::Devices),
        ("gpus: all", Word::Devices),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}", Word::Devices),
        ("cap_add: [ALL]", Word::Capabilities),
        ("pid: host", Word::HostNamespaces),
        ("pid: 'container:x'", Word::External),
        ("ipc: host", Word::HostNamespaces),
        ("network_mode: host", Word::HostNamespaces),
        ("network_mode: 'ns:/proc/1/ns/net'", Word::HostNamespaces),
        ("userns_mode: host", Word::HostNamespaces),
        ("uts: host", Word::HostNamespaces),
        ("cgroup: host", Word::HostNamespaces),
        ("cgroup_parent: /", Word::HostNamespaces),
        ("userns_mode: 'private:x'", Word::HostNamespaces),
        ("network_mode: bridge", Word::External),
        ("network_mode: 'bridge:ip=10.88.0.9'", Word::External),
        ("network_mode: 'container:x'", Word::External),
        ("annotations: {run.oci.hooks.stdout: /etc/x}", Word::OtherKeys),
        ("logging: {driver: json-file, options: {path: /etc/x}}", Word::OtherKeys),
        ("volumes: [{type: bind, source: x, target: /x, bind: {selinux: 'O,upperdir=/etc'}}]", Word::OtherKeys),
        ("volumes: [{type: tmpfs, target: '/x,src=/etc'}]", Word::OtherKeys),
        ("volumes: [{type: volume, source: v, target: '/x:/y'}]", Word::OtherKeys),
        ("volumes: [{type: volume, source: v, target: /x, volume: {subpath: 'a,src=/etc'}}]", Word::OtherKeys),
        ("volumes: [{type: volume, source: v, target: /x, volume: {propagation: 'x,src=/etc'}}]", Word::OtherKeys),
        ("volumes: [{type: volume, source: ../v, target: /x}]", Word::Mounts),
        ("volumes: [{type: image, source: 'a,src=/etc', target: /x}]", Word::Mounts),
        ("secrets: [{source: s, target: '/x:/y'}]", Word::OtherKeys),
        ("build: {context: ., secrets: [{source: s, target: 'x,src=y'}]}", Word::OtherKeys),
        ("build: {context: ., network: bridge}", Word::External),
        ("build: {context: ., cache_from: ['type=local,src=/root']}", Word::Files),
        ("security_opt: [apparmor=unconfined]", Word::SecurityOptions),
        ("security_opt: ['label:disable']", Word::SecurityOptions),
        ("use_api_socket: true", Word::DockerSocket),
        ("volumes_from: ['container:x']", Word::External),
        ("external_links: [x]", Word::External),
        ("volumes: [{type: bind, source: x, target: /x, bind: {propagation: shared}}]", Word::Mounts),
        ("volumes: [{type: glob, source: '/*', target: /x}]", Word::Mounts),
        ("volumes: [{type: volume, source: /etc, target: /x}]", Word::Mounts),
        ("image: 'docker-archive:/etc/passwd'", Word::Files),
        ("image: '--privileged'", Word::Files),
        ("image: sandboxer-other-web", Word::External),
        ("image: 'docker.io/library/sandboxer-other-web:latest'", Word::External),
        ("image: localhost/sandboxer-other-web", Word::External),
        ("build: {context: ., cache_from: [sandboxer-other-web]}", Word::External),
        ("build: {context: ., additional_contexts: {x: 'docker-image://sandboxer-other-web'}}", Word::External),
        ("build: {context: ., additional_contexts: {x: 'docker-image:///etc'}}", Word::Files),
        ("label_file: x", Word::Files),
        ("credential_spec: {file: x}", Word::Files),
        ("post_start: [{command: [id], privileged: true}]", Word::Privileged),
        ("logging: {driver: syslog, options: {syslog-address: 'tcp://10.0.0.1:1'}}", Word::OtherKeys),
        ("oom_score_adj: -1000", Word::OtherKeys),
        ("runtime: mine", Word::OtherKeys),
        ("provider: {type: mine}", Word::OtherKeys),
        ("extends: {service: other}", Word::OtherKeys),
        ("rootfs: /", Word::OtherKeys),
        ("build: {context: ., privileged: true}", Word::Privileged),
        ("build: {context: ., entitlements: [security.insecure]}", Word::Privileged),
        ("build: {context: ., network: host}", Word::HostNamespaces),
        ("build: {context: ., ssh: [default]}", Word::Files),
        ("build: {context: 'https://example.org/x.git'}", Word::Files),
        ("build: {context: ., additional_contexts: {x: 'https://example.org/x'}}", Word::Files),
        ("build: {context: ., cache_to: ['type=local,dest=/etc']}", Word::OtherKeys),
    ] {
        assert_eq!(words(service, ""), [word], "{service}");
    }
    for (rest, word) in [
        ("volumes: {x: {driver_opts: {type: none, o: bind, device: /etc}}}\n", Word::Mounts),
        ("volumes: {x: {driver: mine}}\n", Word::Mounts),
        ("volumes: {x: {external: true}}\n", Word::External),
        ("networks: {x: {external: true, name: y}}\n", Word::External),
        ("networks: {x: {driver: macvlan}}\n", Word::HostNamespaces),
        ("secrets: {x: {external: true}}\n", Word::External),
        ("configs: {x: {template_driver: y}}\n", Word::OtherKeys),
        ("secrets: {x: {environment: 'A,src=/etc/shadow,type=file'}}\n", Word::OtherKeys),
        ("include: [x.yaml]\n", Word::OtherKeys),
        ("models: {x: {model: y}}\n", Word::OtherKeys),
    ] {
        assert_eq!(words("", rest), [word], "{rest}");
    }
}

#[test]
fn what_is_usual_passes() {
    let usual = "command: [a], entrypoint: null, privileged: false, cap_add: [], cap_drop: [ALL], init: true, user: '0', \
        network_mode: 'service:other', pid: 'service:other', ipc: private, security_opt: ['no-new-privileges:true'], \
        restart: always, ports: ['1:2'], healthcheck: {test: [a]}, logging: {driver: json-file, options: {max-size: 1m}}, secrets: [s, {source: s, target: /s, mode: 256}], ulimits: {nofile: 9}, \
        volumes: ['kept:/kept', /anonymous, {type: tmpfs, target: /t, tmpfs: {size: 10m}}, \
        {type: bind, source: in, target: /in, bind: {create_host_path: true, selinux: z}}], tmpfs: /x, sysctls: {net.core.somaxconn: 1}, \
        post_start: [{command: [a]}], oom_score_adj: 5, deploy: {replicas: 2}, build: {context: ., args: {A: b}}";
    let rest = "volumes: {kept: {driver: local, name: x}}\nnetworks: {n: {driver: bridge, internal: true, ipam: {config: []}}}\n\
        secrets: {s: {environment: A}}\nconfigs: {c: {content: x}}\n";
    assert_eq!(words(usual, rest), []);
    // What the stack builds is called otherwise in the end.
    assert_eq!(words("image: sandboxer-own, build: {context: .}", ""), []);
    assert_eq!(words("image: ghcr.io/someone/sandboxer-own", ""), []);
}

#[test]
fn paths_are_judged_by_what_they_are() {
    let document = normalised(
        "services: {web: {image: a, volumes: ['./in:/a', './link:/b', './sock:/c', '/run:/d', './lost:/e', './odd:/f'], \
         env_file: s.env}}\n",
    );
    let mentions = examine(&document).1;
    let places: BTreeMap<String, Found> = [
        ("/p/work/in", "/p/work/in"),
        ("/p/work/link", "/etc"),
        ("/p/work/sock", "/run/docker.sock"),
        ("/run", "/run"),
        ("/p/work/odd", "/p/work/odd,ro"),
        ("/p/work/s.env", "/root/s.env"),
    ]
    .into_iter()
    .map(|(path, real)| (path.to_owned(), Found::at(real)))
    .collect();
    let refusals = examine_places(&mentions, &places, "/p/work");
    let of = |path: &str| refusals.iter().filter(|one| one.value == path).map(|one| one.word).collect::<Vec<_>>();
    assert_eq!(of("/p/work/in"), []);
    assert_eq!(of("/p/work/link"), [Word::Mounts]);
    // The socket is also below a folder that is mounted.
    assert_eq!(of("/p/work/sock"), [Word::DockerSocket, Word::Mounts, Word::NestedMounts]);
    assert_eq!(of("/run"), [Word::DockerSocket, Word::Mounts]);
    assert_eq!(of("/p/work/lost"), [Word::Mounts]);
    assert_eq!(of("/p/work/odd"), [Word::Mounts]);
    assert_eq!(of("/p/work/s.env"), [Word::Files]);
}

#[test]
fn a_mount_below_one_that_containers_may_change_is_refused() {
    let nested = |outer: &str| {
        let document = normalised(&format!(
            "services: {{web: {{image: a, volumes: ['.:/app{outer}']}}, other: {{image: b, volumes: ['./in:/in:ro']}}}}\n"
        ));
        let mentions = examine(&document).1;
        let paths = mentions.iter().map(|one| (one.path.clone(), Found::at(&one.path)));
        examine_places(&mentions, &paths.collect(), "/p/work")
    };
    assert_eq!(nested("").iter().map(|one| one.word).collect::<Vec<_>>(), [Word::NestedMounts]);
    assert_eq!(nested(":ro"), []);
}

#[test]
fn what_is_handed_to_a_container_lies_in_no_folder_that_another_may_change() {
    let document = normalised(
        "services: {web: {image: a, volumes: ['./a:/a']}, other: {image: b, secrets: [s]}}\nsecrets: {s: {file: ./a/s}}\n",
    );
    let mentions = examine(&document).1;
    let places = mentions.iter().map(|one| (one.path.clone(), Found::at(&one.path))).collect();
    let refusals = examine_places(&mentions, &places, "/p/work");
    assert_eq!(refusals.iter().map(|one| one.word).collect::<Vec<_>>(), [Word::NestedMounts]);
}

#[test]
fn mounts_are_made_of_what_paths_really_are() {
    let mut document = normalised(
        "services: {web: {image: a, volumes: ['./a/link/x:/x', 'kept:/k']}}\nsecrets: {s: {file: ./s}}\nconfigs: {c: {file: ./lost}}\n",
    );
    let places = [("/p/work/a/link/x", "/p/work/b/x"), ("/p/work/s", "/p/work/t"), ("/p/work/lost", "/p/work/o,dd")];
    let places = places.into_iter().map(|(path, real)| (path.to_owned(), Found::at(real))).collect();
    settle(&mut document, &places);
    assert_eq!(at(&document, "services/web/volumes/0/source"), "/p/work/b/x");
    assert_eq!(at(&document, "services/web/volumes/1/source"), "kept");
    assert_eq!(
        (at(&document, "secrets/s/file"), at(&document, "configs/c/file")),
        (&"/p/work/t".into(), &"/p/work/lost".into())
    );
}

#[test]
fn a_build_reads_whichever_file_its_tool_takes() {
    let document = normalised("services: {web: {build: ./b}}\n");
    let mentions = examine(&document).1;
    for name in ["", "/Dockerfile", "/Containerfile", "/.dockerignore"] {
        let path = format!("/p/work/b{name}");
        assert!(mentions.iter().any(|one| one.path == path), "{path}");
    }
}

#[test]
fn a_refusal_names_the_place_the_value_and_the_word() {
    let refusal = |at: &str, word| Refusal { at: at.to_owned(), value: "x".to_owned(), word };
    let refusals =
        || vec![refusal("services.a.pid", Word::HostNamespaces), refusal("services.b.devices", Word::Devices)];
    let failure = judge(refusals(), &Allowance::default()).expect_err("refused");
    assert_eq!(failure.kind, ErrorKind::Forbidden);
    assert!(failure.message.contains("`services.a.pid: x`, `services.b.devices: x`"), "{failure}");
    assert!(failure.hint.as_deref().is_some_and(|hint| hint.contains("[devices, host-namespaces]")), "{failure:?}");
    let failure = judge(refusals(), &Allowance::only(&[Word::Devices])).expect_err("one is left");
    assert_eq!(failure.fields.len(), 1);
    judge(refusals(), &Allowance::only(&[Word::Devices, Word::HostNamespaces])).expect("both are allowed");
}

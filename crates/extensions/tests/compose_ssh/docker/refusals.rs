//! Files that ask for what a sandbox may not have, and inputs that try to be more than they are: nothing happens.

use crate::support::{Sandbox, Scene};
use sandboxer_machinery::Compose;
use sandboxer_types::{ErrorKind, Residue};
use serde_json::json;
use std::os::unix::fs::symlink;

/// What a service asks for, and what would allow it.
const ASKING: [(&str, &str); 14] = [
    ("privileged: true", "privileged"),
    ("devices: [/dev/null]", "devices"),
    ("cap_add: [SYS_ADMIN]", "capabilities"),
    ("pid: host", "host-namespaces"),
    ("network_mode: host", "host-namespaces"),
    ("network_mode: 'container:other'", "external"),
    ("security_opt: ['seccomp:unconfined']", "security-options"),
    ("volumes: ['/var/run/docker.sock:/sock']", "docker-socket"),
    ("volumes: ['/:/all']", "docker-socket"),
    ("volumes: ['../../other:/other']", "mounts"),
    ("volumes: ['./link:/etc2']", "mounts"),
    ("volumes: ['.:/app', './in:/in']", "nested-mounts"),
    ("env_file: link/hostname", "files"),
    ("build: {context: /etc}", "files"),
];

#[tokio::test]
async fn a_file_that_asks_for_too_much_is_refused_by_name_and_leaves_nothing() {
    let scene = Scene::new(Compose::Plugin);
    for (number, (asking, word)) in ASKING.iter().enumerate() {
        let compose = format!("services: {{web: {{image: busybox, {asking}}}}}\n");
        let repository = scene.repository(&format!("app-{number}"), &compose);
        symlink("/etc", format!("{repository}/link")).expect("ours");
        let sandbox = Sandbox::new(&format!("box-{number}"), json!({"repo": repository}));
        let failure = scene.provision(&sandbox).await.expect_err(asking);
        assert_eq!((failure.kind, failure.residue), (ErrorKind::Forbidden, Residue::None), "{asking}: {failure:#?}");
        assert!(failure.message.contains("web"), "{asking}: {failure}");
        assert!(failure.hint.as_deref().is_some_and(|hint| hint.contains(word)), "{asking}: {failure:#?}");
    }
    scene.is_clean();
}

#[tokio::test]
async fn what_the_profile_allows_is_done() {
    let scene = Scene::new(Compose::Plugin);
    let compose = "services: {web: {image: busybox, command: [sleep, '1000'], cap_add: [NET_ADMIN], volumes: ['/etc:/there:ro']}}\n";
    let repository = scene.repository("app", compose);
    let allow = json!({"allow": ["capabilities", "mounts"]});
    let sandbox = Sandbox::new("box", json!({"repo": repository})).with_options(allow);
    let enter = scene.ready(&sandbox).await.enter.expect("a container");
    let words: Vec<&str> = enter.iter().map(String::as_str).chain(["cat", "/there/hostname"]).collect();
    assert!(scene.there.run(&words).await.success());
    assert!(scene.teardown(&sandbox).await.expect("removed").complete);
    scene.is_clean();
}

#[tokio::test]
async fn what_the_compose_tool_would_read_by_itself_stays_in_the_project() {
    let scene = Scene::new(Compose::Plugin);
    scene.there.host.write("/root/secret", "TOKEN=canary\n");
    scene.there.host.write("/root/other.yaml", "services: {other: {image: canary}}\n");
    let image = "services: {web: {image: 'busybox:${TOKEN:-none}'}}\n";
    for (number, (compose, link)) in [
        (image, Some((".env", "/root/secret"))),
        ("services: {web: {image: busybox, env_file: [in.env]}}\n", Some(("in.env", "/root/secret"))),
        ("include: [other.yaml]\nservices: {web: {image: busybox}}\n", Some(("other.yaml", "/root/other.yaml"))),
        ("include: [/root/other.yaml]\nservices: {web: {image: busybox}}\n", None),
        ("services: {web: {extends: {file: ../../../../../../other.yaml, service: other}}}\n", None),
        ("x: &x {env_file: /root/secret}\nservices: {web: {<<: *x, image: busybox}}\n", None),
        ("services: {web: {image: busybox, env_file: '${HOME}/secret'}}\n", None),
    ]
    .into_iter()
    .enumerate()
    {
        let repository = scene.repository(&format!("app-{number}"), compose);
        if let Some((name, target)) = link {
            symlink(target, format!("{repository}/{name}")).expect("ours");
        }
        let sandbox = Sandbox::new(&format!("box-{number}"), json!({"repo": repository}));
        let failure = scene.provision(&sandbox).await.expect_err(compose);
        assert_eq!((failure.kind, failure.residue), (ErrorKind::Forbidden, Residue::None), "{compose}: {failure:#?}");
        assert!(!format!("{failure:?}").contains("canary"), "{failure:#?}");
    }
    scene.is_clean();
}

#[tokio::test]
async fn hostile_inputs_touch_nothing() {
    let scene = Scene::new(Compose::Plugin);
    let plain = scene.repository("app", "services: {web: {image: busybox}}\n");
    for inputs in [
        json!({}),
        json!({"repo": "-oProxyCommand=touch /tmp/x"}),
        json!({"repo": "ext::sh -c id"}),
        json!({"repo": "https://a/x", "ref": "--upload-pack=id"}),
        json!({"repo": plain, "file": "../compose.yaml"}),
        json!({"repo": plain, "file": "/etc/passwd"}),
        json!({"repo": plain, "file": "-x"}),
        json!({"repo": plain, "file": "a\nb"}),
        json!({"repo": plain, "service": "--privileged"}),
        json!({"repo": plain, "service": "$(id)"}),
        json!({"repo": plain, "exec": "host"}),
        json!({"repo": plain, "build": "yes"}),
        json!({"repo": plain, "env": {"A=B": "c"}}),
        json!({"repo": plain, "env": {"A": 1}}),
        json!({"repo": plain, "sandbox_id": "another"}),
        json!({"repo": plain, "unknown": 1}),
    ] {
        let sandbox = Sandbox::new("box", inputs.clone());
        let failure = scene.provision(&sandbox).await.expect_err("hostile");
        assert_eq!((failure.kind, failure.residue), (ErrorKind::InvalidInput, Residue::None), "{inputs}: {failure:#?}");
        assert!(!failure.fields.is_empty(), "{inputs}: {failure:#?}");
    }
    for (inputs, kind) in [
        (json!({"repo": plain, "file": "nowhere.yaml"}), ErrorKind::NotFound),
        (json!({"repo": plain, "service": "nowhere"}), ErrorKind::InvalidInput),
        (json!({"repo": "file:///nowhere/at-all"}), ErrorKind::NotFound),
    ] {
        let failure = scene.provision(&Sandbox::new("box", inputs.clone())).await.expect_err("wrong");
        assert_eq!((failure.kind, failure.residue), (kind, Residue::None), "{inputs}: {failure:#?}");
    }
    scene.is_clean();
}

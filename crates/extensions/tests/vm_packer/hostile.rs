//! Values that should do nothing, and answers that should mean nothing.

use crate::near::{Near, Wish};
use crate::trial;
use libtest_mimic::Trial;
use sandboxer_types::ErrorKind;
use serde_json::json;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("hostile::values_do_nothing", values()),
        trial("hostile::folders_in_the_way_stay", in_the_way()),
        trial("hostile::names_of_folders_mean_nothing", odd_folders()),
        trial("hostile::profiles_that_ask_for_more_are_refused", profiles()),
    ]
}

const HOSTILE: [&str; 14] = [
    "-oProxyCommand=touch /tmp/sandboxer-was-here",
    "x -oProxyCommand=id",
    "a;touch /tmp/sandboxer-was-here",
    "$(touch /tmp/sandboxer-was-here)",
    "`touch /tmp/sandboxer-was-here`",
    "a'b",
    "a\"b",
    "a\nb",
    "../x",
    "a/../../x",
    "",
    " ",
    "a\0b",
    "%h",
];

async fn values() {
    for value in HOSTILE {
        let inputs = [
            json!({"vm": value}),
            json!({"ssh_target": value}),
            json!({"ssh_target": format!("{value}@host")}),
            json!({"vm": "x", "workspace_dir": value}),
            json!({"vm": "x", "workspace_dir": format!("/{value}/../x")}),
            json!({"vm": "x", "repo": value}),
            json!({"vm": "x", "repo": format!("ext::{value}")}),
            json!({"vm": "x", "repo": "https://example.org/x", "ref": format!("-{value}")}),
            json!({"vm": "x", "tunnel_port": value}),
            json!({"vm": "x", "ssh_port": value}),
            json!({"vm": "x", "repo": [value]}),
            json!({"vm": "x", "repo": "https://example.org/x", "ref": {"name": value}}),
            json!({"vm": "x", "no_such_input": value}),
        ];
        for inputs in inputs {
            let near = Near::new();
            let wish = Wish::new(&near, "web", inputs.clone());
            let failure = wish.provision().await.expect_err(&inputs.to_string());
            assert_eq!(failure.kind, ErrorKind::InvalidInput, "{inputs}: {failure}");
            assert!(!failure.residue.may_exist() && !failure.fields.is_empty(), "{inputs}");
            assert!(near.routes().is_empty(), "{inputs}: nobody went anywhere");
        }
    }
    assert!(!std::path::Path::new("/tmp/sandboxer-was-here").exists());
}

async fn in_the_way() {
    let near = Near::new();
    let (folder, elsewhere) = (near.path("sandboxer"), near.path("elsewhere"));
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::create_dir_all(elsewhere.join("web")).expect("made");
    std::fs::write(elsewhere.join("web/kept"), "x").expect("written");
    let wish = Wish::new(&near, "web", json!({"vm": "x"}));
    let put: [&(dyn Fn() + Send + Sync); 4] = [
        &|| std::fs::create_dir(folder.join("web")).expect("made"),
        &|| std::fs::write(folder.join("web"), "a file").expect("written"),
        &|| std::os::unix::fs::symlink(elsewhere.join("web"), folder.join("web")).expect("linked"),
        &|| std::os::unix::fs::symlink("nowhere", folder.join("web")).expect("linked"),
    ];
    for put in put {
        put();
        let failure = wish.provision().await.expect_err("something is there");
        assert_eq!((failure.kind, failure.residue.may_exist()), (ErrorKind::Conflict, false), "{failure}");
        let report = wish.teardown(&wish.minimal()).await.expect("nothing of ours");
        assert!(report.complete && folder.join("web").symlink_metadata().is_ok(), "{report:?}");
        let path = folder.join("web");
        if path.symlink_metadata().expect("there").is_dir() {
            std::fs::remove_dir(path).expect("empty");
        } else {
            std::fs::remove_file(path).expect("ours");
        }
    }
    assert!(elsewhere.join("web/kept").exists());
    wish.nothing_left();
}

async fn odd_folders() {
    for odd in ["it's $(id)", "-rf", "a b;c", "*", "ü"] {
        let near = Near::new();
        let base = near.path(odd);
        let wish = Wish::new(&near, "web", json!({"vm": "x", "workspace_dir": base}));
        let (handle, reachability) = wish.made().await;
        assert_eq!(reachability.remote_dir.as_deref(), base.join("web/work").to_str());
        assert!(wish.teardown(&handle).await.expect("removed").complete);
        assert!(std::fs::read_dir(&base).expect("it stays").next().is_none());
        let wish = Wish::new(&near, "web", json!({"vm": "x", "workspace_dir": format!("~/{odd}/deep")}));
        let (handle, _) = wish.made().await;
        assert!(near.path(odd).join("deep/web/work").exists());
        assert!(wish.teardown(&handle).await.expect("removed").complete);
    }
}

async fn profiles() {
    let refused = [
        (json!({"isolation": "process"}), ErrorKind::Precondition),
        (json!({"isolation": "vm", "options": {"separate_users": true}}), ErrorKind::Precondition),
        (json!({"options": {"separate-users": true}}), ErrorKind::InvalidInput),
        (json!({"options": {"separate_users": "yes"}}), ErrorKind::InvalidInput),
        (json!({"expose": [{"path": "/srv", "mode": "ro"}]}), ErrorKind::Unsupported),
        (json!({"caches": [{"name": "c", "path": "/c", "share": "consumer"}]}), ErrorKind::Unsupported),
    ];
    for (change, kind) in refused {
        let near = Near::new();
        let mut wish = Wish::new(&near, "web", json!({"vm": "x"}));
        let mut profile = json!({"id": "profile.vm", "network": "host"});
        for (name, value) in change.as_object().expect("an object") {
            profile[name] = value.clone();
        }
        wish.profile = serde_json::from_value(profile).expect("a profile");
        let failure = wish.provision().await.expect_err(&change.to_string());
        assert_eq!((failure.kind, failure.residue.may_exist()), (kind, false), "{change}: {failure}");
        assert!(near.routes().is_empty());
    }
    let near = Near::new();
    let mut wish = Wish::new(&near, "web", json!({"vm": "x"}));
    let profile = json!({"id": "profile.vm", "network": "none", "resources": {"memory": "1GiB"}});
    wish.profile = serde_json::from_value(profile).expect("a profile");
    let (handle, reachability) = wish.made().await;
    assert_eq!(reachability.limits_unenforced.len(), 2, "{:?}", reachability.limits_unenforced);
    assert!(wish.teardown(&handle).await.expect("removed").complete);
}

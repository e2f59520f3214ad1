//! Where the record of what was sent is kept.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;

use sandboxer_reach::sync::{SyncOptions, sync};

use crate::support::is_root;
use crate::{Place, git, look, write};

#[tokio::test]
async fn nothing_of_it_is_in_the_folder_where_it_can_be_beside_it() {
    let place = Place::agent().await;
    write(place.here("file"), "x");
    place.same().await;
    let names: Vec<_> = look(&place.root.path().join("there")).into_keys().collect();
    assert_eq!(names, [".work.sandboxer-sync", "work", "work/file"]);
    let mode = place.root.path().join("there/.work.sandboxer-sync").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// A folder whose parent is not the user's.
#[tokio::test]
async fn it_is_in_the_repository_or_in_the_folder_otherwise() {
    if !is_root() {
        return;
    }
    let place = Place::agent().await;
    let options = SyncOptions { user: Some("nobody".to_owned()), ..SyncOptions::default() };
    std::fs::set_permissions(place.root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, record) in [("plain", "plain/.sandboxer-sync"), ("work", "work/.git/sandboxer-sync")] {
        let target = place.root.path().join("there").join(name);
        std::fs::create_dir(&target).unwrap();
        std::os::unix::fs::chown(&target, Some(65534), Some(65534)).unwrap();
        if name == "work" {
            git(&place.here(""), &["init", "-q"]);
        }
        for turn in 0..3 {
            write(place.here("file"), turn.to_string());
            write(place.here(format!("{turn}")), "x");
            if turn > 0 {
                std::fs::remove_file(place.here(format!("{}", turn - 1))).unwrap();
            }
            sync(place.session.as_ref(), &place.here(""), target.to_str().unwrap(), &options).await.unwrap();
        }
        std::fs::remove_file(place.here("2")).unwrap();
        let names = look(&place.root.path().join("there"));
        assert!(!names.contains_key(OsStr::new(&format!("{name}/1"))), "what is gone went: {:?}", names.keys());
        let is_record = |path: &&OsString| {
            let path = path.to_string_lossy();
            path.starts_with(&format!("{name}/")) && path.ends_with("sandboxer-sync")
        };
        let records: Vec<_> = names.keys().filter(is_record).collect();
        assert_eq!(records, [record]);
    }
}

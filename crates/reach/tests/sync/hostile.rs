//! What a sandbox may do to the folder, and a folder to us.

use std::os::unix::fs::symlink;

use sandboxer_reach::ReachErrorKind as Kind;
use sandboxer_reach::sync::{SyncOptions, sync};

use crate::{Place, look, write};

#[tokio::test]
async fn nothing_is_written_or_removed_through_a_link() {
    for place in Place::all().await {
        let outside = place.root.path().join("outside");
        for path in ["folder/file", "folder/gone", "gone/deep/file", "file"] {
            write(place.here(path), path);
        }
        place.same().await;
        for path in ["file", "gone", "deep/file", "folder/file"] {
            write(outside.join(path), "not to be touched");
        }
        let before = look(&outside);
        std::fs::remove_dir_all(place.there("folder")).unwrap();
        std::fs::remove_dir_all(place.there("gone")).unwrap();
        std::fs::remove_file(place.there("file")).unwrap();
        symlink(outside.join("folder"), place.there("folder")).unwrap();
        symlink(&outside, place.there("gone")).unwrap();
        symlink(outside.join("file"), place.there("file")).unwrap();
        // Its own bookkeeping is no way out, either.
        std::fs::remove_dir_all(place.here("gone")).unwrap();
        std::fs::remove_file(place.here("folder/gone")).unwrap();
        place.same().await;
        assert_eq!(look(&outside), before, "{}", place.name);
    }
}

#[tokio::test]
async fn a_record_that_lies_removes_nothing_outside() {
    for place in Place::all().await {
        write(place.here("file"), "x");
        place.same().await;
        let victim = place.root.path().join("there/victim");
        write(&victim, "not to be touched");
        let record = place.root.path().join("there/.work.sandboxer-sync");
        let lies = format!(
            "sandboxer-sync 1\n9999999999.0\0../victim\0{}\0./../victim\0file/../../victim\0",
            victim.display()
        );
        write(&record, lies);
        place.sync().await.unwrap();
        assert!(victim.exists());
        for nonsense in ["", "sandboxer-sync 1\n", "sandboxer-sync 2\nx\0file\0", "\0\0\0"] {
            write(&record, nonsense);
            place.same().await;
        }
        std::fs::remove_file(&record).unwrap();
        symlink(&victim, &record).unwrap();
        symlink(&victim, place.root.path().join("there/.work.sandboxer-sync.new")).unwrap();
        write(place.here("file"), "longer");
        place.same().await;
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "not to be touched", "{}", place.name);
    }
}

#[tokio::test]
async fn what_is_in_the_way_is_told_and_stays() {
    for place in Place::all().await {
        write(place.here("name"), "a file");
        write(place.there("name/own"), "the sandbox's");
        if place.name == "busybox" {
            std::fs::remove_file(place.here("name")).unwrap();
            place.sync().await.unwrap();
            write(place.here("name"), "a file");
        }
        let error = place.sync().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Precondition, "{}: {error}", place.name);
        assert!(place.there("name/own").exists());
    }
}

#[tokio::test]
async fn a_target_is_a_folder_and_no_link() {
    for place in Place::all().await {
        write(place.here("file"), "x");
        let there = place.root.path().join("there");
        std::fs::create_dir(there.join("real")).unwrap();
        symlink("real", there.join("link")).unwrap();
        write(there.join("occupied"), "x");
        for (target, kind) in [
            ("link", Kind::Precondition),
            ("link/", Kind::Precondition),
            ("occupied", Kind::Precondition),
            ("occupied/below", Kind::Precondition),
        ] {
            let target = there.join(target);
            let target = target.to_str().unwrap();
            let error = sync(place.session.as_ref(), &place.here(""), target, &SyncOptions::default()).await;
            assert_eq!(error.unwrap_err().kind(), kind, "{}: {target}", place.name);
        }
        assert!(look(&there.join("real")).is_empty());
        for target in ["", "/", "//", "a\0b"] {
            let error = sync(place.session.as_ref(), &place.here(""), target, &SyncOptions::default()).await;
            assert_eq!(error.unwrap_err().kind(), Kind::InvalidInput, "{target:?}");
        }
        for odd in ["-rf", "it's $(id)", "a\nb", "new/deep/er"] {
            let target = there.join(odd);
            let options = SyncOptions::default();
            let report = sync(place.session.as_ref(), &place.here(""), target.to_str().unwrap(), &options).await;
            assert_eq!(report.unwrap().sent, 1);
            assert_eq!(look(&target), look(&place.here("")), "{odd:?}");
        }
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_read_says_so() {
    let place = Place::agent().await;
    let target = place.root.path().join("there/work");
    for source in ["none", "file"] {
        write(place.here("file"), "x");
        let source = place.here(source);
        let error = sync(place.session.as_ref(), &source, target.to_str().unwrap(), &SyncOptions::default()).await;
        assert_eq!(error.unwrap_err().kind(), Kind::Local);
    }
    assert!(!target.exists());
}

//! What is sent again, what is removed, and what stays.

use std::os::unix::fs::symlink;

use crate::{Place, chmod, touch, write};

#[tokio::test]
async fn only_what_differs_is_sent() {
    for place in Place::all().await {
        for number in 0..50 {
            write(place.here(format!("folder/{number}")), "12345678");
        }
        place.same().await;
        place.settled().await;
        write(place.here("folder/7"), "changed!");
        write(place.here("folder/new"), "");
        let report = place.same().await;
        assert!((2..=4).contains(&report.sent), "{}: {report:?}", place.name);
        chmod(place.here("folder/9"), 0o600);
        touch(place.here("folder/8"), 1_000_000_000, 5);
        let report = place.same().await;
        assert!((2..=4).contains(&report.sent), "{}: {report:?}", place.name);
        place.settled().await;
    }
}

#[tokio::test]
async fn a_change_within_the_same_second_is_a_change() {
    for place in Place::all().await {
        for turn in 0..5 {
            write(place.here("file"), format!("{turn}"));
            place.same().await;
        }
    }
}

#[tokio::test]
async fn what_is_gone_here_goes_there_and_nothing_else() {
    for place in Place::all().await {
        for path in ["a/1", "a/b/2", "c/3", "d/4"] {
            write(place.here(path), path);
        }
        symlink("a", place.here("link")).unwrap();
        place.same().await;
        write(place.there("c/own"), "the sandbox's");
        write(place.there("own/5"), "the sandbox's");
        std::fs::remove_dir_all(place.here("a")).unwrap();
        std::fs::remove_dir_all(place.here("c")).unwrap();
        std::fs::remove_file(place.here("link")).unwrap();
        let report = place.sync().await.unwrap();
        assert_eq!(report.removed, 6 - u64::from(report.removed == 5), "{}: {report:?}", place.name);
        for gone in ["a", "c/3", "link"] {
            assert!(place.there(gone).symlink_metadata().is_err(), "{}: {gone}", place.name);
        }
        for kept in ["c/own", "own/5", "d/4"] {
            assert!(place.there(kept).exists(), "{}: {kept}", place.name);
        }
        // It is the sandbox's by now, whatever happens here.
        write(place.here("c/6"), "");
        place.sync().await.unwrap();
        std::fs::remove_dir_all(place.here("c")).unwrap();
        place.sync().await.unwrap();
        assert!(place.there("c/own").exists());
    }
}

#[tokio::test]
async fn what_the_sandbox_changed_is_as_here_again() {
    for place in Place::all().await {
        write(place.here("file"), "here");
        write(place.here("removed"), "here");
        symlink("file", place.here("link")).unwrap();
        place.same().await;
        write(place.there("file"), "from there");
        std::fs::remove_file(place.there("removed")).unwrap();
        std::fs::remove_file(place.there("link")).unwrap();
        write(place.there("link"), "a file");
        place.same().await;
    }
}

#[tokio::test]
async fn kinds_may_change() {
    for place in Place::all().await {
        write(place.here("one/x"), "1");
        write(place.here("two"), "2");
        symlink("two", place.here("three")).unwrap();
        place.same().await;
        for turn in ["one", "two", "three", "one", "two"] {
            let path = place.here(turn);
            if path.symlink_metadata().unwrap().is_dir() {
                std::fs::remove_dir_all(&path).unwrap();
                symlink("elsewhere", &path).unwrap();
            } else if path.is_symlink() {
                std::fs::remove_file(&path).unwrap();
                write(&path, "file");
            } else {
                std::fs::remove_file(&path).unwrap();
                write(path.join("y"), "folder");
            }
            place.same().await;
        }
    }
}

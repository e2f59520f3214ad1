//! Whatever happens on both sides between syncs, in any order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::{Place, chmod, touch, write};

/// Something that happens to one of a few paths.
#[derive(Debug, Clone)]
enum Happening {
    File(usize, u8),
    Folder(usize),
    Link(usize, usize),
    Removal(usize),
    Mode(usize, u32),
    Time(usize, u32),
    /// In the sandbox.
    Theirs(usize, u8),
    TheirRemoval(usize),
    TheirLink(usize),
    Sync,
}

const PATHS: [&str; 9] = ["a", "a/b", "a/b/c", "a-b", "a.b/c", "d", "d/e", "d/\n", "a/b/é"];

fn happening() -> impl Strategy<Value = Happening> {
    let path = 0..PATHS.len();
    prop_oneof![
        3 => (path.clone(), any::<u8>()).prop_map(|(path, text)| Happening::File(path, text)),
        1 => path.clone().prop_map(Happening::Folder),
        1 => (path.clone(), path.clone()).prop_map(|(path, target)| Happening::Link(path, target)),
        2 => path.clone().prop_map(Happening::Removal),
        1 => (path.clone(), 0..8_u32).prop_map(|(path, mode)| Happening::Mode(path, mode)),
        1 => (path.clone(), 0..3_u32).prop_map(|(path, time)| Happening::Time(path, time)),
        2 => (path.clone(), any::<u8>()).prop_map(|(path, text)| Happening::Theirs(path, text)),
        1 => path.clone().prop_map(Happening::TheirRemoval),
        1 => path.prop_map(Happening::TheirLink),
        4 => Just(Happening::Sync),
    ]
}

fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(status) if status.is_dir() => std::fs::remove_dir_all(path).unwrap(),
        Ok(_) => std::fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Makes room for something at a path: folders above it, and nothing at it.
fn clear(root: &Path, path: &str) -> PathBuf {
    let mut place = root.to_owned();
    for part in Path::new(path).parent().unwrap() {
        place.push(part);
        if !place.symlink_metadata().is_ok_and(|status| status.is_dir()) {
            remove(&place);
            std::fs::create_dir(&place).unwrap();
        }
    }
    let path = root.join(path);
    remove(&path);
    path
}

fn happen(place: &Place, happening: &Happening) {
    let (here, there) = (place.here(""), place.there(""));
    match happening {
        Happening::File(path, text) => write(clear(&here, PATHS[*path]), [*text]),
        Happening::Folder(path) => std::fs::create_dir(clear(&here, PATHS[*path])).unwrap(),
        Happening::Link(path, target) => {
            std::os::unix::fs::symlink(PATHS[*target], clear(&here, PATHS[*path])).unwrap();
        }
        Happening::Removal(path) => remove(&here.join(PATHS[*path])),
        Happening::Mode(path, mode) => {
            let path = here.join(PATHS[*path]);
            if path.symlink_metadata().is_ok_and(|status| !status.is_symlink()) {
                chmod(&path, 0o700 + 0o11 * mode);
            }
        }
        Happening::Time(path, time) => {
            let path = here.join(PATHS[*path]);
            if path.symlink_metadata().is_ok_and(|status| status.is_file()) {
                touch(&path, 1_000_000_000, *time);
            }
        }
        Happening::Theirs(path, text) => write(clear(&there, PATHS[*path]), [*text, 0]),
        Happening::TheirRemoval(path) => remove(&there.join(PATHS[*path])),
        Happening::TheirLink(path) => {
            std::os::unix::fs::symlink("/nowhere", clear(&there, PATHS[*path])).unwrap();
        }
        Happening::Sync => {}
    }
}

/// After a sync, everything of here is there, and what else is there was never here: it is the sandbox's own.
async fn check(place: &Place, ever: &mut BTreeSet<PathBuf>) {
    let theirs: Vec<PathBuf> = crate::look(&place.there("")).into_keys().map(PathBuf::from).collect();
    match place.sync().await {
        Ok(_) => {}
        // Only what the sandbox has put in the way may be an obstacle.
        Err(error) => {
            assert!(error.to_string().contains("things of its own"), "{error}");
            remove(&place.there(""));
            place.sync().await.unwrap();
        }
    }
    let (here, there) = (crate::look(&place.here("")), crate::look(&place.there("")));
    for (name, entry) in &here {
        let found = &there[name];
        assert_eq!((found.0, &found.1), (entry.0, &entry.1), "{name:?}");
    }
    for (name, entry) in &there {
        let is_folder = entry.0 & 0o170_000 == 0o040_000;
        assert!(here.contains_key(name) || theirs.contains(&PathBuf::from(name)), "{name:?}");
        // A folder may stay for what the sandbox has in it.
        let is_own = !ever.contains(Path::new(name));
        assert!(here.contains_key(name) || is_own || is_folder, "{name:?} was sent once, and is gone here");
    }
    *ever = here.into_keys().map(PathBuf::from).collect();
}

#[test]
fn whatever_happens_the_next_sync_makes_both_the_same() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (place, cases) in [(runtime.block_on(Place::agent()), 40), (Place::busybox(), 6)] {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let happenings = proptest::collection::vec(happening(), 1..40);
        runner
            .run(&happenings, |happenings| {
                for folder in ["here", "there"] {
                    let folder = place.root.path().join(folder);
                    remove(&folder);
                    std::fs::create_dir(&folder).unwrap();
                }
                std::fs::create_dir(place.there("")).unwrap();
                let mut ever = BTreeSet::new();
                for happening in happenings.iter().chain([&Happening::Sync]) {
                    happen(&place, happening);
                    if matches!(happening, Happening::Sync) {
                        runtime.block_on(check(&place, &mut ever));
                    }
                }
                Ok(())
            })
            .unwrap();
    }
}

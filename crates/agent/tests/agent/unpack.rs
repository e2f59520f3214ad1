//! Files put into a folder whose names somebody else exchanges.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sandboxer_agent::{AgentError, Unpack, unpack};
use tempfile::TempDir;

/// A folder to put files into, and one beside it that nobody may change.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let root = TempDir::with_prefix("sandboxer-unpack-").unwrap();
        for folder in ["work", "victim/sub"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in ["victim/f", "victim/sub/f", "victim/sub/gone"] {
            std::fs::write(root.path().join(file), "not to be touched").unwrap();
        }
        Self(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// With a record, names to open, to remove, and folders to remove, and files.
    fn put(&self, record: &str, lists: [&str; 3], archive: Option<Vec<u8>>) -> Result<(), AgentError> {
        let lengths = [0, record.len(), lists[0].len(), lists[1].len(), lists[2].len()].map(|length| length as u64);
        let (folder, beside) = (self.path("work"), self.path(".work.sandboxer-sync"));
        let request = Unpack { folder, beside, chosen: 0, lengths, archive: archive.is_some() };
        let mut input = [record, lists[0], lists[1], lists[2]].concat().into_bytes();
        input.extend(archive.unwrap_or_default());
        unpack(&request, input.as_slice())
    }

    fn send(&self, archive: Vec<u8>) -> Result<(), AgentError> {
        self.put("", [""; 3], Some(archive))
    }

    fn assert_victim_is_as_it_was(&self) {
        let names = |folder: &str| {
            let entries = std::fs::read_dir(self.path(folder)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names("victim"), ["f", "sub"]);
        assert_eq!(names("victim/sub"), ["f", "gone"]);
        for file in ["victim/f", "victim/sub/f", "victim/sub/gone"] {
            assert_eq!(std::fs::read_to_string(self.path(file)).unwrap(), "not to be touched");
        }
        assert_ne!(std::fs::metadata(self.path("victim/f")).unwrap().mtime(), 7);
        assert_ne!(std::fs::metadata(self.path("victim/sub")).unwrap().mtime(), 7);
    }
}

/// Of folders (that end with a slash), links (`name>target`) and files.
fn archive(entries: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(7);
        header.set_mode(0o750);
        let (name, target) = entry.split_once('>').map_or((*entry, None), |(name, target)| (name, Some(target)));
        let content: &[u8] = match (target, name.strip_suffix('/')) {
            (Some(target), _) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_link_name(target).unwrap();
                b""
            }
            (None, Some(_)) => {
                header.set_entry_type(tar::EntryType::Directory);
                b""
            }
            (None, None) => b"sent",
        };
        header.set_size(content.len() as u64);
        // As it is written, whatever it is.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn files_links_and_folders_arrive_whole() {
    let place = Place::new();
    place.put("a record", [""; 3], Some(archive(&["a/", "a/b/", "a/b/f", "a/l>b/f", "a/b/", "a/"]))).unwrap();
    let status = |name: &str| std::fs::symlink_metadata(place.path(name)).unwrap();
    for name in ["work/a", "work/a/b", "work/a/b/f"] {
        assert_eq!((status(name).mode() & 0o7777, status(name).mtime()), (0o750, 7), "{name}");
    }
    assert_eq!(std::fs::read_to_string(place.path("work/a/l")).unwrap(), "sent");
    assert_eq!(status("work/a/l").mtime(), 7);
    assert_eq!(std::fs::read_to_string(place.path(".work.sandboxer-sync")).unwrap(), "a record");
    // Each kind instead of another.
    place
        .put("", ["./a\0", "./a/b/f\0./a/none\0", "./a/b\0./none\0"], Some(archive(&["a/b", "a/l/", "a/l/f"])))
        .unwrap();
    place.send(archive(&["a/b>l", "a/l/f>x"])).unwrap();
    assert_eq!(std::fs::read_link(place.path("work/a/b")).unwrap(), Path::new("l"));
    place.send(archive(&["a/b/", "a/l/f/"])).unwrap();
    assert!(status("work/a/b").is_dir() && status("work/a/l/f").is_dir());
    place.send(archive(&["a/b"])).unwrap();
    assert!(status("work/a/b").is_file());
    assert_eq!(std::fs::read_dir(place.path("work/a")).unwrap().count(), 2);
}

#[test]
fn nothing_is_changed_through_a_link_or_a_path_that_leads_out() {
    let place = Place::new();
    let victim = place.path("victim");
    std::fs::create_dir(place.path("work/a")).unwrap();
    for link in ["work/sub", "work/a/sub"] {
        symlink(&victim, place.path(link)).unwrap();
    }
    let absolute = format!("{}/f", victim.display());
    let hostile = [
        "sub/f",
        "sub/sub/f",
        "a/sub/f",
        "a/sub/sub/f",
        "sub/new/",
        "a/sub/l>f",
        "../victim/f",
        &absolute,
        "a/../sub/f",
    ];
    for entry in hostile {
        let error = place.send(archive(&[entry])).unwrap_err().to_string();
        assert!(error.contains(entry.split('>').next().unwrap().trim_end_matches('/')), "{error}");
        place.assert_victim_is_as_it_was();
    }
    for name in ["./sub/f\0", "./a/sub/sub/gone\0", "./../victim/f\0", &format!("{absolute}\0")] {
        assert!(place.put("", [name, "", ""], None).is_err(), "{name}");
        assert!(place.put("", ["", name, ""], None).is_err(), "{name}");
    }
    place.put("", ["", "", "./sub/sub\0./a/sub/sub\0"], None).unwrap();
    place.assert_victim_is_as_it_was();
    // A link that is in the place itself gives way.
    place.send(archive(&["sub/", "sub/f", "a/sub"])).unwrap();
    assert_eq!(std::fs::read_to_string(place.path("work/sub/f")).unwrap(), "sent");
    place.assert_victim_is_as_it_was();
}

#[test]
fn the_folder_itself_is_no_link_and_its_record_follows_none() {
    let place = Place::new();
    std::fs::remove_dir(place.path("work")).unwrap();
    symlink(place.path("victim"), place.path("work")).unwrap();
    let error = place.send(archive(&["f"])).unwrap_err().to_string();
    assert!(error.contains("is a link"), "{error}");
    place.assert_victim_is_as_it_was();
    std::fs::remove_file(place.path("work")).unwrap();
    std::fs::create_dir(place.path("work")).unwrap();
    symlink(place.path("victim/sub"), place.path("work/.git")).unwrap();
    symlink(place.path("victim/f"), place.path("work/.sandboxer-sync")).unwrap();
    for chosen in [2, 3] {
        let (folder, beside) = (place.path("work"), place.path("work/.sandboxer-sync"));
        let request = Unpack { folder, beside, chosen, lengths: [1, 0, 0, 0, 0], archive: false };
        assert_eq!(unpack(&request, b"x".as_slice()).is_ok(), chosen == 3);
        place.assert_victim_is_as_it_was();
    }
    assert!(std::fs::symlink_metadata(place.path("work/.sandboxer-sync")).unwrap().is_file());
}

#[test]
fn what_is_cut_short_is_not_taken_for_whole() {
    let place = Place::new();
    let whole = archive(&["f", "g"]);
    for length in [0, 100, 512, 514, 1024, 1536, 2048] {
        assert!(place.put("record", [""; 3], Some(whole[..length].to_vec())).is_err(), "{length}");
        assert!(!place.path(".work.sandboxer-sync").exists());
        let left = std::fs::read_dir(place.path("work")).unwrap().map(|entry| entry.unwrap());
        assert!(left.into_iter().all(|entry| entry.metadata().unwrap().len() == 4), "{length}");
    }
    place.put("record", [""; 3], Some(whole)).unwrap();
}

#[test]
fn whoever_exchanges_a_folder_for_a_link_leads_nobody_out() {
    let place = Place::new();
    let [sub, away, victim] = ["work/sub", "away", "victim"].map(|name| place.path(name));
    let over = AtomicBool::new(false);
    let (arrived, met) = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Each step may find what an unpacker has just made.
            while !over.load(Ordering::Relaxed) {
                std::fs::remove_dir_all(&away).ok();
                std::fs::rename(&sub, &away).ok();
                symlink(&victim, &sub).ok();
                std::fs::remove_file(&sub).ok();
            }
        });
        let (mut arrived, mut met) = (0, 0);
        for round in 0..1500 {
            let entries: &[&str] = if round % 2 == 0 { &["sub/", "sub/f"] } else { &["sub/f", "sub/sub/f"] };
            let lists = ["./sub\0", "./sub/f\0./sub/sub/gone\0", "./sub/sub\0"];
            match place.put("", if round % 4 < 2 { lists } else { [""; 3] }, Some(archive(entries))) {
                Ok(()) => arrived += 1,
                Err(_) => met += 1,
            }
        }
        over.store(true, Ordering::Relaxed);
        (arrived, met)
    });
    assert!(arrived > 0 && met > 0, "{arrived} {met}");
    place.assert_victim_is_as_it_was();
}

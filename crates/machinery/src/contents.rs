//! What is on a host's disk.

use crate::space::Space;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where it can write; not `/run`, where what runs has its files.
const PLACES: [&str; 4] = ["/root", "/home", "/tmp", "/var/tmp"];

/// Every path in a host's places to write.
pub(crate) fn of(space: &Space) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for place in PLACES {
        collect(&space.path(place), place, &mut found);
    }
    found
}

fn collect(folder: &Path, inside: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = format!("{inside}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &path, found);
        }
        found.insert(path);
    }
}

//! Packages of extensions: added, replaced, changed behind our back, signed, hostile, removed.

use crate::support::{House, Outcome, Transcript, Who};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const MANIFEST: &str = "id: ext.demo
title: A folder
version: VERSION
handler: exec:run.sh
lifecycle: oneshot
capabilities: {isolation_levels: [none], pricing_model: free}
";

const PROFILE: &str = "id: profile.demo
extension: ext.demo
network: host
expose: [{path: ~/.cargo, mode: ro}]
ttl: {default: 10m, max: 1h}
";

/// A sandbox is a folder of its id.
const SCRIPT: &str = r#"#!/bin/sh
read -r line
value() { printf '%s' "$line" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
id=$(value sandbox_id)
answer() { printf '{"jsonrpc":"2.0","id":"%s","result":%s}\n' "$(value call)" "$1"; }
case $(value method) in
describe) answer '{"id":"ext.demo","version":"1.0.0","protocols":[1],"verbs":[],"features":[]}' ;;
provision)
    mkdir -p "$HOME/$id"
    answer '{"handle":{"sandbox_id":"'$id'","host":"localhost"}}' ;;
wait_ready) answer '{"reachability":{"remote_dir":"/"}}' ;;
teardown)
    rmdir "$HOME/$id"
    answer '{"report":{"removed":["the folder"],"already_absent":[],"retained":[],"errors":[],"complete":true}}' ;;
esac
"#;

/// Writes a package into a folder of the working directory.
fn package(house: &House, folder: &str, version: &str) {
    house.write(&format!("{folder}/extensions/ext.demo.yaml"), MANIFEST.replace("VERSION", version));
    let script = house.write(&format!("{folder}/extensions/run.sh"), SCRIPT);
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).expect("ours");
    house.write(&format!("{folder}/profiles/profile.demo.yaml"), PROFILE);
    house.write(&format!("{folder}/README.md"), format!("Demo {version}\n"));
}

/// A file of a package, and something done to it.
type Change = (&'static str, fn(&Path));

/// Runs another program, which must succeed.
#[track_caller]
fn outside(house: &House, words: &[&str]) {
    let output = house.program_command(words[0]).args(&words[1..]).output().expect("it is installed");
    assert!(output.status.success(), "{words:?}: {output:?}");
}

fn packages(house: &House) -> PathBuf {
    house.path("config").join("sandboxer/packages")
}

/// The versions on the disk, drafts included.
fn versions(house: &House) -> usize {
    std::fs::read_dir(packages(house).join(".versions")).map_or(0, Iterator::count)
}

fn trusted(house: &House) -> usize {
    let listed = house.run(&["trust", "ls", "--json"]).succeeded().json();
    listed["directories"].as_array().expect("a list").len()
}

fn status_of_demo(house: &House) -> String {
    let listed = house.run(&["ext", "ls", "--json"]).succeeded().json();
    let rows = listed["extensions"].as_array().expect("a list").clone();
    let row = rows.into_iter().find(|row| row["id"] == "ext.demo");
    row.map_or_else(|| "absent".to_owned(), |row| row["status"].as_str().expect("a text").to_owned())
}

#[test]
fn the_life_of_a_package() {
    let house = House::new(Who::Caller);
    package(&house, "demo", "1.0.0");
    let mut transcript = Transcript::new(&house);
    transcript.run(&["ext", "add", "demo", "--dry-run"]).succeeded();
    assert_eq!((status_of_demo(&house), packages(&house).exists()), ("absent".to_owned(), false));
    transcript.run(&["ext", "add", "demo"]).succeeded();
    transcript.run(&["ext", "ls"]).succeeded();
    transcript.run(&["ext", "show", "demo"]).succeeded();
    transcript.run(&["ext", "check", "demo"]).succeeded();
    transcript.run(&["profile", "ls"]).succeeded();
    let described = house.run(&["ext", "call", "demo", "describe"]).succeeded().json();
    assert_eq!(described["version"], "1.0.0");
    transcript.run(&["ext", "add", "demo"]).succeeded();
    assert_eq!((versions(&house), trusted(&house)), (1, 1));
    transcript.note("a newer version");
    package(&house, "demo", "1.1.0");
    transcript.run(&["ext", "add", "demo", "--dry-run"]).succeeded();
    transcript.run(&["ext", "add", "demo"]).succeeded();
    assert_eq!((versions(&house), trusted(&house)), (1, 1));
    transcript.note("a file of it changes");
    let script = packages(&house).join("demo/extensions/run.sh");
    std::fs::write(&script, "#!/bin/sh\nevil\n").expect("ours");
    transcript.run(&["ext", "show", "demo"]).ended_with(4);
    transcript.run(&["profile", "show", "demo"]).ended_with(4);
    transcript.run(&["ext", "ls"]).succeeded();
    transcript.note("and is made good");
    transcript.run(&["ext", "add", "demo"]).succeeded();
    transcript.run(&["ext", "show", "demo"]).succeeded();
    transcript.run(&["ext", "remove", "ext.demo"]).succeeded();
    assert_eq!((status_of_demo(&house), versions(&house), trusted(&house)), ("absent".to_owned(), 0, 0));
    transcript.run(&["ext", "remove", "demo"]).ended_with(3);
    transcript.run(&["ext", "remove", "local"]).ended_with(4);
    transcript.matches("packages");
}

#[test]
fn archives_are_what_they_are_archives_of() {
    let house = House::new(Who::Caller);
    package(&house, "demo", "1.0.0");
    outside(&house, &["tar", "-cf", "plain.tar", "-C", "demo", "."]);
    outside(&house, &["tar", "-czf", "one-folder.tar.gz", "demo"]);
    outside(&house, &["tar", "-czf", "named.tgz", "-C", "demo", "extensions", "profiles", "README.md"]);
    let added = house.run(&["ext", "add", "plain.tar", "--json"]).succeeded().json();
    assert_eq!((added["act"].as_str(), added["package"].as_str()), (Some("added"), Some("demo")));
    assert_eq!(added["versions"][0]["version"], "1.0.0");
    assert_eq!(added["allows"]["handlers"][0]["handler"], "exec:run.sh");
    for same in ["one-folder.tar.gz", "named.tgz", "demo"] {
        let added = house.run(&["ext", "add", same, "--json"]).succeeded().json();
        assert_eq!(added["act"], "unchanged", "{same}");
    }
    house.run(&["ext", "call", "demo", "describe"]).succeeded();
}

#[test]
fn any_change_makes_all_of_a_package_inert_until_it_is_trusted_or_added_again() {
    let house = House::new(Who::Caller);
    package(&house, "demo", "1.0.0");
    house.run(&["ext", "add", "demo"]).succeeded();
    let place = packages(&house).join("demo");
    let changes: [Change; 5] = [
        ("README.md", |place| std::fs::write(place.join("README.md"), "changed").expect("ours")),
        ("extensions/json.py", |place| std::fs::write(place.join("extensions/json.py"), "new").expect("ours")),
        ("profiles/profile.demo.yaml", |place| {
            std::fs::write(place.join("profiles/profile.demo.yaml"), "id: profile.demo\nextension: ext.demo\n")
                .expect("ours");
        }),
        ("extensions/run.sh", |place| std::fs::remove_file(place.join("extensions/run.sh")).expect("ours")),
        ("link", |place| symlink("/etc/passwd", place.join("link")).expect("ours")),
    ];
    for (file, change) in changes {
        change(&place);
        for typed in [["ext", "show", "demo"], ["profile", "show", "demo"]] {
            let refused = house.run(&typed).ended_with(4);
            assert!(refused.stderr.contains(&format!("whose file `{file}` is not what was added")), "{refused:?}");
            let hint = format!("`sandboxer trust {}`", place.display());
            assert!(refused.stderr.contains(&hint) && refused.stderr.contains("ext add"), "{refused:?}");
        }
        assert_eq!(status_of_demo(&house), "not trusted", "{file}");
        let added = house.run(&["ext", "add", "demo", "--json"]).succeeded().json();
        assert_eq!(added["act"], "replaced", "{file}");
        house.run(&["ext", "show", "demo"]).succeeded();
    }
    std::fs::write(place.join("README.md"), "changed on purpose").expect("ours");
    let place = place.to_str().expect("a plain path").to_owned();
    house.run(&["trust", &place]).succeeded();
    house.run(&["ext", "show", "demo"]).succeeded();
    house.run(&["trust", "rm", &place]).succeeded();
    house.run(&["ext", "show", "demo"]).ended_with(4);
}

#[test]
fn what_is_no_sound_package_is_refused_with_everything_that_is_wrong() {
    let house = House::new(Who::Caller);
    let mut transcript = Transcript::new(&house);
    package(&house, "broken", "1.0.0");
    house.write("broken/extensions/ext.other.yaml", "id: ext.other\ntitel: x\nhandler: exec:missing.sh\n");
    house.write("broken/profiles/profile.lost.yaml", "id: profile.lost\nextension: ext.nowhere\n");
    house.write("broken/profiles/profile.local.yaml", "id: profile.local\nextension: ext.local\nnetwork: host\n");
    transcript.run(&["ext", "add", "broken"]).ended_with(4);
    package(&house, "built-in", "1.0.0");
    house.write("built-in/extensions/ext.local.yaml", MANIFEST.replace("ext.demo", "ext.local"));
    transcript.run(&["ext", "add", "built-in"]).ended_with(4);
    house.write("empty/README.md", "nothing\n");
    transcript.run(&["ext", "add", "empty"]).ended_with(4);
    transcript.run(&["ext", "add", "empty/README.md"]).ended_with(4);
    transcript.run(&["ext", "add", "nowhere"]).ended_with(3);
    package(&house, "two", "1.0.0");
    house.write("two/extensions/ext.more.yaml", MANIFEST.replace("ext.demo", "ext.more"));
    transcript.run(&["ext", "add", "two", "--name", "../two"]).ended_with(4);
    package(&house, "demo", "1.0.0");
    transcript.run(&["ext", "add", "demo"]).succeeded();
    transcript.note("another package with the same id");
    transcript.run(&["ext", "add", "two"]).ended_with(7);
    transcript.run(&["ext", "add", "two", "--name", "demo"]).succeeded();
    transcript.run(&["ext", "remove", "more"]).succeeded();
    transcript.note("one of the user's own");
    let own = house.path("config").join("sandboxer/extensions");
    std::fs::create_dir_all(&own).expect("ours");
    std::fs::write(own.join("ext.own.yaml"), "id: ext.own\ntitle: Mine\nhandler: builtin:local\ncapabilities: {isolation_levels: [none], pricing_model: free}\n").expect("ours");
    transcript.run(&["ext", "remove", "own"]).ended_with(4);
    assert_eq!(versions(&house), 0, "no draft stays");
    transcript.matches("packages-refused");
}

/// An archive of a sound package, and of one entry more, written as it is.
fn archive_with(house: &House, name: &[u8], kind: tar::EntryType, content: &[u8]) -> PathBuf {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", house.work().join("demo")).expect("ours");
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o6755);
    header.set_size(content.len() as u64);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("../../../../trust.json").expect("short");
    }
    header.set_cksum();
    builder.append(&header, content).expect("memory");
    house.write("hostile.tar", builder.into_inner().expect("memory"))
}

#[test]
fn hostile_archives_write_nothing() {
    use tar::EntryType;
    let house = House::new(Who::Caller);
    package(&house, "demo", "1.0.0");
    let victim = house.path("home").join("victim");
    let absolute = victim.to_str().expect("a plain path");
    let cases: [(&[u8], EntryType, &str); 8] = [
        (absolute.as_bytes(), EntryType::Regular, "is an absolute path"),
        (b"../victim", EntryType::Regular, "leads out of the package"),
        (b"extensions/../../../victim", EntryType::Regular, "leads out of the package"),
        (b"extensions/link", EntryType::Symlink, "is a link"),
        (b"extensions/hard", EntryType::Link, "is a link"),
        (b"extensions/pipe", EntryType::Fifo, "is a pipe"),
        (b"extensions/run.sh", EntryType::Regular, "is there twice"),
        (b"extensions/a\nb", EntryType::Regular, "has control characters"),
    ];
    for (name, kind, why) in cases {
        let content: &[u8] = if kind.is_file() { b"x" } else { b"" };
        archive_with(&house, name, kind, content);
        let refused = house.run(&["ext", "add", "hostile.tar"]).ended_with(4);
        assert!(refused.stderr.contains(why), "{refused:?}");
        assert!(!victim.exists() && versions(&house) == 0, "{why}");
        assert_eq!(status_of_demo(&house), "absent");
    }
    archive_with(&house, b"extensions/tool", EntryType::Regular, b"x");
    house.run(&["ext", "add", "hostile.tar"]).succeeded();
    let mode =
        |name: &str| std::fs::metadata(packages(&house).join(name)).expect("is there").permissions().mode() & 0o7777;
    assert_eq!((mode("demo/extensions/tool"), mode("demo/README.md")), (0o755, 0o644));
}

#[test]
fn signatures_are_verified_before_anything_is_unpacked() {
    let house = House::new(Who::Caller);
    package(&house, "demo", "1.0.0");
    outside(&house, &["tar", "-czf", "demo.tar.gz", "demo"]);
    for key in ["maker", "stranger"] {
        outside(&house, &["minisign", "-G", "-W", "-p", &format!("{key}.pub"), "-s", &format!("{key}.key")]);
    }
    let sign = |key: &str, archive: &str, form: &str| {
        let key = format!("{key}.key");
        outside(&house, &["minisign", "-S", form, "-s", &key, "-m", archive, "-t", "demo 1.0.0 by its maker"]);
    };
    let add = |more: &[&str]| house.run(&[&["ext", "add"], more].concat());
    let refused = |outcome: Outcome, why: &str| {
        assert!(outcome.stderr.contains(why), "{outcome:?}");
        assert_eq!((outcome.status, status_of_demo(&house), versions(&house)), (6, "absent".to_owned(), 0));
    };
    refused(add(&["demo.tar.gz", "--public-key", "maker.pub"]), "there is no signature");
    house.write("demo.tar.gz.minisig", "nonsense\n");
    refused(add(&["demo.tar.gz", "--public-key", "maker.pub"]), "does not hold");
    sign("stranger", "demo.tar.gz", "-H");
    refused(add(&["demo.tar.gz", "--public-key", "maker.pub"]), "does not hold");
    for form in ["-H", "-l"] {
        sign("maker", "demo.tar.gz", form);
        let signature = std::fs::read_to_string(house.work().join("demo.tar.gz.minisig")).expect("ours");
        house.write("demo.tar.gz.minisig", signature.replace("its maker", "a liar"));
        refused(add(&["demo.tar.gz", "--public-key", "maker.pub"]), "does not hold");
        house.write("demo.tar.gz.minisig", &signature);
        let mut changed = std::fs::read(house.work().join("demo.tar.gz")).expect("ours");
        *changed.last_mut().expect("not empty") ^= 1;
        house.write("changed.tar.gz", changed);
        refused(
            add(&["changed.tar.gz", "--public-key", "maker.pub", "--signature", "demo.tar.gz.minisig"]),
            "does not hold",
        );
        let text = std::fs::read_to_string(house.work().join("maker.pub")).expect("ours");
        let text = text.lines().nth(1).expect("two lines");
        for key in ["maker.pub", text] {
            let added = add(&["demo.tar.gz", "--public-key", key, "--dry-run"]).succeeded();
            assert!(added.text().contains("  signed    demo 1.0.0 by its maker\n"), "{added:?}");
        }
    }
    let unchecked = add(&["demo.tar.gz", "--dry-run"]).succeeded();
    assert!(unchecked.stderr.contains("demo.tar.gz.minisig` was not checked"), "{unchecked:?}");
    add(&["demo", "--public-key", "maker.pub"]).ended_with(4);
    add(&["demo.tar.gz", "--public-key", "nowhere.pub"]).ended_with(3);
    add(&["demo.tar.gz", "--public-key", "demo/README.md"]).ended_with(4);
    add(&["demo.tar.gz", "--signature", "demo.tar.gz.minisig"]).ended_with(2);
    let added = add(&["demo.tar.gz", "--public-key", "maker.pub", "--json"]).succeeded().json();
    assert_eq!(added["signature"]["trusted_comment"], "demo 1.0.0 by its maker");
}

#[test]
fn a_package_stays_as_long_as_its_sandboxes_need_it() {
    let house = House::new(Who::Caller);
    package(&house, "demo", "1.0.0");
    house.run(&["ext", "add", "demo"]).succeeded();
    house.write("profiles/profile.plain.yaml", "id: profile.plain\nextension: ext.demo\n");
    house.run(&["trust"]).succeeded();
    let mut transcript = Transcript::new(&house);
    for name in ["one", "two"] {
        house.run(&["create", "plain", "--name", name]).succeeded();
    }
    transcript.run(&["ext", "remove", "demo"]).ended_with(7);
    transcript.note("another version may take its place, and removes what the old one made");
    package(&house, "demo", "1.1.0");
    transcript.run(&["ext", "add", "demo"]).succeeded();
    transcript.run(&["rm", "one"]).succeeded();
    transcript.run(&["ext", "remove", "demo", "--force"]).succeeded();
    assert_eq!(status_of_demo(&house), "absent");
    house.run(&["ext", "add", "demo"]).succeeded();
    house.run(&["rm", "two"]).succeeded();
    transcript.run(&["ext", "remove", "demo"]).succeeded();
    transcript.matches("packages-in-use");
}

#[test]
fn what_a_crash_left_counts_for_nothing_and_goes_with_the_next_change() {
    let house = House::new(Who::Caller);
    package(&house, "demo", "1.0.0");
    house.run(&["ext", "add", "demo"]).succeeded();
    package(&house, "demo", "1.1.0");
    // Killed after the files and the trust, and before the link.
    let left = packages(&house).join(".versions/demo-left");
    outside(&house, &["cp", "-r", "demo", left.to_str().expect("a plain path")]);
    house.run(&["trust", left.to_str().expect("a plain path")]).succeeded();
    // Killed while it was unpacked, and between making the link and its rename.
    std::fs::create_dir(packages(&house).join(".versions/.draft-left")).expect("ours");
    symlink("demo-left", packages(&house).join(".versions/.link-left")).expect("ours");
    let version = || house.run(&["ext", "show", "demo", "--json"]).succeeded().json()["manifest"]["version"].clone();
    assert_eq!((version().as_str(), versions(&house), trusted(&house)), (Some("1.0.0"), 4, 2));
    house.run(&["ext", "add", "demo"]).succeeded();
    assert_eq!((version().as_str(), versions(&house), trusted(&house)), (Some("1.1.0"), 1, 1));

    // No trust can be written down: what was there stays.
    let book = house.path("config").join("sandboxer/trust.json");
    let kept = std::fs::read(&book).expect("is there");
    std::fs::write(&book, "nonsense").expect("ours");
    package(&house, "demo", "1.2.0");
    house.run(&["ext", "add", "demo"]).ended_with(4);
    std::fs::write(&book, kept).expect("ours");
    assert_eq!(version(), "1.1.0");
}

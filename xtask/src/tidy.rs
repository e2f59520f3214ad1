//! What no compiler checks: the arrows between crates, who imports what, and the size of files.

use crate::shell;
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeMap;

/// For each crate, the crates of ours it may use.
const ARROWS: [(&str, &[&str]); 13] = [
    ("sandboxer-types", &[]),
    ("sandboxer-sdk", &["types"]),
    ("sandboxer-envd", &[]),
    ("sandboxer-agent", &["envd"]),
    ("sandboxer-reach", &["envd", "types"]),
    ("sandboxer-ssh-server", &["reach"]),
    ("sandboxer-extensions", &["agent", "reach", "sdk", "types"]),
    ("sandboxer-broker", &["reach", "sdk", "types"]),
    ("sandboxer-conformance", &["reach", "sdk", "types"]),
    ("sandboxer-machinery", &[]),
    ("sandboxer-testing", &["broker", "reach", "sdk", "types"]),
    ("sandboxer", &["agent", "broker", "conformance", "extensions", "reach", "sdk", "ssh-server", "types"]),
    ("xtask", &["sdk", "types"]),
];

/// Libraries that may not come in by any way, and why.
const BANNED: [(&str, &str); 6] = [
    ("serde_yaml", "archived; serde-saphyr reads YAML"),
    ("serde_yml", "unsound; serde-saphyr reads YAML"),
    ("tokio-tar", "abandoned, with a known flaw"),
    ("aws-lc-rs", "two providers of TLS at once end in a panic; ours is ring"),
    ("openssl-sys", "the binary is one static file without a system library"),
    ("native-tls", "the binary is one static file without a system library"),
];

/// A word that may stand only in some places, and why.
struct Confined {
    word: &'static str,
    to: &'static [&'static str],
    why: &'static str,
}

/// Libraries that one crate alone may use: they are young, or there should be one way to do what they do.
const ONE_USER: [(&str, &str); 7] = [
    ("russh", "sandboxer-ssh-server"),
    ("connectrpc", "sandboxer-envd"),
    ("connectrpc-build", "xtask"),
    ("serde-saphyr", "sandboxer-types"),
    ("jsonschema", "sandboxer-broker"),
    ("rusqlite", "sandboxer-broker"),
    ("clap", "sandboxer"),
];

const CONFINED: [Confined; 5] = [
    Confined { word: "serde_saphyr", to: &["crates/types/src/source/"], why: "YAML is read by one pure module" },
    Confined {
        word: "jsonschema::",
        to: &["crates/broker/src/catalog/schema.rs", "/tests/"],
        why: "JSON Schema is young and has one importer",
    },
    Confined {
        word: "rusqlite::",
        to: &["crates/broker/src/store/", "crates/broker/tests/", "crates/cli/benches/"],
        why: "SQL stands only in the store",
    },
    Confined {
        word: "ext.local",
        to: &["crates/extensions/", "crates/cli/", "/tests", "xtask/"],
        why: "the engine names no extension",
    },
    Confined {
        word: "env::var",
        to: &[
            "crates/cli/src/config.rs",
            "crates/cli/build.rs",
            "crates/conformance/src/harness.rs",
            "crates/conformance/src/subject.rs",
            "xtask/",
            "/tests/",
            "/examples/",
        ],
        why: "settings are handed in",
    },
];

/// Files longer than this are really two.
const LONGEST_FILE: usize = 600;

/// Checks everything, and says all that is wrong.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut faults = wrong_arrows()?;
    faults.extend(banned_libraries()?);
    for path in sources()? {
        let text = std::fs::read_to_string(shell::root().join(&path)).with_context(|| format!("cannot read {path}"))?;
        faults.extend(misplaced_words(&path, &text));
        let lines = text.lines().count();
        if lines > LONGEST_FILE && !path.contains("/generated/") {
            faults.push(format!("{path}: {lines} lines; what is it really two of?"));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("not tidy:\n  {}", faults.join("\n  "))
}

fn sources() -> anyhow::Result<Vec<String>> {
    let listed = shell::read("git", &["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])?;
    Ok(listed.lines().map(str::to_owned).filter(|path| shell::root().join(path).exists()).collect())
}

fn misplaced_words(path: &str, text: &str) -> Vec<String> {
    // This file names all of the words.
    if path == "xtask/src/tidy.rs" {
        return Vec::new();
    }
    let misplaced = |confined: &&Confined| {
        !confined.to.iter().any(|place| path.contains(place))
            && code_lines(text).any(|line| line.contains(confined.word))
    };
    CONFINED
        .iter()
        .filter(misplaced)
        .map(|confined| format!("{path}: `{}` belongs to {}: {}", confined.word, confined.to.join(", "), confined.why))
        .collect()
}

/// The lines that are shipped: no comments, and nothing after the unit tests begin.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim_start().starts_with("//"))
}

fn banned_libraries() -> anyhow::Result<Vec<String>> {
    let lock = std::fs::read_to_string(shell::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let is_used = |name: &str| lock.lines().any(|line| line == format!("name = \"{name}\""));
    let used = BANNED.iter().filter(|(name, _)| is_used(name));
    Ok(used.map(|(name, why)| format!("Cargo.lock: {name} is banned: {why}")).collect())
}

fn wrong_arrows() -> anyhow::Result<Vec<String>> {
    let metadata: Value =
        serde_json::from_str(&shell::read("cargo", &["metadata", "--format-version=1", "--no-deps"])?)?;
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let mut faults = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(may_use) = allowed.get(name) else {
            faults.push(format!("crate {name} has no arrows in xtask/src/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let is_for_tests = dependency["kind"].as_str() == Some("dev");
            let only = ONE_USER.iter().find(|(library, _)| *library == used).map(|(_, only)| *only);
            if only.is_some_and(|only| only != name && name != "xtask") && !is_for_tests {
                faults.push(format!("crate {name} must not use {used}: only {} does", only.unwrap_or_default()));
            }
            if let Some(used) = used.strip_prefix("sandboxer-").filter(|used| !is_for_tests && !may_use.contains(used))
            {
                faults.push(format!("crate {name} must not use sandboxer-{used}"));
            }
        }
    }
    Ok(faults)
}

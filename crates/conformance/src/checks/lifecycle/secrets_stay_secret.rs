use crate::asking::told;
use crate::bench::{Bench, Named};
use crate::check::{Stop, Verdict, check, hold};
use sandboxer_sdk::wire::AskWaitReady;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

check!(
    L2,
    "secrets-stay-secret",
    rule: "A secret that it is handed appears nowhere: not in what it says, in arguments, in environments, nor in files",
    does: "hands it secrets that nobody else has, goes through a lifecycle and some refusals, and looks for them in every line it says, in the arguments and environments of all processes, and in the files of its folders",
    proves: "who can see a sandbox, its log or its machine cannot see the keys it was made with"
);

/// A shorter one would be found in what has nothing to do with it.
const SHORTEST: usize = 8;
/// So many files are looked through, and so much of each, in bytes.
const MOST_FILES: usize = 20_000;
const MOST_BYTES: u64 = 4 << 20;

async fn run(bench: &Bench) -> Verdict {
    let secrets: Vec<&String> = bench.common.secrets.values().filter(|value| value.len() >= SHORTEST).collect();
    if secrets.is_empty() {
        return Err(Stop::skipped("it declares no secrets"));
    }
    bench.common.transcript.take_leaked();
    let named = bench.name()?;
    let before = processes();
    let mut peer = bench.peer()?;
    let made = bench.ask_in(&mut peer, &named, &bench.provision_of(&named)).await?;
    let handle = made.map_err(|failure| Stop::failed(format!("`provision` failed: {}", told(&failure))))?.handle;
    look_everywhere(bench, &secrets, &before)?;
    let ready = bench.ask_in(&mut peer, &named, &AskWaitReady { handle: handle.clone() }).await;
    if let Ok(Ok(reached)) = &ready {
        bench.remember(&named, &reached.reachability);
    }
    look_everywhere(bench, &secrets, &before)?;
    peer.kill().await?;
    provoke(bench, &named).await?;
    bench.remove(&named, &handle).await?;
    look_everywhere(bench, &secrets, &before)
}

/// Errors like to tell too much.
async fn provoke(bench: &Bench, named: &Named) -> Verdict {
    if let Some(other) = &bench.subject().plan.other_inputs {
        let other = Named { inputs: bench.subject().inputs(other), ..named.clone() };
        bench.provision(&other).await?.ok();
    }
    let wrong = bench.name_with([("no-such-input".to_owned(), serde_json::json!(["x"]))].into_iter().collect())?;
    bench.provision(&wrong).await?.ok();
    Ok(())
}

fn look_everywhere(bench: &Bench, secrets: &[&String], before: &BTreeSet<String>) -> Verdict {
    hold!(!bench.common.transcript.take_leaked(), "it says a secret: look for `[secret]` in what came from it");
    for secret in secrets {
        if let Some(where_) = in_processes(secret, before) {
            return Err(Stop::failed(format!("a secret stands in {where_}")));
        }
        for folder in [&bench.subject().folder, &bench.subject().program.folder] {
            if let Some(file) = in_files(folder, secret) {
                return Err(Stop::failed(format!("a secret stands in `{}`", file.display())));
            }
        }
    }
    Ok(())
}

/// The processes that there are.
fn processes() -> BTreeSet<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

/// Where this text stands in arguments or environments of processes that were not there before: the user's own shell may well
/// have it.
fn in_processes(text: &str, before: &BTreeSet<String>) -> Option<String> {
    for pid in processes().difference(before) {
        for (file, words) in [("cmdline", "the arguments"), ("environ", "the environment")] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            if holds(&bytes, text) {
                return Some(format!("{words} of process {pid}"));
            }
        }
    }
    None
}

fn in_files(folder: &Path, text: &str) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut looked = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.metadata().is_ok_and(|metadata| metadata.len() <= MOST_BYTES) {
                looked += 1;
                if looked > MOST_FILES {
                    return None;
                }
                if std::fs::read(entry.path()).is_ok_and(|bytes| holds(&bytes, text)) {
                    return Some(entry.path());
                }
            }
        }
    }
    None
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

//! The paths in a compose file, judged by what the machine says they really are. Pure.

use super::allowance::Word;
use super::document::is_in;
use super::places::Found;
use super::policy::{Mention, Mentioned, Refusal};
use std::collections::BTreeMap;

/// Sockets of container engines, and the folders on the way to them.
const SOCKETS: [&str; 5] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
];

/// Judges the paths that a file mentions by what the machine said they are. `project` is the folder, really, that they
/// must stay in.
pub(super) fn examine_places(mentions: &[Mention], places: &BTreeMap<String, Found>, project: &str) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut mounts: Vec<(&Mention, &str, bool)> = Vec::new();
    for mention in mentions {
        let mut refuse = |word| {
            let value = mention.path.escape_debug().to_string();
            refusals.push(Refusal { at: mention.at.clone(), value, word });
        };
        let outside = match mention.what {
            Mentioned::Mount { .. } => Word::Mounts,
            Mentioned::Read => Word::Files,
        };
        let real = places.get(&mention.path).and_then(Found::real);
        let Some(real) = real.filter(|real| is_plain(real)) else {
            refuse(outside);
            continue;
        };
        if SOCKETS.iter().any(|socket| is_in(socket, real)) || real.ends_with(".sock") && !is_in(real, project) {
            refuse(Word::DockerSocket);
        }
        if !is_in(real, project) {
            refuse(outside);
        }
        if let Mentioned::Mount { read_only } = mention.what {
            mounts.push((mention, real, read_only));
        }
    }
    for (mention, real, _) in &mounts {
        if mounts.iter().any(|(_, other, read_only)| !read_only && other != real && is_in(real, other)) {
            let value = mention.path.escape_debug().to_string();
            refusals.push(Refusal { at: mention.at.clone(), value, word: Word::NestedMounts });
        }
    }
    refusals
}

/// Whether a path can be written into a mount without being read as something else.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && !path.contains([':', ',', '$']) && !path.chars().any(char::is_control)
}

//! `sandboxer cp`: files to and from a sandbox.

use super::Session;
use crate::error::CommandResult;
use clap::Args;
use sandboxer_broker::Entrance;
use sandboxer_reach::{EntryKind, ReachErrorKind, copy};
use sandboxer_types::{Failure, SandboxId};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `cp` takes.
#[derive(Debug, Args)]
pub(crate) struct CpArguments {
    /// What to copy: a path here, or `ID:PATH` in a sandbox
    source: OsString,
    /// Where to: a path here, or `ID:PATH` in a sandbox
    destination: OsString,
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Here(&'a Path),
    Inside { id: &'a OsStr, path: &'a Path },
}

/// A path with a `/` before its first `:` is a path here: `./a:b`.
fn place(text: &OsStr) -> Place<'_> {
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| *byte == b':') {
        Some(colon @ 1..) if !bytes[..colon].contains(&b'/') => Place::Inside {
            id: OsStr::from_bytes(&bytes[..colon]),
            path: Path::new(OsStr::from_bytes(&bytes[colon + 1..])),
        },
        _ => Place::Here(Path::new(text)),
    }
}

/// Copies.
pub(crate) async fn cp(session: &Session<'_>, arguments: &CpArguments) -> CommandResult<ExitCode> {
    match (place(&arguments.source), place(&arguments.destination)) {
        (Place::Here(local), Place::Inside { id, path }) => {
            let entrance = enter(session, id).await?;
            let local = session.config.working_directory.join(local);
            let remote = beneath_directory(&entrance, inside(path, &entrance), &local).await?;
            copy::upload(entrance.session.as_ref(), &local, &remote, None).await?;
        }
        (Place::Inside { id, path }, Place::Here(local)) => {
            let entrance = enter(session, id).await?;
            let remote = inside(path, &entrance);
            let mut local = session.config.working_directory.join(local);
            if local.is_dir() {
                local.extend(remote.file_name());
            }
            copy::download(entrance.session.as_ref(), &remote, &local, None).await?;
        }
        (Place::Here(_), Place::Here(_)) => {
            return Err(Failure::invalid_input("neither path is in a sandbox")
                .with_hint("write the one in the sandbox as `ID:PATH`")
                .into());
        }
        (Place::Inside { .. }, Place::Inside { .. }) => {
            return Err(Failure::invalid_input("both paths are in sandboxes")
                .with_hint("copy to this machine first")
                .into());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn enter(session: &Session<'_>, id: &OsStr) -> CommandResult<Entrance> {
    let control = session.control();
    // No id has what this puts in the place of what is not UTF-8.
    let id: SandboxId = control.resolve(&id.to_string_lossy()).await?;
    Ok(control.enter(&id).await?)
}

/// A file copied to a directory goes into it, as with `cp`.
async fn beneath_directory(entrance: &Entrance, remote: PathBuf, local: &Path) -> CommandResult<PathBuf> {
    let is_directory = match entrance.session.stat(&remote, None).await {
        Ok(entry) => entry.leads_to() == Some(EntryKind::Directory),
        Err(error) if error.kind() == ReachErrorKind::NotFound => remote.as_os_str().as_bytes().ends_with(b"/"),
        Err(error) => return Err(error.into()),
    };
    Ok(match local.file_name() {
        Some(name) if is_directory => remote.join(name),
        _ => remote,
    })
}

/// A relative path inside begins where commands run.
fn inside(path: &Path, entrance: &Entrance) -> PathBuf {
    PathBuf::from(super::streams::request(entrance, Vec::new()).cwd.unwrap_or_default()).join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(text: &[u8]) -> Place<'_> {
        place(OsStr::from_bytes(text))
    }

    #[test]
    fn a_colon_makes_a_place_inside_unless_a_slash_comes_first() {
        let inside = |id: &'static str, path: &'static str| Place::Inside { id: id.as_ref(), path: path.as_ref() };
        assert_eq!(placed(b"box:/etc"), inside("box", "/etc"));
        assert_eq!(placed(b"box:"), inside("box", ""));
        assert_eq!(placed(b"box:a:b"), inside("box", "a:b"));
        for here in ["./a:b", ":x", "plain", ""] {
            assert_eq!(placed(here.as_bytes()), Place::Here(here.as_ref()));
        }
    }

    #[test]
    fn a_name_need_not_be_utf_8() {
        let name = Path::new(OsStr::from_bytes(b"\xff:"));
        assert_eq!(placed(b"./\xff:"), Place::Here(Path::new(OsStr::from_bytes(b"./\xff:"))));
        assert_eq!(placed(b"box:\xff:"), Place::Inside { id: "box".as_ref(), path: name });
    }
}

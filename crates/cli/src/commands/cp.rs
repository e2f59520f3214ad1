//! `sandboxer cp`: files to and from a sandbox.

use super::Session;
use crate::error::CommandResult;
use clap::Args;
use sandboxer_broker::Entrance;
use sandboxer_reach::{EntryKind, ReachErrorKind, copy};
use sandboxer_types::Failure;
use std::path::Path;
use std::process::ExitCode;

/// What `cp` takes.
#[derive(Debug, Args)]
pub(crate) struct CpArguments {
    /// What to copy: a path here, or `ID:PATH` in a sandbox
    source: String,
    /// Where to: a path here, or `ID:PATH` in a sandbox
    destination: String,
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Here(&'a str),
    Inside { id: &'a str, path: &'a str },
}

/// A path with a `/` before its first `:` is a path here: `./a:b`.
fn place(text: &str) -> Place<'_> {
    match text.split_once(':') {
        Some((id, path)) if !id.is_empty() && !id.contains('/') => Place::Inside { id, path },
        _ => Place::Here(text),
    }
}

/// Copies.
pub(crate) async fn cp(session: &Session<'_>, arguments: &CpArguments) -> CommandResult<ExitCode> {
    let control = session.control();
    match (place(&arguments.source), place(&arguments.destination)) {
        (Place::Here(local), Place::Inside { id, path }) => {
            let entrance = control.enter(&control.resolve(id).await?).await?;
            let local = session.config.working_directory.join(local);
            let remote = beneath_directory(&entrance, inside(path, &entrance), &local).await?;
            copy::upload(entrance.session.as_ref(), &local, &remote, None).await?;
        }
        (Place::Inside { id, path }, Place::Here(local)) => {
            let entrance = control.enter(&control.resolve(id).await?).await?;
            let remote = inside(path, &entrance);
            let mut local = session.config.working_directory.join(local);
            if local.is_dir() {
                local.extend(Path::new(&remote).file_name());
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

/// A file copied to a directory goes into it, as with `cp`.
async fn beneath_directory(entrance: &Entrance, remote: String, local: &Path) -> CommandResult<String> {
    let is_directory = match entrance.session.stat(&remote, None).await {
        Ok(entry) => {
            entry.kind == EntryKind::Directory || entry.link.is_some_and(|target| target.kind == EntryKind::Directory)
        }
        Err(error) if error.kind() == ReachErrorKind::NotFound => remote.ends_with('/'),
        Err(error) => return Err(error.into()),
    };
    let name = local.file_name().and_then(|name| name.to_str());
    Ok(match name {
        Some(name) if is_directory => format!("{}/{name}", remote.trim_end_matches('/')),
        _ => remote,
    })
}

/// A relative path inside begins where commands run.
fn inside(path: &str, entrance: &Entrance) -> String {
    let base = super::streams::request(entrance, Vec::new()).cwd;
    match base {
        Some(base) if !path.starts_with('/') => format!("{}/{path}", base.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_a_place_inside_unless_a_slash_comes_first() {
        assert_eq!(place("box:/etc"), Place::Inside { id: "box", path: "/etc" });
        assert_eq!(place("box:"), Place::Inside { id: "box", path: "" });
        assert_eq!(place("./a:b"), Place::Here("./a:b"));
        assert_eq!(place(":x"), Place::Here(":x"));
        assert_eq!(place("plain"), Place::Here("plain"));
    }
}

//! `sandboxer cp`: files to and from a sandbox.

use super::Session;
use crate::error::CommandResult;
use clap::Args;
use sandboxer_reach::copy;
use sandboxer_types::Failure;
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
            copy::upload(entrance.session.as_ref(), &local, &inside(path, &entrance), None).await?;
        }
        (Place::Inside { id, path }, Place::Here(local)) => {
            let entrance = control.enter(&control.resolve(id).await?).await?;
            let local = session.config.working_directory.join(local);
            copy::download(entrance.session.as_ref(), &inside(path, &entrance), &local, None).await?;
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

/// A relative path inside begins where commands run.
fn inside(path: &str, entrance: &sandboxer_broker::Entrance) -> String {
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

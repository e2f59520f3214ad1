//! `sandboxer ext remove`: remove a package of extensions.

use super::extension_id;
use crate::commands::Session;
use crate::error::CommandResult;
use crate::packages::content::extension_ids;
use crate::packages::installed::Packages;
use crate::packages::name::PackageName;
use clap::Args;
use sandboxer_broker::ListFilter;
use sandboxer_broker::catalog::{Catalog, Listing};
use sandboxer_types::{ErrorKind, ExtensionId, Failure, Residue, SandboxStatus, nearest_word};
use serde_json::json;
use std::process::ExitCode;

/// What `ext remove` takes.
#[derive(Debug, Args)]
pub(crate) struct ExtRemoveArguments {
    /// The package, or an extension of it, with or without `ext.`
    extension: String,
    /// Even while there are sandboxes of its extensions, which nothing can then remove
    #[arg(long)]
    force: bool,
}

/// Removes a package, its trust first of all.
pub(super) async fn ext_remove(session: &Session<'_>, arguments: &ExtRemoveArguments) -> CommandResult<ExitCode> {
    let packages = Packages::of(&session.config);
    let id = extension_id(&arguments.extension)?;
    let Some(name) = packages.having(id.as_str()) else {
        return Err(not_of_a_package(session.engine.broker.catalog(), &packages, &id).into());
    };
    let extensions = extension_ids(&packages.place(&name));
    // What is over anyway must not stand in the way.
    session.tidy().await;
    let open = session.control().list(&ListFilter::default()).await?;
    let theirs = |status: &&SandboxStatus| extensions.iter().any(|id| id == status.extension.as_str());
    let sandboxes: Vec<&SandboxStatus> = open.iter().filter(theirs).collect();
    if !sandboxes.is_empty() && !arguments.force {
        return Err(in_use(&name, &sandboxes).into());
    }
    let lock = packages.lock()?;
    packages.remove(&lock, &name)?;
    session.progress.clear();
    if !sandboxes.is_empty() {
        let ids: Vec<String> = sandboxes.iter().map(|status| format!("`{}`", status.sandbox_id)).collect();
        session.output.warning(&format!("only this package can remove {}; add it again for that", ids.join(", ")));
    }
    let data = json!({ "package": name, "extensions": extensions });
    Ok(session.output.data(&data, || format!("removed {name} ({})", extensions.join(", "))))
}

fn in_use(name: &PackageName, sandboxes: &[&SandboxStatus]) -> Failure {
    let count = if sandboxes.len() == 1 { "a sandbox".to_owned() } else { format!("{} sandboxes", sandboxes.len()) };
    let message = format!("the package `{name}` is needed to remove {count}");
    let ids: Vec<&str> = sandboxes.iter().map(|status| status.sandbox_id.as_str()).collect();
    let mut failure = Failure::new(ErrorKind::Conflict, message)
        .with_residue(Residue::None)
        .with_hint(format!("`sandboxer rm {}` first, or `--force`", ids.join(" ")));
    let line = |status: &&SandboxStatus| format!("`{}` ({}, {})", status.sandbox_id, status.extension, status.state);
    failure.causes = sandboxes.iter().map(line).collect();
    failure
}

fn not_of_a_package(catalog: &Catalog, packages: &Packages, id: &ExtensionId) -> Failure {
    let listed = catalog.extensions();
    let origin = listed.iter().find_map(|listing| match listing {
        Listing::Sound(extension) => (extension.id() == id).then_some(&extension.origin),
        Listing::Broken { id: other, origin, .. } | Listing::Inert { id: other, origin, .. } => {
            (*other == id.as_str()).then_some(*origin)
        }
    });
    let failure = |kind, message: String| Failure::new(kind, message).with_residue(Residue::None);
    match origin {
        Some(origin) if origin.folder.is_none() => {
            failure(ErrorKind::Precondition, format!("`{id}` is built in, and cannot be removed"))
        }
        Some(origin) => {
            failure(ErrorKind::Precondition, format!("`{id}` is not of a package: it stands in `{}`", origin.file))
                .with_hint("remove that file yourself")
        }
        None => {
            let names = packages.names();
            let near = nearest_word(id.as_str().trim_start_matches("ext."), names.iter().map(PackageName::as_str));
            let failure = failure(ErrorKind::NotFound, format!("no package is or has `{id}`"));
            failure.with_hint(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`sandboxer ext ls` lists what there is".to_owned(),
            })
        }
    }
}

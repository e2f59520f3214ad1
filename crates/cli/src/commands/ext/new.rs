//! `sandboxer ext new`: an extension to begin with.

use crate::config::Config;
use crate::error::CommandResult;
use crate::scaffold::{Language, Project, ProjectName, SdkSource};
use crate::ui::Output;
use clap::Args;
use sandboxer_broker::catalog::{Catalog, Layer};
use sandboxer_types::{ErrorKind, Failure, Residue};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `ext new` takes.
#[derive(Debug, Args)]
pub(crate) struct ExtNewArguments {
    /// What to call it: `my-backend` for `ext.my-backend`
    name: String,
    /// What to write it in
    #[arg(long, value_enum, default_value = "python")]
    lang: Language,
    /// The folder to make; that of its name in the working directory otherwise
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Have the SDK from a checkout of sand-boxer's repository, with `--lang rust`
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// Writes the project, and says what to do next.
pub(super) fn ext_new(
    config: &Config,
    catalog: &Catalog,
    arguments: &ExtNewArguments,
    output: &Output,
) -> CommandResult<ExitCode> {
    let name = ProjectName::parse(&arguments.name)?;
    refuse_built_in(catalog, &name)?;
    let sdk = match &arguments.sdk {
        Some(_) if arguments.lang != Language::Rust => {
            return Err(Failure::invalid_input("`--sdk` is for `--lang rust` alone").into());
        }
        Some(folder) => SdkSource::checkout(&config.working_directory.join(folder))?,
        None => SdkSource::Repository,
    };
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    let (id, lang) = (name.id(), arguments.lang);
    let project = Project::new(name, lang, sdk);
    let files = project.write(&config.working_directory.join(&folder))?;
    let next = project.next_steps(&folder);
    let data = json!({"extension": id, "language": lang, "folder": folder, "files": files, "next": next});
    let steps = next.iter().map(|step| format!("  {step}")).collect::<Vec<_>>().join("\n");
    Ok(output.data(&data, || format!("{id} is in {} ({} files); next:\n{steps}", folder.display(), files.len())))
}

/// What is built in has its id for itself.
fn refuse_built_in(catalog: &Catalog, name: &ProjectName) -> CommandResult<()> {
    let id = super::extension_id(&name.id())?;
    let is_built_in = catalog.extension(&id).is_ok_and(|known| {
        known.origin.layer == Layer::BuiltIn || known.shadows.iter().any(|origin| origin.layer == Layer::BuiltIn)
    });
    if is_built_in {
        let conflict = Failure::new(ErrorKind::Conflict, format!("`{id}` is built in"));
        return Err(conflict.with_residue(Residue::None).with_hint("choose another name").into());
    }
    Ok(())
}

//! `sandboxer ext add`: install a package of extensions.

use crate::commands::trust::{allowances, count_of_files};
use crate::config::Config;
use crate::error::{CommandResult, local_fault};
use crate::packages::content::{Content, Version, extension_ids};
use crate::packages::draft::Draft;
use crate::packages::installed::{Packages, PackagesLock};
use crate::packages::name::PackageName;
use crate::packages::signature::{self, Verified};
use crate::packages::source::Source;
use crate::ui::Output;
use crate::ui::text::harmless;
use clap::Args;
use sandboxer_broker::catalog::{TrustBook, TrustSurvey};
use sandboxer_types::{ErrorKind, Failure, Residue};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `ext add` takes.
#[derive(Debug, Args)]
pub(crate) struct ExtAddArguments {
    /// Package: a folder, or a `.tar`, `.tar.gz` or `.tgz` of one
    source: PathBuf,
    /// Only show what it would be allowed
    #[arg(long)]
    dry_run: bool,
    /// What to call the package, instead of as its only extension or as where it comes from
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Key of minisign that must have signed the archive: its text, or its `.pub` file
    #[arg(long, value_name = "KEY|FILE")]
    public_key: Option<String>,
    /// Where its signature is, instead of beside it with `.minisig`
    #[arg(long, value_name = "FILE", requires = "public_key")]
    signature: Option<PathBuf>,
}

/// What becomes of a package that is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    Added,
    Replaced,
    Unchanged,
}

#[derive(Serialize)]
struct Addition {
    package: PackageName,
    act: Act,
    dry_run: bool,
    folder: String,
    versions: Vec<Version>,
    /// What it takes the place of.
    replaces: Option<Vec<Version>>,
    signature: Option<Verified>,
    allows: TrustSurvey,
}

/// Installs it, in the place of an older one of that name.
pub(super) fn ext_add(config: &Config, arguments: &ExtAddArguments, output: &Output) -> CommandResult<ExitCode> {
    let source = Source::open(&config.working_directory.join(&arguments.source))?;
    let signature = checked_signature(config, arguments, &source, output)?;
    let packages = Packages::of(config);
    let lock = if arguments.dry_run { None } else { Some(packages.lock()?) };
    let parent = lock.as_ref().map(|_| packages.versions());
    let mut draft =
        Draft::new(parent.as_deref()).map_err(|error| local_fault("make a folder to unpack the package in", &error))?;
    let root = source.unpack(&mut draft)?;
    let extensions = extension_ids(&root);
    if extensions.is_empty() {
        return Err(no_package(&source).into());
    }
    let name = match &arguments.name {
        Some(name) => PackageName::parse(name)?,
        None => PackageName::of(&extensions, source.path())?,
    };
    let content = Content::check(config, &root, &name)?;
    refuse_conflicts(config, &packages, &name, &content)?;
    let (act, replaces) = compare(config, &packages, &name, &content)?;
    let mut allows = content.survey.clone();
    allows.directory = packages.place(&name).display().to_string();
    if let Some(lock) = lock {
        if act != Act::Unchanged {
            packages.install(&lock, &name, &content.root, content.survey)?;
        }
        drop(draft);
        sweep(&packages, &lock, output);
    }
    let (versions, folder) = (content.versions, allows.directory.clone());
    let dry_run = arguments.dry_run;
    let addition = Addition { package: name, act, dry_run, folder, versions, replaces, signature, allows };
    Ok(output.data(&addition, || addition.describe()))
}

/// The package is installed by then; what an older one left will be removed with the next.
fn sweep(packages: &Packages, lock: &PackagesLock, output: &Output) {
    if let Err(error) = packages.sweep(lock) {
        output.warning(&format!("what it replaces could not be removed: {}", error.failure()));
    }
}

/// Before anything is unpacked.
fn checked_signature(
    config: &Config,
    arguments: &ExtAddArguments,
    source: &Source,
    output: &Output,
) -> CommandResult<Option<Verified>> {
    let Source::Archive { path, bytes } = source else {
        return match arguments.public_key {
            None => Ok(None),
            Some(_) => Err(Failure::invalid_input("only an archive can be signed, and this is a folder").into()),
        };
    };
    let beside = signature::beside(path);
    let Some(key) = &arguments.public_key else {
        if beside.exists() {
            let file = harmless(&beside.display().to_string());
            output.note(&format!("`{file}` was not checked; `--public-key KEY` does that"));
        }
        return Ok(None);
    };
    let file = arguments.signature.as_ref().map_or(beside, |given| config.working_directory.join(given));
    signature::verify(bytes, key, &config.working_directory.join(key), &file).map(Some)
}

fn no_package(source: &Source) -> Failure {
    let shown = harmless(&source.path().display().to_string());
    Failure::invalid_input(format!("`{shown}` is not a package: there is no `extensions/ext.*.yaml` in it"))
        .with_hint("a package is a folder that has `extensions/`, or a tar of one")
}

/// One id of two packages would mean the one or the other by accident.
fn refuse_conflicts(config: &Config, packages: &Packages, name: &PackageName, content: &Content) -> CommandResult<()> {
    let entries = content.entries();
    for other in packages.names().iter().filter(|other| *other != name && packages.place(other).exists()) {
        let theirs = Content::look(config, &packages.place(other), other)?.entries();
        if let Some(both) = entries.intersection(&theirs).next() {
            let message = format!("the {both} is of the package `{other}` already");
            let hint = format!(
                "`--name {other}` puts this package in the place of that one; `sandboxer ext remove {other}` removes it"
            );
            return Err(Failure::new(ErrorKind::Conflict, message).with_residue(Residue::None).with_hint(hint).into());
        }
    }
    Ok(())
}

/// A package whose files were changed since, or that is not trusted any more, is not the same.
fn compare(
    config: &Config,
    packages: &Packages,
    name: &PackageName,
    content: &Content,
) -> CommandResult<(Act, Option<Vec<Version>>)> {
    if !packages.has(name) {
        return Ok((Act::Added, None));
    }
    if !packages.place(name).exists() {
        return Ok((Act::Replaced, Some(Vec::new())));
    }
    let old = Content::look(config, &packages.place(name), name)?;
    let book = TrustBook::load(&config.trust_book()).map_err(Failure::from)?;
    let is_same = content.is_same_as(&old) && book.covers(&old.survey);
    Ok((if is_same { Act::Unchanged } else { Act::Replaced }, Some(old.versions)))
}

impl Addition {
    fn describe(&self) -> String {
        let files = count_of_files(&self.allows);
        let (name, new) = (&self.package, words(&self.versions));
        let old = self.replaces.as_deref().map(words).unwrap_or_default();
        let first = match (self.act, self.dry_run) {
            (Act::Added, false) => format!("added {name}{new} ({files})"),
            (Act::Added, true) => format!("would add {name}{new} ({files})"),
            (Act::Replaced, false) => format!("replaced {name}{old} by{} ({files})", or_another(&old, &new)),
            (Act::Replaced, true) => format!("would replace {name}{old} by{} ({files})", or_another(&old, &new)),
            (Act::Unchanged, _) => format!("{name}{new} is there already ({files})"),
        };
        let mut lines = vec![first];
        if let Some(signature) = &self.signature {
            lines.push(format!("  signed    {}", signature.trusted_comment));
        }
        lines.extend(allowances(&self.allows));
        lines.join("\n")
    }
}

/// Versions after a name, as far as there are any: one for all, or one for each.
fn words(versions: &[Version]) -> String {
    let version = |one: &Version| one.version.as_deref().map(harmless);
    match versions {
        [] => String::new(),
        [first, rest @ ..] if rest.iter().all(|other| other.version == first.version) => {
            version(first).map_or_else(String::new, |version| format!(" {version}"))
        }
        several => {
            let each = several.iter().map(|one| {
                let version = version(one).unwrap_or_else(|| "without a version".to_owned());
                format!("{} {version}", one.extension)
            });
            format!(" [{}]", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A package whose files were changed is replaced by one of the same version.
fn or_another(old: &str, new: &str) -> String {
    match new {
        "" => " another".to_owned(),
        new if new == old => " another of that version".to_owned(),
        new => new.to_owned(),
    }
}

//! Writing a new project.

use super::names::ProjectName;
use super::template::Language;
use crate::error::local_fault;
use sandboxer_types::{ErrorKind, Failure, Residue};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const TAG: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Where a project in Rust has the SDK from.
#[derive(Debug, Clone)]
pub(crate) enum SdkSource {
    /// The repository, at the tag of this version.
    Repository,
    /// A checkout of it, by its absolute path.
    Checkout(PathBuf),
}

impl SdkSource {
    /// A checkout in that folder. Fails where there is none.
    pub(crate) fn checkout(folder: &Path) -> Result<Self, Failure> {
        let missing = |error: &io::Error| {
            Failure::invalid_input(format!("`{}` is no checkout of sand-boxer's repository", folder.display()))
                .with_hint(format!("clone {REPOSITORY}, and name the folder of the clone"))
                .caused_by(error)
        };
        let folder = folder.canonicalize().map_err(|error| missing(&error))?;
        std::fs::metadata(folder.join("crates/sdk/Cargo.toml")).map_err(|error| missing(&error))?;
        Ok(Self::Checkout(folder))
    }

    /// The members of a dependency on the crate in that folder of `crates`.
    fn dependency(&self, folder: &str) -> String {
        match self {
            Self::Repository => format!("git = \"{REPOSITORY}\", tag = \"{TAG}\""),
            // The escapes of JSON's texts are also those of TOML's.
            Self::Checkout(root) => format!("path = {}", serde_json::json!(root.join("crates").join(folder))),
        }
    }
}

/// A project that is to be written.
#[derive(Debug)]
pub(crate) struct Project {
    name: ProjectName,
    language: Language,
    sdk: SdkSource,
}

impl Project {
    pub(crate) fn new(name: ProjectName, language: Language, sdk: SdkSource) -> Self {
        Self { name, language, sdk }
    }

    /// The files, by their names below the project's folder, in the order of these.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let filled = self.language.templates().map(|(name, content)| {
            // Templates are texts; a test of ours makes each of them.
            let text = self.name.put_into(&String::from_utf8_lossy(content));
            (self.name.put_into(name), self.with_sources(&text).into_bytes())
        });
        let kept = Language::schemas().map(|(name, content)| (name.to_owned(), content.to_vec()));
        let mut files: Vec<_> = filled.chain(kept).collect();
        files.sort();
        files
    }

    fn with_sources(&self, text: &str) -> String {
        text.replace("@sdk@", &self.sdk.dependency("sdk"))
            .replace("@types@", &self.sdk.dependency("types"))
            .replace("@repository@", REPOSITORY)
            .replace("@tag@", TAG)
    }

    /// Writes all files into `folder`, which must not be there. Returns their names; a failure leaves nothing.
    pub(crate) fn write(&self, folder: &Path) -> Result<Vec<String>, Failure> {
        let shown = folder.display();
        match std::fs::create_dir(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Failure::new(ErrorKind::Conflict, format!("`{shown}` is there already"))
                    .with_residue(Residue::None)
                    .with_hint("choose another name, or another folder by `--out`"));
            }
            Err(error) => return Err(local_fault(format!("make the folder `{shown}`"), &error)),
        }
        let files = self.files();
        if let Err(error) = files.iter().try_for_each(|(name, content)| write_file(&folder.join(name), content)) {
            let fault = local_fault(format!("write the project into `{shown}`"), &error);
            return Err(match std::fs::remove_dir_all(folder) {
                Ok(()) => fault,
                Err(error) => fault.with_hint(format!("remove `{shown}`, which is not complete: {error}")),
            });
        }
        Ok(files.into_iter().map(|(name, _)| name).collect())
    }

    /// What to do next, as one types it in the folder where the project's is.
    pub(crate) fn next_steps(&self, folder: &Path) -> Vec<String> {
        let name = self.name.as_str();
        let mut steps = vec![format!("cd {}", folder.display())];
        if self.language == Language::Rust {
            steps.push(format!("cargo build --release && cp target/release/{name}-extension extensions/"));
        }
        steps.push(format!("sandboxer --catalog . run {name} -i note=hello -- pwd"));
        steps.push(format!("sandboxer --catalog . ext test {name}"));
        steps
    }
}

/// What begins as a script does can be run.
fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, content)?;
    if content.starts_with(b"#!") {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

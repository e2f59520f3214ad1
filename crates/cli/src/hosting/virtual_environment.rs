//! A virtual environment for each Python extension that asks for one.

use crate::error::local_fault;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};
use sandboxer_broker::catalog::CatalogExtension;
use sandboxer_sdk::{CommandLine, CommandRunner, SystemRunner};
use sandboxer_types::{ErrorKind, Failure, PythonEnvironment, Residue};
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How long each step of the making may take.
const STEP: Duration = Duration::from_secs(15 * 60);
/// So many lines of a failed step are told.
const TOLD: usize = 20;
/// Written last: what lacks it is half made.
const DONE: &str = "done";

/// The interpreter to run the extension with. Makes its virtual environment first, where it asks for one that is not
/// there yet.
pub(super) async fn interpreter(
    python: &Path,
    extension: &CatalogExtension,
    manifest_folder: &Path,
    runner: &SystemRunner,
) -> Result<OsString, Failure> {
    let wanted = extension.manifest.python.clone().unwrap_or_default();
    let base = wanted.interpreter.clone().unwrap_or_else(|| "python3".to_owned());
    if wanted.requirements.is_empty() {
        return Ok(base.into());
    }
    let place = python.join(format!("{}-{}", extension.id(), digest(&base, &wanted)));
    let interpreter = place.join("bin/python");
    if !place.join(DONE).is_file() {
        let making = Making { extension, place: &place, interpreter: &interpreter, folder: manifest_folder, runner };
        making.make(&base, &wanted).await?;
    }
    Ok(interpreter.into())
}

fn digest(base: &str, wanted: &PythonEnvironment) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in std::iter::once(base).chain(wanted.requirements.iter().map(String::as_str)) {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

struct Making<'a> {
    extension: &'a CatalogExtension,
    place: &'a Path,
    interpreter: &'a Path,
    folder: &'a Path,
    runner: &'a SystemRunner,
}

impl Making<'_> {
    async fn make(&self, base: &str, wanted: &PythonEnvironment) -> Result<(), Failure> {
        let _lock = self.lock().await?;
        // Whoever held the lock before may have made it.
        if self.place.join(DONE).is_file() {
            return Ok(());
        }
        tracing::info!(extension = %self.extension.id(), "making its virtual environment");
        self.clear()?;
        let place = self.place.to_string_lossy().into_owned();
        self.step([base, "-m", "venv", &place]).await?;
        let interpreter = self.interpreter.to_string_lossy().into_owned();
        let install =
            [&interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--"];
        self.step(install.into_iter().chain(wanted.requirements.iter().map(String::as_str))).await?;
        std::fs::write(self.place.join(DONE), "").map_err(|error| self.cannot(&error))
    }

    /// Only one process makes it; the others wait until it is made. The commands of the making hold the lock, too: it is
    /// free only once they have ended, also when who started them was killed.
    async fn lock(&self) -> Result<File, Failure> {
        if let Some(parent) = self.place.parent() {
            std::fs::create_dir_all(parent).map_err(|error| self.cannot(&error))?;
        }
        let mut path = self.place.as_os_str().to_owned();
        path.push(".lock");
        let locked = tokio::task::spawn_blocking(move || {
            let file = File::options().create(true).append(true).open(path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            fcntl_setfd(&file, FdFlags::empty())?;
            Ok(file)
        });
        locked.await.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|error| self.cannot(&error))
    }

    fn clear(&self) -> Result<(), Failure> {
        match std::fs::remove_dir_all(self.place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.cannot(&error)),
            _ => Ok(()),
        }
    }

    fn cannot(&self, error: &std::io::Error) -> Failure {
        local_fault(format!("make the virtual environment of `{}`", self.extension.id()), error)
    }

    /// Runs one step in the manifest's folder, in the surroundings of whoever asks: pip has settings there.
    async fn step(&self, words: impl IntoIterator<Item = impl Into<String>>) -> Result<(), Failure> {
        let mut command = CommandLine::new(words);
        command.directory = Some(self.folder.to_owned());
        let fault = |message: String| {
            let id = self.extension.id();
            Failure::new(ErrorKind::Precondition, format!("cannot make the virtual environment of `{id}`: {message}"))
                .with_residue(Residue::None)
                .with_hint(format!("its manifest asks for it under `python`; this was run: {command}"))
        };
        let output =
            self.runner.run(&command, STEP).await.map_err(|error| fault(error.to_string()).caused_by(&error))?;
        if output.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = said.lines().collect();
        let mut failure = fault(format!("a step ended with {}", output.status));
        failure.causes = lines[lines.len().saturating_sub(TOLD)..].iter().map(|line| (*line).to_owned()).collect();
        Err(failure)
    }
}

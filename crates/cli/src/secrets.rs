//! The secrets of extensions: from the environment, else from files that nobody else can read.

use crate::config::secret_variable;
use crate::error::local_fault;
use rustix::fs::OFlags;
use sandboxer_broker::{Secret, Secrets};
use sandboxer_types::{ErrorKind, ExtensionId, Failure, Residue};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// More is no secret, but a file that was meant for something else.
const LARGEST: u64 = 64 * 1024;

/// Looks in `SANDBOXER_SECRET_<EXT>_<NAME>`, then in `<folder>/<extension>/<name>`.
#[derive(Debug)]
pub(crate) struct KeptSecrets {
    folder: PathBuf,
}

impl KeptSecrets {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Secrets for KeptSecrets {
    fn find(&self, extension: &ExtensionId, name: &str) -> Result<Secret, Failure> {
        let variable = variable_of(extension, name);
        if let Some(secret) = secret_variable(&variable) {
            let secret = secret.into_string();
            return secret.map(Secret::Found).map_err(|_| refused(format!("the variable {variable} is not UTF-8")));
        }
        let path = self.folder.join(extension.as_str()).join(name);
        match read(&path)? {
            Some(secret) => Ok(Secret::Found(secret)),
            None => Ok(Secret::Missing {
                hint: format!("set {variable}, or put it into `{}`, which only you may read", path.display()),
            }),
        }
    }
}

/// `SANDBOXER_SECRET_`, the extension without its `ext.`, and the secret's name, in upper case.
pub(crate) fn variable_of(extension: &ExtensionId, name: &str) -> String {
    let extension = extension.as_str().strip_prefix("ext.").unwrap_or(extension.as_str());
    format!("SANDBOXER_SECRET_{extension}_{name}").to_uppercase().replace(['-', '.'], "_")
}

fn refused(message: String) -> Failure {
    Failure::new(ErrorKind::Precondition, message).with_residue(Residue::None)
}

/// The secret in a file, without the end of its line; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<String>, Failure> {
    let shown = path.display();
    let fault = |error: &std::io::Error| local_fault(format!("read the secret in `{shown}`"), error);
    // A pipe in its place would be waited for.
    let opened = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(&error)),
    };
    let metadata = file.metadata().map_err(|error| fault(&error))?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(refused(format!("`{shown}` is not a file of at most {LARGEST} bytes, so it holds no secret")));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refused(format!("others than you can read the secret in `{shown}` (its mode is {mode:03o})"))
            .with_hint(format!("chmod 600 {shown}; if others may have read it, get a new one")));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
    let Ok(mut secret) = String::from_utf8(bytes) else {
        return Err(refused(format!("the secret in `{shown}` is not UTF-8")));
    };
    if secret.ends_with('\n') {
        secret.pop();
    }
    if secret.is_empty() {
        return Err(refused(format!("the secret in `{shown}` is empty")));
    }
    Ok(Some(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension() -> ExtensionId {
        "ext.vm-packer".parse().expect("valid")
    }

    fn kept(content: &[u8], mode: u32) -> (tempfile::TempDir, KeptSecrets) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ext.vm-packer/api-key");
        std::fs::create_dir(path.parent().expect("below the folder")).expect("ours");
        std::fs::write(&path, content).expect("ours");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
        let secrets = KeptSecrets::new(folder.path().to_owned());
        (folder, secrets)
    }

    fn found(content: &[u8], mode: u32) -> Result<Option<String>, String> {
        let (_folder, secrets) = kept(content, mode);
        match secrets.find(&extension(), "api-key") {
            Ok(Secret::Found(secret)) => Ok(Some(secret)),
            Ok(Secret::Missing { .. }) => Ok(None),
            Err(failure) => Err(format!("{failure}: {}", failure.hint.as_deref().unwrap_or_default())),
        }
    }

    #[test]
    fn a_secret_is_a_file_without_the_end_of_its_line() {
        assert_eq!(found(b"s3cret\n", 0o600), Ok(Some("s3cret".to_owned())));
        assert_eq!(found(b"s3cret", 0o400), Ok(Some("s3cret".to_owned())));
        assert_eq!(found(b" two\nlines\n\n", 0o600), Ok(Some(" two\nlines\n".to_owned())));
    }

    #[test]
    fn a_file_that_others_can_read_or_that_holds_no_text_is_refused() {
        for mode in [0o644, 0o640, 0o604, 0o660] {
            let said = found(b"s3cret\n", mode).expect_err("refused");
            assert!(said.contains("chmod 600") && !said.contains("s3cret"), "{said}");
        }
        for content in [&b"\n"[..], b"", b"\xff\xfe", &[b'x'; 70_000]] {
            let said = found(content, 0o600).expect_err("refused");
            assert!(!said.contains("xxx"), "{said}");
        }
    }

    #[test]
    fn what_is_missing_is_said_with_both_ways_to_give_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let Ok(Secret::Missing { hint }) = KeptSecrets::new(folder.path().to_owned()).find(&extension(), "api-key")
        else {
            panic!("there is none");
        };
        assert!(hint.contains("SANDBOXER_SECRET_VM_PACKER_API_KEY"), "{hint}");
        assert!(hint.contains("/ext.vm-packer/api-key"), "{hint}");
    }
}

//! Signatures of archives, made by minisign.

use crate::error::{CommandResult, local_fault};
use crate::ui::text::harmless;
use minisign_verify::{PublicKey, Signature};
use sandboxer_types::{ErrorKind, Failure, Residue};
use serde::Serialize;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Keys and signatures are a few hundred bytes.
const LARGEST: u64 = 16 * 1024;

/// A signature that holds.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    /// The file that has it.
    pub(crate) file: String,
    /// What its maker said with it, which it covers.
    pub(crate) trusted_comment: String,
}

/// Where the signature of an archive is by custom.
pub(crate) fn beside(archive: &Path) -> PathBuf {
    let mut name = archive.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

/// Checks what was read of an archive against a key, given as text or as a file.
pub(crate) fn verify(bytes: &[u8], key: &str, key_file: &Path, signature: &Path) -> CommandResult<Verified> {
    let key = public_key(key, key_file)?;
    let file = signature.display().to_string();
    let text = match read(signature) {
        Ok(text) => text,
        Err(error) => {
            let failure = refused(format!("there is no signature of the package in `{}`", harmless(&file)));
            return Err(failure.caused_by(&error).with_hint("`--signature FILE` names where it is").into());
        }
    };
    let of_file = |error: &minisign_verify::Error| {
        refused(format!("the signature in `{}` does not hold", harmless(&file))).caused_by(error)
    };
    let signature = Signature::decode(&text).map_err(|error| of_file(&error))?;
    key.verify(bytes, &signature, true).map_err(|error| {
        of_file(&error).with_hint("the package or its signature was changed, or somebody else signed it; do not use it")
    })?;
    Ok(Verified { file, trusted_comment: harmless(signature.trusted_comment()) })
}

fn refused(message: String) -> Failure {
    Failure::new(ErrorKind::Forbidden, message).with_residue(Residue::None)
}

/// No path is the text of a key, so there is nothing to guess.
fn public_key(given: &str, file: &Path) -> CommandResult<PublicKey> {
    if let Ok(key) = PublicKey::from_base64(given.trim()) {
        return Ok(key);
    }
    let text = read(file).map_err(|error| {
        local_fault(format!("read a public key from `{}`", harmless(given)), &error)
            .with_hint("give the text of the key, which begins with `RW`, or its `.pub` file")
    })?;
    let key = PublicKey::decode(&text).or_else(|_| PublicKey::from_base64(text.trim()));
    key.map_err(|error| {
        let message = format!("`{}` is not a public key of minisign", harmless(given));
        Failure::invalid_input(message).caused_by(&error).into()
    })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

//! What a manifest is known by.

use sandboxer_types::Manifest;

/// The BLAKE3 digest of a manifest as JSON, in hexadecimal: a changed manifest is another extension.
pub(crate) fn manifest_digest(manifest: &Manifest) -> String {
    // A manifest is data that came out of a file: there is nothing in it that JSON could not write.
    let text = serde_json::to_vec(manifest).unwrap_or_default();
    blake3::hash(&text).to_hex().to_string()
}

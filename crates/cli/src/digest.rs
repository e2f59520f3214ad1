//! What a manifest is known by: as the suite says it in its reports, so the registry says it.

pub(crate) use sandboxer_conformance::manifest_digest;

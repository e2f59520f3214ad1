//! Packages of extensions: from a folder or an archive to a source of the catalog, and away again.
//!
//! Whatever a package brings is hostile until proven otherwise. [`draft`] alone writes files, within bounds; [`archive`]
//! and [`folder`] hand it what they read, [`signature`] looks at the archive before that, [`content`] at what came of it.
//! [`installed`] has what was added: versions in folders that nobody changes, and a link to the one that counts.

pub(crate) mod archive;
pub(crate) mod content;
pub(crate) mod draft;
pub(crate) mod folder;
pub(crate) mod installed;
pub(crate) mod name;
pub(crate) mod signature;
pub(crate) mod source;

//! The catalog over real folders.

mod hosts;
mod inputs;
mod loading;
mod packages;
mod trusting;

use super::{BuiltinHandler, Catalog, CatalogExtension, CatalogProfile, CatalogSource, Miss, TrustBook};
use sandboxer_types::source::Fault;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const HANDLERS: &[BuiltinHandler] = &[
    BuiltinHandler { name: "local", extension: "ext.local", module: None },
    BuiltinHandler {
        name: "compose-ssh",
        extension: "ext.compose-ssh",
        module: Some("sandboxer.extensions.compose_ssh"),
    },
    BuiltinHandler { name: "vm-packer", extension: "ext.vm-packer", module: Some("sandboxer.extensions.vm_packer") },
];

/// Of what is compiled in, so much that tests of everything else have something to stand on.
const COMPILED_IN: &[(&str, &str)] = &[
    ("extensions/ext.local.yaml", include_str!("../../../../../extensions/ext.local.yaml")),
    ("profiles/profile.local.yaml", include_str!("../../../../../profiles/profile.local.yaml")),
    ("profiles/profile.local-net.yaml", include_str!("../../../../../profiles/profile.local-net.yaml")),
];

/// The rest of it.
const ALSO_COMPILED_IN: &[(&str, &str)] = &[
    ("extensions/ext.compose-ssh.yaml", include_str!("../../../../../extensions/ext.compose-ssh.yaml")),
    ("extensions/ext.vm-packer.yaml", include_str!("../../../../../extensions/ext.vm-packer.yaml")),
    ("profiles/profile.compose.yaml", include_str!("../../../../../profiles/profile.compose.yaml")),
    ("profiles/profile.vm-haskell-build.yaml", include_str!("../../../../../profiles/profile.vm-haskell-build.yaml")),
];

const GUIDE_MANIFEST: &str = "\
id: ext.my-backend
title: My Backend
handler: sandboxer.extensions.my_backend:MyExtension
capabilities:
  isolation_levels: [container]
  pricing_model: self-hosted
config:
  key: value
";

const EXEC_MANIFEST: &str = "\
id: ext.shell
title: A shell script
handler: exec:run.sh
lifecycle: oneshot
capabilities: {isolation_levels: [process], pricing_model: free}
";

/// A directory that is thrown away.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let directory = Self::new();
        for (name, text) in files {
            directory.write(name, text);
        }
        directory
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("creates folders");
        std::fs::write(path, content).expect("writes");
    }

    fn write_program(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.join(name), PermissionsExt::from_mode(0o755)).expect("sets the mode");
    }

    /// The built-ins, and this directory as one that was given.
    fn given(&self) -> Catalog {
        load(&[CatalogSource::BuiltIn(COMPILED_IN), CatalogSource::Given(self.path().to_owned())])
    }

    /// The built-ins, and this directory as the one worked in.
    fn worked_in(&self, trust: &TrustBook) -> Catalog {
        let sources = [CatalogSource::BuiltIn(COMPILED_IN), CatalogSource::WorkingDirectory(self.path().to_owned())];
        Catalog::load(&sources, trust, HANDLERS)
    }

    /// Faults as printed, with this directory called `[dir]`.
    fn printed(&self, faults: &[Fault]) -> String {
        let printed = faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n\n");
        printed.replace(&self.path().display().to_string(), "[dir]")
    }
}

fn load(sources: &[CatalogSource]) -> Catalog {
    Catalog::load(sources, &TrustBook::default(), HANDLERS)
}

fn profile<'c>(catalog: &'c Catalog, id: &str) -> Result<&'c CatalogProfile, Miss> {
    catalog.profile(&id.parse().expect("a profile's id"))
}

fn extension<'c>(catalog: &'c Catalog, id: &str) -> Result<&'c CatalogExtension, Miss> {
    catalog.extension(&id.parse().expect("an extension's id"))
}

fn faults<T: std::fmt::Debug>(looked_up: Result<T, Miss>) -> Vec<Fault> {
    match looked_up.expect_err("broken") {
        Miss::Broken { faults, .. } => faults,
        other => panic!("{other}"),
    }
}

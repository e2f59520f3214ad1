//! The extension under test.

use crate::doors::{Doors, NoDoors};
use sandboxer_sdk::host::Program;
use sandboxer_types::source::{Fault, parse_manifest, parse_test_plan};
use sandboxer_types::{Failure, HostId, Manifest, Object, Profile, SshDestination, TestPlan, TtlPolicy, Verb};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The extension under test, and everything that is known of it and of its backend.
#[derive(Clone)]
pub struct Subject {
    /// Its manifest.
    pub manifest: Manifest,
    /// What is wrong with the manifest, its schemas and its examples, each in a sentence.
    pub manifest_faults: Vec<String>,
    /// What to run.
    pub program: Program,
    /// The profile of what is made.
    pub profile: Profile,
    /// What is known of the backend.
    pub plan: TestPlan,
    /// Where the plan's commands run.
    pub folder: PathBuf,
    /// Where ssh finds the plan's host; `None` for this machine.
    pub ssh: Option<SshDestination>,
    /// Its secrets. Those that it declares and that are not here are made up.
    pub secrets: BTreeMap<String, String>,
    /// Ways to machines.
    pub doors: Arc<dyn Doors>,
}

impl Subject {
    /// The program of an author's own, for tests that `cargo test` runs: `manifest` is the path of `ext.<name>.yaml`, `program` what
    /// is run instead of its handler. The plan is `conformance/ext.<name>.yaml` beside the manifest's folder, when there is one.
    ///
    /// # Errors
    ///
    /// `invalid_input` with everything that is wrong with the two files.
    pub fn of_program(manifest: &Path, program: &Path) -> Result<Self, Failure> {
        let name = manifest.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parsed = parse_manifest(&name, &read(manifest)?).map_err(|faults| unreadable(manifest, &faults))?;
        let extensions = manifest.parent().unwrap_or(Path::new("."));
        let folder = extensions.parent().unwrap_or(Path::new(".")).to_owned();
        let plan_path = folder.join("conformance").join(&name);
        let plan = match plan_path.exists() {
            true => parse_test_plan(&name, &read(&plan_path)?).map_err(|faults| unreadable(&plan_path, &faults))?,
            false => TestPlan::default(),
        };
        let program = Program {
            extension: parsed.id.clone(),
            argv: vec![program.as_os_str().to_owned()],
            hint: None,
            folder: extensions.to_owned(),
            environment: environment(&parsed),
            lifecycle: parsed.lifecycle,
            concurrency: parsed.concurrency.unwrap_or(1),
            verbs: parsed.capabilities.verbs.iter().copied().collect(),
            groups: None,
        };
        let profile = bare_profile(&parsed)?;
        Ok(Self {
            manifest: parsed,
            manifest_faults: Vec::new(),
            program,
            profile,
            plan,
            folder,
            ssh: None,
            secrets: BTreeMap::new(),
            doors: Arc::new(NoDoors),
        })
    }

    /// Where sandboxes are made.
    pub(crate) fn host(&self) -> HostId {
        self.plan.host.clone().unwrap_or_else(HostId::localhost)
    }

    /// What they are made from: the plan's, with the profile's defaults.
    pub(crate) fn inputs(&self, of_plan: &Object) -> Object {
        let mut inputs = self.profile.inputs.defaults.clone();
        inputs.extend(of_plan.iter().map(|(name, value)| (name.clone(), value.clone())));
        inputs
    }

    /// The optional verbs that its manifest declares.
    pub(crate) fn declared(&self) -> BTreeSet<Verb> {
        self.program.verbs.clone()
    }
}

/// A profile that asks for nothing.
pub(crate) fn bare_profile(manifest: &Manifest) -> Result<Profile, Failure> {
    let value = json!({"id": "profile.conformance", "extension": manifest.id, "ttl": TtlPolicy::default()});
    serde_json::from_value(value).map_err(|error| Failure::invalid_input(error.to_string()))
}

/// The BLAKE3 digest of a manifest as JSON, in hexadecimal: a changed manifest is another extension. What a team sets for itself (the
/// title, `config`, time-outs) is left out: it is the same extension on another backend.
pub fn manifest_digest(manifest: &Manifest) -> String {
    let own = Manifest {
        title: String::new(),
        config: Object::new(),
        timeouts: sandboxer_types::Timeouts::default(),
        ..manifest.clone()
    };
    // A manifest is data that came out of a file: there is nothing in it that JSON could not write.
    let text = serde_json::to_value(own).unwrap_or(Value::Null).to_string();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::invalid_input(format!("`{}` cannot be read", path.display())).caused_by(&error))
}

fn unreadable(path: &Path, faults: &[Fault]) -> Failure {
    let mut failure = Failure::invalid_input(format!("`{}` is not sound", path.display()));
    failure.causes = faults.iter().map(Fault::headline).collect();
    failure
}

#[allow(clippy::disallowed_methods, reason = "a test of the author's own has no configuration but the environment")]
fn environment(manifest: &Manifest) -> Vec<(OsString, OsString)> {
    let passed = manifest.env.iter().flat_map(|env| env.pass.iter().map(String::as_str));
    let names = ["PATH", "HOME", "TMPDIR"].into_iter().chain(passed);
    names.filter_map(|name| Some((name.into(), std::env::var_os(name)?))).collect()
}

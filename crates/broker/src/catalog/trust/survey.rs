//! What trusting a directory would allow.

use super::book::TrustFault;
use super::digest::{Digests, HOSTS_FILE, canonical, digest_of};
use crate::catalog::files::{CatalogSource, FoundFile, FoundHosts};
use crate::catalog::miss::Kind;
use sandboxer_types::source::{Fault, parse_hosts, parse_manifest, parse_profile};
use sandboxer_types::{Expose, ExtensionId, Handler, HostId, Network, ProfileId, SshDestination};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A handler that would be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SurveyedHandler {
    /// Whose.
    pub extension: ExtensionId,
    /// What.
    pub handler: Handler,
}

/// A folder of the host that would be seen inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SurveyedExposure {
    /// In sandboxes of this profile.
    pub profile: ProfileId,
    /// Which folder, and how.
    pub expose: Expose,
}

/// A machine that sandboxes could be placed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SurveyedHost {
    /// What it would be called.
    pub id: HostId,
    /// Where ssh would look for it; nothing for this machine itself.
    pub ssh: Option<SshDestination>,
}

/// What trusting a directory would allow, and the digests it would be remembered by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustSurvey {
    /// The directory, without links.
    pub directory: String,
    /// The digest of every file, by its path below the directory.
    pub files: BTreeMap<String, String>,
    /// The handlers that would be run.
    pub handlers: Vec<SurveyedHandler>,
    /// The profiles whose sandboxes could reach what the host can.
    pub host_network: Vec<ProfileId>,
    /// The folders of the host that would be seen inside.
    pub exposures: Vec<SurveyedExposure>,
    /// The hosts that sandboxes could be placed on.
    pub hosts: Vec<SurveyedHost>,
    /// What cannot be trusted at all, so that nothing is.
    pub refused: Vec<Fault>,
    /// What is broken, and would stay so.
    pub broken: Vec<Fault>,
}

/// Looks at everything that trust in `directory` covers.
pub fn survey(directory: &Path) -> Result<TrustSurvey, TrustFault> {
    survey_of(directory, Digests::of_directory)
}

/// Looks at a package, all of which trust covers.
pub fn survey_package(directory: &Path) -> Result<TrustSurvey, TrustFault> {
    survey_of(directory, Digests::of_package)
}

fn survey_of(directory: &Path, digests: fn(&Path) -> Digests) -> Result<TrustSurvey, TrustFault> {
    let (path, name) = canonical(directory).map_err(TrustFault::io("read", directory))?;
    let digests = digests(&path);
    let mut survey = TrustSurvey {
        directory: name,
        hosts: Vec::new(),
        files: digests.files,
        handlers: Vec::new(),
        host_network: Vec::new(),
        exposures: Vec::new(),
        refused: digests.refused,
        broken: Vec::new(),
    };
    let found = CatalogSource::WorkingDirectory(path).read();
    survey.broken = found.strays;
    for file in &found.files {
        survey.take(file);
    }
    if let Some(hosts) = &found.hosts {
        survey.take_hosts(hosts);
    }
    Ok(survey)
}

impl TrustSurvey {
    fn take(&mut self, file: &FoundFile) {
        let text = match &file.text {
            Ok(text) => text,
            Err(fault) => return self.broken.push(fault.clone()),
        };
        // What is remembered is what is shown, even when the file changes while it is looked at.
        let below = format!("{}/{}.yaml", file.kind.folder(), file.id);
        self.files.insert(below, digest_of(text.as_bytes()));
        match file.kind {
            Kind::Extension => match parse_manifest(&file.origin.file, text) {
                Ok(manifest) => {
                    self.handlers.push(SurveyedHandler { extension: manifest.id, handler: manifest.handler });
                }
                Err(faults) => self.broken.extend(faults),
            },
            Kind::Profile => match parse_profile(&file.origin.file, text) {
                Ok(profile) => {
                    let exposures = profile.expose.into_iter();
                    let id = &profile.id;
                    self.exposures.extend(exposures.map(|expose| SurveyedExposure { profile: id.clone(), expose }));
                    if profile.network == Network::Host {
                        self.host_network.push(profile.id);
                    }
                }
                Err(faults) => self.broken.extend(faults),
            },
            // They stand in one file, which is no file of an id.
            Kind::Host => {}
        }
    }

    fn take_hosts(&mut self, found: &FoundHosts) {
        let text = match &found.text {
            Ok(text) => text,
            Err(fault) => return self.broken.push(fault.clone()),
        };
        self.files.insert(HOSTS_FILE.to_owned(), digest_of(text.as_bytes()));
        let file = parse_hosts(&found.origin.file, text);
        self.broken.extend(file.faults);
        for entry in file.entries {
            match entry.host {
                Ok(host) => self.hosts.push(SurveyedHost { ssh: host.destination(), id: host.id }),
                Err(faults) => self.broken.extend(faults),
            }
        }
    }
}

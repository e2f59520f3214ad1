//! Puts the catalog together from its sources.

use super::binding::{self, Bound};
use super::entry::{CatalogExtension, CatalogProfile, Layer, Origin};
use super::files::{CatalogSource, FoundFile};
use super::handlers::{BuiltinHandler, ResolvedHandler, resolve};
use super::hosts::{self, CatalogHost};
use super::miss::{Inertness, Kind, Miss};
use super::shelf::{Listing, Shelf, Slot};
use super::trust::{TrustBook, Watch};
use sandboxer_types::source::{Fault, Part, Remark, fault_at, parse_manifest, parse_profile};
use sandboxer_types::{ExtensionId, HostId, Manifest, Profile, ProfileId, Timeouts};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// All extensions, profiles and hosts, sound or not.
#[derive(Debug)]
pub struct Catalog {
    extensions: Shelf<CatalogExtension>,
    profiles: Shelf<CatalogProfile>,
    hosts: Shelf<CatalogHost>,
    strays: Vec<Fault>,
}

impl Catalog {
    /// Reads `sources`, in increasing precedence. Never fails: what is wrong is kept beside what is right.
    ///
    /// A file replaces what earlier sources have under its id, even when it is broken: a profile that was meant to be
    /// stricter must not fall back to a laxer one because of a slip of the keyboard.
    pub fn load(sources: &[CatalogSource], trust: &TrustBook, builtin_handlers: &[BuiltinHandler]) -> Self {
        let mut loading = Loading {
            handlers: builtin_handlers,
            compiled_in: BTreeMap::new(),
            extensions: Shelf::new(Kind::Extension),
            profiles: BTreeMap::new(),
            inert_profiles: BTreeMap::new(),
            hosts: hosts::shelf(),
            strays: Vec::new(),
        };
        for source in sources {
            loading.source(source, trust);
        }
        loading.finish()
    }

    /// The profile called `id`, if it can be used.
    pub fn profile(&self, id: &ProfileId) -> Result<&CatalogProfile, Miss> {
        let profile = self.profiles.get(id.as_str())?;
        let faults = binding::deep_faults(profile, &self.extensions);
        if faults.iter().any(Vec::is_empty) {
            return Ok(profile);
        }
        Err(Miss::Broken {
            kind: Kind::Profile,
            id: id.to_string(),
            origin: profile.origin.clone(),
            faults: faults.concat(),
        })
    }

    /// The extension called `id`, if it can be used.
    pub fn extension(&self, id: &ExtensionId) -> Result<&CatalogExtension, Miss> {
        let extension = self.extensions.get(id.as_str())?;
        match binding::extension_faults(extension) {
            [] => Ok(extension),
            faults => Err(Miss::Broken {
                kind: Kind::Extension,
                id: id.to_string(),
                origin: extension.origin.clone(),
                faults: faults.to_vec(),
            }),
        }
    }

    /// The extensions that can make `profile`, in the order it names them.
    pub fn suitable(&self, profile: &CatalogProfile) -> Vec<&CatalogExtension> {
        let faults = binding::deep_faults(profile, &self.extensions);
        let sound = profile.extensions.iter().zip(faults).filter(|(_, faults)| faults.is_empty());
        sound.filter_map(|(id, _)| self.extensions.get(id.as_str()).ok()).collect()
    }

    /// All extensions by id, sound or not.
    pub fn extensions(&self) -> Vec<Listing<'_, CatalogExtension>> {
        self.extensions.list()
    }

    /// All profiles by id, sound or not.
    pub fn profiles(&self) -> Vec<Listing<'_, CatalogProfile>> {
        self.profiles.list()
    }

    /// The host called `id`, if it can be used. What a host of the user's ssh config is called is not known here.
    pub fn host(&self, id: &HostId) -> Result<&CatalogHost, Miss> {
        self.hosts.get(id.as_str())
    }

    /// All hosts by id, sound or not; `localhost` is always among them.
    pub fn hosts(&self) -> Vec<Listing<'_, CatalogHost>> {
        self.hosts.list()
    }

    /// The faults that loading found. [`Self::check`] finds more, and takes longer.
    pub fn faults(&self) -> Vec<&Fault> {
        let remarks = self.profiles.sound().flat_map(|profile| &profile.remarks);
        let broken = self.extensions.faults().chain(self.profiles.faults()).chain(self.hosts.faults());
        self.strays.iter().chain(broken).chain(remarks).collect()
    }

    /// Every fault there is: those of loading, and what only validators find in schemas, settings and examples.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = self.faults().into_iter().cloned().collect();
        for extension in self.extensions.sound() {
            faults.extend_from_slice(binding::extension_faults(extension));
            faults.extend(binding::example_faults(extension));
        }
        for profile in self.profiles.sound() {
            faults.extend(binding::profile_faults(profile, &self.extensions));
        }
        faults
    }
}

/// A profile before it is known whether its extension exists.
struct Unbound {
    origin: Origin,
    shadows: Vec<Origin>,
    parsed: Result<(Profile, Arc<str>), Vec<Fault>>,
}

struct Loading<'a> {
    handlers: &'a [BuiltinHandler],
    /// The manifests that are compiled in, with what runs them.
    compiled_in: BTreeMap<String, (Manifest, ResolvedHandler)>,
    extensions: Shelf<CatalogExtension>,
    profiles: BTreeMap<String, Unbound>,
    inert_profiles: BTreeMap<String, (Origin, Inertness)>,
    hosts: Shelf<CatalogHost>,
    strays: Vec<Fault>,
}

impl Loading<'_> {
    fn source(&mut self, source: &CatalogSource, trust: &TrustBook) {
        let found = source.read();
        self.strays.extend(found.strays);
        let watch = match source {
            CatalogSource::WorkingDirectory(folder) if !found.files.is_empty() || found.hosts.is_some() => {
                Some(Watch::new(trust, folder))
            }
            CatalogSource::Package { folder, .. } => Some(Watch::of_package(trust, folder)),
            _ => None,
        };
        for file in found.files {
            match watch.as_ref().and_then(|watch| watch.inertness(&file)) {
                Some(inertness) => self.set_inert(file, inertness),
                None => match file.kind {
                    Kind::Extension => self.extension(file, watch.as_ref()),
                    Kind::Profile => self.profile(file),
                    Kind::Host => {}
                },
            }
        }
        if let Some(found) = found.hosts {
            let inertness = watch.as_ref().and_then(|watch| watch.inertness_of_hosts(&found));
            self.strays.extend(hosts::shelve(&mut self.hosts, found, inertness));
        }
    }

    fn set_inert(&mut self, file: FoundFile, inertness: Inertness) {
        let shelf = match file.kind {
            Kind::Extension => &mut self.extensions.inert,
            Kind::Profile => &mut self.inert_profiles,
            Kind::Host => &mut self.hosts.inert,
        };
        shelf.insert(file.id, (file.origin, inertness));
    }

    fn extension(&mut self, file: FoundFile, watch: Option<&Watch<'_>>) {
        let resolved = file.text.clone().map_err(|fault| vec![fault]).and_then(|text| {
            let manifest = parse_manifest(&file.origin.file, &text)?;
            let (resolved, why) = self.resolve(&manifest, &file.origin, &text)?;
            Ok((manifest, resolved, why, text))
        });
        // What cannot be told may have been a handler that runs what was changed.
        let runs_neighbours = !matches!(&resolved, Ok((_, ResolvedHandler::Builtin(_), ..)));
        if runs_neighbours && watch.is_some_and(|watch| !watch.neighbours_are_unchanged()) {
            return self.set_inert(file, Inertness::NeighbourChanged);
        }
        let shadows = shadows(self.extensions.slots.remove(&file.id).map(|slot| match slot {
            Slot::Sound(extension) => (extension.origin, extension.shadows),
            Slot::Broken { origin, shadows, .. } => (origin, shadows),
        }));
        let slot = match resolved {
            Err(faults) => Slot::Broken { origin: file.origin, shadows, faults },
            Ok((manifest, resolved, why, text)) => {
                let manifest = self.over_built_in(manifest, &resolved, file.origin.layer);
                let (inputs, deep_faults) = (OnceLock::new(), OnceLock::new());
                let origin = file.origin;
                Slot::Sound(CatalogExtension { manifest, resolved, why, origin, shadows, text, inputs, deep_faults })
            }
        };
        self.extensions.slots.insert(file.id, slot);
    }

    /// What the handler means, unless it would put something else in a built-in's place.
    fn resolve(
        &self,
        manifest: &Manifest,
        origin: &Origin,
        text: &str,
    ) -> Result<(ResolvedHandler, String), Vec<Fault>> {
        let fault = |remark| vec![fault_at(&origin.file, text, &["handler"], Part::Value, remark)];
        let (resolved, why) = resolve(manifest, origin.folder.as_deref(), self.handlers).map_err(fault)?;
        match self.compiled_in.get(manifest.id.as_str()) {
            Some((built_in, runs)) if *runs != resolved => {
                let message = format!("`{}` is built in, and this handler is not the built-in's", manifest.id);
                let hint = format!("give the extension an id of its own, or the handler `{}`", built_in.handler);
                Err(fault(Remark::new(message).hint(hint)))
            }
            _ => Ok((resolved, why)),
        }
    }

    /// Over a built-in, a manifest sets what is a matter of taste and place; what the code can do stays as it was
    /// compiled in.
    fn over_built_in(&mut self, manifest: Manifest, resolved: &ResolvedHandler, layer: Layer) -> Manifest {
        if layer == Layer::BuiltIn {
            self.compiled_in.insert(manifest.id.to_string(), (manifest.clone(), resolved.clone()));
            return manifest;
        }
        let Some((built_in, _)) = self.compiled_in.get(manifest.id.as_str()) else { return manifest };
        let (mine, theirs) = (manifest.timeouts, built_in.timeouts);
        Manifest {
            title: manifest.title,
            config: if manifest.config.is_empty() { built_in.config.clone() } else { manifest.config },
            secrets: if manifest.secrets.is_empty() { built_in.secrets.clone() } else { manifest.secrets },
            timeouts: Timeouts {
                provision: mine.provision.or(theirs.provision),
                wait_ready: mine.wait_ready.or(theirs.wait_ready),
                teardown: mine.teardown.or(theirs.teardown),
            },
            ..built_in.clone()
        }
    }

    fn profile(&mut self, file: FoundFile) {
        let parsed = file
            .text
            .map_err(|fault| vec![fault])
            .and_then(|text| parse_profile(&file.origin.file, &text).map(|profile| (profile, text)));
        let replaced = self.profiles.remove(&file.id).map(|unbound| (unbound.origin, unbound.shadows));
        let unbound = Unbound { origin: file.origin, shadows: shadows(replaced), parsed };
        self.profiles.insert(file.id, unbound);
    }

    fn finish(self) -> Catalog {
        let mut profiles = Shelf { inert: self.inert_profiles, ..Shelf::new(Kind::Profile) };
        for (id, Unbound { origin, shadows, parsed }) in self.profiles {
            let bound = parsed.and_then(|(profile, text)| {
                let bound = binding::bind(&profile, &origin, &text, &self.extensions)?;
                Ok((profile, text, bound))
            });
            let slot = match bound {
                Err(faults) => Slot::Broken { origin, shadows, faults },
                Ok((profile, text, Bound { extensions, remarks })) => {
                    let deep_faults = OnceLock::new();
                    Slot::Sound(CatalogProfile { profile, extensions, origin, shadows, remarks, text, deep_faults })
                }
            };
            profiles.slots.insert(id, slot);
        }
        Catalog { extensions: self.extensions, profiles, hosts: self.hosts, strays: self.strays }
    }
}

pub(super) fn shadows(replaced: Option<(Origin, Vec<Origin>)>) -> Vec<Origin> {
    match replaced {
        None => Vec::new(),
        Some((origin, mut shadows)) => {
            shadows.insert(0, origin);
            shadows
        }
    }
}

//! The files of `registry/`, as `crates/types/src/registry` writes them.

use super::{Document, generator, part_of};
use sandboxer_types::registry::{RegistryExtension, RegistryIndex, RegistryProfile};
use schemars::JsonSchema;
use schemars::generate::Contract;

pub(super) fn documents() -> [Document; 3] {
    [
        document::<RegistryExtension>(
            "extension",
            "sand-boxer registry: an extension",
            "What other tools can know of an extension without running it: `registry/ext.<name>.json`.",
        ),
        document::<RegistryProfile>(
            "profile",
            "sand-boxer registry: a profile",
            "What other tools can know of a profile without running anything: `registry/profile.<slug>.json`.",
        ),
        document::<RegistryIndex>(
            "index",
            "sand-boxer registry: the index",
            "What a registry has, with enough to choose by: `registry/index.json`.",
        ),
    ]
}

fn document<T: JsonSchema>(name: &str, title: &str, about: &str) -> Document {
    let mut generator = generator(Contract::Serialize);
    let body = part_of::<T>(&mut generator);
    Document {
        name: format!("registry-{name}"),
        title: title.to_owned(),
        description: about.to_owned(),
        body,
        definitions: generator.take_definitions(true),
    }
}

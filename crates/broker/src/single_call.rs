//! What a call that belongs to no operation needs: somebody wants to see how an extension answers.

use crate::catalog::{Catalog, CatalogExtension};
use crate::engine::Broker;
use sandboxer_sdk::Call;
use sandboxer_types::{Failure, SandboxId};

impl Broker {
    /// What can be asked for.
    pub fn catalog(&self) -> &Catalog {
        &self.parts.catalog
    }

    /// A call of one verb with what the manifest gives it. It has no record: whoever makes it answers for what it makes.
    pub fn single_call(
        &self,
        extension: &CatalogExtension,
        verb: &str,
        sandbox_id: SandboxId,
    ) -> Result<Call, Failure> {
        let mut call = Call::detached(sandbox_id, self.parts.store.owner().clone());
        call.secrets = self.secrets_of(extension.id(), &extension.manifest.secrets, verb)?;
        call.config.clone_from(&extension.manifest.config);
        Ok(call)
    }
}

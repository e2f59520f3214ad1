//! A store whose process may die right before and right after every durable write.

use crate::CrashPoints;
use async_trait::async_trait;
use sandboxer_broker::state::Record;
use sandboxer_broker::store::{EventFilter, NewEvent, RecordFilter, Sighting, Store, StoreError};
use sandboxer_sdk::Listed;
use sandboxer_types::{Event, ExtensionId, HostId, OwnerId, SandboxId};
use std::sync::Arc;

/// Wraps a store.
pub struct CrashingStore<S> {
    inner: S,
    points: Arc<CrashPoints>,
}

impl<S: Store> CrashingStore<S> {
    /// Passes `points` around every write of `inner`.
    pub fn new(inner: S, points: Arc<CrashPoints>) -> Self {
        Self { inner, points }
    }

    async fn around<T>(&self, write: impl Future<Output = T>) -> T {
        self.points.pass().await;
        let result = write.await;
        self.points.pass().await;
        result
    }
}

#[async_trait]
impl<S: Store> Store for CrashingStore<S> {
    fn owner(&self) -> &OwnerId {
        self.inner.owner()
    }

    async fn insert(&self, record: &Record, slots: Option<u32>, events: Vec<NewEvent>) -> Result<(), StoreError> {
        self.around(self.inner.insert(record, slots, events)).await
    }

    async fn write(&self, expected_epoch: i64, record: &Record, events: Vec<NewEvent>) -> Result<(), StoreError> {
        self.around(self.inner.write(expected_epoch, record, events)).await
    }

    async fn log(&self, sandbox_id: &SandboxId, events: Vec<NewEvent>) -> Result<(), StoreError> {
        self.around(self.inner.log(sandbox_id, events)).await
    }

    async fn sight(
        &self,
        extension: &ExtensionId,
        asked: Vec<HostId>,
        seen: Vec<Listed>,
    ) -> Result<Vec<Sighting>, StoreError> {
        self.around(self.inner.sight(extension, asked, seen)).await
    }

    async fn get(&self, sandbox_id: &SandboxId) -> Result<Option<Record>, StoreError> {
        self.inner.get(sandbox_id).await
    }

    async fn get_by_key(&self, key: &str) -> Result<Option<Record>, StoreError> {
        self.inner.get_by_key(key).await
    }

    async fn find(&self, text: &str) -> Result<Vec<SandboxId>, StoreError> {
        self.inner.find(text).await
    }

    async fn list(&self, filter: &RecordFilter) -> Result<Vec<Record>, StoreError> {
        self.inner.list(filter).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        self.inner.events(filter).await
    }
}

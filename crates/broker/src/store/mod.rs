//! What must survive: records, events and sightings of orphans.

mod migrations;
mod sqlite;
mod statements;
mod worker;

pub use sqlite::SqliteStore;

use crate::state::Record;
use async_trait::async_trait;
use jiff::Timestamp;
use sandboxer_sdk::Listed;
use sandboxer_types::{
    ErrorKind, Event, EventKind, ExtensionId, Failure, HostId, Object, OwnerId, Residue, SandboxId, State,
};

/// The store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is not a store, or is damaged.
    #[error("the store `{path}` is damaged or is not a store")]
    Corrupt {
        /// Which file.
        path: String,
        /// What the database said.
        source: rusqlite::Error,
    },
    /// A newer sandboxer made it.
    #[error("the store `{path}` was made by a newer sandboxer (schema {found}; this one knows up to {known})")]
    Newer {
        /// Which file.
        path: String,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// It cannot be written.
    #[error("the store cannot be written")]
    ReadOnly(#[source] rusqlite::Error),
    /// The disk is full.
    #[error("the disk that holds the store is full")]
    DiskFull(#[source] rusqlite::Error),
    /// Another process kept it locked for too long.
    #[error("another process keeps the store locked")]
    Locked(#[source] rusqlite::Error),
    /// A sandbox with this id, name or idempotency key is already there.
    #[error("{0}")]
    Taken(Taken),
    /// As many sandboxes are on the host as it has slots.
    #[error("the host `{host}` has room for {slots} sandboxes at once, and has as many")]
    Full {
        /// Which host.
        host: HostId,
        /// How many it has room for.
        slots: u32,
    },
    /// Another process took the sandbox over since it was read.
    #[error("another process took over `{0}`")]
    LostOwnership(SandboxId),
    /// A record cannot be read back.
    #[error("the record of `{sandbox_id}` cannot be read")]
    Unreadable {
        /// Whose.
        sandbox_id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The folder of the store cannot be used.
    #[error("cannot use the state directory `{path}`")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else the database says.
    #[error("the store failed")]
    Database(#[source] rusqlite::Error),
    /// The store's thread is gone.
    #[error("the store was closed")]
    Closed,
}

/// What a new record may not share with another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Taken {
    /// The id.
    #[error("a sandbox with the id `{0}` already exists")]
    Id(SandboxId),
    /// The name, among open ones.
    #[error("a live sandbox is already named `{0}`")]
    Name(String),
    /// The idempotency key; this sandbox was made under it.
    #[error("the idempotency key was already used for `{0}`")]
    IdempotencyKey(SandboxId),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match &error {
            StoreError::Corrupt { .. } => (
                ErrorKind::Internal,
                Some(
                    "move the file away to begin anew, then remove what `sandboxer orphans` finds; nothing was changed",
                ),
            ),
            StoreError::Newer { .. } => {
                (ErrorKind::Precondition, Some("use the sandboxer that made it, or another `--state-dir`"))
            }
            StoreError::ReadOnly(_) => {
                (ErrorKind::Internal, Some("make the state directory writable, or name another with `--state-dir`"))
            }
            StoreError::DiskFull(_) => (ErrorKind::Exhausted, Some("free some space and try again; nothing was lost")),
            StoreError::Locked(_) => (ErrorKind::Busy, Some("try again in a moment")),
            StoreError::Full { .. } => (
                ErrorKind::Exhausted,
                Some("remove one of them, choose another host, or raise its `slots` in `hosts.yaml`"),
            ),
            StoreError::Taken(_) => (ErrorKind::Conflict, None),
            StoreError::LostOwnership(_) => (ErrorKind::Conflict, Some("`sandboxer show` tells where it stands now")),
            StoreError::Directory { .. } => {
                (ErrorKind::Internal, Some("name a directory you can write to with `--state-dir` or SANDBOXER_STATE"))
            }
            StoreError::Unreadable { .. } | StoreError::Database(_) | StoreError::Closed => (ErrorKind::Internal, None),
        };
        let mut failure = Failure::new(kind, error.to_string()).with_residue(Residue::None);
        failure.hint = hint.map(str::to_owned);
        match std::error::Error::source(&error) {
            Some(source) => failure.caused_by(source),
            None => failure,
        }
    }
}

/// An event that has no place in the log yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// What it tells.
    pub kind: EventKind,
    /// In words.
    pub message: String,
    /// In data.
    pub data: Object,
}

impl NewEvent {
    /// An event in words alone.
    pub fn new(kind: EventKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), data: Object::new() }
    }
}

/// Which records to list.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    /// Closed ones too.
    pub include_closed: bool,
    /// Of this consumer only.
    pub consumer: Option<String>,
    /// In this state only.
    pub state: Option<State>,
}

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Of this sandbox only.
    pub sandbox_id: Option<SandboxId>,
    /// After this place in the log only.
    pub after: i64,
    /// Of these kinds only; all when empty.
    pub kinds: Vec<EventKind>,
}

/// Something a backend holds with our labels and without a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// What was seen.
    pub listed: Listed,
    /// By which extension.
    pub extension: ExtensionId,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// How often it was seen.
    pub count: i64,
}

/// What must survive, in the terms of the domain. Each writing method is one durable transaction.
#[async_trait]
pub trait Store: Send + Sync {
    /// Which state directory this is.
    fn owner(&self) -> &OwnerId;

    /// Writes down a new record with its first events, unless its host then had more open ones than `slots`.
    async fn insert(&self, record: &Record, slots: Option<u32>, events: Vec<NewEvent>) -> Result<(), StoreError>;

    /// Replaces a record, if its epoch still is `expected_epoch`, and appends events.
    async fn write(&self, expected_epoch: i64, record: &Record, events: Vec<NewEvent>) -> Result<(), StoreError>;

    /// Appends events of a sandbox.
    async fn log(&self, sandbox_id: &SandboxId, events: Vec<NewEvent>) -> Result<(), StoreError>;

    /// Writes down what a listing of orphans saw on the hosts that answered, and returns all of that. What was seen elsewhere
    /// before stays as it was.
    async fn sight(
        &self,
        extension: &ExtensionId,
        asked: Vec<HostId>,
        seen: Vec<Listed>,
    ) -> Result<Vec<Sighting>, StoreError>;

    /// One record.
    async fn get(&self, sandbox_id: &SandboxId) -> Result<Option<Record>, StoreError>;

    /// The record made under an idempotency key.
    async fn get_by_key(&self, key: &str) -> Result<Option<Record>, StoreError>;

    /// The ids that `text` may mean: an id, an open one's name, or a prefix or suffix of ids; open ones first.
    async fn find(&self, text: &str) -> Result<Vec<SandboxId>, StoreError>;

    /// Records, oldest first.
    async fn list(&self, filter: &RecordFilter) -> Result<Vec<Record>, StoreError>;

    /// Events, oldest first.
    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, StoreError>;
}

//! The store in one SQLite file, shared by every process of a state directory.

use super::migrations::{migrate, recognise};
use super::statements::{
    append, check_room, decode, find_ids, insert_record, list_documents, list_events, read_document, read_sightings,
    record_sightings, update_record,
};
use super::worker::Worker;
use super::{EventFilter, NewEvent, RecordFilter, Sighting, Store, StoreError};
use crate::state::{Durability, Record};
use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};
use sandboxer_sdk::{Clock, Ids, Listed};
use sandboxer_types::{Event, ExtensionId, HostId, OwnerId, SandboxId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a process waits for another's transaction. Theirs take less than a millisecond.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A store in one file. What was written survives the end of any process, and a loss of power where its record asks for it.
pub struct SqliteStore {
    owner: OwnerId,
    clock: Arc<dyn Clock>,
    worker: Worker,
}

impl StoreError {
    /// Sorts what the database said into what a person can act on.
    pub(super) fn from_database(error: rusqlite::Error, path: &str) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => Self::ReadOnly(error),
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => Self::DiskFull(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path: path.to_owned(), source: error }
            }
            None if matches!(error, rusqlite::Error::InvalidQuery) => {
                Self::Corrupt { path: path.to_owned(), source: error }
            }
            Some(_) | None => Self::Database(error),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::from_database(error, "store.sqlite")
    }
}

impl SqliteStore {
    /// Opens the store at `path`, making it first when there is none.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, ids: &dyn Ids) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        let fresh_owner = OwnerId::from_ulid(ids.fresh());
        make_where_missing(path, &shown, &fresh_owner)?;
        let mut connection = connect(path, &shown)?;
        migrate(&mut connection, &shown, fresh_owner.as_str())?;
        let owner: String = connection
            .query_row("SELECT value FROM meta WHERE key = 'owner'", [], |row| row.get(0))
            .map_err(|source| match source {
                rusqlite::Error::QueryReturnedNoRows => StoreError::Corrupt { path: shown.clone(), source },
                other => StoreError::from_database(other, &shown),
            })?;
        let owner = owner
            .parse()
            .map_err(|_| StoreError::Corrupt { path: shown.clone(), source: rusqlite::Error::InvalidQuery })?;
        Ok(Self { owner, clock, worker: Worker::start("store", connection)? })
    }

    fn now_milliseconds(&self) -> i64 {
        self.clock.now().as_millisecond()
    }
}

/// Makes a store elsewhere and puts it there whole. Made in its place, it would be locked against all others while it is
/// switched to a write-ahead log, which they cannot wait for.
fn make_where_missing(path: &Path, shown: &str, fresh_owner: &OwnerId) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    let directory = |source| StoreError::Directory { path: shown.to_owned(), source };
    let new = path.with_extension(fresh_owner.as_str());
    // Without the settings of daily use, so that closing it leaves everything in the one file.
    let mut connection = Connection::open(&new).map_err(|error| StoreError::from_database(error, shown))?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| StoreError::from_database(error, shown))?;
    migrate(&mut connection, shown, fresh_owner.as_str())?;
    connection.close().map_err(|(_, error)| StoreError::from_database(error, shown))?;
    let linked = std::fs::hard_link(&new, path);
    std::fs::remove_file(&new).map_err(directory)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(directory(error)),
        // Whoever was faster has made as good a store.
        Ok(()) | Err(_) => Ok(()),
    }
}

fn connect(path: &Path, shown: &str) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(|error| StoreError::from_database(error, shown))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before anything is set: that would be written into whatever file this is.
    recognise(&connection, shown)?;
    let set = || {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Whoever opens the store first reads the whole log: keep it short.
        connection.pragma_update(None, "wal_autocheckpoint", 250)?;
        // Nor does every short command have to tidy the log up at its end.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    set().map_err(|error| StoreError::from_database(error, shown))?;
    Ok(connection)
}

/// Begins a write that survives what its record asks for. A synchronous one carries all earlier ones along.
fn begin(connection: &mut Connection, durability: Durability) -> rusqlite::Result<Transaction<'_>> {
    let synchronous = match durability {
        Durability::PowerLoss => "FULL",
        Durability::ProcessEnd => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

#[async_trait]
impl Store for SqliteStore {
    fn owner(&self) -> &OwnerId {
        &self.owner
    }

    async fn insert(&self, record: &Record, slots: Option<u32>, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let (record, now) = (record.clone(), self.now_milliseconds());
        self.worker
            .run(move |connection| {
                let transaction = begin(connection, record.durability)?;
                insert_record(&transaction, &record)?;
                check_room(&transaction, &record.host, slots)?;
                append(&transaction, now, &record.sandbox_id, &events)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    async fn write(&self, expected_epoch: i64, record: &Record, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let (record, now) = (record.clone(), self.now_milliseconds());
        self.worker
            .run(move |connection| {
                let transaction = begin(connection, record.durability)?;
                update_record(&transaction, expected_epoch, &record)?;
                append(&transaction, now, &record.sandbox_id, &events)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    async fn log(&self, sandbox_id: &SandboxId, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let (sandbox_id, now) = (sandbox_id.clone(), self.now_milliseconds());
        self.worker
            .run(move |connection| {
                let transaction = begin(connection, Durability::PowerLoss)?;
                append(&transaction, now, &sandbox_id, &events)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    async fn sight(
        &self,
        extension: &ExtensionId,
        asked: Vec<HostId>,
        seen: Vec<Listed>,
    ) -> Result<Vec<Sighting>, StoreError> {
        let (extension, now) = (extension.clone(), self.now_milliseconds());
        self.worker
            .run(move |connection| {
                let transaction = begin(connection, Durability::PowerLoss)?;
                record_sightings(&transaction, &extension, &asked, &seen, now)?;
                let sightings = read_sightings(&transaction, &extension, &asked)?;
                transaction.commit()?;
                Ok(sightings)
            })
            .await
    }

    async fn get(&self, sandbox_id: &SandboxId) -> Result<Option<Record>, StoreError> {
        let sandbox_id = sandbox_id.clone();
        self.worker
            .run(move |connection| {
                let document: Option<String> = connection
                    .prepare_cached("SELECT document FROM sandboxes WHERE sandbox_id = ?1")?
                    .query_row([sandbox_id.as_str()], |row| row.get(0))
                    .optional()?;
                document.map(|document| decode(sandbox_id.as_str(), &document)).transpose()
            })
            .await
    }

    async fn get_by_key(&self, key: &str) -> Result<Option<Record>, StoreError> {
        let key = key.to_owned();
        self.worker
            .run(move |connection| {
                let found = connection
                    .prepare_cached("SELECT sandbox_id, document FROM sandboxes WHERE idempotency_key = ?1")?
                    .query_row([&key], read_document)
                    .optional()?;
                found.map(|(id, document)| decode(&id, &document)).transpose()
            })
            .await
    }

    async fn find(&self, text: &str) -> Result<Vec<SandboxId>, StoreError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(Vec::new());
        }
        let text = text.to_owned();
        self.worker.run(move |connection| Ok(find_ids(connection, &text)?)).await
    }

    async fn list(&self, filter: &RecordFilter) -> Result<Vec<Record>, StoreError> {
        let filter = filter.clone();
        let documents = self.worker.run(move |connection| Ok(list_documents(connection, &filter)?)).await?;
        documents.iter().map(|(id, document)| decode(id, document)).collect()
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let filter = filter.clone();
        self.worker.run(move |connection| Ok(list_events(connection, &filter)?)).await
    }
}

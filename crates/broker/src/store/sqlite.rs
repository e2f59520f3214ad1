//! The store in one SQLite file, shared by every process of a state directory.

use super::migrations::{migrate, recognise};
use super::worker::Worker;
use super::{EventFilter, NewEvent, RecordFilter, Sighting, Store, StoreError, Taken};
use crate::state::Record;
use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use sandboxer_sdk::{Clock, Ids, Listed};
use sandboxer_types::{Event, ExtensionId, Object, OwnerId, SandboxId};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a process waits for another's transaction. Theirs take less than a millisecond.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A store in one file. Writing is synchronous to the disk: what was written survives a loss of power.
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
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Whoever opens the store first reads the whole log: keep it short.
        connection.pragma_update(None, "wal_autocheckpoint", 250)?;
        // Nor does every short command have to tidy the log up at its end.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.pragma_update(None, "foreign_keys", true)
    };
    set().map_err(|error| StoreError::from_database(error, shown))?;
    Ok(connection)
}

fn encode(record: &Record) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|source| StoreError::Unreadable { sandbox_id: record.sandbox_id.to_string(), source })
}

fn decode(sandbox_id: &str, document: &str) -> Result<Record, StoreError> {
    serde_json::from_str(document)
        .map_err(|source| StoreError::Unreadable { sandbox_id: sandbox_id.to_owned(), source })
}

fn append(transaction: &Transaction<'_>, at: i64, id: &SandboxId, events: &[NewEvent]) -> rusqlite::Result<()> {
    let mut statement = transaction
        .prepare_cached("INSERT INTO events (at, sandbox_id, kind, message, data) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for event in events {
        let data = serde_json::Value::Object(event.data.clone()).to_string();
        statement.execute(params![at, id.as_str(), event.kind.as_str(), event.message, data])?;
    }
    Ok(())
}

/// Says which uniqueness a new record would break, after the database refused it.
fn taken(transaction: &Transaction<'_>, record: &Record, error: rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return error.into();
    }
    let by_key = record.idempotency.as_ref().and_then(|idempotency| {
        transaction
            .query_row("SELECT sandbox_id FROM sandboxes WHERE idempotency_key = ?1", [&idempotency.key], |row| {
                row.get::<_, String>(0)
            })
            .ok()
    });
    if let Some(id) = by_key.and_then(|id| id.parse().ok()) {
        return StoreError::Taken(Taken::IdempotencyKey(id));
    }
    let same_id = transaction
        .query_row("SELECT 1 FROM sandboxes WHERE sandbox_id = ?1", [record.sandbox_id.as_str()], |_| Ok(()))
        .is_ok();
    match (&record.name, same_id) {
        (Some(name), false) => StoreError::Taken(Taken::Name(name.to_string())),
        _ => StoreError::Taken(Taken::Id(record.sandbox_id.clone())),
    }
}

fn insert_record(transaction: &Transaction<'_>, record: &Record) -> Result<(), StoreError> {
    let document = encode(record)?;
    transaction
        .prepare_cached(
            "INSERT INTO sandboxes (sandbox_id, is_open, state, name, consumer, idempotency_key, epoch, document)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            record.sandbox_id.as_str(),
            !record.state().is_closed(),
            record.state().as_str(),
            record.name.as_ref().map(AsRef::as_ref),
            record.consumer.as_str(),
            record.idempotency.as_ref().map(|idempotency| &idempotency.key),
            record.epoch,
            document,
        ])
        .map(drop)
        .map_err(|error| taken(transaction, record, error))
}

fn update_record(transaction: &Transaction<'_>, expected_epoch: i64, record: &Record) -> Result<(), StoreError> {
    let changed = transaction
        .prepare_cached(
            "UPDATE sandboxes SET is_open = ?3, state = ?4, epoch = ?5, document = ?6
             WHERE sandbox_id = ?1 AND epoch = ?2",
        )?
        .execute(params![
            record.sandbox_id.as_str(),
            expected_epoch,
            !record.state().is_closed(),
            record.state().as_str(),
            record.epoch,
            encode(record)?,
        ])?;
    if changed == 1 { Ok(()) } else { Err(StoreError::LostOwnership(record.sandbox_id.clone())) }
}

fn read_document(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// Says that a column holds what no version of this program wrote.
fn unreadable<E>(column: usize) -> impl FnOnce(E) -> rusqlite::Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

fn read_event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let (id, kind, data): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(5)?);
    Ok(Event {
        sequence: row.get(0)?,
        at: Timestamp::from_millisecond(row.get(1)?).map_err(unreadable(1))?,
        sandbox_id: id.parse().map_err(unreadable(2))?,
        kind: kind.parse().map_err(unreadable(3))?,
        message: row.get(4)?,
        data: serde_json::from_str::<Object>(&data).map_err(unreadable(5))?,
    })
}

fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// The ways to find a sandbox by a text, each tried when the ones before found nothing. Those of open records come
/// before those of all, so that the usual question does not read the whole past.
const WAYS_TO_FIND: [&str; 3] = [
    "SELECT sandbox_id FROM sandboxes WHERE sandbox_id = ?1 OR (is_open = 1 AND name = ?1) LIMIT 20",
    "SELECT sandbox_id FROM sandboxes INDEXED BY sandboxes_open
     WHERE is_open = 1 AND (sandbox_id LIKE ?1 || '%' OR sandbox_id LIKE '%' || ?1) ORDER BY sandbox_id LIMIT 20",
    "SELECT sandbox_id FROM sandboxes
     WHERE sandbox_id LIKE ?1 || '%' OR sandbox_id LIKE '%' || ?1 ORDER BY sandbox_id LIMIT 20",
];

/// `text` is letters, digits and `-` alone, so it means nothing to LIKE but itself.
fn find_ids(connection: &Connection, text: &str) -> rusqlite::Result<Vec<SandboxId>> {
    let read = |row: &Row<'_>| row.get::<_, String>(0)?.parse::<SandboxId>().map_err(unreadable(0));
    for way in WAYS_TO_FIND {
        let found: Vec<SandboxId> =
            connection.prepare_cached(way)?.query_map([text], read)?.collect::<Result<_, _>>()?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn list_documents(connection: &Connection, filter: &RecordFilter) -> rusqlite::Result<Vec<(String, String)>> {
    // Two statements, so that the usual question is answered from the index of open records alone.
    let statement = if filter.include_closed {
        "SELECT sandbox_id, document FROM sandboxes
         WHERE (?1 IS NULL OR consumer = ?1) AND (?2 IS NULL OR state = ?2) ORDER BY sandbox_id"
    } else {
        "SELECT sandbox_id, document FROM sandboxes INDEXED BY sandboxes_open
         WHERE is_open = 1 AND (?1 IS NULL OR consumer = ?1) AND (?2 IS NULL OR state = ?2) ORDER BY sandbox_id"
    };
    connection
        .prepare_cached(statement)?
        .query_map(params![filter.consumer, filter.state.map(|state| state.as_str())], read_document)?
        .collect()
}

fn list_events(connection: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<Event>> {
    let mut statement = connection.prepare_cached(
        "SELECT sequence, at, sandbox_id, kind, message, data FROM events
         WHERE sequence > ?1 AND (?2 IS NULL OR sandbox_id = ?2) ORDER BY sequence",
    )?;
    let id = filter.sandbox_id.as_ref().map(SandboxId::as_str);
    let mut events: Vec<Event> =
        statement.query_map(params![filter.after, id], read_event)?.collect::<Result<_, _>>()?;
    events.retain(|event| filter.kinds.is_empty() || filter.kinds.contains(&event.kind));
    Ok(events)
}

fn record_sightings(
    transaction: &Transaction<'_>,
    extension: &ExtensionId,
    seen: &[Listed],
    now: i64,
) -> rusqlite::Result<()> {
    let ids: Vec<&str> = seen.iter().map(|listed| listed.sandbox_id.as_str()).collect();
    let ids = serde_json::Value::from(ids).to_string();
    transaction.execute(
        "DELETE FROM sightings WHERE extension = ?1 AND sandbox_id NOT IN (SELECT value FROM json_each(?2))",
        params![extension.as_str(), ids],
    )?;
    for listed in seen {
        let document =
            serde_json::to_string(listed).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        transaction.execute(
            "INSERT INTO sightings (extension, sandbox_id, listed, first_seen, count) VALUES (?1, ?2, ?3, ?4, 1)
             ON CONFLICT DO UPDATE SET listed = excluded.listed, count = count + 1",
            params![extension.as_str(), listed.sandbox_id.as_str(), document, now],
        )?;
    }
    Ok(())
}

fn read_sightings(transaction: &Transaction<'_>, extension: &ExtensionId) -> rusqlite::Result<Vec<Sighting>> {
    let mut statement = transaction
        .prepare("SELECT listed, first_seen, count FROM sightings WHERE extension = ?1 ORDER BY sandbox_id")?;
    let sighting = |row: &Row<'_>| {
        let listed: String = row.get(0)?;
        Ok(Sighting {
            listed: serde_json::from_str(&listed).map_err(unreadable(0))?,
            extension: extension.clone(),
            first_seen: Timestamp::from_millisecond(row.get(1)?).map_err(unreadable(1))?,
            count: row.get(2)?,
        })
    };
    statement.query_map([extension.as_str()], sighting)?.collect()
}

#[async_trait]
impl Store for SqliteStore {
    fn owner(&self) -> &OwnerId {
        &self.owner
    }

    async fn insert(&self, record: &Record, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let (record, now) = (record.clone(), self.now_milliseconds());
        self.worker
            .run(move |connection| {
                let transaction = immediate(connection)?;
                insert_record(&transaction, &record)?;
                append(&transaction, now, &record.sandbox_id, &events)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    async fn write(&self, expected_epoch: i64, record: &Record, events: Vec<NewEvent>) -> Result<(), StoreError> {
        let (record, now) = (record.clone(), self.now_milliseconds());
        self.worker
            .run(move |connection| {
                let transaction = immediate(connection)?;
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
                let transaction = immediate(connection)?;
                append(&transaction, now, &sandbox_id, &events)?;
                Ok(transaction.commit()?)
            })
            .await
    }

    async fn sight(&self, extension: &ExtensionId, seen: Vec<Listed>) -> Result<Vec<Sighting>, StoreError> {
        let (extension, now) = (extension.clone(), self.now_milliseconds());
        self.worker
            .run(move |connection| {
                let transaction = immediate(connection)?;
                record_sightings(&transaction, &extension, &seen, now)?;
                let sightings = read_sightings(&transaction, &extension)?;
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

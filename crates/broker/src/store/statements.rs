//! The SQL, and what rows mean.

use super::{EventFilter, NewEvent, RecordFilter, Sighting, StoreError, Taken};
use crate::state::Record;
use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, Row, Transaction, params};
use sandboxer_sdk::Listed;
use sandboxer_types::{Event, ExtensionId, HostId, Object, SandboxId};

pub(super) fn encode(record: &Record) -> Result<String, StoreError> {
    serde_json::to_string(record)
        .map_err(|source| StoreError::Unreadable { sandbox_id: record.sandbox_id.to_string(), source })
}

pub(super) fn decode(sandbox_id: &str, document: &str) -> Result<Record, StoreError> {
    serde_json::from_str(document)
        .map_err(|source| StoreError::Unreadable { sandbox_id: sandbox_id.to_owned(), source })
}

pub(super) fn append(
    transaction: &Transaction<'_>,
    at: i64,
    id: &SandboxId,
    events: &[NewEvent],
) -> rusqlite::Result<()> {
    let mut statement = transaction
        .prepare_cached("INSERT INTO events (at, sandbox_id, kind, message, data) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for event in events {
        let data = serde_json::Value::Object(event.data.clone()).to_string();
        statement.execute(params![at, id.as_str(), event.kind.as_str(), event.message, data])?;
    }
    Ok(())
}

/// Says which uniqueness a new record would break, after the database refused it.
pub(super) fn taken(transaction: &Transaction<'_>, record: &Record, error: rusqlite::Error) -> StoreError {
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

pub(super) fn insert_record(transaction: &Transaction<'_>, record: &Record) -> Result<(), StoreError> {
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

/// Refuses one sandbox more than its host has room for. Undone with the transaction that inserted it.
pub(super) fn check_room(transaction: &Transaction<'_>, host: &HostId, slots: Option<u32>) -> Result<(), StoreError> {
    let Some(slots) = slots else { return Ok(()) };
    let open: u32 = transaction
        .prepare_cached(
            "SELECT count(*) FROM sandboxes INDEXED BY sandboxes_open
             WHERE is_open = 1 AND json_extract(document, '$.host') = ?1",
        )?
        .query_row([host.as_str()], |row| row.get(0))?;
    if open > slots { Err(StoreError::Full { host: host.clone(), slots }) } else { Ok(()) }
}

pub(super) fn update_record(
    transaction: &Transaction<'_>,
    expected_epoch: i64,
    record: &Record,
) -> Result<(), StoreError> {
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

pub(super) fn read_document(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// Says that a column holds what no version of this program wrote.
pub(super) fn unreadable<E>(column: usize) -> impl FnOnce(E) -> rusqlite::Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

pub(super) fn read_event(row: &Row<'_>) -> rusqlite::Result<Event> {
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

/// The ways to find a sandbox by a text, each tried when the ones before found nothing. Those of open records come
/// before those of all, so that the usual question does not read the whole past.
/// Fewer letters are no part of an id.
const LEAST_PART: usize = 4;

pub(super) const WAYS_TO_FIND: [&str; 3] = [
    "SELECT sandbox_id FROM sandboxes WHERE sandbox_id = ?1 OR (is_open = 1 AND name = ?1) LIMIT 20",
    "SELECT sandbox_id FROM sandboxes INDEXED BY sandboxes_open
     WHERE is_open = 1 AND (sandbox_id LIKE ?1 || '%' OR sandbox_id LIKE '%' || ?1) ORDER BY sandbox_id LIMIT 20",
    "SELECT sandbox_id FROM sandboxes
     WHERE sandbox_id LIKE ?1 || '%' OR sandbox_id LIKE '%' || ?1 ORDER BY sandbox_id LIMIT 20",
];

/// `text` is letters, digits and `-` alone, so it means nothing to LIKE but itself.
pub(super) fn find_ids(connection: &Connection, text: &str) -> rusqlite::Result<Vec<SandboxId>> {
    let read = |row: &Row<'_>| row.get::<_, String>(0)?.parse::<SandboxId>().map_err(unreadable(0));
    // A slip of the keyboard must not mean somebody's sandbox.
    let ways = if text.len() < LEAST_PART { &WAYS_TO_FIND[..1] } else { &WAYS_TO_FIND[..] };
    for way in ways {
        let found: Vec<SandboxId> =
            connection.prepare_cached(way)?.query_map([text], read)?.collect::<Result<_, _>>()?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

pub(super) fn list_documents(
    connection: &Connection,
    filter: &RecordFilter,
) -> rusqlite::Result<Vec<(String, String)>> {
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

pub(super) fn list_events(connection: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<Event>> {
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

/// Hosts as a JSON list.
fn list(hosts: &[HostId]) -> String {
    serde_json::Value::from_iter(hosts.iter().map(HostId::as_str)).to_string()
}

pub(super) fn record_sightings(
    transaction: &Transaction<'_>,
    extension: &ExtensionId,
    asked: &[HostId],
    seen: &[Listed],
    now: i64,
) -> rusqlite::Result<()> {
    let ids: Vec<&str> = seen.iter().map(|listed| listed.sandbox_id.as_str()).collect();
    let ids = serde_json::Value::from(ids).to_string();
    transaction.execute(
        "DELETE FROM sightings WHERE extension = ?1 AND sandbox_id NOT IN (SELECT value FROM json_each(?2))
         AND json_extract(listed, '$.host') IN (SELECT value FROM json_each(?3))",
        params![extension.as_str(), ids, list(asked)],
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

pub(super) fn read_sightings(
    transaction: &Transaction<'_>,
    extension: &ExtensionId,
    asked: &[HostId],
) -> rusqlite::Result<Vec<Sighting>> {
    let mut statement = transaction.prepare(
        "SELECT listed, first_seen, count FROM sightings
         WHERE extension = ?1 AND json_extract(listed, '$.host') IN (SELECT value FROM json_each(?2))
         ORDER BY sandbox_id",
    )?;
    let sighting = |row: &Row<'_>| {
        let listed: String = row.get(0)?;
        Ok(Sighting {
            listed: serde_json::from_str(&listed).map_err(unreadable(0))?,
            extension: extension.clone(),
            first_seen: Timestamp::from_millisecond(row.get(1)?).map_err(unreadable(1))?,
            count: row.get(2)?,
        })
    };
    statement.query_map(params![extension.as_str(), list(asked)], sighting)?.collect()
}

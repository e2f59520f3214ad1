//! The schema, step by step.

use super::StoreError;
use rusqlite::{Connection, TransactionBehavior};

/// Every schema change, in order. A step that has been released is never edited.
const STEPS: [&str; 1] = [include_str!("migrations/0001_initial.sql")];

/// Marks our files, so that another program's database is never taken for a store: `SBXS` in ASCII.
const APPLICATION_ID: i64 = 0x5342_5853;

/// The newest schema known here.
pub(super) const NEWEST: i64 = STEPS.len() as i64;

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Refuses what is not a store of ours, or is a newer one, without touching it. Returns its schema; 0 for a new file.
pub(super) fn recognise(connection: &Connection, path: &str) -> Result<i64, StoreError> {
    let corrupt = |source| StoreError::from_database(source, path);
    // One transaction, so that all three are of one instant: another process may be making the store.
    let look = || {
        let transaction = connection.unchecked_transaction()?;
        let tables = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok((pragma(&transaction, "user_version")?, pragma(&transaction, "application_id")?, tables))
    };
    match look().map_err(corrupt)? {
        (0, 0, 0) => Ok(0),
        (found, APPLICATION_ID, _) if found > NEWEST => {
            Err(StoreError::Newer { path: path.to_owned(), found, known: NEWEST })
        }
        (found, APPLICATION_ID, _) if found > 0 => Ok(found),
        _ => Err(corrupt(rusqlite::Error::InvalidQuery)),
    }
}

/// Brings the store to the newest schema. Several processes may do so at once.
pub(super) fn migrate(connection: &mut Connection, path: &str, fresh_owner: &str) -> Result<(), StoreError> {
    let corrupt = |source| StoreError::from_database(source, path);
    if recognise(connection, path)? == NEWEST {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(corrupt)?;
    // Another process may have done it meanwhile, and may know more.
    let found = pragma(&transaction, "user_version").map_err(corrupt)?;
    if found > NEWEST {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: NEWEST });
    }
    let done = usize::try_from(found).unwrap_or_default();
    for step in &STEPS[done..] {
        transaction.execute_batch(step).map_err(corrupt)?;
    }
    if done == 0 {
        transaction.execute("INSERT INTO meta (key, value) VALUES ('owner', ?1)", [fresh_owner]).map_err(corrupt)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(corrupt)?;
    transaction.pragma_update(None, "user_version", NEWEST).map_err(corrupt)?;
    transaction.commit().map_err(corrupt)
}

//! A store with a long past.

use crate::commands::binary;
use crate::engine::{create, engine, remove};
use crate::peers::run;
use crate::sample::{ROUNDS, Sample, Table};

const PAST: i64 = 100_000;

/// Measures `ls` beside a hundred thousand closed records and ten open ones.
pub(crate) fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let broker = engine(folder.path());
    let open = runtime.block_on(async {
        let past = create(&broker).await;
        remove(&broker, &past).await;
        multiply(&folder.path().join("store.sqlite"), past.as_str());
        let mut open = Vec::new();
        for _ in 0..10 {
            open.push(create(&broker).await);
        }
        open
    });
    let binary = binary();
    let state_dir = format!("--state-dir={}", folder.path().display());
    let sample = Sample::of(ROUNDS, || assert!(run(&[&binary, &state_dir, "ls"])));
    table.times("sandboxer ls, 10 open and 100,000 past records", &sample, "≤ 20");
    runtime.block_on(async {
        for id in &open {
            remove(&broker, id).await;
        }
    });
}

/// Copies one closed record many times, under ids of its own.
fn multiply(store: &std::path::Path, past: &str) {
    let database = rusqlite::Connection::open(store).unwrap();
    database
        .execute(
            "INSERT INTO sandboxes (sandbox_id, is_open, state, name, consumer, idempotency_key, epoch, document)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?2)
             SELECT printf('past%08d', n), 0, state, NULL, consumer, NULL, epoch,
                    json_set(document, '$.sandbox_id', printf('past%08d', n))
             FROM sandboxes, number WHERE sandbox_id = ?1",
            rusqlite::params![past, PAST],
        )
        .unwrap();
}

//! What two hundred live sandboxes take.

use crate::engine::{create, engine, remove};
use crate::sample::Table;
use std::fs;

const LIVE: usize = 200;

/// A figure of /proc/meminfo, in kB.
fn memory_info(name: &str) -> i64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What the kernel holds for everybody, in kB: slab, stacks, page tables, per-processor data.
fn kernel() -> i64 {
    ["Slab:", "KernelStack:", "PageTables:", "Percpu:"].iter().map(|name| memory_info(name)).sum()
}

/// The proportional share of every process that this binary is, in kB.
fn proportional_share() -> i64 {
    let mut sum = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if !command.contains("local-supervisor") && !command.contains("agent-inside") {
            continue;
        }
        let rollup = fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
        let line = rollup.lines().find(|line| line.starts_with("Pss:"));
        sum += line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse::<i64>().ok()).unwrap_or(0);
    }
    sum
}

/// Measures memory with all of them alive.
pub(crate) fn measure(table: &mut Table) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let broker = engine(folder.path());
        let before = kernel();
        let mut ids = Vec::new();
        for _ in 0..LIVE {
            ids.push(create(&broker).await);
        }
        let (user, kernel) = (proportional_share(), kernel() - before);
        let each = |kilobytes: i64| kilobytes as f64 / 1024.0 / LIVE as f64;
        let figures = format!("{:.2} MB each: PSS {:.2} + kernel {:.2}", each(user + kernel), each(user), each(kernel));
        table.figures("200 live sandboxes", &figures, "≤ 1.2 MB each");
        for id in &ids {
            remove(&broker, id).await;
        }
    });
}

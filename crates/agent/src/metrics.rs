//! How much of the machine is used, as envd tells it: what `/proc` shows inside.

use std::fs;
use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::fs::statvfs;
use serde::Serialize;

use crate::clock;

/// What `/metrics` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    ts: i64,
    cpu_count: usize,
    /// Of all processors together, since the last time that somebody asked; at first, since the machine started.
    cpu_used_pct: f32,
    mem_total: u64,
    mem_used: u64,
    mem_cache: u64,
    mem_total_mib: u64,
    mem_used_mib: u64,
    disk_used: u64,
    disk_total: u64,
}

/// Remembers what the processors had done when somebody asked last.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Work>);

/// What the processors did since the start, in ticks.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Work {
    busy: u64,
    all: u64,
}

/// Measures now.
pub(crate) fn measure(meter: &Meter) -> io::Result<Metrics> {
    let stat = fs::read_to_string("/proc/stat")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let disk = statvfs("/")?;
    let now = work(&stat);
    let before = std::mem::replace(&mut *meter.0.lock().unwrap_or_else(PoisonError::into_inner), now);
    let (total, free) = (memory_field(&memory, "MemTotal"), memory_field(&memory, "MemAvailable"));
    let used = total.saturating_sub(free);
    Ok(Metrics {
        ts: clock::now().seconds,
        cpu_count: stat.lines().filter(|line| is_processor(line)).count(),
        cpu_used_pct: percent(before, now),
        mem_total: total,
        mem_used: used,
        mem_cache: memory_field(&memory, "Cached"),
        mem_total_mib: total >> 20,
        mem_used_mib: used >> 20,
        disk_used: disk.f_blocks.saturating_sub(disk.f_bfree).saturating_mul(disk.f_frsize),
        disk_total: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}

fn is_processor(line: &str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
}

fn work(stat: &str) -> Work {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    // Guests' time is part of the users' already.
    let ticks: Vec<u64> = line.split_whitespace().take(8).map(|field| field.parse().unwrap_or(0)).collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Work { busy: all - idle, all }
}

#[allow(clippy::cast_precision_loss, reason = "a percentage for people")]
fn percent(before: Work, now: Work) -> f32 {
    match now.all.saturating_sub(before.all) {
        0 => 0.0,
        all => (now.busy.saturating_sub(before.busy) as f32 * 10_000.0 / all as f32).round() / 100.0,
    }
}

/// In bytes; the file has kibibytes.
fn memory_field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        let now = work("cpu  10 0 10 70 10 0 0 0 5 0\ncpu0 1 2 3\n");
        assert_eq!(now, Work { busy: 20, all: 100 });
        assert!((percent(Work { busy: 10, all: 60 }, now) - 25.0).abs() < 0.01);
        assert!(percent(now, now).abs() < 0.01);
        assert_eq!(memory_field("MemTotal:  2 kB\nMemTotalX: 3 kB\n", "MemTotal"), 2048);
        assert!(is_processor("cpu0 1") && !is_processor("cpu  1") && !is_processor("ctxt 1"));
    }

    #[test]
    fn this_machine_can_be_measured() {
        let metrics = measure(&Meter::default()).unwrap();
        assert!(metrics.cpu_count > 0 && metrics.mem_total > metrics.mem_used && metrics.disk_total > 0);
    }
}

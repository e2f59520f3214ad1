//! The fuzz targets in `fuzz/`, for a bounded time each: `cargo xtask fuzz`, and a part of every test run.
//!
//! They are built by the stable compiler, which has libFuzzer's instrumentation as a pass of LLVM's but no sanitizer:
//! what `cargo fuzz` does under `--sanitizer none`. Every run begins at `fuzz/seeds`. What `cargo xtask fuzz` found
//! interesting is kept below the target directory and is where its next run begins, too; tests find anew, so that they
//! take the same time for ever.

use crate::shell;
use anyhow::{Context, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// The targets, each with the longest input that is tried.
const TARGETS: [(&str, u32); 7] = [
    ("frames", 4096),
    ("multipart", 4096),
    ("signatures", 512),
    ("paths", 512),
    ("extents", 1024),
    ("gzip", 2048),
    ("codec", 4096),
];

const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// One input may take so long, on a machine that does other things, too.
const SECONDS_OF_AN_INPUT: u32 = 20;
const MEGABYTES: u32 = 1024;
/// Lines of its log that a failure shows.
const SHOWN: usize = 40;

/// Builds and runs all targets, or one, so many seconds each.
pub(crate) fn run(only: Option<&str>, seconds: u32) -> anyhow::Result<()> {
    let folder = shell::target_directory()?.join("fuzz");
    let corpus = folder.join("corpus");
    fuzz(only, &Fuzzing { folder, corpus, seconds })
}

/// The same for tests: of all targets, and without what earlier runs found.
pub(crate) fn briefly(seconds: u32) -> anyhow::Result<()> {
    let corpus = tempfile::tempdir().context("a scratch folder")?;
    let folder = shell::target_directory()?.join("fuzz");
    fuzz(None, &Fuzzing { folder, corpus: corpus.path().to_owned(), seconds })
}

/// As many at a time as there are processors.
fn fuzz(only: Option<&str>, fuzzing: &Fuzzing) -> anyhow::Result<()> {
    let targets: Vec<_> = TARGETS.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if targets.is_empty() {
        let names = TARGETS.map(|(name, _)| name).join(", ");
        bail!("there is no fuzz target `{}`; there are {names}", only.unwrap_or_default());
    }
    build(&fuzzing.folder, only)?;
    let triple = shell::read("rustc", &["--print", "host-tuple"])?;
    let programs = fuzzing.folder.join(triple.trim()).join("release");
    let together = thread::available_parallelism().map_or(1, usize::from);
    for some in targets.chunks(together) {
        let outcomes: Vec<anyhow::Result<()>> = thread::scope(|scope| {
            let run = |(name, longest): (&str, u32)| fuzzing.run(&programs.join(name), name, longest);
            let running: Vec<_> = some.iter().map(|target| scope.spawn(move || run(*target))).collect();
            running.into_iter().map(|run| run.join().unwrap_or_else(|_| bail!("a thread panicked"))).collect()
        });
        outcomes.into_iter().collect::<anyhow::Result<()>>()?;
    }
    Ok(())
}

fn build(folder: &Path, only: Option<&str>) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]).arg(folder);
    command.args(only.map(|only| format!("--bin={only}")));
    // In the place of `.cargo/config.toml`'s flags: libFuzzer cannot be part of a static program.
    command.env("RUSTFLAGS", INSTRUMENTATION).current_dir(shell::root());
    println!("$ cargo build --release --manifest-path fuzz/Cargo.toml");
    if !command.status().context("cannot start cargo")?.success() {
        bail!("the fuzz targets cannot be built");
    }
    Ok(())
}

struct Fuzzing {
    folder: PathBuf,
    corpus: PathBuf,
    seconds: u32,
}

impl Fuzzing {
    fn run(&self, program: &Path, name: &str, longest: u32) -> anyhow::Result<()> {
        let (corpus, artefacts) = (self.corpus.join(name), self.folder.join("artefacts").join(name));
        let log = artefacts.with_extension("log");
        for made in [&corpus, &artefacts] {
            fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
        }
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let status = Command::new(program)
            .args([&corpus, &shell::root().join("fuzz/seeds").join(name)])
            .arg(format!("-artifact_prefix={}/", artefacts.display()))
            .arg(format!("-max_total_time={}", self.seconds))
            .arg(format!("-timeout={SECONDS_OF_AN_INPUT}"))
            .arg(format!("-rss_limit_mb={MEGABYTES}"))
            .arg(format!("-max_len={longest}"))
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if status.success() {
            let summary = said.lines().rfind(|line| line.starts_with("Done")).unwrap_or("Done");
            println!("fuzz {name}: {summary}");
            return Ok(());
        }
        let input = said.lines().find_map(|line| Some(line.split_once("Test unit written to ")?.1));
        let input = input.unwrap_or("no input");
        let lines: Vec<&str> = said.lines().collect();
        let fault = lines.iter().position(|line| line.contains(" panicked at ") || line.contains("ERROR: libFuzzer"));
        let from = fault.unwrap_or(lines.len().saturating_sub(SHOWN));
        println!("{}", lines[from..].iter().take(SHOWN).copied().collect::<Vec<_>>().join("\n"));
        bail!("fuzz target {name} failed ({status}); see it again: {} {input}", program.display())
    }
}

//! Generates `crates/envd/src/generated` from `crates/envd/proto`, without protoc: protox compiles
//! the files to a descriptor set, connectrpc-build turns that into Rust. And `schemas`, from the types themselves.
use crate::schemas;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use buffa_codegen::BytesRepr;
use protox::prost::Message;

/// Compiled in this order; names are relative to the proto folder, as imports see them.
const FILES: [&str; 3] = ["process.proto", "filesystem.proto", "sandboxer/agent/v1/agent.proto"];

/// Writes the generated code, or with `check` fails when it differs from what is committed.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let envd = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/envd");
    let committed = envd.join("src/generated");
    let scratch = tempfile::tempdir().context("a scratch folder")?;
    let output = scratch.path().join("generated");
    generate(&envd.join("proto"), &output)?;
    let fresh = read_tree(&output)?;
    if check {
        compare(&fresh, &read_tree(&committed)?)?;
    } else {
        replace(&committed, &fresh)?;
    }
    schemas::run(check)
}

fn generate(proto: &Path, output: &Path) -> anyhow::Result<()> {
    let set = protox::Compiler::new([proto])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(FILES)?
        .file_descriptor_set();
    fs::create_dir_all(output)?;
    let descriptor = output.with_extension("descriptor");
    fs::write(&descriptor, set.encode_to_vec())?;
    let mut config = connectrpc_build::CodeGenConfig::default();
    config.generate_json = true;
    // Output and input travel as reference-counted slices, never copied into a message.
    config.bytes_fields = vec![(".".to_owned(), BytesRepr::Bytes)];
    config.preserve_unknown_fields = false;
    connectrpc_build::Config::new()
        .buffa_config(config)
        .descriptor_set(&descriptor)
        .files(&FILES)
        .file_per_package(true)
        .out_dir(output)
        .include_file("mod.rs")
        .emit_rerun_directives(false)
        .emit_register_fn(false)
        .compile()
}

fn read_tree(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            bail!("unexpected folder {}", entry.path().display());
        }
        files.insert(entry.file_name().into(), fs::read(entry.path())?);
    }
    Ok(files)
}

fn compare(fresh: &BTreeMap<PathBuf, Vec<u8>>, committed: &BTreeMap<PathBuf, Vec<u8>>) -> anyhow::Result<()> {
    let stale: Vec<String> = fresh
        .keys()
        .chain(committed.keys())
        .filter(|name| fresh.get(*name) != committed.get(*name))
        .map(|name| name.display().to_string())
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    bail!("stale in crates/envd/src/generated: {}; run `cargo xtask codegen`", stale.join(", "))
}

fn replace(folder: &Path, fresh: &BTreeMap<PathBuf, Vec<u8>>) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    for name in read_tree(folder)?.keys().filter(|name| !fresh.contains_key(*name)) {
        fs::remove_file(folder.join(name))?;
    }
    for (name, content) in fresh {
        let path = folder.join(name);
        // An unchanged file keeps its time, so that nothing is rebuilt for it.
        if fs::read(&path).ok().as_deref() != Some(content) {
            fs::write(&path, content).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

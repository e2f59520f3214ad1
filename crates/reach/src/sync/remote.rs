//! The folder on the other side: what stands in it, and how it is changed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::archive::{Archive, Written};
use super::local::Time;
use super::plan::Plan;
use super::record::{self, BESIDE, PLACES_INSIDE, Record};
use super::shell::{Answer, Call};
use super::{SyncOptions, wrong_target};
use crate::{ReachError, ReachErrorKind as Kind, Session};

const LIST: &str = include_str!("list.sh");
const APPLY: &str = include_str!("apply.sh");

/// The folder's path, and the places of its record.
#[derive(Debug)]
pub(super) struct Target {
    path: String,
    records: [String; 3],
}

impl Target {
    pub(super) fn new(path: &str) -> Result<Self, ReachError> {
        if path.is_empty() || path.contains('\0') {
            return Err(wrong_target("it is no path"));
        }
        let short = path.trim_end_matches('/');
        if short.is_empty() {
            return Err(wrong_target("it is the root of everything"));
        }
        let path = if short.starts_with('/') { short.to_owned() } else { format!("./{short}") };
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", &path));
        let [in_repository, inside] = PLACES_INSIDE.map(|place| format!("{path}/{place}"));
        // Only a name has something beside it.
        let beside = if matches!(name, "." | "..") { inside.clone() } else { format!("{parent}/.{name}{BESIDE}") };
        Ok(Self { records: [beside, in_repository, inside], path })
    }
}

/// What stands where the target should be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Absent,
    Folder,
}

/// What is known of one entry of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: FoundKind,
    pub(super) mode: u32,
    pub(super) modified: Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundKind {
    File {
        size: u64,
    },
    Folder,
    /// Leading there, where that is known.
    Link {
        target: Option<PathBuf>,
    },
    Other,
}

/// All that is known of the other side.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) standing: Standing,
    pub(super) found: BTreeMap<PathBuf, Found>,
    pub(super) record: Record,
    /// Which place the record is in, from 1; 0 for none.
    chosen: usize,
}

/// Looks at the other side.
pub(super) async fn list(session: &dyn Session, target: &Target, options: &SyncOptions) -> Result<Listing, ReachError> {
    let words = std::iter::once(&target.path).chain(&target.records).cloned();
    let answer = Call::new(session, options, LIST, words).run().await?;
    if !answer.success() {
        return Err(answer.refused());
    }
    listing(&answer, &target.path)
}

fn listing(answer: &Answer, path: &str) -> Result<Listing, ReachError> {
    let broken = || ReachError::protocol("the sandbox's shell did not say what is in the folder");
    let mut rest = answer.stdout.as_slice();
    let mut field = || {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (field, more) = rest.split_at(end);
        rest = &more[1..];
        Some(field)
    };
    match field().ok_or_else(broken)? {
        b"absent" => return Ok(Listing::default()),
        b"folder" => {}
        b"link" => {
            return Err(ReachError::new(Kind::Precondition, format!("`{path}` is a link"))
                .with_hint("name the folder that it leads to"));
        }
        b"other" => {
            return Err(ReachError::new(Kind::Precondition, format!("`{path}` is no folder that can be entered")));
        }
        _ => return Err(broken()),
    }
    let chosen = field().and_then(number).filter(|chosen| *chosen <= 3).ok_or_else(broken)?;
    let mut listing = Listing { standing: Standing::Folder, chosen, ..Listing::default() };
    match field().ok_or_else(broken)? {
        b"fields" => loop {
            let kind = field().ok_or_else(broken)?;
            if kind == b"end" {
                break;
            }
            let [mode, size, modified, path, target] = [(); 5].map(|()| field());
            let (Some(mode), Some(size), Some(modified), Some(path), Some(target)) =
                (mode, size, modified, path, target)
            else {
                return Err(broken());
            };
            listing.found.extend(from_fields(kind, mode, size, modified, path, target));
        },
        b"lines" => {
            let lines = field().ok_or_else(broken)?;
            listing.found = from_lines(lines)?;
        }
        b"nothing" => {}
        _ => return Err(broken()),
    }
    listing.record = Record::read(rest);
    Ok(listing)
}

fn number<Number: std::str::FromStr>(field: &[u8]) -> Option<Number> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// As `find -printf` tells it.
fn from_fields(
    kind: &[u8],
    mode: &[u8],
    size: &[u8],
    modified: &[u8],
    path: &[u8],
    target: &[u8],
) -> Option<(PathBuf, Found)> {
    let kind = match kind {
        b"f" => FoundKind::File { size: number(size)? },
        b"d" => FoundKind::Folder,
        b"l" => FoundKind::Link { target: Some(Path::new(OsStr::from_bytes(target)).to_owned()) },
        _ => FoundKind::Other,
    };
    let mode = u32::from_str_radix(std::str::from_utf8(mode).ok()?, 8).ok()?;
    Some((record::below(path)?, Found { kind, mode, modified: record::time(modified)? }))
}

/// As `stat -c '%f %s %Y %n'` tells it. A line that is none goes on with the name before it, which has an end of a line in it.
fn from_lines(lines: &[u8]) -> Result<BTreeMap<PathBuf, Found>, ReachError> {
    let mut entries: Vec<(Vec<u8>, Found)> = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        match (from_line(line), entries.last_mut()) {
            (Some((name, found)), _) => entries.push((name.to_vec(), found)),
            (None, Some((name, _))) => {
                name.push(b'\n');
                name.extend_from_slice(line);
            }
            (None, None) => {}
        }
    }
    // The last line has an end, too.
    if let Some((name, _)) = entries.last_mut() {
        name.pop();
    }
    let mut all = BTreeMap::new();
    for (name, found) in entries {
        let Some(path) = record::below(&name) else { continue };
        // A name that looks like a line of its own would say what it likes of another entry.
        if all.insert(path, found).is_some() {
            let message = "the sandbox has names in the folder that cannot be told apart";
            return Err(ReachError::new(Kind::Precondition, message).with_hint("install GNU findutils there"));
        }
    }
    Ok(all)
}

fn from_line(line: &[u8]) -> Option<(&[u8], Found)> {
    let mut words = line.splitn(4, |byte| *byte == b' ');
    let mode = u32::from_str_radix(std::str::from_utf8(words.next()?).ok()?, 16).ok()?;
    let (size, modified) = (number(words.next()?)?, record::time(words.next()?)?);
    let name = words.next()?.strip_prefix(b"./")?;
    let kind = match mode & 0o170_000 {
        0o100_000 => FoundKind::File { size },
        0o040_000 => FoundKind::Folder,
        0o120_000 => FoundKind::Link { target: None },
        _ => FoundKind::Other,
    };
    Some((name, Found { kind, mode: mode & 0o7777, modified }))
}

/// Changes the other side.
pub(super) async fn apply(
    session: &dyn Session,
    target: &Target,
    options: &SyncOptions,
    listing: &Listing,
    plan: &Plan,
    archive: Archive,
) -> Result<Written, ReachError> {
    let before = plan.record_before.as_ref().map(Record::write).unwrap_or_default();
    let after = plan.record_after.as_ref().map(Record::write).unwrap_or_default();
    let lists = [&plan.open, &plan.unlink, &plan.rmdir].map(|paths| names(paths));
    let mut words = vec![target.path.clone(), listing.chosen.to_string()];
    words.extend(target.records.iter().cloned());
    words.extend([&before, &after].into_iter().chain(&lists).map(|bytes| bytes.len().to_string()));
    words.push(if plan.sends() { "1" } else { "0" }.to_owned());
    let mut input = before;
    input.extend_from_slice(&after);
    lists.iter().for_each(|list| input.extend_from_slice(list));
    let (answer, written) = Call::new(session, options, APPLY, words).feed(input, archive).await?;
    if !answer.success() {
        return Err(answer.refused());
    }
    // What went wrong here is known only once the other side has answered.
    written
}

/// As `xargs -0` reads them; none looks like an option.
fn names(paths: &[PathBuf]) -> Vec<u8> {
    let mut names = Vec::new();
    for path in paths {
        names.extend_from_slice(b"./");
        names.extend_from_slice(path.as_os_str().as_bytes());
        names.push(0);
    }
    names
}

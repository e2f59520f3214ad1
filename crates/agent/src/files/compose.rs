//! `POST /files/compose`: one file out of several, which are removed then.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use rustix::fs::Mode;
use serde::Deserialize;

use super::place::Place;
use super::upload::Written;
use super::{FileCall, Source, open, operations};
use crate::answer::{Body, Refusal, json};
use crate::shared::Shared;

/// A longer request is refused.
const LARGEST_REQUEST: usize = 1 << 20;

#[derive(Debug, Deserialize)]
struct Composition {
    #[serde(default)]
    source_paths: Vec<String>,
    #[serde(default)]
    destination: String,
    username: Option<String>,
}

pub(super) async fn compose(shared: &Arc<Shared>, head: &Parts, body: Source) -> Result<Response<Body>, Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "files are composed by POST"));
    }
    shared.access.permit(&head.headers)?;
    let body = body.whole(LARGEST_REQUEST).await?;
    let wanted: Composition = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad_request(format!("invalid request body: {error}")))?;
    if wanted.source_paths.is_empty() {
        return Err(Refusal::bad_request("source_paths must not be empty"));
    }
    if wanted.destination.is_empty() {
        return Err(Refusal::bad_request("destination is required"));
    }
    let call = FileCall::of(shared, wanted.username.as_deref().filter(|name| !name.is_empty()))?;
    let destination = call.absolute(&wanted.destination);
    let sources: Vec<PathBuf> = wanted.source_paths.iter().map(|path| call.absolute(path)).collect();
    if let Some(same) = sources.iter().find(|source| **source == destination) {
        let message = format!("`{}` cannot be both source and destination", same.display());
        return Err(Refusal::bad_request(message));
    }
    let place = destination.clone();
    let work = move || Ok(join(&sources, &place));
    let joined = call.act(work).await;
    joined.map_err(|error| Refusal::io(&destination, &error))?.map_err(|(path, error)| Refusal::io(&path, &error))?;
    Ok(json(StatusCode::OK, &Written::new(&destination)))
}

/// What went wrong, and with which path.
type Fault = (PathBuf, io::Error);

/// A file appears at `destination` whole, or not at all; only then the sources go.
fn join(sources: &[PathBuf], destination: &Path) -> Result<(), Fault> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let opened = sources.iter().map(|source| open::open_file(source).map_err(at(source)));
    let opened = opened.collect::<Result<Vec<File>, Fault>>()?;
    operations::make_parents(destination).map_err(at(destination))?;
    let place = Place::of(destination).map_err(at(destination))?;
    if let Some(same) = find_same(&opened, &place).map_err(at(destination))? {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is both source and destination");
        return Err((sources[same].clone(), error));
    }
    let beside = Place::of(&beside(destination)).map_err(at(destination))?;
    let filled = fill(&beside, opened).and_then(|()| beside.rename_to(&place));
    if let Err(error) = filled {
        // The first fault is the one to tell.
        beside.unlink().ok();
        return Err((destination.to_owned(), error));
    }
    sources.iter().try_for_each(|source| remove_source(source).map_err(at(source)))
}

/// Which of the sources is the destination, by whatever name.
fn find_same(sources: &[File], destination: &Place) -> io::Result<Option<usize>> {
    let there = match destination.entry().and_then(|entry| entry.metadata()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    for (number, source) in sources.iter().enumerate() {
        let status = source.metadata()?;
        if (status.dev(), status.ino()) == (there.dev(), there.ino()) {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// One that is named twice is gone the second time.
fn remove_source(source: &Path) -> io::Result<()> {
    match Place::of(source)?.unlink() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn fill(place: &Place, sources: Vec<File>) -> io::Result<()> {
    let mut file = place.make_file(Mode::from_raw_mode(0o666))?;
    for mut source in sources {
        io::copy(&mut source, &mut file)?;
    }
    Ok(())
}

fn beside(destination: &Path) -> PathBuf {
    let mut name = destination.file_name().map(OsStrExt::as_bytes).unwrap_or_default().to_vec();
    // Names are at most 255 bytes long.
    name.truncate(200);
    name.extend_from_slice(format!(".{:016x}.composing", crate::clock::ticks()).as_bytes());
    destination.with_file_name(crate::paths::from_bytes(&name))
}

//! `POST /files`: one file as the whole body, or several as a form. Each piece is written as it comes; nothing holds a
//! whole file.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::{Request, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use super::http::Refusal;
use super::query::Query;
use super::{FileCall, open, operations};

/// New files are made so, less the agent's umask, when no mode is asked for.
const NEW_FILE: u32 = 0o666;

/// A file that was written.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    name: String,
    path: String,
    r#type: &'static str,
}

pub(super) async fn upload(
    call: &FileCall,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Vec<Written>, Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(kind);
    let body = request.into_body().into_data_stream();
    match boundary {
        Ok(boundary) => form(call, query, body, boundary).await,
        Err(_) => {
            let missing = || Refusal::bad_request("the query parameter `path` is missing");
            let path = call.absolute(query.path.as_deref().ok_or_else(missing)?);
            Ok(vec![write(call, path, query.mode, body.map_err(broken)).await?])
        }
    }
}

async fn form(
    call: &FileCall,
    query: &Query,
    body: impl Stream<Item = Result<Bytes, hyper::Error>> + Send + 'static,
    boundary: String,
) -> Result<Vec<Written>, Refusal> {
    let mut parts = multer::Multipart::new(body, boundary);
    let mut written: Vec<Written> = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|error| bad_form(&error))? {
        if part.name() != Some("file") {
            continue;
        }
        let path = query.path.as_deref().or(part.file_name());
        let path = path.ok_or_else(|| Refusal::bad_request("a file of the form has no name"))?;
        let path = call.absolute(path);
        if written.iter().any(|other| other.path == path) {
            return Err(Refusal::bad_request(format!("the form holds `{path}` twice")));
        }
        let pieces = part.map_err(|error| Refusal::bad_request(error.to_string()));
        written.push(write(call, path, query.mode, pieces).await?);
    }
    if written.is_empty() { Err(Refusal::bad_request("the form holds no file")) } else { Ok(written) }
}

fn bad_form(error: &multer::Error) -> Refusal {
    Refusal::bad_request(format!("the form cannot be read: {error}"))
}

fn broken(error: hyper::Error) -> Refusal {
    Refusal::bad_request(format!("the upload broke off: {error}"))
}

/// Writes one file, as the user. A file that stands there keeps its identity and, unless told otherwise, its mode.
async fn write(
    call: &FileCall,
    path: String,
    mode: Option<u32>,
    pieces: impl Stream<Item = Result<Bytes, Refusal>>,
) -> Result<Written, Refusal> {
    let failed = |error: io::Error| Refusal::io(&path, &error);
    let (workers, identity) = (&call.shared.workers, &call.identity);
    let wanted = path.clone();
    let file = workers.run(identity.clone(), move || create(wanted.as_ref(), mode)).await.map_err(failed)?;
    let file = Arc::new(file);
    let mut pieces = std::pin::pin!(pieces);
    while let Some(piece) = pieces.next().await.transpose()? {
        let file = Arc::clone(&file);
        workers.run(identity.clone(), move || (&*file).write_all(&piece)).await.map_err(failed)?;
    }
    if let Some(mode) = mode {
        let set = move || file.set_permissions(Permissions::from_mode(mode));
        workers.run(identity.clone(), set).await.map_err(failed)?;
    }
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(Written { name, path, r#type: "file" })
}

/// Opens the file to be written, with the parents that lack. A file that shall be private is so from the start.
fn create(path: &Path, mode: Option<u32>) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let new = Mode::from_raw_mode(mode.unwrap_or(NEW_FILE) & 0o777 | 0o200);
    let file = match open::open(path, flags, new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            operations::make_parents(path)?;
            open::open(path, flags, new)
        }
        other => other,
    };
    // Emptied only now: what is no regular file must not even be touched.
    let file = open::regular(file?)?;
    file.set_len(0)?;
    Ok(file)
}

//! `/files`: contents of files by plain HTTP, as envd has it.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::query::Query;
use super::{FileCall, Source, compose, download, upload};
use crate::access::Opened;
use crate::answer::{Body, Refusal, json};
use crate::clock;
use crate::shared::Shared;

/// Answers one request for `/files`, or for what is below it.
pub(crate) async fn serve(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = Source::new(body);
    let answered = match head.uri.path() {
        "/files" => content(shared, &head, body.clone()).await,
        "/files/compose" => compose::compose(shared, &head, body.clone()).await,
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "there is nothing of that name")),
    };
    match answered {
        Ok(response) => response,
        Err(refusal) => {
            body.drain().await;
            refusal.into_response()
        }
    }
}

async fn content(shared: &Arc<Shared>, head: &Parts, body: Source) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(head.uri.query())?;
    match head.method {
        Method::GET => {
            permit(shared, &head.headers, &query, "read")?;
            let call = FileCall::of(shared, query.username.as_deref())?;
            download::download(&call, &query, &head.headers).await
        }
        Method::POST => {
            permit(shared, &head.headers, &query, "write")?;
            let call = FileCall::of(shared, query.username.as_deref())?;
            let written = upload::upload(&call, &query, &head.headers, body).await?;
            Ok(json(StatusCode::OK, &written))
        }
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "files are read by GET and written by POST")),
    }
}

fn permit(shared: &Shared, headers: &HeaderMap, query: &Query, operation: &str) -> Result<(), Refusal> {
    let opened = shared.access.permit_file(headers, &query.signed(operation), clock::now().seconds)?;
    if opened == Opened::BySignature && query.mode.is_some() {
        // The signature does not speak of it.
        return Err(Refusal::bad_request("`mode` cannot be part of a signed address"));
    }
    Ok(())
}

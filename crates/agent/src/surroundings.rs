//! envd's `/init`, `/envs` and `/metrics`: what surrounds all requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde::Deserialize;

use crate::access::Token;
use crate::answer::{Body, Refusal, full, json};
use crate::files::Source;
use crate::metrics;
use crate::shared::Shared;

/// A longer request is refused.
const LARGEST_REQUEST: usize = 1 << 20;

/// What `/init` takes. The time is left to whoever keeps the machine's clock; what else an orchestrator of envd's own may
/// ask for is refused by name, since nothing here would do it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Initialization {
    access_token: Option<String>,
    env_vars: Option<BTreeMap<String, String>>,
    default_user: Option<String>,
    default_workdir: Option<String>,
    ca_bundle: Option<String>,
    volume_mounts: Option<Vec<serde_json::Value>>,
    #[serde(rename = "hyperloopIP")]
    hyperloop_ip: Option<String>,
}

/// Answers `POST /init`.
pub(crate) async fn initialize(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    try_initialize(shared, request).await.unwrap_or_else(Refusal::into_response)
}

async fn try_initialize(shared: &Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let (parts, body) = request.into_parts();
    let body = Source::new(body).whole(LARGEST_REQUEST).await?;
    let wanted = if body.is_empty() {
        Initialization::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Refusal::bad_request(format!("invalid request body: {error}")))?
    };
    if let Some(name) = wanted.unsupported() {
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, format!("`{name}` is not done by this agent")));
    }
    // All of it is looked at before any of it is done.
    wanted.check()?;
    if let Some(user) = wanted.default_user.as_deref().filter(|user| !user.is_empty()) {
        shared.user(Some(user))?;
    }
    shared.access.initialize(&parts.headers, wanted.access_token.as_deref().and_then(Token::new))?;
    shared.defaults.change(|defaults| {
        defaults.environment.extend(wanted.env_vars.unwrap_or_default());
        if let Some(user) = wanted.default_user.filter(|user| !user.is_empty()) {
            defaults.user = user;
        }
        if let Some(workdir) = wanted.default_workdir.filter(|workdir| !workdir.is_empty()) {
            defaults.workdir = Some(workdir);
        }
    });
    Ok(unstored(empty()))
}

impl Initialization {
    /// What no command could be started with is refused here.
    fn check(&self) -> Result<(), Refusal> {
        for (name, value) in self.env_vars.iter().flatten() {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(Refusal::bad_request(format!(
                    "`{name}` cannot name an environment variable of that value"
                )));
            }
        }
        if self.default_workdir.as_deref().is_some_and(|workdir| workdir.contains('\0')) {
            return Err(Refusal::bad_request("the default working directory contains a zero byte"));
        }
        Ok(())
    }

    fn unsupported(&self) -> Option<&'static str> {
        let asked = [
            (self.ca_bundle.as_ref().is_some_and(|bundle| !bundle.is_empty()), "caBundle"),
            (self.volume_mounts.as_ref().is_some_and(|mounts| !mounts.is_empty()), "volumeMounts"),
            (self.hyperloop_ip.as_ref().is_some_and(|address| !address.is_empty()), "hyperloopIP"),
        ];
        asked.into_iter().find_map(|(asked, name)| asked.then_some(name))
    }
}

/// Answers `GET /envs`: the variables of every command.
pub(crate) fn environment(shared: &Shared) -> Response<Body> {
    unstored(json(StatusCode::OK, &shared.defaults.get().environment))
}

/// Answers `GET /metrics`.
pub(crate) async fn measure(shared: &Shared) -> Response<Body> {
    let meter = Arc::clone(&shared.meter);
    match shared.workers.run(None, move || metrics::measure(&meter)).await {
        Ok(metrics) => unstored(json(StatusCode::OK, &metrics)),
        Err(error) => {
            let message = format!("cannot measure: {error}");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message).into_response()
        }
    }
}

fn empty() -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn unstored(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

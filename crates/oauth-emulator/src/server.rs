//! From an HTTP request to the right provider's endpoint, and back through the faults.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State as Extract},
    response::Response,
    routing::any,
};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::channel::Channel;
use serde_json::json;

use crate::{
    apple_key::AppleKey,
    authorize, dialect,
    dialect::Dialect,
    discovery,
    emulator::UnknownProvider,
    end_session,
    fault::Fault,
    keys::KeyRing,
    profile,
    reply::Reply,
    request::{RecordedRequest, form_decode},
    state::State,
    table::{Endpoint, Provider, Route},
    token,
    urls::Captures,
};

/// Where the consent page's form goes. No host name begins with a dot, so it is nobody's URL.
pub(crate) const CONSENT_PATH: &str = "/.consent";

/// No request of the protocols comes near this; a larger one is a mistake.
const BODY_LIMIT: usize = 1 << 20;

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) origin: String,
    pub(crate) providers: &'static [Arc<Provider>],
    pub(crate) apple_key: AppleKey,
    state: Mutex<State>,
    keys: Mutex<KeyRing>,
}

impl Shared {
    pub(crate) fn new(
        origin: String,
        providers: &'static [Arc<Provider>],
        apple_key: AppleKey,
        state: State,
        keys: KeyRing,
    ) -> Self {
        Self { origin, providers, apple_key, state: Mutex::new(state), keys: Mutex::new(keys) }
    }

    /// A panic while the lock was held leaves data that is still good enough for a test.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Apart from the state, because making a key takes a while. Never taken while the state is locked.
    pub(crate) fn keys(&self) -> MutexGuard<'_, KeyRing> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn provider(&self, name: &str) -> Option<&'static Provider> {
        self.providers.iter().find(|provider| provider.name == name).map(Arc::as_ref)
    }

    pub(crate) fn known(&self, family: &str) -> Result<(), UnknownProvider> {
        if self.providers.iter().any(|provider| provider.family == family) {
            return Ok(());
        }
        let mut known: Vec<_> = self.providers.iter().map(|provider| provider.family.clone()).collect();
        known.dedup();
        Err(UnknownProvider { name: family.to_owned(), known })
    }
}

/// One request to one endpoint of one provider.
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) provider: &'static Provider,
    pub(crate) route: &'static Route,
    pub(crate) captures: Captures,
    pub(crate) request: RecordedRequest,
}

impl Call<'_> {
    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
        dialect::of(&self.provider.family)
    }

    /// The endpoint that the request means; where several share a URL, the grant type tells.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let endpoints = &self.route.endpoints;
        let meant = match self.request.field("grant_type") {
            Some("refresh_token") => Some(Endpoint::Refresh),
            // Naver's revocation.
            Some("delete") => Some(Endpoint::Revoke),
            _ => None,
        };
        meant
            .filter(|meant| endpoints.contains(meant))
            .or(endpoints.first().copied())
            .unwrap_or(Endpoint::Other)
    }

    pub(crate) fn has_fault(&self, fault: &Fault) -> bool {
        self.shared.state().has_fault(&self.provider.family, fault)
    }
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route(CONSENT_PATH, any(consent)).fallback(provider).with_state(shared)
}

async fn consent(Extract(shared): Extract<Arc<Shared>>, request: Request) -> Response {
    let request = match record(request).await {
        Ok(request) => request,
        Err(reply) => return finish(reply),
    };
    finish(authorize::decide(&shared, &request))
}

async fn provider(Extract(shared): Extract<Arc<Shared>>, request: Request) -> Response {
    let request = match record(request).await {
        Ok(request) => request,
        Err(reply) => return finish(reply),
    };
    shared.state().requests.push(request.clone());
    let Some(call) = find(&shared, request.clone()) else {
        return finish(not_found(&shared, &request));
    };

    let endpoint = call.endpoint();
    if endpoint == Endpoint::Authorize {
        // The browser's page; the faults are about what the application sees.
        return finish(authorize::show(&call));
    }
    let faults = shared.state().faults(&call.provider.family, endpoint);
    if let Some(Fault::Slow(delay)) = faults.iter().find(|fault| matches!(fault, Fault::Slow(_))) {
        tokio::time::sleep(*delay).await;
    }
    if let Some(reply) = faults.iter().find_map(|fault| instead(&shared, endpoint, fault)) {
        return finish(reply);
    }
    let reply = changed(answer(&call, endpoint), &faults);
    match faults.iter().find_map(spoiler) {
        Some(spoil) => spoil(reply),
        None => finish(reply),
    }
}

/// The endpoint's own answer.
fn answer(call: &Call<'_>, endpoint: Endpoint) -> Reply {
    if let Some(reply) = call.dialect().turn_away(call, endpoint) {
        return reply;
    }
    match endpoint {
        Endpoint::Authorize => authorize::show(call),
        Endpoint::Token | Endpoint::Refresh => token::answer(call),
        Endpoint::Revoke => call.dialect().revoke(call),
        Endpoint::Introspect => call.dialect().introspect(call),
        Endpoint::Profile => profile::profile(call),
        Endpoint::UserInfo => profile::userinfo(call),
        Endpoint::Discovery => discovery::metadata(call),
        Endpoint::Jwks => discovery::jwks(call),
        Endpoint::EndSession => end_session::answer(call),
        Endpoint::Emails => call.dialect().other(call, "emails"),
        Endpoint::Other => call.dialect().other(call, call.route.other.as_deref().unwrap_or_default()),
    }
}

/// Reads the whole request and gives it the provider's real URL.
async fn record(request: Request) -> Result<RecordedRequest, Reply> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        Reply::text(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 1 MiB or broke off")
    })?;
    let path = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    let url = format!("https://{}", path.trim_start_matches('/'));
    Ok(RecordedRequest::new(parts.method, url, parts.headers, body))
}

/// The endpoint at the request's URL. Where several providers have the same URL, the one whose application or token the
/// request is about.
fn find(shared: &Shared, request: RecordedRequest) -> Option<Call<'_>> {
    let mut found: Vec<(&'static Provider, &'static Route, Captures)> = Vec::new();
    for provider in shared.providers {
        for route in &provider.routes {
            if let Some(captures) = route.pattern.matches(request.endpoint()) {
                found.push((provider.as_ref(), route, captures));
            }
        }
    }
    let best = found.iter().map(|(_, route, _)| route.pattern.specificity()).max()?;
    found.retain(|(_, route, _)| route.pattern.specificity() == best);
    let owned = found.iter().position(|(provider, _, _)| is_about(shared, provider, &request)).unwrap_or(0);
    let (provider, route, captures) = found.swap_remove(owned);
    Some(Call { shared, provider, route, captures, request })
}

fn is_about(shared: &Shared, provider: &Provider, request: &RecordedRequest) -> bool {
    let state = shared.state();
    let basic = request.basic().flatten().map(|(id, _)| form_decode(&id));
    let client = basic.as_deref().or(request.field("client_id")).or(request.query.get("client_id"));
    let token = request.authorization("bearer").or(request.query.get("access_token"));
    client.is_some_and(|id| state.app(&provider.family, id).is_some())
        || token.is_some_and(|token| state.access(&provider.family, token).is_some())
}

/// Says what could have been meant, because a wrong host or path is what the emulator is there to find.
fn not_found(shared: &Shared, request: &RecordedRequest) -> Reply {
    let url = request.endpoint();
    let host = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
    let mut known: Vec<&str> = shared
        .providers
        .iter()
        .flat_map(|provider| &provider.routes)
        .filter(|route| route.pattern.is_on_host(host))
        .map(|route| route.pattern.text.as_str())
        .collect();
    known.sort_unstable();
    known.dedup();
    let hint = if known.is_empty() {
        "No provider of this emulator has that host. A provider's URL https://HOST/PATH is served at /HOST/PATH.".to_owned()
    } else {
        format!("Known on that host:\n  {}", known.join("\n  "))
    };
    Reply::text(StatusCode::NOT_FOUND, format!("The emulator has nothing at {url}\n{hint}\n"))
}

/// The reply that a fault gives in place of the endpoint's.
fn instead(shared: &Shared, endpoint: Endpoint, fault: &Fault) -> Option<Reply> {
    match fault {
        Fault::TooManyRequests { retry_after } => Some(
            Reply::json(StatusCode::TOO_MANY_REQUESTS, &json!({"error": "too_many_requests"}))
                .with(header::RETRY_AFTER, &retry_after.as_secs().to_string()),
        ),
        Fault::ServerError => {
            Some(Reply::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "server_error"})))
        }
        Fault::HtmlErrorPage => Some(Reply::html(
            StatusCode::BAD_GATEWAY,
            "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>".to_owned(),
        )),
        Fault::Redirect if endpoint == Endpoint::Token => Some(Reply::redirect(
            StatusCode::TEMPORARY_REDIRECT,
            &format!("{}/attacker.example/token", shared.origin),
        )),
        _ => None,
    }
}

/// A reply after the faults that change a part of it.
fn changed(mut reply: Reply, faults: &[Fault]) -> Reply {
    for fault in faults {
        match fault {
            Fault::Member(name, value) => reply.change_object(|object| {
                match value {
                    Some(value) => object.insert(name.clone(), value.clone()),
                    None => object.remove(name),
                };
            }),
            Fault::Padding(length) => reply.change_object(|object| {
                object.insert("padding".to_owned(), json!("x".repeat(*length)));
            }),
            Fault::Body(text) => reply.body = text.clone().into(),
            Fault::Status(status) => {
                reply.status = StatusCode::from_u16(*status).unwrap_or(reply.status);
            }
            Fault::HttpHeader(name, value) => {
                reply = reply.with(http::HeaderName::from_static(name), value);
            }
            _ => {}
        }
    }
    reply
}

/// What a fault does to a finished reply on its way.
fn spoiler(fault: &Fault) -> Option<fn(Reply) -> Response> {
    match fault {
        Fault::EmptyBody => Some(|reply| finish(Reply { body: Bytes::new(), ..reply })),
        Fault::TruncatedJson => Some(|reply| {
            let half = reply.body.slice(..reply.body.len() / 2);
            finish(Reply { body: half, ..reply })
        }),
        Fault::InvalidUtf8 => Some(|reply| {
            let (before, after) = reply.body.split_at(reply.body.len() / 2);
            finish(Reply { body: [before, &[0xff, 0xfe], after].concat().into(), ..reply })
        }),
        Fault::ResetMidBody => Some(reset_mid_body),
        _ => None,
    }
}

/// Announces the whole body, sends half of it, and drops the connection.
fn reset_mid_body(reply: Reply) -> Response {
    let length = reply.body.len().to_string();
    let half = reply.body.slice(..reply.body.len() / 2);
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        if sender.send_data(half).await.is_ok() {
            // The first half must have left before the break, or the client would see no reply at all.
            tokio::time::sleep(Duration::from_millis(50)).await;
            sender.abort(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        }
    });
    let reply = reply.with(header::CONTENT_LENGTH, &length);
    respond(reply, Body::new(body))
}

fn finish(reply: Reply) -> Response {
    let body = Body::from(reply.body.clone());
    respond(reply, body)
}

fn respond(reply: Reply, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    response.headers_mut().extend(reply.headers);
    response
}

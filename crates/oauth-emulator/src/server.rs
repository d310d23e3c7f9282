//! From an HTTP request to the right provider's endpoint, and back through the faults.

use std::{sync::Arc, time::Duration};

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
    authorize, backchannel,
    backend::Backend,
    device, dialects, discovery, end_session,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::{EmulatedProvider, Route},
    fault::Fault,
    introspect,
    page::{CONSENT_PATH, DEVICE_PATH},
    profile, proof, pushed,
    reply::ServerReply,
    request::{RecordedRequest, form_decode},
    request_object, resource, revoke, token,
    urls::Captures,
};

/// No request of the protocols comes near this; a larger one is a mistake.
const BODY_LIMIT: usize = 1 << 20;

pub(crate) fn router(backend: Arc<Backend>) -> Router {
    Router::new()
        .route(CONSENT_PATH, any(consent))
        .route(DEVICE_PATH, any(device_form))
        .fallback(provider)
        .with_state(backend)
}

async fn consent(Extract(backend): Extract<Arc<Backend>>, request: Request) -> Response {
    let request = match record(request).await {
        Ok(request) => request,
        Err(reply) => return finish(reply),
    };
    finish(authorize::decide(&backend, &request))
}

async fn device_form(Extract(backend): Extract<Arc<Backend>>, request: Request) -> Response {
    let request = match record(request).await {
        Ok(request) => request,
        Err(reply) => return finish(reply),
    };
    finish(device::decide(&backend, &request))
}

async fn provider(Extract(backend): Extract<Arc<Backend>>, request: Request) -> Response {
    let request = match record(request).await {
        Ok(request) => request,
        Err(reply) => return finish(reply),
    };
    backend.state().keep_request(request.clone());
    let Some(mut exchange) = find(&backend, request.clone()) else {
        return finish(not_found(&backend, &request));
    };

    let endpoint = exchange.endpoint();
    // The browser's pages; the faults are about what the application sees.
    match endpoint {
        EmulatedEndpoint::Authorize => {
            exchange.fetched = request_object::fetch(&exchange).await;
            return finish(authorize::show(&exchange));
        }
        EmulatedEndpoint::DevicePage => return finish(device::show(&exchange)),
        _ => {}
    }
    let faults = backend.state().faults(&exchange.provider.family, endpoint);
    if let Some(Fault::Slow(delay)) = faults.iter().find(|fault| matches!(fault, Fault::Slow(_))) {
        tokio::time::sleep(*delay).await;
    }
    if let Some(reply) = faults.iter().find_map(|fault| instead(&backend, endpoint, fault)) {
        return finish(proof::announce_nonce(&exchange, endpoint, reply));
    }
    let mut reply = proof::announce_nonce(&exchange, endpoint, answer(&exchange, endpoint));
    if let Some(failure) = exchange.failure() {
        failure.mark_success(&mut reply);
    }
    let reply = changed(reply, &faults);
    match faults.iter().find_map(spoiler) {
        Some(spoil) => spoil(reply),
        None => finish(reply),
    }
}

/// The endpoint's own answer.
fn answer(exchange: &Exchange<'_>, endpoint: EmulatedEndpoint) -> ServerReply {
    if let Some(reply) = exchange.dialect.turn_away(exchange, endpoint) {
        return reply;
    }
    match endpoint {
        EmulatedEndpoint::Authorize => authorize::show(exchange),
        EmulatedEndpoint::Token if device::is_poll(exchange) => device::poll(exchange),
        EmulatedEndpoint::Token | EmulatedEndpoint::Refresh => token::answer(exchange),
        EmulatedEndpoint::DeviceAuthorization => device::authorize(exchange),
        EmulatedEndpoint::DevicePage => device::show(exchange),
        EmulatedEndpoint::DevicePoll => device::poll(exchange),
        EmulatedEndpoint::Revoke => {
            exchange.dialect.own_revocation(exchange).unwrap_or_else(|| revoke::revoke(exchange))
        }
        EmulatedEndpoint::Introspect => introspect::introspect(exchange),
        EmulatedEndpoint::PushedAuthorization => pushed::push(exchange),
        EmulatedEndpoint::BackchannelAuthentication => backchannel::ask(exchange),
        EmulatedEndpoint::Resource => resource::answer(exchange),
        EmulatedEndpoint::Profile => profile::profile(exchange),
        EmulatedEndpoint::UserInfo => profile::userinfo(exchange),
        EmulatedEndpoint::Discovery => discovery::metadata(exchange),
        EmulatedEndpoint::Jwks => discovery::jwks(exchange),
        EmulatedEndpoint::EndSession => end_session::answer(exchange),
        EmulatedEndpoint::Emails => profile::emails(exchange),
        EmulatedEndpoint::BackchannelNotification | EmulatedEndpoint::Other => {
            exchange.dialect.other(exchange, exchange.route.other.as_deref().unwrap_or_default())
        }
    }
}

/// Reads the whole request and gives it the provider's real URL.
async fn record(request: Request) -> Result<RecordedRequest, ServerReply> {
    let (parts, body) = request.into_parts();
    check_host(&parts.headers)?;
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        ServerReply::text(StatusCode::PAYLOAD_TOO_LARGE, "the request is larger than 1 MiB or broke off")
    })?;
    let path = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    let url = format!("https://{}", path.trim_start_matches('/'));
    Ok(RecordedRequest::new(parts.method, url, parts.headers, body))
}

/// Refuses a name that is not this machine's: a web page can have its own name resolve to this machine, and would then read what
/// the emulator answers.
fn check_host(headers: &http::HeaderMap) -> Result<(), ServerReply> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = url::Url::parse(&format!("http://{host}/")).ok();
    let is_loopback = match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match is_loopback {
        true => Ok(()),
        false => Err(ServerReply::text(
            StatusCode::MISDIRECTED_REQUEST,
            format!("the emulator answers as localhost and as loopback addresses, not as {host:?}\n"),
        )),
    }
}

/// The endpoint at the request's URL. Where several providers have the same URL, the one whose application or token the
/// request is about.
fn find(backend: &Backend, request: RecordedRequest) -> Option<Exchange<'_>> {
    let mut found: Vec<(&EmulatedProvider, &Route, Captures)> = Vec::new();
    for provider in &backend.providers {
        for route in &provider.routes {
            if let Some(captures) = route.pattern.matches(request.endpoint()) {
                found.push((provider.as_ref(), route, captures));
            }
        }
    }
    let best = found.iter().map(|(_, route, _)| route.pattern.specificity()).max()?;
    found.retain(|(_, route, _)| route.pattern.specificity() == best);
    let owned = found.iter().position(|(provider, _, _)| is_about(backend, provider, &request)).unwrap_or(0);
    let (provider, route, captures) = found.swap_remove(owned);
    let dialect = dialects::of(&provider.family);
    Some(Exchange { backend, provider, dialect, route, captures, request, fetched: None })
}

fn is_about(backend: &Backend, provider: &EmulatedProvider, request: &RecordedRequest) -> bool {
    let state = backend.state();
    let basic = request.basic().flatten().map(|(id, _)| form_decode(&id));
    let client = basic.as_deref().or_else(|| request.parameter(&provider.facts.client_id_param));
    let mut tokens = provider.profile_places().iter().filter_map(|place| place.read(request));
    client.is_some_and(|id| state.app(&provider.family, id).is_some())
        || tokens.any(|token| state.access(&provider.family, token).is_some())
}

/// Says what could have been meant, because a wrong host or path is what the emulator is there to find.
fn not_found(backend: &Backend, request: &RecordedRequest) -> ServerReply {
    let url = request.endpoint();
    let host = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
    let mut known: Vec<&str> = backend
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
    ServerReply::text(StatusCode::NOT_FOUND, format!("The emulator has nothing at {url}\n{hint}\n"))
}

/// The reply that a fault gives in place of the endpoint's.
fn instead(backend: &Backend, endpoint: EmulatedEndpoint, fault: &Fault) -> Option<ServerReply> {
    match fault {
        Fault::TooManyRequests { retry_after } => Some(
            ServerReply::json(StatusCode::TOO_MANY_REQUESTS, &json!({"error": "too_many_requests"}))
                .with(header::RETRY_AFTER, &retry_after.as_secs().to_string()),
        ),
        Fault::ServerError => {
            Some(ServerReply::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "server_error"})))
        }
        Fault::HtmlErrorPage => Some(ServerReply::html(
            StatusCode::BAD_GATEWAY,
            "<!doctype html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>".to_owned(),
        )),
        Fault::Refuse(code) => Some(ServerReply::json(
            StatusCode::BAD_REQUEST,
            &json!({"error": code, "error_description": "a fault"}),
        )),
        Fault::Redirect if endpoint == EmulatedEndpoint::Token => Some(ServerReply::redirect(
            StatusCode::TEMPORARY_REDIRECT,
            &format!("{}/attacker.example/token", backend.origin),
        )),
        _ => None,
    }
}

/// A reply after the faults that change a part of it.
fn changed(mut reply: ServerReply, faults: &[Fault]) -> ServerReply {
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
fn spoiler(fault: &Fault) -> Option<fn(ServerReply) -> Response> {
    match fault {
        Fault::EmptyBody => Some(|reply| finish(ServerReply { body: Bytes::new(), ..reply })),
        Fault::TruncatedJson => Some(|reply| {
            let half = reply.body.slice(..reply.body.len() / 2);
            finish(ServerReply { body: half, ..reply })
        }),
        Fault::InvalidUtf8 => Some(|reply| {
            let (before, after) = reply.body.split_at(reply.body.len() / 2);
            finish(ServerReply { body: [before, &[0xff, 0xfe], after].concat().into(), ..reply })
        }),
        Fault::ResetMidBody => Some(reset_mid_body),
        _ => None,
    }
}

/// Announces the whole body, sends half of it, and drops the connection.
fn reset_mid_body(reply: ServerReply) -> Response {
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

fn finish(reply: ServerReply) -> Response {
    let body = Body::from(reply.body.clone());
    respond(reply, body)
}

fn respond(reply: ServerReply, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    response.headers_mut().extend(reply.headers);
    response
}

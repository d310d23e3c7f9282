//! The device grant (RFC 8628): the endpoint that gives a code, the page to type it into, and the polls.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    app::{App, ClientAuthMethod},
    backend::Backend,
    client_auth::authenticate,
    clock::now,
    crypto,
    device_facts::Told,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::AcceptedAuth,
    fault::Fault,
    page,
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
    request::{Pairs, RecordedRequest},
    state::{Authorization, DeviceDecision, Issued, PendingDevice},
    token,
    token_reply::members,
};

/// Whether a request to the token endpoint polls.
pub(crate) fn is_poll(exchange: &Exchange<'_>) -> bool {
    let facts = &exchange.provider.facts;
    let device = &facts.device;
    facts.device_authorization_url.is_some()
        && device.poll_url.is_none()
        && exchange.request.parameter("grant_type") == Some(&*device.grant_type)
}

/// Gives a code (RFC 8628, section 3.2).
pub(crate) fn authorize(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    match begin(exchange) {
        Ok(reply) => ServerReply::ok(&reply),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

fn begin(exchange: &Exchange<'_>) -> Result<Value, ProtocolError> {
    let provider = exchange.provider;
    let device = &provider.facts.device;
    let form = params(exchange)?;
    let app = client(exchange, &form, &device.auth)?;
    if let Some((name, value)) = device.params.iter().find(|(name, value)| form.get(name) != Some(value)) {
        return Err(Reason::Request.because(format!("{name} must be {value}")));
    }
    let scope = form.get(&device.scope_param).unwrap_or_default();
    let scopes: Vec<String> = scope
        .split(provider.facts.scope_separator.as_str())
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    let page = page_of(exchange);
    let (device_code, user_code) = (crypto::random(), user_code());
    let mut state = exchange.backend.state();
    let interval = state.device_interval.map(|interval| interval.as_secs()).or(device.interval);
    let lifetime = if device.expires_in > 0 { device.expires_in } else { 900 };
    let pending = PendingDevice {
        provider: provider.name.clone(),
        user_code: user_code.clone(),
        request: Authorization {
            app,
            redirect_uri: String::new(),
            scopes,
            captures: exchange.captures.clone(),
            params: Pairs::default(),
            sid: crypto::random(),
        },
        expires_at: now().saturating_add_unsigned(lifetime),
        interval: Duration::from_secs(interval.unwrap_or(5)),
        polled: None,
        decision: DeviceDecision::None,
    };
    state.devices.insert(device_code.clone(), pending);
    drop(state);
    let mut reply = Map::new();
    reply.insert(device.code_field.clone(), json!(device_code));
    reply.insert("user_code".to_owned(), json!(user_code));
    reply.insert(device.uri_field.clone(), json!(page));
    if device.complete {
        reply.insert("verification_uri_complete".to_owned(), json!(format!("{page}?user_code={user_code}")));
    }
    if device.expires_in > 0 {
        reply.insert("expires_in".to_owned(), json!(device.expires_in));
    }
    if let Some(seconds) = interval {
        reply.insert("interval".to_owned(), json!(seconds));
    }
    Ok(Value::Object(reply))
}

fn page_of(exchange: &Exchange<'_>) -> String {
    let device = &exchange.provider.facts.device;
    let page = exchange.provider.url(device.page.as_ref(), &exchange.captures);
    page.unwrap_or_else(|| format!("{}/device", exchange.provider.issuer(&exchange.captures)))
}

/// A code that people can read out (RFC 8628, section 6.1).
fn user_code() -> String {
    const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
    let random = crypto::random();
    let letters: String =
        random.bytes().take(8).map(|byte| char::from(LETTERS[usize::from(byte) % 20])).collect();
    format!("{}-{}", &letters[..4], &letters[4..])
}

/// Answers a poll (RFC 8628, section 3.5).
pub(crate) fn poll(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    let device = &exchange.provider.facts.device;
    match polled(exchange) {
        Ok(Ok(members)) => exchange.dialect.token_success(exchange, members),
        Ok(Err((told, interval))) => device.reply(told, interval),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

type Poll = Result<Map<String, Value>, (Told, u64)>;

fn polled(exchange: &Exchange<'_>) -> Result<Poll, ProtocolError> {
    let provider = exchange.provider;
    let device = &provider.facts.device;
    let form = params(exchange)?;
    let app = client(exchange, &form, &device.poll_auth)?;
    if !device.grant_type.is_empty() && form.get("grant_type") != Some(&device.grant_type) {
        return Err(Reason::GrantType.because(format!("grant_type must be {}", device.grant_type)));
    }
    let code = form.get(&device.code_param);
    let code = code.ok_or_else(|| Reason::Request.because(format!("{} is missing", device.code_param)))?;
    let mut state = exchange.backend.state();
    let slows = state.has_fault(&provider.family, &Fault::SlowDown);
    let expires = state.has_fault(&provider.family, &Fault::ExpiredCode);
    let denies = state.has_fault(&provider.family, &Fault::Deny);
    let Some(pending) = state.devices.get_mut(code) else { return Ok(Err((Told::Unknown, 0))) };
    if pending.provider != provider.name || pending.request.app.client_id != app.client_id {
        return Ok(Err((Told::Unknown, 0)));
    }
    for name in &device.repeats {
        let is_scope = *name == device.scope_param;
        let expected = if is_scope {
            pending.request.scopes.join(&provider.facts.scope_separator)
        } else {
            pending.user_code.clone()
        };
        if form.get(name).unwrap_or_default() != expected {
            return Err(Reason::Request.because(format!("{name} is not that of the code")));
        }
    }
    if expires || pending.expires_at <= now() {
        return Ok(Err((Told::Expired, 0)));
    }
    let early = pending.polled.is_some_and(|at| at.elapsed() + Duration::from_millis(50) < pending.interval);
    pending.polled = Some(Instant::now());
    if early || slows {
        pending.interval += Duration::from_secs(5);
        return Ok(Err((Told::SlowDown, pending.interval.as_secs())));
    }
    let id = match pending.decision {
        DeviceDecision::None => return Ok(Err((Told::Pending, 0))),
        DeviceDecision::Denied => return Ok(Err((Told::Denied, 0))),
        DeviceDecision::Allowed(_) if denies => return Ok(Err((Told::Denied, 0))),
        DeviceDecision::Allowed(id) => id,
    };
    let scopes = pending.request.scopes.clone();
    state.devices.remove(code);
    let grant = state.grant_of(id).cloned().ok_or_else(|| Reason::Code.because("the code is unknown"))?;
    let by_rule = token::gets_refresh_token(provider, &grant, &form);
    let with_refresh = provider.facts.refresh_url.is_some() && device.refresh_token.unwrap_or(by_rule);
    let issued = state.issue(provider, id, scopes, with_refresh, token::expires(provider, with_refresh));
    let issued = issued.map(|issued| Issued { first: true, ..issued });
    drop(state);
    let issued = issued.ok_or_else(|| Reason::Code.because("the code is unknown"))?;
    members(exchange, &issued).map(Ok)
}

fn params(exchange: &Exchange<'_>) -> Result<Pairs, ProtocolError> {
    let format = exchange.provider.request_format(EmulatedEndpoint::Token);
    exchange.params(format.unwrap_or_default())
}

fn client(exchange: &Exchange<'_>, form: &Pairs, methods: &[ClientAuthMethod]) -> Result<App, ProtocolError> {
    let provider = exchange.provider;
    if let Some(name) = &provider.facts.device.client_token_param {
        let unknown =
            || Reason::Client.because(format!("{name} must be the client id, a bar and the client token"));
        let (id, token) = form.get(name).and_then(|value| value.split_once('|')).ok_or_else(unknown)?;
        let app = exchange.backend.state().app(&provider.family, id).ok_or_else(unknown)?;
        return if token.is_empty() { Err(unknown()) } else { Ok(app) };
    }
    let accepted = match methods {
        [] => AcceptedAuth::from(provider.token_auth()),
        listed => AcceptedAuth::listed(listed.to_vec()),
    };
    authenticate(exchange, form, &accepted)
}

/// Shows the page to type a code into.
pub(crate) fn show(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::GET {
        return ServerReply::method_not_allowed("GET");
    }
    let code = exchange.request.query.get("user_code").unwrap_or_default();
    let mut state = exchange.backend.state();
    let csrf = crypto::random();
    let html = page::device(exchange.provider, &csrf, code, &state.users);
    state.device_forms.insert(csrf, exchange.provider.family.clone());
    drop(state);
    page::framed(ServerReply::html(StatusCode::OK, html))
}

/// Takes the form of that page.
pub(crate) fn decide(backend: &Backend, request: &RecordedRequest) -> ServerReply {
    if request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    let field = |name| request.field(name).unwrap_or_default();
    let refused = |why: &str| ServerReply::html(StatusCode::BAD_REQUEST, page::problem("The emulator", why));
    let mut state = backend.state();
    let Some(family) = state.device_forms.remove(field("csrf")) else {
        return refused("This page has been answered, or was never shown.");
    };
    let typed: String = field("user_code").chars().filter(char::is_ascii_alphanumeric).collect();
    let is_meant = |pending: &PendingDevice| {
        let own: String = pending.user_code.chars().filter(char::is_ascii_alphanumeric).collect();
        own.eq_ignore_ascii_case(&typed) && matches!(pending.decision, DeviceDecision::None)
    };
    let found = state.devices.iter().find(|(_, pending)| is_meant(pending));
    let found =
        found.map(|(code, pending)| (code.clone(), pending.provider.clone(), pending.request.clone()));
    let Some((device_code, name, authorization)) = found else {
        return refused("The code is wrong, or has been used.");
    };
    let Some(provider) = backend.provider(&name).filter(|provider| provider.family == family) else {
        return refused("The code belongs to another provider.");
    };
    let decision = match field("decision") {
        "allow" => {
            let user = state.users.iter().find(|user| user.id == field("user")).cloned();
            let Some(user) = user else { return refused("There is no such user.") };
            match state.grant_device(provider, user, authorization) {
                Some(id) => DeviceDecision::Allowed(id),
                None => return refused("The code is wrong, or has been used."),
            }
        }
        "deny" => DeviceDecision::Denied,
        _ => return refused("The form says neither allow nor deny."),
    };
    if let Some(pending) = state.devices.get_mut(&device_code) {
        pending.decision = decision;
    }
    drop(state);
    page::framed(ServerReply::html(StatusCode::OK, page::device_done(&provider.facts.display_name)))
}

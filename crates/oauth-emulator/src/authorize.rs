//! The authorization endpoint: the request's checks, the consent page and the way back (RFC 6749, section 4.1.1).

use std::collections::BTreeMap;

use http::{Method, StatusCode, header};
use serde_json::Map;

use crate::{
    authorization_request::{check, trusted_client},
    backend::Backend,
    callback::{AnswerTarget, add_context, go_back, send_back, wants_id_token},
    clock::now,
    crypto, dialects,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::EmulatedProvider,
    fault::Fault,
    id_token::{self, IdTokenSubject},
    page,
    reply::ServerReply,
    request::{RecordedRequest, session_cookie},
    request_object,
    state::{Allowed, Authorization, EmulatorState, PendingConsent, UserSession},
    user::User,
};

/// Shows the consent page, or refuses: on a page where the redirect URI cannot be trusted, else in the callback.
pub(crate) fn show(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::GET {
        return ServerReply::method_not_allowed("GET");
    }
    let resolved = request_object::resolve(exchange);
    let params = resolved.as_ref().unwrap_or(&exchange.request.query);
    let (app, redirect_uri) = match (trusted_client(exchange, params), &resolved) {
        (Ok(trusted), _) => trusted,
        (Err(_), Err(error)) => return problem(exchange, &error.description),
        (Err(why), Ok(_)) => return problem(exchange, &why),
    };
    let checked = match &resolved {
        Ok(params) => check(exchange, params, &app),
        Err(error) => Err(error.clone()),
    };
    let scopes = match checked {
        Ok(scopes) => scopes,
        Err(error) => {
            let mut answer = vec![
                ("error".to_owned(), error.code.to_owned()),
                ("error_description".to_owned(), error.description),
            ];
            answer.extend(params.get("state").map(|state| ("state".to_owned(), state.to_owned())));
            let target =
                AnswerTarget { app: &app, params, captures: &exchange.captures, redirect_uri: &redirect_uri };
            return send_back(exchange.backend, exchange.provider, StatusCode::FOUND, &target, &answer);
        }
    };

    let session = {
        let mut state = exchange.backend.state();
        let session = exchange.request.session(&exchange.backend.origin);
        match session.filter(|id| state.sessions.contains_key(*id)) {
            Some(session) => session.to_owned(),
            None => {
                let session = crypto::random();
                state.sessions.insert(session.clone(), BTreeMap::new());
                session
            }
        }
    };
    let request = Authorization {
        sid: crypto::s256(&format!("{session} {}", exchange.provider.family)),
        app,
        redirect_uri,
        scopes,
        captures: exchange.captures.clone(),
        params: params.clone(),
    };
    if params.get("prompt") == Some("none") {
        let outcome = without_page(&exchange.backend.state(), exchange.provider, &session, &request);
        return match outcome {
            Ok((user, auth_time)) => {
                allow(exchange.backend, exchange.provider, StatusCode::FOUND, request, user, auth_time)
            }
            Err(error) => refuse(exchange.backend, exchange.provider, StatusCode::FOUND, &request, error),
        };
    }
    let id = crypto::random();
    let consent = PendingConsent {
        provider: exchange.provider.name.clone(),
        session: session.clone(),
        csrf: crypto::random(),
        request,
    };
    let mut state = exchange.backend.state();
    let html = page::consent(exchange.provider, &id, &consent, &state.users);
    state.consents.insert(id, consent);
    let cookie = session_cookie(&exchange.backend.origin);
    ServerReply::html(StatusCode::OK, html)
        .with(header::SET_COOKIE, &format!("{cookie}={session}; Path=/; HttpOnly; SameSite=Lax"))
        .with(header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY)
        .with(header::REFERRER_POLICY, "no-referrer")
        .with(header::X_FRAME_OPTIONS, "DENY")
}

/// Takes the consent page's form and sends the browser back to the application.
pub(crate) fn decide(backend: &Backend, request: &RecordedRequest) -> ServerReply {
    if request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    let field = |name| request.field(name).unwrap_or_default();
    let mut state = backend.state();
    let Some(consent) = state.consents.get(field("consent")) else {
        return refused("This page has been answered, or was never shown.");
    };
    if request.session(&backend.origin) != Some(&consent.session) {
        return refused("The session cookie is missing or belongs to another browser.");
    }
    if field("csrf") != consent.csrf {
        return refused("The form does not come from the page.");
    }
    let Some(provider) = backend.provider(&consent.provider) else {
        return refused("There is no such provider.");
    };
    let allowed = match field("decision") {
        "allow" => !state.has_fault(&provider.family, &Fault::Deny),
        "deny" => false,
        _ => return refused("The form says neither allow nor deny."),
    };
    let user = match state.users.iter().find(|user| user.id == field("user")) {
        Some(user) => user.clone(),
        None if allowed => return refused("There is no such user."),
        None => User::default(),
    };
    let Some(PendingConsent { request: authorization, session, .. }) =
        state.consents.remove(field("consent"))
    else {
        return refused("This page has been answered.");
    };
    let error = state.faults.iter().find_map(|active| match &active.fault {
        Fault::CallbackError(code) if active.provider == provider.family => {
            Some(vec![("error".to_owned(), code.clone())])
        }
        _ => None,
    });
    if allowed && error.is_none() {
        let signed_in = UserSession { user: user.id.clone(), at: now() };
        if let Some(session) = state.sessions.get_mut(&session) {
            session.insert(provider.family.clone(), signed_in);
        }
        drop(state);
        return allow(backend, provider, StatusCode::SEE_OTHER, authorization, user, now());
    }
    drop(state);
    let error = error.unwrap_or_else(|| denial(provider));
    refuse(backend, provider, StatusCode::SEE_OTHER, &authorization, error)
}

/// What the callback says when the user refuses (RFC 6749, section 4.1.2.1).
fn denial(provider: &EmulatedProvider) -> Vec<(String, String)> {
    let own = &provider.facts.emulator.denial;
    if !own.is_empty() {
        return own.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    [("error", "access_denied"), ("error_description", "the user refused")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Who signs in without being asked (`prompt=none`; OpenID Connect Core, section 3.1.2.6): who is signed in already and has
/// allowed the application what it asks for.
fn without_page(
    state: &EmulatorState,
    provider: &EmulatedProvider,
    session: &str,
    request: &Authorization,
) -> Result<(User, i64), Vec<(String, String)>> {
    let error = |code: &str| vec![("error".to_owned(), code.to_owned())];
    let signed_in = state.signed_in(session, &provider.family).ok_or_else(|| error("login_required"))?;
    let oldest = request.params.get("max_age").and_then(|age| age.parse::<i64>().ok());
    if oldest.is_some_and(|age| now() - signed_in.at > age) {
        return Err(error("login_required"));
    }
    let user = state.users.iter().find(|user| user.id == signed_in.user);
    let user = user.ok_or_else(|| error("login_required"))?;
    match state.needs_consent(provider, user, request) {
        true => Err(error("consent_required")),
        false => Ok((user.clone(), signed_in.at)),
    }
}

/// Goes back with a code, and with an ID token where one was asked for.
fn allow(
    backend: &Backend,
    provider: &EmulatedProvider,
    status: StatusCode,
    mut request: Authorization,
    user: User,
    auth_time: i64,
) -> ServerReply {
    // What the exchange of the code must repeat, and the callback brings.
    let mut brings = Vec::new();
    for name in &provider.facts.token_repeats {
        if request.params.get(name).is_none() {
            let value = crypto::random();
            request.params.push(name, value.clone());
            brings.push((name.clone(), value));
        }
    }
    let (first, code, grant) = {
        let mut state = backend.state();
        let first = state.is_first(provider, &user, &request.app);
        let (code, grant) = state.grant(provider, user, request, auth_time);
        (first, code, grant)
    };
    let dialect = dialects::of(&provider.family);
    let mut answer = vec![("code".to_owned(), code.clone())];
    answer.extend(brings);
    if wants_id_token(&grant.request.params) {
        let subject = IdTokenSubject {
            dialect,
            grant: &grant,
            access_token: None,
            code: Some(&code),
            first: true,
            more: Map::new(),
        };
        match id_token::id_token(backend, provider, EmulatedEndpoint::Authorize, &subject) {
            Ok(token) => answer.push(("id_token".to_owned(), token)),
            Err(error) => return refused(&format!("The emulator cannot sign: {error}")),
        }
    }
    add_context(backend, provider, &grant.request, &mut answer);
    let email = grant.user.email.clone();
    let email = email.filter(|_| !backend.state().has_fault(&provider.family, &Fault::NoEmail));
    let user = User { email, ..grant.user.clone() };
    let allowed = Allowed { request: &grant.request, user: &user, first };
    dialect.callback(&allowed, &mut answer);
    go_back(backend, provider, status, &grant.request, answer)
}

/// Goes back with an error.
fn refuse(
    backend: &Backend,
    provider: &EmulatedProvider,
    status: StatusCode,
    request: &Authorization,
    mut answer: Vec<(String, String)>,
) -> ServerReply {
    add_context(backend, provider, request, &mut answer);
    go_back(backend, provider, status, request, answer)
}

/// A page that says what is wrong with a request that nobody can be sent back for.
fn problem(exchange: &Exchange<'_>, why: &str) -> ServerReply {
    ServerReply::html(StatusCode::BAD_REQUEST, page::problem(&exchange.provider.facts.display_name, why))
}

fn refused(why: &str) -> ServerReply {
    ServerReply::html(StatusCode::BAD_REQUEST, page::problem("OAuth emulator", why))
}

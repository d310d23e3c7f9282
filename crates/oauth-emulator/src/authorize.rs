//! The authorization endpoint: the request's checks, the consent page and the way back (RFC 6749, section 4.1.1).

use std::collections::BTreeMap;

use http::{Method, StatusCode, header};
use url::Url;

use crate::{
    app::App,
    backend::Backend,
    crypto, dialects,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::{EmulatedProvider, PkceSupport},
    fault::Fault,
    id_token::{self, Subject},
    page, redirect_uri,
    refusal::CallbackError,
    reply::ServerReply,
    request::{Pairs, RecordedRequest, session_cookie},
    state::{Allowed, Authorization, EmulatorState, PendingConsent, UserSession, now},
    user::User,
};

/// Shows the consent page, or refuses: on a page where the redirect URI cannot be trusted, else in the callback.
pub(crate) fn show(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::GET {
        return ServerReply::method_not_allowed("GET");
    }
    let params = &exchange.request.query;
    let (app, redirect_uri) = match trusted_client(exchange, params) {
        Ok(trusted) => trusted,
        Err(problem) => {
            return ServerReply::html(
                StatusCode::BAD_REQUEST,
                page::problem(&exchange.provider.facts.display_name, &problem),
            );
        }
    };
    let scopes = match check(exchange, params, &app) {
        Ok(scopes) => scopes,
        Err(error) => {
            let mut answer = vec![
                ("error".to_owned(), error.code.to_owned()),
                ("error_description".to_owned(), error.description),
            ];
            answer.extend(params.get("state").map(|state| ("state".to_owned(), state.to_owned())));
            return send_back(exchange.provider, StatusCode::FOUND, params, &redirect_uri, &answer);
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
        let subject = Subject { dialect, grant: &grant, access_token: None, code: Some(&code), first: true };
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

/// Adds the state, and the issuer where the provider sends it (RFC 9207).
fn add_context(
    backend: &Backend,
    provider: &EmulatedProvider,
    request: &Authorization,
    answer: &mut Vec<(String, String)>,
) {
    let wrong = backend.state().has_fault(&provider.family, &Fault::WrongState);
    let state = if wrong { Some(crypto::random()) } else { request.params.get("state").map(str::to_owned) };
    answer.extend(state.map(|state| ("state".to_owned(), state)));
    if provider.facts.emulator.iss_parameter {
        answer.push(("iss".to_owned(), id_token::issuer(backend, provider, &request.captures)));
    }
}

/// Sends the browser back after the faults of callbacks.
fn go_back(
    backend: &Backend,
    provider: &EmulatedProvider,
    status: StatusCode,
    request: &Authorization,
    mut answer: Vec<(String, String)>,
) -> ServerReply {
    let faults = backend.state().faults(&provider.family, EmulatedEndpoint::Authorize);
    for fault in faults {
        if let Fault::Callback(name, value) = fault {
            answer.retain(|(other, _)| *other != name);
            answer.extend(value.map(|value| (name, value)));
        }
    }
    send_back(provider, status, &request.params, &request.redirect_uri, &answer)
}

/// Whether the callback is to bring an ID token (OpenID Connect Core, section 3.3.2.1).
fn wants_id_token(params: &Pairs) -> bool {
    params.get("response_type").is_some_and(|types| types.split(' ').any(|one| one == "id_token"))
}

/// Sends the browser to the application in the way that was asked for: in the URL, or by a form that it posts (OAuth 2.0
/// Form Post Response Mode).
fn send_back(
    provider: &EmulatedProvider,
    status: StatusCode,
    params: &Pairs,
    redirect_uri: &str,
    answer: &[(String, String)],
) -> ServerReply {
    let default = if wants_id_token(params) { "fragment" } else { "query" };
    let mode = params.get("response_mode").filter(|mode| provider.response_modes().contains(mode));
    let mode = mode.unwrap_or(default);
    if mode == "form_post" {
        ServerReply::html(StatusCode::OK, page::form_post(&provider.facts.display_name, redirect_uri, answer))
            .with(header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY)
            // Not no-referrer, under which the browser would send `Origin: null` with the form.
            .with(header::REFERRER_POLICY, "strict-origin")
    } else {
        let fragment = mode == "fragment";
        ServerReply::redirect(status, &callback(redirect_uri, fragment, answer))
            .with(header::REFERRER_POLICY, "no-referrer")
    }
}

fn refused(why: &str) -> ServerReply {
    ServerReply::html(StatusCode::BAD_REQUEST, page::problem("OAuth emulator", why))
}

/// The application and its redirect URI; while these are in doubt nobody may be sent there.
fn trusted_client(exchange: &Exchange<'_>, params: &Pairs) -> Result<(App, String), String> {
    if let Some(name) = params.duplicate() {
        return Err(format!("The parameter {name} occurs twice (RFC 6749, section 3.1)."));
    }
    let param = &exchange.provider.facts.client_id_param;
    let client_id = params.get(param).ok_or_else(|| format!("The parameter {param} is missing."))?;
    let app = exchange
        .backend
        .state()
        .app(&exchange.provider.family, client_id)
        .ok_or_else(|| format!("No application {client_id:?} is registered here."))?;
    let redirect_uri = params.get("redirect_uri").ok_or("The parameter redirect_uri is missing.")?;
    let parsed = Url::parse(redirect_uri).map_err(|_| format!("{redirect_uri:?} is not an absolute URI."))?;
    if parsed.fragment().is_some() {
        return Err("The redirect URI has a fragment (RFC 6749, section 3.1.2).".to_owned());
    }
    if !app.allows_redirect(redirect_uri) {
        return Err(format!("{redirect_uri:?} is not registered for this application."));
    }
    if !exchange.backend.state().any_redirect_uri {
        let manners = &exchange.provider.facts.emulator;
        redirect_uri::check(manners.redirect_uris, redirect_uri, &parsed)?;
        if let Some(most) = manners.longest.get("redirect_uri").filter(|most| redirect_uri.len() > **most) {
            return Err(format!("The redirect URI has more than {most} characters."));
        }
        exchange.dialect.check_redirect_uri(&parsed)?;
    }
    Ok((app, redirect_uri.to_owned()))
}

/// The remaining checks; returns the scopes that were asked for.
fn check(exchange: &Exchange<'_>, params: &Pairs, app: &App) -> Result<Vec<String>, CallbackError> {
    let facts = &exchange.provider.facts;
    let invalid = |description: String| CallbackError::new("invalid_request", description);
    let response_types = exchange.provider.response_types();
    match params.get("response_type") {
        // The order of the words means nothing (OAuth 2.0 Multiple Response Types, section 3).
        Some(asked) if response_types.iter().any(|known| words(known) == words(asked)) => {}
        Some(other) => {
            let known = response_types.join(" or ");
            let description = format!("response_type {other} is not supported; use {known}");
            return Err(CallbackError::new("unsupported_response_type", description));
        }
        None => return Err(invalid("response_type is missing".to_owned())),
    }
    if wants_id_token(params) {
        if params.get("nonce").is_none() {
            return Err(invalid("nonce is missing (OpenID Connect Core, section 3.3.2.1)".to_owned()));
        }
        if params.get("response_mode") == Some("query") {
            return Err(invalid("an ID token has no place in a query".to_owned()));
        }
    }
    let prompts = words(params.get("prompt").unwrap_or_default());
    if prompts.contains(&"none") && prompts.len() > 1 {
        return Err(invalid("prompt is none and something else".to_owned()));
    }
    if params.get("max_age").is_some_and(|age| age.parse::<u32>().is_err()) {
        return Err(invalid("max_age is no whole number of seconds".to_owned()));
    }
    if let Some(missing) = facts.emulator.required.iter().find(|name| params.get(name).is_none()) {
        return Err(invalid(format!("{missing} is missing, which this provider requires")));
    }
    let modes = exchange.provider.response_modes();
    if params.get("response_mode").is_some_and(|mode| !modes.contains(&mode)) {
        return Err(invalid(format!("response_mode can be {} here", modes.join(" or "))));
    }
    if params.iter().any(|(name, _)| name == "client_secret") {
        return Err(invalid("client_secret has no place in a URL".to_owned()));
    }
    check_lengths(exchange.provider, params)?;
    let scopes = scopes(exchange.provider, params.get("scope"))?;
    let scopes = known_scopes(exchange.provider, scopes, exchange.backend.state().any_scope)?;
    check_challenge(exchange.provider, params, app)?;
    exchange.dialect.check_authorize(exchange, &scopes)?;
    Ok(scopes)
}

/// Splits the scope parameter at the provider's separator; the other one within a scope means a client joined them wrongly.
fn scopes(provider: &EmulatedProvider, scope: Option<&str>) -> Result<Vec<String>, CallbackError> {
    let facts = &provider.facts;
    let Some(scope) = scope else { return Ok(facts.emulator.scopes_if_none.clone()) };
    let separator = facts.scope_separator.as_str();
    let scopes: Vec<String> = scope.split(separator).map(str::to_owned).collect();
    let allowed = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\' && c != ',';
    match scopes.iter().find(|scope| scope.is_empty() || !scope.chars().all(allowed)) {
        Some(bad) => Err(CallbackError::new(
            "invalid_scope",
            format!("{bad:?} is not a scope; this provider separates scopes with {separator:?}"),
        )),
        None => Ok(scopes),
    }
}

/// What the provider's own limits say of values that the application chooses.
fn check_lengths(provider: &EmulatedProvider, params: &Pairs) -> Result<(), CallbackError> {
    let manners = &provider.facts.emulator;
    let invalid = |description: String| Err(CallbackError::new("invalid_request", description));
    for (name, value) in params.iter().filter(|(name, _)| *name != "redirect_uri") {
        let length = value.chars().count();
        if let Some(least) = manners.shortest.get(name).filter(|least| length < **least) {
            return invalid(format!("{name} is too short (minimum is {least} characters)"));
        }
        if let Some(most) = manners.longest.get(name).filter(|most| length > **most) {
            return invalid(format!("{name} is too long (maximum is {most} characters)"));
        }
    }
    Ok(())
}

/// The scopes of a request that the provider has, where the table knows all of them.
fn known_scopes(
    provider: &EmulatedProvider,
    asked: Vec<String>,
    any: bool,
) -> Result<Vec<String>, CallbackError> {
    let manners = &provider.facts.emulator;
    let refuse = |description: String| Err(CallbackError::new("invalid_scope", description));
    if let Some(missing) = manners.required_scopes.iter().find(|scope| !asked.contains(scope)) {
        return refuse(format!("the scope {missing} is missing, which this provider requires"));
    }
    if any || manners.scopes.is_empty() {
        return Ok(asked);
    }
    let is_known = |scope: &String| {
        manners.scopes.iter().any(|known| match known.strip_suffix('*') {
            Some(prefix) => scope.len() > prefix.len() && scope.starts_with(prefix),
            None => scope == known,
        })
    };
    if manners.drops_unknown_scopes {
        return Ok(asked.into_iter().filter(is_known).collect());
    }
    match asked.iter().find(|scope| !is_known(scope)) {
        Some(unknown) => refuse(format!("the scope {unknown} is unknown to this provider")),
        None => Ok(asked),
    }
}

/// RFC 7636, section 4.3, with `plain` only where the table allows it.
fn check_challenge(provider: &EmulatedProvider, params: &Pairs, app: &App) -> Result<(), CallbackError> {
    let pkce = provider.facts.pkce;
    if pkce == PkceSupport::None {
        return Ok(());
    }
    let invalid = |description: &str| Err(CallbackError::new("invalid_request", description));
    let method = params.get("code_challenge_method");
    let Some(challenge) = params.get("code_challenge") else {
        return match method {
            Some(_) => invalid("code_challenge_method without code_challenge"),
            None if pkce == PkceSupport::Required => invalid("code_challenge is required"),
            None if app.client_secret.is_none() => {
                invalid("a public client needs a code_challenge (RFC 9700)")
            }
            None => Ok(()),
        };
    };
    let unreserved = challenge.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    match method {
        Some("S256") if unreserved && challenge.len() == 43 => Ok(()),
        Some("S256") => invalid("an S256 code_challenge has 43 base64url characters"),
        Some("plain") | None
            if pkce == PkceSupport::Plain && unreserved && (43..=128).contains(&challenge.len()) =>
        {
            Ok(())
        }
        _ => invalid("the only code_challenge_method here is S256"),
    }
}

/// The words of a list in the order of the alphabet.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.sort_unstable();
    words
}

/// The redirect URI, byte for byte, with the answer appended to its query or as its fragment.
fn callback(redirect_uri: &str, fragment: bool, answer: &[(String, String)]) -> String {
    let joint = match (fragment, redirect_uri.contains('?')) {
        (true, _) => '#',
        (false, true) => '&',
        (false, false) => '?',
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    format!("{redirect_uri}{joint}{query}")
}

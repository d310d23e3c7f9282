//! Grants without a browser: client credentials (RFC 6749 section 4.4), token exchange (RFC 8693), JWT assertions (RFC 7523).

use std::fmt;

use serde_json::{Map, Value, json};

use crate::{
    app::App,
    clock::now,
    crypto, details,
    exchange::Exchange,
    facts::AssertionSubject,
    jws::ReceivedJwt,
    proof::{self, Possession},
    refusal::{ProtocolError, Reason},
    request::Pairs,
    state::{Authorization, Issued, UserGrant},
    terms::TokenTerms,
    user::User,
};

/// How long an assertion may live, in seconds.
const LONGEST: i64 = 3600;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A request to the token endpoint whose client is authenticated.
pub(crate) struct AuthenticatedRequest<'a> {
    pub(crate) form: &'a Pairs,
    pub(crate) app: &'a App,
    pub(crate) possession: &'a Possession,
}

/// What is handed out, and what its reply has beyond other replies.
pub(crate) struct Granted {
    pub(crate) issued: Issued,
    pub(crate) members: Map<String, Value>,
}

/// Serves a grant type; `None` if it is none of these.
pub(crate) fn issue(
    exchange: &Exchange<'_>,
    grant_type: &str,
    request: &AuthenticatedRequest<'_>,
) -> Option<Result<Granted, ProtocolError>> {
    match grant_type {
        "client_credentials" => Some(client_credentials(exchange, request)),
        "urn:ietf:params:oauth:grant-type:token-exchange" => Some(token_exchange(exchange, request)),
        JWT_BEARER => Some(jwt_bearer(exchange, request)),
        "account_credentials" => Some(account_credentials(exchange, request)),
        _ => None,
    }
}

fn client_credentials(
    exchange: &Exchange<'_>,
    request: &AuthenticatedRequest<'_>,
) -> Result<Granted, ProtocolError> {
    let app = request.app;
    if app.client_secret.is_none() && app.jwks.is_none() && app.certificates.is_empty() {
        return Err(Reason::Other("unauthorized_client").because("this grant is for confidential clients"));
    }
    // An application is its own user (RFC 9068 section 2.2).
    let user =
        User { id: app.client_id.clone(), name: app.client_id.clone(), email: None, ..User::default() };
    let issued = hand_out(exchange, request, user, scopes(exchange, request)?, TokenTerms::default(), false)?;
    Ok(Granted { issued, members: Map::new() })
}

fn token_exchange(
    exchange: &Exchange<'_>,
    request: &AuthenticatedRequest<'_>,
) -> Result<Granted, ProtocolError> {
    let form = request.form;
    let needed =
        |name: &str| form.get(name).ok_or_else(|| Reason::Request.because(format!("{name} is missing")));
    let subject = grant_of(exchange, "subject", needed("subject_token")?, needed("subject_token_type")?)?;
    let actor = match (form.get("actor_token"), form.get("actor_token_type")) {
        (None, None) => None,
        (Some(token), Some(kind)) => Some(grant_of(exchange, "actor", token, kind)?),
        _ => return Err(Reason::Request.because("actor_token and actor_token_type belong together")),
    };
    let kind = form.get("requested_token_type").unwrap_or(ACCESS_TOKEN);
    if ![ACCESS_TOKEN, REFRESH_TOKEN, JWT].contains(&kind) {
        return Err(Reason::Request.because(format!("no {kind} is issued here")));
    }
    let mut audience: Vec<String> =
        form.iter().filter(|(name, _)| *name == "audience").map(|(_, value)| value.to_owned()).collect();
    let known = exchange.demands().resources;
    if let Some(unknown) = audience.iter().find(|one| !known.is_empty() && !known.contains(one)) {
        return Err(Reason::Other("invalid_target").because(format!("the audience {unknown:?} is unknown")));
    }
    audience.extend(details::asked_resources(exchange, form)?);
    let scopes = match form.get("scope") {
        None => subject.request.scopes.clone(),
        Some(asked) => {
            let asked: Vec<String> = asked.split(' ').map(str::to_owned).collect();
            match asked.iter().find(|scope| !subject.has_scope(scope)) {
                Some(extra) => return Err(Reason::Scope.because(format!("{extra:?} was not granted"))),
                None => asked,
            }
        }
    };
    let actor = actor.map(|actor| json!({"sub": actor.user.id}));
    let terms = TokenTerms { audience, actor, ..TokenTerms::default() };
    let issued = hand_out(exchange, request, subject.user, scopes, terms, kind == REFRESH_TOKEN)?;
    let members = Map::from_iter([("issued_token_type".to_owned(), json!(kind))]);
    Ok(Granted { issued, members })
}

/// The grant of a token that is traded.
fn grant_of(
    exchange: &Exchange<'_>,
    name: &str,
    token: &str,
    kind: &str,
) -> Result<UserGrant, ProtocolError> {
    let state = exchange.backend.state();
    let family = &exchange.provider.family;
    let found = match kind {
        ACCESS_TOKEN | JWT => state.access(family, token).map(|(_, grant)| grant),
        REFRESH_TOKEN => state.live_refresh(family, token).cloned(),
        ID_TOKEN => {
            let hint = state.id_token(family, token);
            hint.and_then(|hint| state.grant_of_user(family, &hint.user, &hint.client_id).cloned())
        }
        other => return Err(Reason::Request.because(format!("{name}_token_type {other} is not supported"))),
    };
    // RFC 8693 section 2.2.2.
    found.ok_or_else(|| Reason::Request.because(format!("the {name}_token is not valid")))
}

/// A JWT that somebody has signed, as a grant (RFC 7523 section 2.1), as the facts want it.
fn jwt_bearer(exchange: &Exchange<'_>, request: &AuthenticatedRequest<'_>) -> Result<Granted, ProtocolError> {
    let app = request.app;
    let facts = &exchange.provider.facts.emulator.assertion;
    let jws = read_assertion(request.form)?;
    if jws.text("iss") != Some(&*app.client_id) {
        return Err(refuse("is by somebody who is not trusted (iss)"));
    }
    let set = app.jwks.as_ref().ok_or_else(|| refuse("cannot be verified: no keys are registered"))?;
    let alg = jws.alg().map_err(refuse)?;
    if !facts.algs.is_empty() && !facts.algs.contains(&alg) {
        return Err(refuse(format!("is signed by {alg}, which is not accepted here")));
    }
    jws.verify_in(set).map_err(refuse)?;
    check_audience(exchange, &jws)?;
    jws.check_times(now(), facts.lifetime.unwrap_or(LONGEST)).map_err(refuse)?;
    for (claim, values) in &facts.claims {
        let found = jws.text(claim).ok_or_else(|| refuse(format!("has no {claim}")))?;
        if !values.is_empty() && !values.iter().any(|value| value == found) {
            return Err(refuse(format!("has another {claim} than {}", values.join(" or "))));
        }
    }
    if let Some(jti) = jws.text("jti")
        && !exchange.backend.state().spend_jti(&format!("grant {} {jti}", app.client_id))
    {
        return Err(refuse("was used before (its jti is known)"));
    }
    let user = subject(exchange, app, &jws)?;
    let asked = match facts.scope_claim {
        true => jws.text("scope").ok_or_else(|| refuse("has no scope"))?,
        false => request.form.get("scope").unwrap_or_default(),
    };
    let scopes = known_scopes(exchange, asked)?;
    let issued = hand_out(exchange, request, user, scopes, TokenTerms::default(), false)?;
    Ok(Granted { issued, members: Map::new() })
}

fn refuse(why: impl fmt::Display) -> ProtocolError {
    Reason::Code.because(format!("the assertion {why}"))
}

fn read_assertion(form: &Pairs) -> Result<ReceivedJwt, ProtocolError> {
    let assertion = form.get("assertion").ok_or_else(|| Reason::Request.because("assertion is missing"))?;
    ReceivedJwt::parse(assertion).map_err(refuse)
}

/// Whom an assertion is for, as one text.
fn check_audience(exchange: &Exchange<'_>, jws: &ReceivedJwt) -> Result<(), ProtocolError> {
    let provider = exchange.provider;
    let own = &provider.facts.emulator.assertion.audiences;
    let accepted: Vec<String> = match own.is_empty() {
        true => {
            let token = provider.url(provider.facts.token_url.as_ref(), &exchange.captures);
            [Some(provider.issuer(&exchange.captures)), token].into_iter().flatten().collect()
        }
        false => own.iter().filter_map(|url| provider.url(Some(url), &exchange.captures)).collect(),
    };
    match jws.is_for(&accepted, true) {
        true => Ok(()),
        false => {
            let accepted = accepted.join(" or ");
            Err(refuse(format!("is for somebody else: aud must be {accepted}, as one text")))
        }
    }
}

/// Whom an assertion is about.
fn subject(exchange: &Exchange<'_>, app: &App, jws: &ReceivedJwt) -> Result<User, ProtocolError> {
    let kind = exchange.provider.facts.emulator.assertion.subject;
    let someone = |id: &str| User { id: id.to_owned(), email: None, ..User::default() };
    let Some(subject) = jws.text("sub") else {
        return match kind {
            AssertionSubject::Optional => Ok(someone(&app.client_id)),
            _ => Err(refuse("has no sub")),
        };
    };
    let known = exchange.backend.state().users.iter().find(|user| user.is_called(subject)).cloned();
    match known {
        Some(user) => Ok(user),
        None if subject == app.client_id || kind == AssertionSubject::Any => Ok(someone(subject)),
        None => Err(refuse("names no user (sub)")),
    }
}

/// The application that asks by an assertion alone, where the provider lets it; `None` where it authenticates otherwise.
pub(crate) fn client_by_assertion(
    exchange: &Exchange<'_>,
    form: &Pairs,
) -> Option<Result<App, ProtocolError>> {
    let facts = &exchange.provider.facts;
    let authenticates = exchange.request.basic().is_some()
        || [&*facts.client_secret_param, "client_assertion"].iter().any(|name| form.get(name).is_some());
    let is_by_assertion = facts.emulator.assertion.names_the_client
        && form.get("grant_type") == Some(JWT_BEARER)
        && !authenticates;
    is_by_assertion.then(|| {
        let jws = read_assertion(form)?;
        let app =
            exchange.backend.state().app(&exchange.provider.family, jws.text("iss").unwrap_or_default());
        app.ok_or_else(|| refuse("is by somebody who is not registered here (iss)"))
    })
}

/// Zoom's grant for a program of an account's own, which is told by its number.
fn account_credentials(
    exchange: &Exchange<'_>,
    request: &AuthenticatedRequest<'_>,
) -> Result<Granted, ProtocolError> {
    match request.form.get("account_id") {
        Some(account) if !account.is_empty() => client_credentials(exchange, request),
        _ => Err(Reason::Request.because("account_id is missing")),
    }
}

/// The scopes that a request without a browser asks for. `openid` brings no ID token here, for nobody signed in.
fn scopes(exchange: &Exchange<'_>, request: &AuthenticatedRequest<'_>) -> Result<Vec<String>, ProtocolError> {
    known_scopes(exchange, request.form.get("scope").unwrap_or_default())
}

fn known_scopes(exchange: &Exchange<'_>, asked: &str) -> Result<Vec<String>, ProtocolError> {
    let known = &exchange.provider.facts.emulator.scopes;
    let is_known = |scope: &String| {
        known.is_empty()
            || known.iter().any(|known| match known.strip_suffix('*') {
                Some(prefix) => scope.len() > prefix.len() && scope.starts_with(prefix),
                None => scope == known,
            })
    };
    let asked: Vec<String> = asked.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    match asked.iter().find(|scope| *scope == "openid" || !is_known(scope)) {
        Some(bad) => Err(Reason::Scope.because(format!("{bad:?} cannot be granted"))),
        None => Ok(asked),
    }
}

/// Notes a grant, and makes a token of it that is bound to what the request proves.
fn hand_out(
    exchange: &Exchange<'_>,
    request: &AuthenticatedRequest<'_>,
    user: User,
    scopes: Vec<String>,
    terms: TokenTerms,
    with_refresh_token: bool,
) -> Result<Issued, ProtocolError> {
    let mut bound = proof::bind(exchange, request.app, request.possession)?;
    bound.audience = match terms.audience.is_empty() {
        true => details::asked_resources(exchange, request.form)?,
        false => terms.audience,
    };
    bound.details = details::asked_details(exchange, request.form)?.map(Value::Array);
    bound.actor = terms.actor;
    let authorization = Authorization {
        app: request.app.clone(),
        redirect_uri: String::new(),
        scopes: scopes.clone(),
        captures: exchange.captures.clone(),
        params: Pairs::default(),
        sid: crypto::random(),
    };
    let expires = exchange.provider.facts.emulator.expires_in > 0;
    let mut state = exchange.backend.state();
    let (id, _) = state.grant_without_code(exchange.provider, user, authorization, now());
    state
        .issue_on(exchange.provider, id, scopes, with_refresh_token, expires, bound)
        .ok_or_else(|| Reason::Code.because("the grant is unknown"))
}

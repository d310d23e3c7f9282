//! The token endpoint: codes and refresh tokens become access tokens (RFC 6749, sections 4.1.3, 5 and 6).

use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    claims,
    client_auth::authenticate,
    crypto,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::{AcceptedAuth, EmulatedProvider, PkceSupport, RefreshWith},
    id_token::{self, Subject},
    paths::{self, Place},
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    state::{Dead, Grant, Issued},
    wire::{RequestFormat, ScopeReply},
};

pub(crate) fn answer(exchange: &Exchange<'_>) -> ServerReply {
    let format = exchange.provider.request_format(exchange.endpoint()).unwrap_or_default();
    let method = if format == RequestFormat::Query { Method::GET } else { Method::POST };
    if exchange.request.method != method {
        return ServerReply::method_not_allowed(method.as_str());
    }
    match grant(exchange, format) {
        Ok(members) => exchange.dialect.token_success(exchange, members),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

fn grant(exchange: &Exchange<'_>, format: RequestFormat) -> Result<Map<String, Value>, ProtocolError> {
    let provider = exchange.provider;
    let facts = &provider.facts;
    let form = exchange.params(format)?;
    let is_refresh = exchange.endpoint() == EmulatedEndpoint::Refresh;
    let accepted = match is_refresh {
        true => provider.refresh_auth(),
        false => AcceptedAuth::from(provider.token_auth()),
    };
    let app = match accepted.methods.is_empty() {
        true => None,
        false => Some(authenticate(exchange, &form, &accepted)?),
    };
    exchange.dialect.check_token(&form)?;
    let serves = |endpoint| exchange.route.endpoints.contains(&endpoint);
    // Where the grant type is not sent, the token that is traded tells.
    let implied = facts.token_omits.iter().any(|name| name == "grant_type").then_some(match is_refresh {
        true => &*facts.refresh_grant_type,
        false => "authorization_code",
    });
    match (form.get("grant_type").or(implied), &app) {
        (Some("authorization_code"), Some(app)) if serves(EmulatedEndpoint::Token) => {
            redeem(exchange, &form, app)
        }
        (Some(it), app) if it == facts.refresh_grant_type && serves(EmulatedEndpoint::Refresh) => {
            refresh(exchange, &form, app.as_ref())
        }
        (Some(other), Some(app)) => match exchange.dialect.other_grant(exchange, other, &form, app) {
            Some(outcome) => outcome,
            None => Err(Reason::GrantType.because(format!("grant_type {other} is not supported here"))),
        },
        (Some(other), None) => {
            Err(Reason::GrantType.because(format!("grant_type {other} is not supported here")))
        }
        (None, _) => Err(Reason::Request.because("grant_type is missing")),
    }
}

/// Redeems an authorization code.
fn redeem(exchange: &Exchange<'_>, form: &Pairs, app: &App) -> Result<Map<String, Value>, ProtocolError> {
    let provider = exchange.provider;
    let facts = &provider.facts;
    if let Some((name, value)) = facts.token_params.iter().find(|(name, value)| form.get(name) != Some(value))
    {
        return Err(Reason::Request.because(format!("{name} must be {value}")));
    }
    let omits = |name: &str| facts.token_omits.iter().any(|omitted| omitted == name);
    let code = form.get("code").ok_or_else(|| Reason::Request.because("code is missing"))?;
    let issued = {
        let mut state = exchange.backend.state();
        let (id, grant) = state.code(provider, code).map_err(|dead| {
            Reason::Code.because(match dead {
                Dead::Expired => "the code has expired",
                Dead::Used => "the code was used before; its tokens have been revoked",
                Dead::Unknown | Dead::Revoked => "the code is unknown",
            })
        })?;
        if grant.request.app.client_id != app.client_id || !grant.is_at(&exchange.captures) {
            return Err(Reason::Code.because("the code was issued to another client or at another address"));
        }
        if let Some(name) =
            facts.token_repeats.iter().find(|name| form.get(name) != grant.request.params.get(name))
        {
            return Err(Reason::Request.because(format!("{name} is not that of the callback")));
        }
        // From here on the code is spent, so that a verifier or redirect URI cannot be guessed.
        state.use_code(code);
        let redirect_uri = form.get("redirect_uri");
        if !omits("redirect_uri") && redirect_uri != Some(grant.request.redirect_uri.as_str()) {
            return Err(Reason::RedirectUri.because("redirect_uri is not that of the authorization request"));
        }
        check_verifier(provider, &grant.request.params, form.get("code_verifier"))?;
        let scopes = grant.request.scopes.clone();
        let with_refresh = gets_refresh_token(provider, &grant, form);
        let issued = state.issue(provider, id, scopes, with_refresh, expires(provider, with_refresh));
        issued.map(|issued| Issued { first: true, ..issued })
    };
    let issued = issued.ok_or_else(|| Reason::Code.because("the code is unknown"))?;
    members(exchange, &issued)
}

/// Trades a refresh token, or an access token where the provider refreshes with those.
fn refresh(
    exchange: &Exchange<'_>,
    form: &Pairs,
    app: Option<&App>,
) -> Result<Map<String, Value>, ProtocolError> {
    let provider = exchange.provider;
    if provider.facts.refresh_with == RefreshWith::AccessToken {
        return members(exchange, &prolong(exchange, form, app)?);
    }
    let token =
        form.get("refresh_token").ok_or_else(|| Reason::Request.because("refresh_token is missing"))?;
    let replayed = exchange.backend.state().successor(token).filter(|issued| {
        let grant = &issued.grant;
        grant.provider == provider.name && is_of(app, grant)
    });
    let issued = match replayed {
        Some(issued) => Some(issued),
        None => replace(exchange, form, app, token)?,
    };
    let issued = issued.ok_or_else(|| Reason::RefreshToken.because("the refresh token is unknown"))?;
    members(exchange, &issued)
}

/// Issues an access token for one that is still alive, and that stays so.
fn prolong(exchange: &Exchange<'_>, form: &Pairs, app: Option<&App>) -> Result<Issued, ProtocolError> {
    let provider = exchange.provider;
    let token = form.get("access_token").ok_or_else(|| Reason::Request.because("access_token is missing"))?;
    let dead = || Reason::RefreshToken.because("the access token is not valid");
    let mut state = exchange.backend.state();
    let (id, grant) = state.access(&provider.family, token).ok_or_else(dead)?;
    if !is_of(app, &grant) || !grant.is_at(&exchange.captures) {
        return Err(dead());
    }
    state.issue(provider, id, grant.request.scopes, false, expires(provider, true)).ok_or_else(dead)
}

/// Whether a grant is that of the application which asks, where that had to say which it is.
fn is_of(app: Option<&App>, grant: &Grant) -> bool {
    app.is_none_or(|app| app.client_id == grant.request.app.client_id)
}

/// Spends a refresh token, where the provider rotates them, and issues what it is worth.
fn replace(
    exchange: &Exchange<'_>,
    form: &Pairs,
    app: Option<&App>,
    token: &str,
) -> Result<Option<Issued>, ProtocolError> {
    let provider = exchange.provider;
    let mut state = exchange.backend.state();
    let (id, grant) = state.refresh(provider, token).map_err(|dead| {
        Reason::RefreshToken.because(match dead {
            Dead::Used => "the refresh token was replaced before; the authorization has been ended",
            Dead::Revoked => "the refresh token was revoked",
            Dead::Unknown | Dead::Expired => "the refresh token is unknown",
        })
    })?;
    if !is_of(app, &grant) || !grant.is_at(&exchange.captures) {
        return Err(Reason::RefreshToken.because("the refresh token belongs to another client or address"));
    }
    let scopes = narrowed(provider, &grant, form.get("scope"))?;
    let rotates = state.rotates(provider);
    let issued = state.issue(provider, id, scopes, rotates, expires(provider, true));
    if let (true, Some(issued)) = (rotates, &issued) {
        state.replace(token, issued);
    }
    Ok(issued)
}

/// A refresh may ask for less than was granted, never for more (RFC 6749, section 6).
fn narrowed(
    provider: &EmulatedProvider,
    grant: &Grant,
    scope: Option<&str>,
) -> Result<Vec<String>, ProtocolError> {
    let Some(scope) = scope else { return Ok(grant.request.scopes.clone()) };
    let wanted: Vec<String> =
        scope.split(provider.facts.scope_separator.as_str()).map(str::to_owned).collect();
    match wanted.iter().find(|scope| !grant.has_scope(scope)) {
        Some(extra) => Err(Reason::Scope.because(format!("{extra:?} was not granted"))),
        None => Ok(wanted),
    }
}

/// RFC 7636, section 4.6, and RFC 9700, section 4.8.2: a verifier without a challenge is refused too.
fn check_verifier(
    provider: &EmulatedProvider,
    params: &Pairs,
    verifier: Option<&str>,
) -> Result<(), ProtocolError> {
    if provider.facts.pkce == PkceSupport::None {
        return Ok(());
    }
    let refuse = |description: &str| Err(Reason::Verifier.because(description));
    match (params.get("code_challenge"), verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => refuse("code_verifier without a code_challenge in the authorization request"),
        (Some(_), None) => refuse("code_verifier is missing"),
        (Some(challenge), Some(verifier)) => {
            let unreserved = verifier.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
            let plain = params.get("code_challenge_method") != Some("S256");
            let expected = if plain { verifier.to_owned() } else { crypto::s256(verifier) };
            match unreserved && (43..=128).contains(&verifier.len()) && expected == challenge {
                true => Ok(()),
                false => refuse("code_verifier does not fit the code_challenge"),
            }
        }
    }
}

/// The table's rule, unless the application has its own.
fn gets_refresh_token(provider: &EmulatedProvider, grant: &Grant, form: &Pairs) -> bool {
    if provider.facts.refresh_url.is_none() || provider.facts.refresh_with == RefreshWith::AccessToken {
        return false;
    }
    let Some(rule) = provider.facts.emulator.refresh_token.as_deref() else {
        return grant.request.app.refresh_tokens.unwrap_or(false);
    };
    let by_rule = match (rule, rule.split_once('=')) {
        ("always", _) => true,
        ("never", _) => false,
        (_, Some((name, value))) => {
            [&grant.request.params, form].iter().any(|params| params.get(name) == Some(value))
        }
        (scope, None) => grant.has_scope(scope),
    };
    let by_rule = by_rule && (grant.asked || !provider.facts.emulator.refresh_token_on_consent_only);
    grant.request.app.refresh_tokens.unwrap_or(by_rule)
}

/// Whether the provider's tokens expire for this application.
fn expires(provider: &EmulatedProvider, refreshable: bool) -> bool {
    let manners = &provider.facts.emulator;
    manners.expires_in > 0 && (refreshable || !manners.permanent_unless_refreshed)
}

/// The members of a successful reply.
pub(crate) fn members(exchange: &Exchange<'_>, issued: &Issued) -> Result<Map<String, Value>, ProtocolError> {
    let facts = &exchange.provider.facts;
    let manners = &facts.emulator;
    let mut reply = Map::new();
    reply.insert("access_token".to_owned(), json!(issued.access_token));
    match manners.token_type.as_deref() {
        Some("") => {}
        spelt => {
            reply.insert("token_type".to_owned(), json!(spelt.unwrap_or("Bearer")));
        }
    }
    if let Some(seconds) = issued.expires_in.or(facts.never_expires_in) {
        reply.insert("expires_in".to_owned(), json!(seconds));
    }
    if let Some(token) = &issued.refresh_token {
        reply.insert("refresh_token".to_owned(), json!(token));
        if let Some(seconds) = manners.refresh_expires_in {
            reply.insert("refresh_token_expires_in".to_owned(), json!(seconds));
        }
    }
    let scopes = exchange.dialect.reply_scopes(&issued.scopes);
    let separator = manners.scope_reply_separator.as_deref().unwrap_or(&facts.scope_separator);
    match manners.scope_reply {
        ScopeReply::Text => reply.insert("scope".to_owned(), json!(scopes.join(separator))),
        ScopeReply::List => reply.insert("scope".to_owned(), json!(scopes)),
        ScopeReply::None => None,
    };
    let comes_with_this = issued.first || manners.id_token_on_refresh.unwrap_or(true);
    let asked = manners.id_token_always || issued.grant.has_scope("openid");
    if exchange.provider.is_oidc() && comes_with_this && asked {
        reply.insert("id_token".to_owned(), json!(id_token(exchange, issued)?));
    }
    let mut reply = match &facts.token_field {
        Some(path) => {
            let mut outer = Value::Object(Map::new());
            paths::set(&mut outer, path, Value::Object(reply));
            outer
        }
        None => Value::Object(reply),
    };
    if issued.first || manners.token_fields_on_refresh.unwrap_or(true) {
        let state = exchange.backend.state();
        claims::tell_in(&state, exchange.provider, &issued.grant, Place::TokenReply, &mut reply);
    }
    let mut reply = match reply {
        Value::Object(reply) => reply,
        _ => Map::new(),
    };
    exchange.dialect.token_reply(exchange, issued, &mut reply);
    Ok(reply)
}

/// The ID token that comes with an access token (OpenID Connect Core, sections 3.1.3.3 and 12.2).
fn id_token(exchange: &Exchange<'_>, issued: &Issued) -> Result<String, ProtocolError> {
    let endpoint = if issued.first { EmulatedEndpoint::Token } else { EmulatedEndpoint::Refresh };
    let subject = Subject {
        dialect: exchange.dialect,
        grant: &issued.grant,
        access_token: Some(&issued.access_token),
        code: None,
        first: issued.first,
    };
    id_token::id_token(exchange.backend, exchange.provider, endpoint, &subject)
        .map_err(|error| Reason::Request.because(format!("the emulator cannot sign: {error}")))
}

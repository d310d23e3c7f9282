//! The token endpoint: codes and refresh tokens become access tokens (RFC 6749, sections 4.1.3, 5 and 6).

use http::Method;
use serde_json::{Map, Value};

use crate::{
    app::App,
    backchannel,
    client_auth::authenticate,
    crypto, details,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::{AcceptedAuth, EmulatedProvider, PkceSupport, RefreshWith},
    grants::{self, AuthenticatedRequest},
    proof::{self, Possession},
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    state::{Dead, Issued, UserGrant},
    terms::TokenTerms,
    token_reply::members,
    wire::ParamFormat,
};

pub(crate) fn answer(exchange: &Exchange<'_>) -> ServerReply {
    let format = exchange.provider.request_format(exchange.endpoint()).unwrap_or_default();
    let method = if format == ParamFormat::Query { Method::GET } else { Method::POST };
    if exchange.request.method != method {
        return ServerReply::method_not_allowed(method.as_str());
    }
    match grant(exchange, format) {
        Ok(members) => exchange.dialect.token_success(exchange, members),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

fn grant(exchange: &Exchange<'_>, format: ParamFormat) -> Result<Map<String, Value>, ProtocolError> {
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
        false => Some(match grants::client_by_assertion(exchange, &form) {
            Some(app) => app?,
            None => authenticate(exchange, &form, &accepted)?,
        }),
    };
    exchange.dialect.check_token(&form)?;
    // Before anything is spent: a request that lacks a nonce comes once more.
    let possession = proof::at_server(exchange)?;
    let serves = |endpoint| exchange.route.endpoints.contains(&endpoint);
    // Where the grant type is not sent, the token that is traded tells.
    let implied = facts.token_omits.iter().any(|name| name == "grant_type").then_some(match is_refresh {
        true => &*facts.refresh_grant_type,
        false => "authorization_code",
    });
    match (form.get("grant_type").or(implied), &app) {
        (Some("authorization_code"), Some(app)) if serves(EmulatedEndpoint::Token) => {
            redeem(exchange, &form, app, &possession)
        }
        (Some(it), app) if it == facts.refresh_grant_type && serves(EmulatedEndpoint::Refresh) => {
            refresh(exchange, &form, app.as_ref(), &possession)
        }
        (Some(other), Some(app)) => {
            let own = exchange.dialect.other_grant(exchange, other, &form, app);
            let request = AuthenticatedRequest { form: &form, app, possession: &possession };
            match own.or_else(|| standard_grant(exchange, other, &request)) {
                Some(outcome) => outcome,
                None => Err(Reason::GrantType.because(format!("grant_type {other} is not supported here"))),
            }
        }
        (Some(other), None) => {
            Err(Reason::GrantType.because(format!("grant_type {other} is not supported here")))
        }
        (None, _) => Err(Reason::Request.because("grant_type is missing")),
    }
}

/// A grant of another standard, where the facts list it.
fn standard_grant(
    exchange: &Exchange<'_>,
    grant_type: &str,
    request: &AuthenticatedRequest<'_>,
) -> Option<Result<Map<String, Value>, ProtocolError>> {
    if !exchange.provider.facts.emulator.grants.iter().any(|known| known == grant_type) {
        return None;
    }
    let outcome = match grant_type {
        backchannel::GRANT_TYPE => backchannel::redeem(exchange, request),
        other => grants::issue(exchange, other, request)?,
    };
    Some(outcome.and_then(|granted| {
        let mut reply = members(exchange, &granted.issued)?;
        reply.extend(granted.members);
        Ok(reply)
    }))
}

/// Redeems an authorization code.
fn redeem(
    exchange: &Exchange<'_>,
    form: &Pairs,
    app: &App,
    possession: &Possession,
) -> Result<Map<String, Value>, ProtocolError> {
    let provider = exchange.provider;
    let facts = &provider.facts;
    if let Some((name, value)) = facts.token_params.iter().find(|(name, value)| form.get(name) != Some(value))
    {
        return Err(Reason::Request.because(format!("{name} must be {value}")));
    }
    let omits = |name: &str| facts.token_omits.iter().any(|omitted| omitted == name);
    let code = form.get("code").ok_or_else(|| Reason::Request.because("code is missing"))?;
    let mut terms = proof::bind(exchange, app, possession)?;
    let granted = exchange.backend.state().peek_code(code);
    if let Some(grant) = granted {
        details::narrow(exchange, form, &grant, &mut terms)?;
        if let Some(jkt) = grant.request.params.get("dpop_jkt")
            && possession.jkt.as_deref() != Some(jkt)
        {
            return Err(Reason::Code.because("the code is bound to another key (dpop_jkt)"));
        }
        if facts.emulator.dpop_jkt_required
            && possession.jkt.is_some()
            && grant.request.params.get("dpop_jkt").is_none()
        {
            return Err(Reason::Code.because("the authorization request named no key (dpop_jkt)"));
        }
    }
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
        let issued =
            state.issue_on(provider, id, scopes, with_refresh, expires(provider, with_refresh), terms);
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
    possession: &Possession,
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
        None => replace(exchange, form, app, token, possession)?,
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
fn is_of(app: Option<&App>, grant: &UserGrant) -> bool {
    app.is_none_or(|app| app.client_id == grant.request.app.client_id)
}

/// Spends a refresh token, where the provider rotates them, and issues what it is worth.
fn replace(
    exchange: &Exchange<'_>,
    form: &Pairs,
    app: Option<&App>,
    token: &str,
    possession: &Possession,
) -> Result<Option<Issued>, ProtocolError> {
    let provider = exchange.provider;
    let terms = terms_of_refresh(exchange, form, app, token, possession)?;
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
    let issued = state.issue_on(provider, id, scopes, rotates, expires(provider, true), terms);
    if let (true, Some(issued)) = (rotates, &issued) {
        state.replace(token, issued);
    }
    Ok(issued)
}

/// The terms of what a refresh token is traded for. That of a public client is bound to its key or its certificate; a confidential one
/// may have another by now (RFC 9449 section 5, RFC 8705 section 4).
fn terms_of_refresh(
    exchange: &Exchange<'_>,
    form: &Pairs,
    app: Option<&App>,
    token: &str,
    possession: &Possession,
) -> Result<TokenTerms, ProtocolError> {
    let (bound, grant) = {
        let state = exchange.backend.state();
        (state.terms(token), state.owner(token).map(|(_, grant, _)| grant.clone()))
    };
    let mut terms = match app {
        Some(app) => proof::bind(exchange, app, possession)?,
        None => TokenTerms { jkt: possession.jkt.clone(), ..TokenTerms::default() },
    };
    if bound.refresh_jkt.is_some() && bound.refresh_jkt != possession.jkt {
        return Err(Reason::RefreshToken.because("the refresh token is bound to another key"));
    }
    let is_public = app
        .is_none_or(|app| app.client_secret.is_none() && app.jwks.is_none() && app.certificates.is_empty());
    if is_public
        && (bound.jkt.is_some() && bound.jkt != possession.jkt
            || bound.x5t.is_some() && bound.x5t != possession.x5t())
    {
        return Err(Reason::RefreshToken.because("the refresh token is bound to another key"));
    }
    if let Some(grant) = grant {
        details::narrow(exchange, form, &grant, &mut terms)?;
    }
    Ok(terms)
}

/// A refresh may ask for less than was granted, never for more (RFC 6749, section 6).
fn narrowed(
    provider: &EmulatedProvider,
    grant: &UserGrant,
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
pub(crate) fn gets_refresh_token(provider: &EmulatedProvider, grant: &UserGrant, form: &Pairs) -> bool {
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
pub(crate) fn expires(provider: &EmulatedProvider, refreshable: bool) -> bool {
    let manners = &provider.facts.emulator;
    manners.expires_in > 0 && (refreshable || !manners.permanent_unless_refreshed)
}

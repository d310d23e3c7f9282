//! What a successful token reply says (RFC 6749, section 5.1), with the ID token and the JWT access token in it.

use serde_json::{Map, Value, json};

use crate::{
    claims,
    clock::now,
    crypto,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    facts::EmulatedProvider,
    id_token::{self, IdTokenSubject},
    paths::{self, Place},
    refusal::{ProtocolError, Reason},
    state::Issued,
    wire::ScopeReply,
};

/// The members of a successful reply.
pub(crate) fn members(exchange: &Exchange<'_>, issued: &Issued) -> Result<Map<String, Value>, ProtocolError> {
    members_with(exchange, issued, Map::new())
}

/// The members of a successful reply, whose ID token makes further claims.
pub(crate) fn members_with(
    exchange: &Exchange<'_>,
    issued: &Issued,
    more: Map<String, Value>,
) -> Result<Map<String, Value>, ProtocolError> {
    let facts = &exchange.provider.facts;
    let manners = &facts.emulator;
    let mut reply = Map::new();
    let issued = &as_jwt(exchange, issued)?;
    reply.insert("access_token".to_owned(), json!(issued.access_token));
    match manners.token_type.as_deref() {
        Some("") => {}
        spelt => {
            reply.insert("token_type".to_owned(), json!(spelt.unwrap_or(issued.terms.token_type())));
        }
    }
    if let Some(details) = &issued.terms.details {
        reply.insert("authorization_details".to_owned(), details.clone());
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
        reply.insert("id_token".to_owned(), json!(id_token(exchange, issued, more)?));
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

/// The token as a JWT (RFC 9068 section 2), where that is demanded.
fn as_jwt(exchange: &Exchange<'_>, issued: &Issued) -> Result<Issued, ProtocolError> {
    let demands = exchange.demands();
    if !demands.jwt_access_tokens {
        return Ok(issued.clone());
    }
    let provider = exchange.provider;
    let grant = &issued.grant;
    let issuer = provider.issuer(&grant.request.captures);
    let mut claims = Map::new();
    let mut insert = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    insert("iss", json!(issuer));
    insert("aud", json!(format!("{issuer}/api")));
    insert("sub", json!(grant.user.id));
    insert("client_id", json!(grant.request.app.client_id));
    insert("iat", json!(now()));
    insert(
        "exp",
        json!(now().saturating_add_unsigned(issued.expires_in.unwrap_or(manners_lifetime(provider)))),
    );
    insert("jti", json!(crypto::random()));
    insert("scope", json!(issued.scopes.join(" ")));
    insert("auth_time", json!(grant.auth_time));
    if let Some(acr) = id_token::requested_acr(grant) {
        insert("acr", json!(acr));
    }
    issued.terms.tell(&mut claims);
    let endpoint = EmulatedEndpoint::Token;
    let app = &grant.request.app;
    let alg = id_token::alg(exchange.backend, provider, endpoint, None);
    let jwt = id_token::sign(exchange.backend, provider, endpoint, app, alg, Some("at+jwt"), claims)
        .map_err(|error| Reason::Request.because(format!("the emulator cannot sign: {error}")))?;
    exchange.backend.state().rename_access_token(&issued.access_token, &jwt);
    Ok(Issued { access_token: jwt, ..issued.clone() })
}

/// For how long a token of the provider lives that says nothing else.
fn manners_lifetime(provider: &EmulatedProvider) -> u64 {
    provider.facts.emulator.expires_in.max(60)
}

/// The ID token that comes with an access token (OpenID Connect Core, sections 3.1.3.3 and 12.2).
fn id_token(
    exchange: &Exchange<'_>,
    issued: &Issued,
    more: Map<String, Value>,
) -> Result<String, ProtocolError> {
    let endpoint = if issued.first { EmulatedEndpoint::Token } else { EmulatedEndpoint::Refresh };
    let subject = IdTokenSubject {
        dialect: exchange.dialect,
        grant: &issued.grant,
        access_token: Some(&issued.access_token),
        code: None,
        first: issued.first,
        more,
    };
    id_token::id_token(exchange.backend, exchange.provider, endpoint, &subject)
        .map_err(|error| Reason::Request.because(format!("the emulator cannot sign: {error}")))
}

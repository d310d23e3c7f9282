//! Revocation (RFC 7009) and introspection (RFC 7662).

use http::{Method, StatusCode};
use serde_json::json;

use crate::{
    client_auth::{authenticate, form},
    exchange::Exchange,
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
};

/// RFC 7009: the same answer whether the token was known or not.
pub(crate) fn revoke(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    match revoke_token(exchange) {
        Ok(_) => {
            let status = exchange.provider.facts.emulator.revoke_status.unwrap_or(200);
            ServerReply::empty(StatusCode::from_u16(status).unwrap_or(StatusCode::OK))
        }
        Err(refusal) => exchange.dialect.refuse(exchange, &refusal),
    }
}

/// Revokes what the form names; whether the token was known.
pub(crate) fn revoke_token(exchange: &Exchange<'_>) -> Result<bool, ProtocolError> {
    let form = form(exchange)?;
    let accepted = exchange.provider.revoke_auth();
    let app = match accepted.is_empty() {
        true => None,
        false => Some(authenticate(exchange, form, &accepted)?),
    };
    let token = form.get("token").ok_or_else(|| Reason::Request.because("token is missing"))?;
    let mut state = exchange.backend.state();
    let Some((_, grant, is_refresh)) =
        state.owner(token).filter(|(_, grant, _)| grant.provider == exchange.provider.name)
    else {
        return Ok(false);
    };
    if app.is_some_and(|app| app.client_id != grant.request.app.client_id) {
        return Err(Reason::RefreshToken.because("the token was issued to another client"));
    }
    if exchange.provider.facts.emulator.revokes_refresh_tokens_only && !is_refresh {
        return Err(Reason::TokenType.because("only refresh tokens can be revoked"));
    }
    if exchange.provider.facts.emulator.revokes_access_tokens_only && is_refresh {
        return Err(Reason::TokenType.because("only access tokens can be revoked"));
    }
    state.revoke(token, exchange.provider.facts.emulator.revoke_ends_grant);
    Ok(true)
}

/// RFC 7662: a token that is not live has no other property.
pub(crate) fn introspect(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    let outcome = form(exchange).and_then(|form| {
        authenticate(exchange, form, &exchange.provider.token_auth())?;
        form.get("token").ok_or_else(|| Reason::Request.because("token is missing"))
    });
    let token = match outcome {
        Ok(token) => token,
        Err(refusal) => return exchange.dialect.refuse(exchange, &refusal),
    };
    let state = exchange.backend.state();
    if let Some((_, grant)) = state.access(&exchange.provider.family, token) {
        let (issued_at, expires_at) = state.access_times(token).unwrap_or_default();
        let mut body = json!({
            "active": true,
            "token_type": "Bearer",
            "scope": grant.request.scopes.join(" "),
            "client_id": grant.request.app.client_id,
            "username": grant.user.username,
            "sub": grant.user.id,
            "iss": exchange.provider.issuer(&grant.request.captures),
            "iat": issued_at,
        });
        if let (Some(expires_at), Some(body)) = (expires_at, body.as_object_mut()) {
            body.insert("exp".to_owned(), json!(expires_at));
        }
        return ServerReply::ok(&body);
    }
    match state.live_refresh(&exchange.provider.family, token) {
        Some(grant) => ServerReply::ok(&json!({
            "active": true,
            "scope": grant.request.scopes.join(" "),
            "client_id": grant.request.app.client_id,
            "sub": grant.user.id,
        })),
        None => ServerReply::ok(&json!({"active": false})),
    }
}

//! Revocation (RFC 7009).

use http::StatusCode;

use crate::{
    client_auth::authenticate,
    endpoint::EmulatedEndpoint,
    exchange::Exchange,
    profile,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    state::{RevokedToken, UserGrant},
    wire::ParamFormat,
};

/// RFC 7009, or what the facts say in its place: the same answer whether the token was known or not, unless the provider says.
pub(crate) fn revoke(exchange: &Exchange<'_>) -> ServerReply {
    let method = &exchange.provider.facts.revoke_method;
    if exchange.request.method.as_str() != method {
        return ServerReply::method_not_allowed(method);
    }
    let outcome = match exchange.provider.revokes_by_credential() {
        true => revoke_credential(exchange),
        false => revoke_parameter(exchange).map_err(|refusal| exchange.refuse(&refusal)),
    };
    match outcome {
        Ok(revoked) => {
            exchange.dialect.revoked(exchange, revoked.as_ref()).unwrap_or_else(|| reply(exchange))
        }
        Err(reply) => reply,
    }
}

/// The reply to a revocation that the facts describe.
fn reply(exchange: &Exchange<'_>) -> ServerReply {
    let manners = &exchange.provider.facts.emulator;
    let status = manners.revoke_status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::OK);
    match &manners.revoke_reply {
        Some(text) => ServerReply::new(status, "application/json;charset=utf-8", text.clone()),
        None => ServerReply::empty(status),
    }
}

/// Revokes the access token that the request presents, as each request to the API does.
fn revoke_credential(exchange: &Exchange<'_>) -> Result<Option<RevokedToken>, ServerReply> {
    let refuse = |refusal: ProtocolError| exchange.refuse(&refusal);
    let params = params(exchange).map_err(refuse)?;
    let app = application(exchange, &params).map_err(refuse)?;
    let (token, grant) = profile::authorize_at(exchange, exchange.provider.revoke_places(), &[])?;
    if app.is_some_and(|id| id != grant.request.app.client_id) {
        return Err(exchange.denied(Denied::BadToken));
    }
    end(exchange, &token, &grant);
    Ok(Some(RevokedToken { token, grant }))
}

/// Revokes the token that is a parameter of the request.
fn revoke_parameter(exchange: &Exchange<'_>) -> Result<Option<RevokedToken>, ProtocolError> {
    let facts = &exchange.provider.facts;
    let manners = &facts.emulator;
    let params = params(exchange)?;
    let app = application(exchange, &params)?;
    let mut places = exchange.provider.revoke_places().iter();
    let either = places.find_map(|place| place.read(&exchange.request));
    let refresh = facts.revoke_refresh_token.as_ref().and_then(|place| place.read(&exchange.request));
    let (token, only_refresh) = match (either, refresh) {
        (Some(token), None) => (token, false),
        (None, Some(token)) => (token, true),
        (None, None) => return Err(Reason::Request.because("token is missing")),
        (Some(_), Some(_)) => return Err(Reason::Request.because("there is more than one token")),
    };
    let found = {
        let state = exchange.backend.state();
        let found = state.owner(token).filter(|(_, grant, _)| grant.provider == exchange.provider.name);
        let of_this_kind = |is_refresh: bool| match facts.revoke_refresh_token {
            Some(_) => is_refresh == only_refresh,
            None => true,
        };
        let is_live = state.access(&exchange.provider.family, token).is_some()
            || state.live_refresh(&exchange.provider.family, token).is_some();
        found
            .filter(|(_, _, is_refresh)| {
                of_this_kind(*is_refresh) && (is_live || !manners.revokes_known_only)
            })
            .map(|(_, grant, is_refresh)| (grant.clone(), is_refresh))
    };
    let Some((grant, is_refresh)) = found else {
        return match manners.revokes_known_only {
            true => Err(Reason::UnknownToken.because("Token expired or revoked")),
            false => Ok(None),
        };
    };
    if app.is_some_and(|id| id != grant.request.app.client_id) {
        return Err(Reason::RefreshToken.because("the token was issued to another client"));
    }
    if manners.revokes_refresh_tokens_only && !is_refresh {
        return Err(Reason::TokenType.because("only refresh tokens can be revoked"));
    }
    if manners.revokes_access_tokens_only && is_refresh {
        return Err(Reason::TokenType.because("only access tokens can be revoked"));
    }
    end(exchange, token, &grant);
    Ok(Some(RevokedToken { token: token.to_owned(), grant }))
}

/// The parameters of a revocation, those among them that the provider demands.
fn params(exchange: &Exchange<'_>) -> Result<Pairs, ProtocolError> {
    let params = match exchange.provider.request_format(EmulatedEndpoint::Revoke) {
        Some(ParamFormat::Query) => exchange.request.query.clone(),
        Some(format) => exchange.params(format)?,
        None => Pairs::default(),
    };
    let missing =
        exchange.provider.facts.revoke_params.iter().find(|(name, value)| params.get(name) != Some(value));
    match missing {
        Some((name, value)) => Err(Reason::Request.because(format!("{name} must be {value}"))),
        None => Ok(params),
    }
}

/// The identifier of the application that revokes, where it must authenticate itself; it is that in the URL, if one is there.
fn application(exchange: &Exchange<'_>, params: &Pairs) -> Result<Option<String>, ProtocolError> {
    let accepted = exchange.provider.revoke_auth();
    if accepted.methods.is_empty() {
        return Ok(None);
    }
    let app = authenticate(exchange, params, &accepted)?;
    match exchange.captures.get("client_id") {
        Some(other) if *other != app.client_id => {
            Err(Reason::Client.because("the URL names another application"))
        }
        _ => Ok(Some(app.client_id)),
    }
}

/// Ends the token, or with it all that the facts say.
fn end(exchange: &Exchange<'_>, token: &str, grant: &UserGrant) {
    let manners = &exchange.provider.facts.emulator;
    let mut state = exchange.backend.state();
    match manners.revoke_unlinks {
        true => state.end_all(grant),
        false => state.revoke(token, manners.revoke_ends_grant),
    }
}

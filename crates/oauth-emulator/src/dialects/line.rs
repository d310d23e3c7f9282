use http::{Method, StatusCode};

use crate::{
    client_auth::form,
    exchange::{Dialect, Exchange},
    refusal::{ProtocolError, Reason},
    reply::ServerReply,
};

/// <https://developers.line.biz/en/reference/line-login/>
pub(super) struct Line;

impl Dialect for Line {
    /// The token is called `access_token` or `refresh_token` here, and the secret may be left out.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        Some(revoke_and_reply(exchange))
    }
}

fn revoke_and_reply(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    match revoke(exchange) {
        Ok(()) => ServerReply::empty(StatusCode::OK),
        Err(refusal) => exchange.dialect.refuse(exchange, &refusal),
    }
}

fn revoke(exchange: &Exchange<'_>) -> Result<(), ProtocolError> {
    let form = form(exchange)?;
    let id = form.get("client_id").ok_or_else(|| Reason::Request.because("client_id is missing"))?;
    let (token, is_refresh) = match (form.get("access_token"), form.get("refresh_token")) {
        (Some(token), None) => (token, false),
        (None, Some(token)) => (token, true),
        _ => return Err(Reason::Request.because("send access_token or refresh_token")),
    };
    let mut state = exchange.backend.state();
    let app = state.app(&exchange.provider.family, id);
    let app = app.ok_or_else(|| Reason::Client.because("the channel is unknown"))?;
    if form.get("client_secret").is_some_and(|secret| Some(secret) != app.client_secret.as_deref()) {
        return Err(Reason::Client.because("the channel secret is wrong"));
    }
    let owned = state.owner(token).is_some_and(|(_, grant, found)| {
        found == is_refresh
            && grant.provider == exchange.provider.name
            && grant.request.app.client_id == app.client_id
    });
    if !owned {
        return Err(Reason::Request.because("the token is invalid"));
    }
    // A refresh token takes its access tokens with it.
    state.revoke(token, is_refresh);
    Ok(())
}

//! The profile and OpenID Connect's userinfo (Core, section 5.3).

use http::StatusCode;
use serde_json::{Map, Value};

use crate::{claims, exchange::Exchange, id_token, refusal::Denied, reply::ServerReply, state::Grant};

/// The provider's profile API, its body built from the table's field paths.
pub(crate) fn profile(exchange: &Exchange<'_>) -> ServerReply {
    let facts = &exchange.provider.facts;
    let methods = std::iter::once(&facts.profile_method).chain(&facts.emulator.profile_methods);
    if !methods.clone().any(|method| *method == exchange.request.method.as_str()) {
        return ServerReply::method_not_allowed(&methods.cloned().collect::<Vec<_>>().join(", "));
    }
    let grant = match authorize(exchange, &facts.emulator.profile_scopes) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    let mut body = claims::body(&exchange.backend.state(), exchange.provider, &grant);
    if facts.userinfo_url.is_none() {
        let requested = claims::requested(exchange.provider, &grant, "userinfo");
        claims::add_requested(&exchange.backend.state(), exchange.provider, &grant, &requested, &mut body);
    }
    let app = &grant.request.app;
    if app.userinfo_signed_response_alg.is_none() && !facts.emulator.userinfo_signed {
        return exchange.dialect.profile(exchange, &grant, body);
    }
    signed(exchange, &grant, body)
}

/// The claims as a JWT (OpenID Connect Core, section 5.3.2).
fn signed(exchange: &Exchange<'_>, grant: &Grant, claims: Map<String, Value>) -> ServerReply {
    match id_token::signed_userinfo(exchange.backend, exchange.provider, exchange.endpoint(), grant, claims) {
        Ok(jwt) => ServerReply::new(StatusCode::OK, "application/jwt", jwt),
        Err(error) => ServerReply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The standard claims, where the profile is another API.
pub(crate) fn userinfo(exchange: &Exchange<'_>) -> ServerReply {
    match authorize(exchange, &["openid".to_owned()]) {
        Ok(grant) => {
            let mut claims = claims::claims(&exchange.backend.state(), exchange.provider, &grant);
            let requested = claims::requested(exchange.provider, &grant, "userinfo");
            claims::add_requested(
                &exchange.backend.state(),
                exchange.provider,
                &grant,
                &requested,
                &mut claims,
            );
            exchange.dialect.userinfo(&grant, &mut claims);
            match grant.request.app.userinfo_signed_response_alg {
                Some(_) => signed(exchange, &grant, claims),
                None => ServerReply::ok(&Value::Object(claims)),
            }
        }
        Err(reply) => reply,
    }
}

/// The grant to which the request's access token belongs, if it has one of the scopes (or none are wanted).
pub(crate) fn authorize(exchange: &Exchange<'_>, scopes: &[String]) -> Result<Grant, ServerReply> {
    let denied = |denied| exchange.dialect.denied(exchange, denied);
    let token = exchange.dialect.access_token(exchange).ok_or_else(|| denied(Denied::NoToken))?;
    let found = exchange.backend.state().access(&exchange.provider.family, &token);
    let grant = found
        .map(|(_, grant)| grant)
        .filter(|grant| grant.is_at(&exchange.captures))
        .ok_or_else(|| denied(Denied::BadToken))?;
    if grant.has_any_scope(scopes) { Ok(grant) } else { Err(denied(Denied::Scope)) }
}

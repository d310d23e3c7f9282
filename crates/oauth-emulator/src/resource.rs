//! An API that the provider's access tokens are for: bound tokens (RFC 9449, RFC 8705), audiences (RFC 8707), step-up (RFC 9470).

use http::{StatusCode, header};
use serde_json::json;

use crate::{clock::now, exchange::Exchange, id_token, profile, refusal::Denied, reply::ServerReply};

/// What an authentication must be worth where more than any is wanted.
const TWO_FACTORS: &str = "urn:emulator:two-factors";

/// How old an authentication may be there, in seconds.
const MAX_AGE: i64 = 300;

/// Answers any method with what the token allows. An address that ends with `/transfers` wants two factors.
pub(crate) fn answer(exchange: &Exchange<'_>) -> ServerReply {
    let places = exchange.provider.profile_places();
    if exchange.request.header("authorization").is_none() {
        let algs =
            exchange.provider.facts.emulator.dpop_algs.iter().map(|alg| alg.as_str()).collect::<Vec<_>>();
        return exchange
            .denied(Denied::NoToken)
            .with(header::WWW_AUTHENTICATE, &format!("Bearer, DPoP algs=\"{}\"", algs.join(" ")));
    }
    let (token, grant) = match profile::authorize_at(exchange, places, &[]) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let terms = exchange.backend.state().terms(&token);
    let url = exchange.request.endpoint();
    let is_meant = |audience: &String| url.starts_with(audience.trim_end_matches('/'));
    if !terms.audience.is_empty() && !terms.audience.iter().any(is_meant) {
        return exchange.denied(Denied::BadToken);
    }
    let acr = id_token::requested_acr(&grant);
    let is_enough = acr.as_deref() == Some(TWO_FACTORS) && now() - grant.auth_time <= MAX_AGE;
    if url.ends_with("/transfers") && !is_enough {
        let scheme = if terms.jkt.is_some() { "DPoP" } else { "Bearer" };
        let code = "insufficient_user_authentication";
        let description = "a fresh authentication with two factors is required";
        return ServerReply::json(
            StatusCode::UNAUTHORIZED,
            &json!({"error": code, "error_description": description}),
        )
        .with(
            header::WWW_AUTHENTICATE,
            &format!(
                "{scheme} error=\"{code}\", error_description=\"{description}\", acr_values=\"{TWO_FACTORS}\", max_age=\"{MAX_AGE}\""
            ),
        );
    }
    ServerReply::ok(&json!({
        "sub": grant.user.id,
        "scope": grant.request.scopes.join(" "),
        "client_id": grant.request.app.client_id,
        "authorization_details": terms.details,
    }))
}

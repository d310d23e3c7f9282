//! Pushed authorization requests (RFC 9126).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    authorization_request::{check, trusted_client},
    client_auth::authenticate,
    clock::now,
    exchange::Exchange,
    facts::AcceptedAuth,
    proof,
    refusal::{CallbackError, ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    request_object,
    wire::ParamFormat,
};

/// How long a pushed request lives, in seconds.
const LIFETIME: u64 = 60;

/// What client authentication adds to a pushed request.
const AUTHENTICATION: [&str; 4] = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

pub(crate) fn push(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::POST {
        return ServerReply::method_not_allowed("POST");
    }
    match accept(exchange) {
        Ok(body) => ServerReply::json(StatusCode::CREATED, &body),
        Err(refusal) => exchange.refuse(&refusal),
    }
}

fn accept(exchange: &Exchange<'_>) -> Result<Value, ProtocolError> {
    let form = exchange.params(ParamFormat::Form)?;
    let app = authenticate(exchange, &form, &AcceptedAuth::from(exchange.provider.token_auth()))?;
    let possession = proof::at_server(exchange)?;
    if form.get("request_uri").is_some() {
        return Err(
            Reason::Request.because("request_uri has no place in a pushed request (RFC 9126 section 2.1)")
        );
    }
    let demands = exchange.demands();
    let mut params = match form.get("request") {
        Some(object) => {
            let other = form.iter().find(|(name, _)| *name != "request" && !AUTHENTICATION.contains(name));
            if let Some((name, _)) = other {
                return Err(Reason::Request
                    .because(format!("{name} is sent beside the request object (RFC 9126 section 3)")));
            }
            request_object::read(exchange, &app, object).map_err(of_callback)?
        }
        None if demands.signed_requests || app.require_signed_request_object => {
            return Err(Reason::Request.because("authorization requests must be signed here (RFC 9101)"));
        }
        None => plain(&form, &app.client_id),
    };
    if let Some(jkt) = possession.jkt {
        match params.get("dpop_jkt") {
            Some(named) if named != jkt => {
                return Err(
                    Reason::Other("invalid_dpop_proof").because("dpop_jkt is not the key of the proof")
                );
            }
            Some(_) => {}
            None => params.push("dpop_jkt", jkt),
        }
    }
    trusted_client(exchange, &params).map_err(|why| Reason::Request.because(why))?;
    check(exchange, &params, &app).map_err(of_callback)?;
    let lifetime = demands.pushed_lifetime.unwrap_or(LIFETIME);
    let expires_at = now().saturating_add_unsigned(lifetime);
    let family = &exchange.provider.family;
    let uri = exchange.backend.state().flows.push(family, &app.client_id, params, expires_at);
    Ok(json!({"request_uri": uri, "expires_in": lifetime}))
}

/// The parameters of the request without what authenticates the client.
fn plain(form: &Pairs, client_id: &str) -> Pairs {
    let mut params = Pairs::default();
    params.push("client_id", client_id.to_owned());
    for (name, value) in form.iter().filter(|(name, _)| !AUTHENTICATION.contains(name)) {
        params.push(name, value.to_owned());
    }
    params
}

/// What a callback would say is said at once (RFC 9126 section 2.3).
fn of_callback(error: CallbackError) -> ProtocolError {
    Reason::Other(error.code).because(error.description)
}

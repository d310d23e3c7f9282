//! Client authentication (RFC 6749, section 2.3).

use jsonwebtoken::{AlgorithmFamily, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Map, Value};

use crate::{
    app::{App, ClientAuthMethod},
    exchange::Exchange,
    facts::AcceptedAuth,
    refusal::{ProtocolError, Reason},
    request::{Pairs, form_decode},
};

/// The only kind of assertion that is known here (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The application that sent the request, authenticated in exactly one way that it may use.
pub(crate) fn authenticate(
    exchange: &Exchange<'_>,
    params: &Pairs,
    accepted: &AcceptedAuth,
) -> Result<App, ProtocolError> {
    let unknown = || Reason::Client.because("client authentication failed");
    if let Some(assertion) = params.get("client_assertion") {
        return by_assertion(exchange, params, &accepted.methods, assertion);
    }
    let facts = &exchange.provider.facts;
    let named = params.get(&facts.client_id_param);
    let (method, id, secret) = match (exchange.request.basic(), params.get(&facts.client_secret_param)) {
        (Some(_), Some(_)) => {
            return Err(Reason::Request.because("the client authenticates in more than one way"));
        }
        (Some(None), None) => return Err(Reason::Client.because("malformed Basic credentials")),
        (Some(Some((id, secret))), None) => {
            let id = form_decode(&id);
            if named.is_some_and(|other| other != id) {
                return Err(Reason::Request.because("client_id differs from that of the Basic credentials"));
            }
            (ClientAuthMethod::Basic, id, form_decode(&secret))
        }
        (None, secret) => {
            let id = named.ok_or_else(|| Reason::Client.because("no client authentication"))?;
            let method = if secret.is_some() { ClientAuthMethod::Post } else { ClientAuthMethod::None };
            (method, id.to_owned(), secret.unwrap_or_default().to_owned())
        }
    };
    let app = exchange.backend.state().app(&exchange.provider.family, &id).ok_or_else(unknown)?;
    if method == ClientAuthMethod::None && accepted.id_alone {
        return Ok(app);
    }
    let accepted = if app.client_auth.is_empty() { &accepted.methods } else { &app.client_auth };
    // An application without a secret may still have to name itself by Basic with an empty password (Reddit).
    let public_by_basic = app.client_secret.is_none()
        && method == ClientAuthMethod::Basic
        && accepted.contains(&ClientAuthMethod::None);
    if !accepted.contains(&method) && !public_by_basic {
        return Err(not_accepted(method, accepted));
    }
    exchange.dialect.check_secret(exchange, &app, &secret).map_err(|why| Reason::Client.because(why))?;
    Ok(app)
}

/// The application that signed an assertion with its registered key, for this endpoint and for now (RFC 7523, section 3).
fn by_assertion(
    exchange: &Exchange<'_>,
    params: &Pairs,
    accepted: &[ClientAuthMethod],
    assertion: &str,
) -> Result<App, ProtocolError> {
    let refuse = |why: &str| Reason::Client.because(format!("the client assertion {why}"));
    if exchange.request.basic().is_some() || params.get("client_secret").is_some() {
        return Err(Reason::Request.because("the client authenticates in more than one way"));
    }
    if params.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(Reason::Request.because(format!("client_assertion_type must be {ASSERTION_TYPE}")));
    }
    let unverified = jsonwebtoken::dangerous::insecure_decode::<Map<String, Value>>(assertion);
    let unverified = unverified.map_err(|_| refuse("is no JWT"))?;
    let id = unverified.claims.get("sub").and_then(Value::as_str).ok_or_else(|| refuse("has no sub"))?;
    let app = exchange.backend.state().app(&exchange.provider.family, id);
    let app = app.ok_or_else(|| refuse("names no application that is registered here"))?;
    let accepted = if app.client_auth.is_empty() { accepted } else { &app.client_auth };
    if !accepted.contains(&ClientAuthMethod::PrivateKeyJwt) {
        return Err(not_accepted(ClientAuthMethod::PrivateKeyJwt, accepted));
    }
    let set: JwkSet = app
        .jwks
        .clone()
        .and_then(|set| serde_json::from_value(set).ok())
        .ok_or_else(|| refuse("cannot be verified: the application has registered no keys"))?;
    let key = match unverified.header.kid.as_deref() {
        Some(kid) => set.find(kid),
        None => set.keys.first(),
    };
    let key = key.ok_or_else(|| refuse("is signed with a key that is not registered"))?;
    let key = DecodingKey::from_jwk(key).map_err(|_| refuse("is signed with a key of unknown kind"))?;
    if unverified.header.alg.family() == AlgorithmFamily::Hmac {
        return Err(refuse("is signed with a secret"));
    }
    let mut validation = Validation::new(unverified.header.alg);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    validation.set_issuer(&[id]);
    validation.sub = Some(id.to_owned());
    let issuer = exchange.provider.issuer(&exchange.captures);
    let token = exchange.provider.url(exchange.provider.facts.token_url.as_ref(), &exchange.captures);
    validation.set_audience(&[token.unwrap_or_default(), issuer, exchange.request.endpoint().to_owned()]);
    let token = jsonwebtoken::decode::<Map<String, Value>>(assertion, &key, &validation)
        .map_err(|error| refuse(&format!("does not hold: {error}")))?;
    match token.claims.get("jti").and_then(Value::as_str) {
        Some(jti) if exchange.backend.state().spend_jti(jti) => Ok(app),
        Some(_) => Err(refuse("was used before (its jti is known)")),
        None => Err(refuse("has no jti")),
    }
}

fn not_accepted(method: ClientAuthMethod, accepted: &[ClientAuthMethod]) -> ProtocolError {
    let names: Vec<_> = accepted.iter().map(|method| method.name()).collect();
    Reason::Client.because(format!("{} is not accepted here; use {}", method.name(), names.join(" or ")))
}

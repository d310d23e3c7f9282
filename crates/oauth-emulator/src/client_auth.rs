//! Client authentication (RFC 6749, section 2.3).

use jsonwebtoken::{AlgorithmFamily, DecodingKey, Validation, jwk::JwkSet};
use serde_json::{Map, Value};

use crate::{
    app::{App, ClientAuth},
    reply::{Reason, Refusal},
    request::{Params, form_decode},
    server::Call,
};

/// The only kind of assertion that is known here (RFC 7523, section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The application that sent the request, authenticated in exactly one way that it may use.
pub(crate) fn authenticate(call: &Call<'_>, form: &Params, accepted: &[ClientAuth]) -> Result<App, Refusal> {
    let unknown = || Reason::Client.because("client authentication failed");
    if call.request.query.get("client_secret").is_some() {
        return Err(Reason::Request.because("client_secret has no place in a URL (RFC 6749, section 2.3.1)"));
    }
    if let Some(assertion) = form.get("client_assertion") {
        return by_assertion(call, form, accepted, assertion);
    }
    let (method, id, secret) = match (call.request.basic(), form.get("client_secret")) {
        (Some(_), Some(_)) => {
            return Err(Reason::Request.because("the client authenticates in more than one way"));
        }
        (Some(None), None) => return Err(Reason::Client.because("malformed Basic credentials")),
        (Some(Some((id, secret))), None) => {
            let id = form_decode(&id);
            if form.get("client_id").is_some_and(|other| other != id) {
                return Err(Reason::Request.because("client_id differs from that of the Basic credentials"));
            }
            (ClientAuth::Basic, id, form_decode(&secret))
        }
        (None, secret) => {
            let id =
                form.get("client_id").ok_or_else(|| Reason::Client.because("no client authentication"))?;
            let method = if secret.is_some() { ClientAuth::Post } else { ClientAuth::None };
            (method, id.to_owned(), secret.unwrap_or_default().to_owned())
        }
    };
    let app = call.shared.state().app(&call.provider.family, &id).ok_or_else(unknown)?;
    let accepted = if app.client_auth.is_empty() { accepted } else { &app.client_auth };
    // An application without a secret may still have to name itself by Basic with an empty password (Reddit).
    let public_by_basic =
        app.client_secret.is_none() && method == ClientAuth::Basic && accepted.contains(&ClientAuth::None);
    if !accepted.contains(&method) && !public_by_basic {
        return Err(not_accepted(method, accepted));
    }
    call.dialect().check_secret(call, &app, &secret).map_err(|why| Reason::Client.because(why))?;
    Ok(app)
}

/// The application that signed an assertion with its registered key, for this endpoint and for now (RFC 7523, section 3).
fn by_assertion(
    call: &Call<'_>,
    form: &Params,
    accepted: &[ClientAuth],
    assertion: &str,
) -> Result<App, Refusal> {
    let refuse = |why: &str| Reason::Client.because(format!("the client assertion {why}"));
    if call.request.basic().is_some() || form.get("client_secret").is_some() {
        return Err(Reason::Request.because("the client authenticates in more than one way"));
    }
    if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(Reason::Request.because(format!("client_assertion_type must be {ASSERTION_TYPE}")));
    }
    let unverified = jsonwebtoken::dangerous::insecure_decode::<Map<String, Value>>(assertion);
    let unverified = unverified.map_err(|_| refuse("is no JWT"))?;
    let id = unverified.claims.get("sub").and_then(Value::as_str).ok_or_else(|| refuse("has no sub"))?;
    let app = call.shared.state().app(&call.provider.family, id);
    let app = app.ok_or_else(|| refuse("names no application that is registered here"))?;
    let accepted = if app.client_auth.is_empty() { accepted } else { &app.client_auth };
    if !accepted.contains(&ClientAuth::PrivateKeyJwt) {
        return Err(not_accepted(ClientAuth::PrivateKeyJwt, accepted));
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
    let issuer = call.provider.issuer(&call.captures);
    let token = call.provider.url(call.provider.facts.token_url.as_ref(), &call.captures);
    validation.set_audience(&[token.unwrap_or_default(), issuer, call.request.endpoint().to_owned()]);
    let token = jsonwebtoken::decode::<Map<String, Value>>(assertion, &key, &validation)
        .map_err(|error| refuse(&format!("does not hold: {error}")))?;
    match token.claims.get("jti").and_then(Value::as_str) {
        Some(jti) if call.shared.state().spend_jti(jti) => Ok(app),
        Some(_) => Err(refuse("was used before (its jti is known)")),
        None => Err(refuse("has no jti")),
    }
}

fn not_accepted(method: ClientAuth, accepted: &[ClientAuth]) -> Refusal {
    let names: Vec<_> = accepted.iter().map(|method| method.name()).collect();
    Reason::Client.because(format!("{} is not accepted here; use {}", method.name(), names.join(" or ")))
}

/// What every request to a token endpoint or one like it must be: a form, each parameter once.
pub(crate) fn form<'a>(call: &'a Call<'_>) -> Result<&'a Params, Refusal> {
    let form = call.request.form.as_ref().ok_or_else(|| {
        Reason::Request.because("the content type must be application/x-www-form-urlencoded")
    })?;
    match form.duplicate() {
        Some(name) => Err(Reason::Request.because(format!("the parameter {name} occurs twice"))),
        None => Ok(form),
    }
}

//! Client authentication (RFC 6749, section 2.3).

use crate::{
    app::{App, ClientAuthMethod},
    client_assertion,
    exchange::Exchange,
    facts::AcceptedAuth,
    proof,
    refusal::{ProtocolError, Reason},
    request::{Pairs, form_decode},
};

/// The application that sent the request, authenticated in exactly one way that it may use.
pub(crate) fn authenticate(
    exchange: &Exchange<'_>,
    params: &Pairs,
    accepted: &AcceptedAuth,
) -> Result<App, ProtocolError> {
    let unknown = || Reason::Client.because("client authentication failed");
    if let Some(assertion) = params.get("client_assertion") {
        return by_assertion(exchange, params, accepted, assertion);
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
    let accepted = &accepted_from(exchange, &app, accepted);
    if method == ClientAuthMethod::None && by_certificate(exchange, &app, accepted)? {
        return Ok(app);
    }
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

/// The application that signed an assertion, for this endpoint and for now.
fn by_assertion(
    exchange: &Exchange<'_>,
    params: &Pairs,
    accepted: &AcceptedAuth,
    assertion: &str,
) -> Result<App, ProtocolError> {
    let assertion = client_assertion::read(exchange, params, assertion)?;
    let accepted = accepted_from(exchange, &assertion.app, accepted);
    if !accepted.contains(&assertion.method) {
        return Err(not_accepted(assertion.method, &accepted));
    }
    assertion.check(exchange)?;
    Ok(assertion.app)
}

/// Whether an application that sends its identifier alone has shown its certificate (RFC 8705 section 2).
fn by_certificate(
    exchange: &Exchange<'_>,
    app: &App,
    accepted: &[ClientAuthMethod],
) -> Result<bool, ProtocolError> {
    let by_tls = [ClientAuthMethod::TlsClientAuth, ClientAuthMethod::SelfSignedTlsClientAuth];
    if app.certificates.is_empty() || !accepted.iter().any(|method| by_tls.contains(method)) {
        return Ok(false);
    }
    match proof::certificate(exchange)? {
        Some(shown) if app.certificates.contains(&shown) => Ok(true),
        Some(_) => Err(Reason::Client.because("the certificate is not the client's")),
        None => Ok(false),
    }
}

/// What this application may use here: what it registered, what the provider demands, or what the facts say.
fn accepted_from(exchange: &Exchange<'_>, app: &App, accepted: &AcceptedAuth) -> Vec<ClientAuthMethod> {
    let demanded = exchange.demands().client_auth;
    let usual = if demanded.is_empty() { &accepted.methods } else { &demanded };
    match app.client_auth.is_empty() {
        true => usual.clone(),
        false if demanded.is_empty() => app.client_auth.clone(),
        false => app.client_auth.iter().filter(|method| demanded.contains(method)).copied().collect(),
    }
}

fn not_accepted(method: ClientAuthMethod, accepted: &[ClientAuthMethod]) -> ProtocolError {
    let names: Vec<_> = accepted.iter().map(|method| method.name()).collect();
    Reason::Client.because(format!("{} is not accepted here; use {}", method.name(), names.join(" or ")))
}

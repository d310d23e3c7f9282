//! Client authentication (RFC 6749, section 2.3).

use crate::{
    app::{App, ClientAuth},
    reply::{Reason, Refusal},
    request::{Params, form_decode},
    server::Call,
};

/// The application that sent the request, authenticated in exactly one way that it may use.
pub(crate) fn authenticate(call: &Call<'_>, form: &Params, accepted: &[ClientAuth]) -> Result<App, Refusal> {
    let unknown = || Reason::Client.because("client authentication failed");
    if call.request.query.get("client_secret").is_some() {
        return Err(Reason::Request.because("client_secret has no place in a URL (RFC 6749, section 2.3.1)"));
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
        let names: Vec<_> = accepted.iter().map(|method| method.name()).collect();
        let description = format!("{} is not accepted here; use {}", method.name(), names.join(" or "));
        return Err(Reason::Client.because(description));
    }
    call.dialect().check_secret(call, &app, &secret).map_err(|why| Reason::Client.because(why))?;
    Ok(app)
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

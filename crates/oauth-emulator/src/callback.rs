//! The way back to the application: in the URL, by a form, or signed (JARM).

use http::{StatusCode, header};
use serde_json::{Map, json};

use crate::{
    app::App, backend::Backend, clock::now, crypto, endpoint::EmulatedEndpoint, facts::EmulatedProvider,
    fault::Fault, id_token, keys::KeyFailure, page, reply::ServerReply, request::Pairs, state::Authorization,
    urls::Captures,
};

/// How long a signed answer is good for, in seconds.
const LIFETIME: i64 = 600;

/// Adds the state, and the issuer where the provider sends it (RFC 9207).
pub(crate) fn add_context(
    backend: &Backend,
    provider: &EmulatedProvider,
    request: &Authorization,
    answer: &mut Vec<(String, String)>,
) {
    let wrong = backend.state().has_fault(&provider.family, &Fault::WrongState);
    let state = if wrong { Some(crypto::random()) } else { request.params.get("state").map(str::to_owned) };
    answer.extend(state.map(|state| ("state".to_owned(), state)));
    if provider.facts.emulator.iss_parameter {
        answer.push(("iss".to_owned(), id_token::issuer(backend, provider, &request.captures)));
    }
}

/// Sends the browser back after the faults of callbacks.
pub(crate) fn go_back(
    backend: &Backend,
    provider: &EmulatedProvider,
    status: StatusCode,
    request: &Authorization,
    mut answer: Vec<(String, String)>,
) -> ServerReply {
    let faults = backend.state().faults(&provider.family, EmulatedEndpoint::Authorize);
    for fault in faults {
        if let Fault::Callback(name, value) = fault {
            answer.retain(|(other, _)| *other != name);
            answer.extend(value.map(|value| (name, value)));
        }
    }
    let target = AnswerTarget {
        app: &request.app,
        params: &request.params,
        captures: &request.captures,
        redirect_uri: &request.redirect_uri,
    };
    send_back(backend, provider, status, &target, &answer)
}

/// Whether the callback is to bring an ID token (OpenID Connect Core, section 3.3.2.1).
pub(crate) fn wants_id_token(params: &Pairs) -> bool {
    params.get("response_type").is_some_and(|types| types.split(' ').any(|one| one == "id_token"))
}

/// Where an answer goes, and how it was asked for.
pub(crate) struct AnswerTarget<'a> {
    pub(crate) app: &'a App,
    pub(crate) params: &'a Pairs,
    pub(crate) captures: &'a Captures,
    pub(crate) redirect_uri: &'a str,
}

/// Sends the browser to the application in the way that was asked for: in the URL, or by a form that it posts (OAuth 2.0
/// Form Post Response Mode), signed where that was asked for (JARM section 2.3).
pub(crate) fn send_back(
    backend: &Backend,
    provider: &EmulatedProvider,
    status: StatusCode,
    target: &AnswerTarget<'_>,
    answer: &[(String, String)],
) -> ServerReply {
    let default = if wants_id_token(target.params) { "fragment" } else { "query" };
    let mode = target.params.get("response_mode").filter(|mode| provider.response_modes().contains(mode));
    let (mode, is_signed) = match mode.unwrap_or(default) {
        "jwt" => (default, true),
        mode => match mode.strip_suffix(".jwt") {
            Some(mode) => (mode, true),
            None => (mode, false),
        },
    };
    let has_fault = |fault| backend.state().has_fault(&provider.family, &fault);
    let is_signed = (is_signed && !has_fault(Fault::PlainResponse)) || has_fault(Fault::UnaskedJwtResponse);
    let answer = match is_signed.then(|| signed(backend, provider, target, answer)) {
        None => answer.to_vec(),
        Some(Ok(jwt)) => vec![("response".to_owned(), jwt)],
        Some(Err(error)) => {
            return ServerReply::html(
                StatusCode::INTERNAL_SERVER_ERROR,
                page::problem(&provider.facts.display_name, &format!("The emulator cannot sign: {error}")),
            );
        }
    };
    if mode == "form_post" {
        let page = page::form_post(&provider.facts.display_name, target.redirect_uri, &answer);
        ServerReply::html(StatusCode::OK, page)
            .with(header::CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY)
            // Not no-referrer, under which the browser would send `Origin: null` with the form.
            .with(header::REFERRER_POLICY, "strict-origin")
    } else {
        let fragment = mode == "fragment";
        ServerReply::redirect(status, &callback(target.redirect_uri, fragment, &answer))
            .with(header::REFERRER_POLICY, "no-referrer")
    }
}

/// The answer as a JWT (JARM section 2.1).
fn signed(
    backend: &Backend,
    provider: &EmulatedProvider,
    target: &AnswerTarget<'_>,
    answer: &[(String, String)],
) -> Result<String, KeyFailure> {
    let endpoint = EmulatedEndpoint::Authorize;
    let app = target.app;
    let registered = app.authorization_signed_response_alg.or(app.id_token_signed_response_alg);
    let alg = id_token::alg(backend, provider, endpoint, registered);
    let mut claims: Map<_, _> = answer.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    claims.insert("iss".to_owned(), json!(id_token::issuer(backend, provider, target.captures)));
    claims.insert("aud".to_owned(), json!(app.client_id));
    claims.insert("exp".to_owned(), json!(now() + LIFETIME));
    id_token::sign(backend, provider, endpoint, app, alg, None, claims)
}

/// The redirect URI, byte for byte, with the answer appended to its query or as its fragment.
fn callback(redirect_uri: &str, fragment: bool, answer: &[(String, String)]) -> String {
    let joint = match (fragment, redirect_uri.contains('?')) {
        (true, _) => '#',
        (false, true) => '&',
        (false, false) => '?',
    };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    format!("{redirect_uri}{joint}{query}")
}

//! The end session endpoint (OpenID Connect RP-Initiated Logout 1.0).

use http::{Method, StatusCode};
use url::Url;

use crate::{app::App, page, reply::Reply, request::Params, server::Call};

/// What a logout asks for.
#[derive(Debug, Default)]
pub(crate) struct Logout {
    pub(crate) id_token_hint: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) state: Option<String>,
}

impl Logout {
    pub(crate) fn standard(params: &Params) -> Self {
        let text = |name| params.get(name).map(str::to_owned);
        Self {
            id_token_hint: text("id_token_hint"),
            client_id: text("client_id"),
            redirect_uri: text("post_logout_redirect_uri"),
            state: text("state"),
        }
    }
}

/// Ends the browser's session, and sends it back to the application if that is known and has registered the place. A real
/// provider may ask the user first; the emulator takes the user's yes for granted.
pub(crate) fn answer(call: &Call<'_>) -> Reply {
    let params = match (call.request.method.clone(), &call.request.form) {
        (Method::GET, _) => &call.request.query,
        (Method::POST, Some(form)) => form,
        _ => return Reply::method_not_allowed("GET, POST"),
    };
    match end(call, params) {
        Ok(Some(url)) => Reply::redirect(StatusCode::FOUND, &url),
        Ok(None) => Reply::html(StatusCode::OK, page::signed_out(&call.provider.facts.display_name)),
        Err(why) => {
            Reply::html(StatusCode::BAD_REQUEST, page::problem(&call.provider.facts.display_name, &why))
        }
    }
}

fn end(call: &Call<'_>, params: &Params) -> Result<Option<String>, String> {
    if let Some(name) = params.duplicate() {
        return Err(format!("The parameter {name} occurs twice (RFC 6749, section 3.1)."));
    }
    let logout = call.dialect().logout(params);
    let mut state = call.shared.state();
    let hinted = match &logout.id_token_hint {
        Some(token) => {
            let hint = state.id_token(&call.provider.family, token);
            Some(hint.ok_or("The id_token_hint is no ID token of this provider.")?.clone())
        }
        None => None,
    };
    let client_id = match (&hinted, &logout.client_id) {
        (Some(hint), Some(id)) if hint.client_id != *id => {
            return Err("The id_token_hint was issued to another client than client_id says.".to_owned());
        }
        (Some(hint), _) => Some(&hint.client_id),
        (None, id) => id.as_ref(),
    };
    let app: Option<App> = match client_id {
        Some(id) => {
            let app = state.app(&call.provider.family, id);
            Some(app.ok_or_else(|| format!("No application {id:?} is registered here."))?)
        }
        None => None,
    };
    let target = match logout.redirect_uri {
        None => None,
        Some(uri) => {
            let app = app.ok_or("Who asks? There is neither an id_token_hint nor a client_id.")?;
            let mut url = Url::parse(&uri).map_err(|_| format!("{uri:?} is not an absolute URI."))?;
            if !app.allows_post_logout_redirect(&uri) {
                return Err(format!("{uri:?} is not registered for this application."));
            }
            if let Some(state) = logout.state {
                url.query_pairs_mut().append_pair("state", &state);
            }
            Some(url.into())
        }
    };
    if let Some(session) = crate::authorize::session(&call.request) {
        state.sign_out(session, &call.provider.family);
    }
    Ok(target)
}

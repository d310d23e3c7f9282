//! The end session endpoint (OpenID Connect RP-Initiated Logout 1.0).

use http::{Method, StatusCode};
use url::Url;

use crate::{app::App, exchange::Exchange, page, reply::ServerReply, request::Pairs};

/// Ends the browser's session, and sends it back to the application if that is known and has registered the place. A real
/// provider may ask the user first; the emulator takes the user's yes for granted.
pub(crate) fn answer(exchange: &Exchange<'_>) -> ServerReply {
    let params = match (exchange.request.method.clone(), &exchange.request.form) {
        (Method::GET, _) => &exchange.request.query,
        (Method::POST, Some(form)) => form,
        _ => return ServerReply::method_not_allowed("GET, POST"),
    };
    match end(exchange, params) {
        Ok(Some(url)) => ServerReply::redirect(StatusCode::FOUND, &url),
        Ok(None) => {
            ServerReply::html(StatusCode::OK, page::signed_out(&exchange.provider.facts.display_name))
        }
        Err(why) => ServerReply::html(
            StatusCode::BAD_REQUEST,
            page::problem(&exchange.provider.facts.display_name, &why),
        ),
    }
}

fn end(exchange: &Exchange<'_>, params: &Pairs) -> Result<Option<String>, String> {
    if let Some(name) = params.duplicate() {
        return Err(format!("The parameter {name} occurs twice (RFC 6749, section 3.1)."));
    }
    let logout = exchange.dialect.logout(params);
    let mut state = exchange.backend.state();
    let hinted = match &logout.id_token_hint {
        Some(token) => {
            let hint = state.id_token(&exchange.provider.family, token);
            Some(hint.ok_or("The id_token_hint is not an ID token of this provider.")?.clone())
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
            let app = state.app(&exchange.provider.family, id);
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
    if let Some(session) = exchange.request.session(&exchange.backend.origin) {
        state.sign_out(session, &exchange.provider.family);
    }
    Ok(target)
}

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    crypto,
    exchange::{Dialect, Exchange},
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    state::UserGrant,
    token_reply,
};

const REDIRECT_URI: &str = "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request";

/// <https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow>
pub(super) struct Facebook;

impl Dialect for Facebook {
    /// A short-lived token becomes a long-lived one.
    fn other_grant(
        &self,
        exchange: &Exchange<'_>,
        grant_type: &str,
        form: &Pairs,
        app: &App,
    ) -> Option<Result<Map<String, Value>, ProtocolError>> {
        (grant_type == "fb_exchange_token").then(|| exchange_token(exchange, form, app))
    }

    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let (code, subcode, message) = match refusal.reason {
            Reason::Client => (1, None, "Error validating client secret."),
            Reason::RefreshToken => (190, None, &*refusal.description),
            Reason::RedirectUri => (100, Some(36008), REDIRECT_URI),
            Reason::Code if refusal.description.contains("expired") => {
                (100, Some(36007), "This authorization code has expired.")
            }
            Reason::Code if refusal.description.contains("used") => {
                (100, Some(36009), "This authorization code has been used.")
            }
            _ => (100, None, &*refusal.description),
        };
        let mut error = json!({"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AemulatorTrace"});
        if let Some(subcode) = subcode {
            error["error_subcode"] = json!(subcode);
        }
        ServerReply::json(StatusCode::BAD_REQUEST, &json!({"error": error}))
    }

    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        match denied {
            Denied::NoToken => error(
                2500,
                "OAuthException",
                "An active access token must be used to query information about the current user.",
            ),
            Denied::BadToken => error(190, "OAuthException", "Invalid OAuth access token."),
            Denied::Scope => error(200, "OAuthException", "Permissions error"),
        }
    }

    /// Only the members that `fields` names, and id and name without it.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        _grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        let fields = exchange.request.query.get("fields").unwrap_or("id,name");
        let wanted: Vec<_> =
            fields.split(',').map(|field| field.split(['.', '{']).next().unwrap_or(field)).collect();
        body.retain(|name, _| name == "id" || wanted.contains(&name.as_str()));
        if let Some(picture) = body.get_mut("picture").and_then(|picture| picture.get_mut("data")) {
            picture["is_silhouette"] = json!(false);
        }
        ServerReply::ok(&Value::Object(body))
    }

    /// The proof need not be sent, but must be right if it is; a user can only take the application out of their own list.
    fn check_api(&self, exchange: &Exchange<'_>, grant: &UserGrant) -> Result<(), ServerReply> {
        if is_wrong_proof(exchange, grant) {
            let message = "Invalid appsecret_proof provided in the API argument";
            return Err(error(100, "GraphMethodException", message));
        }
        match exchange.captures.get("user_id") {
            Some(user) if user != "me" && *user != grant.user.id => {
                Err(error(100, "GraphMethodException", "Unsupported delete request."))
            }
            _ => Ok(()),
        }
    }
}

fn exchange_token(
    exchange: &Exchange<'_>,
    form: &Pairs,
    app: &App,
) -> Result<Map<String, Value>, ProtocolError> {
    let short = form
        .get("fb_exchange_token")
        .ok_or_else(|| Reason::Request.because("fb_exchange_token is missing"))?;
    let unknown = || Reason::RefreshToken.because("Invalid OAuth access token.");
    let issued = {
        let mut state = exchange.backend.state();
        let (id, grant) = state.access(&exchange.provider.family, short).ok_or_else(unknown)?;
        if grant.request.app.client_id != app.client_id {
            return Err(unknown());
        }
        state.issue(exchange.provider, id, grant.request.scopes, false, true).ok_or_else(unknown)?
    };
    token_reply::members(exchange, &issued)
}

fn is_wrong_proof(exchange: &Exchange<'_>, grant: &UserGrant) -> bool {
    let Some(proof) = exchange.request.parameter("appsecret_proof") else { return false };
    let mut places = exchange.provider.revoke_places().iter();
    let token = places.find_map(|place| place.read(&exchange.request)).unwrap_or_default();
    let secret = grant.request.app.client_secret.as_deref().unwrap_or_default();
    proof != crypto::hmac_hex(secret, token)
}

/// Every error of the Graph API, whatever its status, is an object.
fn error(code: u32, kind: &str, message: &str) -> ServerReply {
    ServerReply::json(
        StatusCode::BAD_REQUEST,
        &json!({"error": {"message": message, "type": kind, "code": code, "fbtrace_id": "AemulatorTrace"}}),
    )
}

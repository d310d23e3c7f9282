use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    app::App,
    crypto,
    exchange::{Dialect, Exchange},
    profile,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    request::Pairs,
    state::{Grant, Issued},
    token,
};

const REDIRECT_URI: &str = "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request";

/// <https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow>
pub(super) struct Facebook;

impl Dialect for Facebook {
    fn denial(&self) -> Vec<(&'static str, &'static str)> {
        vec![
            ("error", "access_denied"),
            ("error_code", "200"),
            ("error_description", "Permissions error"),
            ("error_reason", "user_denied"),
        ]
    }

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

    /// The reply names no scope.
    fn token_reply(&self, _exchange: &Exchange<'_>, _issued: &Issued, reply: &mut Map<String, Value>) {
        reply.remove("scope");
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

    /// The header or the query; revocation, as a DELETE, may have it in its form too.
    fn access_token(&self, exchange: &Exchange<'_>) -> Option<String> {
        let request = &exchange.request;
        let token = request.authorization("bearer").or(request.query.get("access_token"));
        token.or_else(|| request.field("access_token")).map(str::to_owned)
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
    fn profile(&self, exchange: &Exchange<'_>, grant: &Grant, mut body: Map<String, Value>) -> ServerReply {
        if let Some(reply) = wrong_proof(exchange, grant) {
            return reply;
        }
        let fields = exchange.request.query.get("fields").unwrap_or("id,name");
        let wanted: Vec<_> =
            fields.split(',').map(|field| field.split(['.', '{']).next().unwrap_or(field)).collect();
        body.retain(|name, _| name == "id" || wanted.contains(&name.as_str()));
        if let Some(picture) = body.get_mut("picture").and_then(|picture| picture.get_mut("data")) {
            picture["is_silhouette"] = json!(false);
        }
        ServerReply::ok(&Value::Object(body))
    }

    /// `DELETE /{user_id}/permissions` takes the application out of the user's list.
    fn own_revocation(&self, exchange: &Exchange<'_>) -> Option<ServerReply> {
        Some(revoke_and_reply(exchange))
    }
}

fn revoke_and_reply(exchange: &Exchange<'_>) -> ServerReply {
    if exchange.request.method != Method::DELETE {
        return ServerReply::method_not_allowed("DELETE");
    }
    let grant = match profile::authorize(exchange, &[]) {
        Ok(grant) => grant,
        Err(reply) => return reply,
    };
    if let Some(reply) = wrong_proof(exchange, &grant) {
        return reply;
    }
    let user = exchange.captures.get("user_id").map(String::as_str).unwrap_or_default();
    if user != "me" && user != grant.user.id {
        return error(100, "GraphMethodException", "Unsupported delete request.");
    }
    exchange.backend.state().end_all(&grant);
    ServerReply::ok(&json!(true))
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
    token::members(exchange, &issued)
}

/// `appsecret_proof` need not be sent, but must be right if it is.
fn wrong_proof(exchange: &Exchange<'_>, grant: &Grant) -> Option<ServerReply> {
    let proof =
        exchange.request.query.get("appsecret_proof").or(exchange.request.field("appsecret_proof"))?;
    let token = Facebook.access_token(exchange).unwrap_or_default();
    let secret = grant.request.app.client_secret.as_deref().unwrap_or_default();
    (proof != crypto::hmac_hex(secret, &token))
        .then(|| error(100, "GraphMethodException", "Invalid appsecret_proof provided in the API argument"))
}

/// Every error of the Graph API, whatever its status, is an object.
fn error(code: u32, kind: &str, message: &str) -> ServerReply {
    ServerReply::json(
        StatusCode::BAD_REQUEST,
        &json!({"error": {"message": message, "type": kind, "code": code, "fbtrace_id": "AemulatorTrace"}}),
    )
}

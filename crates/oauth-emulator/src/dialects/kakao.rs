use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    claims,
    exchange::{Dialect, Exchange},
    paths::Place,
    refusal::{Denied, ProtocolError, Reason},
    reply::ServerReply,
    state::{RevokedToken, UserGrant},
};

/// <https://developers.kakao.com/docs/latest/en/kakaologin/rest-api>
pub(super) struct Kakao;

impl Dialect for Kakao {
    /// Standard errors, with Kakao's own code beside them.
    fn refuse(&self, _exchange: &Exchange<'_>, refusal: &ProtocolError) -> ServerReply {
        let code = match refusal.reason {
            Reason::Client => "KOE010",
            Reason::Code | Reason::Verifier => "KOE320",
            Reason::RedirectUri => "KOE303",
            Reason::RefreshToken => "KOE322",
            Reason::Request
            | Reason::GrantType
            | Reason::Scope
            | Reason::TokenType
            | Reason::UnknownToken
            | Reason::Other(_) => "KOE001",
        };
        ServerReply::json(
            refusal.status(),
            &json!({"error": refusal.reason.code(), "error_description": refusal.description, "error_code": code}),
        )
    }

    /// The API's errors are of another kind than those of the login host.
    fn denied(&self, _exchange: &Exchange<'_>, denied: Denied) -> ServerReply {
        let (status, code, message) = match denied {
            Denied::NoToken => (StatusCode::UNAUTHORIZED, -401, "no authentication key!"),
            Denied::BadToken => (StatusCode::UNAUTHORIZED, -401, "this access token does not exist"),
            Denied::Scope => (StatusCode::FORBIDDEN, -402, "insufficient scopes."),
        };
        ServerReply::json(status, &json!({"msg": message, "code": code}))
    }

    /// `property_keys` is a JSON array of the members wanted, in the query or the form.
    fn profile(
        &self,
        exchange: &Exchange<'_>,
        grant: &UserGrant,
        mut body: Map<String, Value>,
    ) -> ServerReply {
        if !grant.has_scope("profile_image")
            && let Some(profile) =
                body.get_mut("kakao_account").and_then(|account| account.get_mut("profile"))
            && let Some(profile) = profile.as_object_mut()
        {
            profile.remove("profile_image_url");
        }
        if let Some(account) = body.get_mut("kakao_account").and_then(Value::as_object_mut) {
            let has_email = account.contains_key("email");
            account.insert("has_email".to_owned(), json!(has_email));
            if has_email {
                account.insert("is_email_valid".to_owned(), json!(true));
            }
        }
        let keys = exchange.request.query.get("property_keys").or(exchange.request.field("property_keys"));
        let Some(keys) = keys else { return ServerReply::ok(&Value::Object(body)) };
        let Ok(keys) = serde_json::from_str::<Vec<String>>(keys) else {
            let error = json!({"msg": "property_keys must be a JSON array", "code": -2});
            return ServerReply::json(StatusCode::BAD_REQUEST, &error);
        };
        body.retain(|name, _| name == "id" || keys.iter().any(|key| key.split('.').next() == Some(name)));
        if let Some(account) = body.get_mut("kakao_account").and_then(Value::as_object_mut) {
            // kakao_account.email brings the flags about it along, kakao_account. everything.
            account.retain(|name, _| {
                keys.iter().filter_map(|key| key.strip_prefix("kakao_account.")).any(|key| name.contains(key))
            });
        }
        ServerReply::ok(&Value::Object(body))
    }

    /// Unlinking is an API call of the user, and says who that is.
    fn revoked(&self, exchange: &Exchange<'_>, revoked: Option<&RevokedToken>) -> Option<ServerReply> {
        let told = revoked.map(|revoked| {
            let state = exchange.backend.state();
            claims::told_in(&state, exchange.provider, &revoked.grant, Place::Profile)
        });
        Some(ServerReply::ok(&json!({"id": told.and_then(|told| told.get("id").cloned())})))
    }
}

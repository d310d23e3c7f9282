use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Dialect;
use crate::{profile, reply::Reply, revoke::revoke_token, server::Call, token};

const PROFILE: &str = "https://www.googleapis.com/auth/userinfo.profile";
const EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";

/// <https://developers.google.com/identity/protocols/oauth2>
pub(super) struct Google;

impl Dialect for Google {
    /// Granted scopes come back in their long form.
    fn reply_scopes(&self, scopes: &[String]) -> Vec<String> {
        let long = |scope: &String| match scope.as_str() {
            "profile" => PROFILE.to_owned(),
            "email" => EMAIL.to_owned(),
            other => other.to_owned(),
        };
        scopes.iter().map(long).collect()
    }

    /// Unlike RFC 7009, an unknown token is an error.
    fn revoke(&self, call: &Call<'_>) -> Reply {
        if call.request.method != Method::POST {
            return Reply::method_not_allowed("POST");
        }
        match revoke_token(call) {
            Ok(true) => Reply::ok(&json!({})),
            Ok(false) => Reply::json(
                StatusCode::BAD_REQUEST,
                &json!({"error": "invalid_token", "error_description": "Token expired or revoked"}),
            ),
            Err(refusal) => self.refuse(call, &refusal),
        }
    }

    /// The People API.
    fn other(&self, call: &Call<'_>, _name: &str) -> Reply {
        if call.request.method != Method::GET {
            return Reply::method_not_allowed("GET");
        }
        let Some(fields) = call.request.query.get("personFields") else {
            return invalid("personFields mask is required. Please specify one or more valid paths.");
        };
        let wanted = ["profile", PROFILE, "email", EMAIL].map(str::to_owned);
        let grant = match profile::authorize(call, &wanted) {
            Ok(grant) => grant,
            Err(reply) => return reply,
        };
        let id = &grant.user.id;
        let metadata = json!({"primary": true, "source": {"type": "ACCOUNT", "id": id}});
        let mut body = Map::new();
        body.insert("resourceName".to_owned(), json!(format!("people/{id}")));
        body.insert("etag".to_owned(), json!("%EgMBNy4="));
        for field in fields.split(',') {
            let items = match field {
                "names" => Some(json!([{"metadata": metadata, "displayName": grant.user.name}])),
                "photos" => {
                    grant.user.picture.as_ref().map(|url| json!([{"metadata": metadata, "url": url}]))
                }
                "emailAddresses" if grant.has_any_scope(&["email".to_owned(), EMAIL.to_owned()]) => {
                    token::email(&call.shared.state(), &call.provider.family, &grant).map(
                        |(address, verified)| {
                            let mut metadata = metadata.clone();
                            metadata["verified"] = json!(verified);
                            json!([{"metadata": metadata, "value": address}])
                        },
                    )
                }
                _ => None,
            };
            if let Some(items) = items {
                body.insert(field.to_owned(), items);
            }
        }
        Reply::ok(&Value::Object(body))
    }
}

fn invalid(message: &str) -> Reply {
    Reply::json(
        StatusCode::BAD_REQUEST,
        &json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}),
    )
}

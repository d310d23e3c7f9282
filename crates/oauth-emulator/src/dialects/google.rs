use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    claims,
    exchange::{Dialect, Exchange},
    profile,
    reply::ServerReply,
    state::UserGrant,
};

const PROFILE: &str = "https://www.googleapis.com/auth/userinfo.profile";
const EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";

/// <https://developers.google.com/identity/protocols/oauth2>
pub(super) struct Google;

impl Dialect for Google {
    /// `iss` came to the callbacks unannounced.
    fn metadata(&self, _exchange: &Exchange<'_>, document: &mut Map<String, Value>) {
        document.remove("authorization_response_iss_parameter_supported");
    }

    /// Granted scopes come back in their long form.
    fn reply_scopes(&self, scopes: &[String]) -> Vec<String> {
        let long = |scope: &String| match scope.as_str() {
            "profile" => PROFILE.to_owned(),
            "email" => EMAIL.to_owned(),
            other => other.to_owned(),
        };
        scopes.iter().map(long).collect()
    }

    /// An account of a Workspace domain has it in `hd`. The user is of the domain that the request asked for.
    fn id_token(&self, grant: &UserGrant, claims: &mut Map<String, Value>) {
        match grant.request.params.get("hd") {
            None | Some("") => {}
            Some("*") => {
                claims.insert("hd".to_owned(), json!("example.com"));
            }
            Some(domain) => {
                claims.insert("hd".to_owned(), json!(domain));
            }
        }
    }

    /// The People API, and the description of security events.
    fn other(&self, exchange: &Exchange<'_>, name: &str) -> ServerReply {
        if exchange.request.method != Method::GET {
            return ServerReply::method_not_allowed("GET");
        }
        if name == "risc_configuration" {
            return risc_configuration(exchange);
        }
        let Some(fields) = exchange.request.query.get("personFields") else {
            return invalid("personFields mask is required. Please specify one or more valid paths.");
        };
        let wanted = ["profile", PROFILE, "email", EMAIL].map(str::to_owned);
        let grant = match profile::authorize(exchange, &wanted) {
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
                    claims::email(&exchange.backend.state(), &exchange.provider.family, &grant).map(
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
        ServerReply::ok(&Value::Object(body))
    }
}

/// <https://accounts.google.com/.well-known/risc-configuration>
fn risc_configuration(exchange: &Exchange<'_>) -> ServerReply {
    let facts = &exchange.provider.facts;
    let Some(signals) = &facts.emulator.signals else { return invalid("no security events") };
    let events: Vec<_> = signals.events.iter().map(|event| format!("{}{event}", signals.prefix)).collect();
    ServerReply::ok(&json!({
        "issuer": signals.issuer,
        "jwks_uri": facts.jwks_url,
        "delivery_methods_supported": ["https://schemas.openid.net/secevent/risc/delivery-method/push"],
        "events_supported": events,
    }))
}

fn invalid(message: &str) -> ServerReply {
    ServerReply::json(
        StatusCode::BAD_REQUEST,
        &json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}),
    )
}

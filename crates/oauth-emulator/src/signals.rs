//! What a vendor's server posts to an application about a user: that they took their consent back, say.

use std::{fmt, io};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use oauth_core::{
    bytes::Bytes,
    default_http_client,
    http::{Request, Response},
};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::{
    browser::BrowseError,
    clock::now,
    crypto,
    emulator::Emulator,
    endpoint::EmulatedEndpoint,
    facts::EmulatedProvider,
    signal_facts::{SignalFacts, SignalForm},
};

/// A request that a vendor's server posts to an application, made by [`Emulator::signal`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalRequest {
    /// The headers, `content-type` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Emulator {
    /// A signal of a provider to one of its applications, as the provider's server posts it.
    ///
    /// - `event` is the vendor's name: `deauthorize` and `data-deletion` at Facebook, `consent-revoked`, `account-delete`, `email-enabled`
    ///   and `email-disabled` at Apple, `risc/event-type/account-disabled` and the like at Google, `app/uninstalled`,
    ///   `customers/data_request`, `customers/redact` and `shop/redact` at Shopify.
    /// - `about` is the user's id; at Shopify the name of the shop; for Google's `oauth/event-type/token-revoked` the refresh token.
    /// - `members` are put into the event in place of those that are there, such as `{"reason": "hijacking"}`. Null removes one.
    ///
    /// What ends a user's grants at the vendor ends them here too. The faults of [`EmulatedEndpoint::Other`] apply to signed tokens.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if there is no such provider, application or event, or the members are not an object.
    pub fn signal(
        &self,
        provider: &str,
        client_id: &str,
        event: &str,
        about: &str,
        members: Value,
    ) -> io::Result<SignalRequest> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let entry = self.entry(provider)?;
        let facts = entry
            .facts
            .emulator
            .signals
            .as_ref()
            .filter(|facts| facts.events.iter().any(|known| known == event))
            .ok_or_else(|| wrong(format!("{provider} sends no {event:?}")))?;
        let app = self.app(provider, client_id);
        let app = app.ok_or_else(|| wrong(format!("no application {client_id:?} at {provider}")))?;
        let Value::Object(members) = members else {
            return Err(wrong("the members are not an object".to_owned()));
        };
        let secret = app.client_secret.clone().unwrap_or_default();
        let request = match facts.form {
            SignalForm::SignedRequest => signed_request(&secret, about, &members),
            SignalForm::Notification => {
                let mut told = json!({"type": event, "sub": about, "event_time": now() * 1000});
                if event.starts_with("email-") {
                    told["email"] = json!("relay@privaterelay.appleid.com");
                    told["is_private_email"] = json!("true");
                }
                merge(&mut told, &members);
                let events = json!(told.to_string());
                let claims = self.claims(entry, facts, client_id, events);
                let token = self.sign(provider, EmulatedEndpoint::Other, &app, None, claims)?;
                post("application/json", json!({"payload": token}).to_string())
            }
            SignalForm::SecurityEvent => {
                let issuer = self.issuer_of_signals(entry, facts);
                let mut told = match event {
                    "risc/event-type/verification" => json!({"state": about}),
                    "oauth/event-type/token-revoked" => json!({"subject": {
                        "subject_type": "oauth_token",
                        "token_type": "refresh_token",
                        "token_identifier_alg": "hash_base64_sha512_sha512",
                        "token": STANDARD.encode(crypto::sha512(&crypto::sha512(about.as_bytes()))),
                    }}),
                    _ => json!({"subject": {"subject_type": "iss-sub", "iss": issuer, "sub": about}}),
                };
                merge(&mut told, &members);
                let mut events = Map::new();
                events.insert(format!("{}{event}", facts.prefix), told);
                let claims = self.claims(entry, facts, client_id, Value::Object(events));
                let token =
                    self.sign(provider, EmulatedEndpoint::Other, &app, Some("secevent+jwt"), claims)?;
                post("application/secevent+jwt", token)
            }
            SignalForm::Webhook => webhook(&secret, event, about, &members),
        };
        if facts.ends_grants.iter().any(|ends| ends == event) {
            self.end_grants(provider, client_id, about);
        }
        Ok(request)
    }

    fn issuer_of_signals(&self, entry: &EmulatedProvider, facts: &SignalFacts) -> String {
        facts.issuer.clone().unwrap_or_else(|| entry.issuer(&Default::default()))
    }

    fn claims(&self, entry: &EmulatedProvider, facts: &SignalFacts, client_id: &str, events: Value) -> Value {
        let mut claims = json!({
            "iss": self.issuer_of_signals(entry, facts),
            "aud": client_id,
            "iat": now(),
            "jti": crypto::random(),
            "events": events,
        });
        if let Some(lifetime) = facts.expires_in {
            claims["exp"] = json!(now() + lifetime);
        }
        claims
    }
}

impl SignalRequest {
    /// Posts it to an application, at its own address and not at an emulated one.
    ///
    /// # Errors
    ///
    /// A [`BrowseError`] when the application cannot be reached.
    pub async fn send(&self, url: &str) -> Result<Response<Bytes>, BrowseError> {
        let mut request = Request::post(url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::from(self.body.clone()));
        let request = request.map_err(|cause| {
            oauth_core::HttpError::new(oauth_core::HttpErrorKind::InvalidRequest).caused_by(cause)
        })?;
        Ok(default_http_client()?.send(request).await?)
    }
}

impl fmt::Debug for SignalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("SignalRequest").field("headers", &names).finish_non_exhaustive()
    }
}

fn post(content_type: &str, body: String) -> SignalRequest {
    SignalRequest { headers: vec![("content-type".to_owned(), content_type.to_owned())], body }
}

fn merge(into: &mut Value, members: &Map<String, Value>) {
    for (name, value) in members {
        into[name] = value.clone();
    }
    if let Some(into) = into.as_object_mut() {
        into.retain(|_, value| !value.is_null());
    }
}

/// <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>
fn signed_request(secret: &str, user_id: &str, members: &Map<String, Value>) -> SignalRequest {
    let mut payload = json!({"algorithm": "HMAC-SHA256", "issued_at": now(), "user_id": user_id});
    merge(&mut payload, members);
    let payload = crypto::base64url(payload.to_string());
    let signature = crypto::hmac(hmac::HMAC_SHA256, secret.as_bytes(), payload.as_bytes());
    let signed = format!("{}.{payload}", crypto::base64url(signature));
    let body =
        form_urlencoded::Serializer::new(String::new()).append_pair("signed_request", &signed).finish();
    post("application/x-www-form-urlencoded", body)
}

/// <https://shopify.dev/docs/apps/build/webhooks/delivery-structure>
fn webhook(secret: &str, topic: &str, shop: &str, members: &Map<String, Value>) -> SignalRequest {
    let domain = format!("{shop}.myshopify.com");
    let customer = json!({"id": 191_167, "email": "john@example.com", "phone": "555-625-1199"});
    let mut body = match topic {
        "app/uninstalled" => {
            json!({"id": 548_380_009, "name": shop, "domain": domain, "myshopify_domain": domain})
        }
        "customers/data_request" => json!({
            "shop_id": 548_380_009,
            "shop_domain": domain,
            "orders_requested": [299_938],
            "customer": customer,
            "data_request": {"id": 9999},
        }),
        "customers/redact" => json!({
            "shop_id": 548_380_009,
            "shop_domain": domain,
            "customer": customer,
            "orders_to_redact": [299_938],
        }),
        _ => json!({"shop_id": 548_380_009, "shop_domain": domain}),
    };
    merge(&mut body, members);
    let body = body.to_string();
    let signature = crypto::hmac(hmac::HMAC_SHA256, secret.as_bytes(), body.as_bytes());
    let mut request = post("application/json", body);
    let now = OffsetDateTime::now_utc();
    let (date, time) = (now.date(), now.time());
    let triggered = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond(),
    );
    request.headers.extend(
        [
            ("x-shopify-topic", topic.to_owned()),
            ("x-shopify-hmac-sha256", STANDARD.encode(signature)),
            ("x-shopify-shop-domain", domain),
            ("x-shopify-api-version", "2026-10".to_owned()),
            ("x-shopify-webhook-id", crypto::random()),
            ("x-shopify-event-id", crypto::random()),
            ("x-shopify-triggered-at", triggered),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    request
}

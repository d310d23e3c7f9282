//! Apple's server-to-server notifications.

use oauth_core::{
    OAuth2, OffsetDateTime, Signal, SignalError, SignalEvent, SignalSubject, SignalVerifier, async_trait,
    http::HeaderMap,
    parse_json,
    provider_kit::{check_media_type, text_at},
    serde_json::Value,
};
use oauth_openid::{OpenIDConnect, SecurityEventExpectations};

/// Verifies Apple's
/// [server-to-server notifications](https://developer.apple.com/documentation/signinwithapple/processing-changes-for-sign-in-with-apple-accounts)
/// about users who stop using Sign in with Apple, delete their account, or switch the relay of their mail on or off.
#[derive(Clone, Debug)]
pub struct AppleSignals {
    client: OAuth2,
    client_ids: Vec<String>,
}

impl AppleSignals {
    pub(crate) fn of(client: &OAuth2) -> Self {
        Self { client: client.clone(), client_ids: vec![client.client_id().to_owned()] }
    }

    /// Also takes the notifications for these identifiers. Apple registers one endpoint for an App ID and all that is grouped with it, and
    /// may name the App ID in place of the Services ID.
    #[must_use]
    pub fn with_client_ids<I: Into<String>>(mut self, ids: impl IntoIterator<Item = I>) -> Self {
        self.client_ids.extend(ids.into_iter().map(Into::into));
        self
    }

    fn signal(&self, id: &str, event: Value) -> Result<Signal, SignalError> {
        let malformed = |what: &str| SignalError::Malformed(what.to_owned());
        let kind = text_at(&event, "/type").ok_or_else(|| malformed("an event has no type"))?;
        let happened = match &*kind {
            "consent-revoked" => SignalEvent::ConsentRevoked,
            // The documentation has both.
            "account-delete" | "account-deleted" => SignalEvent::AccountDeleted,
            "email-enabled" => SignalEvent::EmailEnabled,
            "email-disabled" => SignalEvent::EmailDisabled,
            _ => SignalEvent::Other { name: kind },
        };
        let about = match (text_at(&event, "/sub").filter(|subject| !subject.is_empty()), &happened) {
            (Some(subject), _) => SignalSubject::User { issuer: self.client.identity_issuer(), subject },
            (None, SignalEvent::Other { .. }) => SignalSubject::Nobody,
            (None, _) => return Err(malformed("an event names no user")),
        };
        let at = event.get("event_time").and_then(Value::as_i64).and_then(moment);
        Ok(Signal::new(self.client.name(), id, about, happened).with_time(at).with_details(event))
    }
}

#[async_trait]
impl SignalVerifier for AppleSignals {
    fn provider(&self) -> &str {
        self.client.name()
    }

    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Signal>, SignalError> {
        check_media_type(headers, "application/json")?;
        let malformed = |what: &str| SignalError::Malformed(what.to_owned());
        let body = parse_json(body).map_err(SignalError::Malformed)?;
        let Some(token) = body.get("payload").and_then(Value::as_str) else {
            return Err(malformed("there is no payload"));
        };
        let Some(openid) = OpenIDConnect::of(&self.client) else {
            return Err(self
                .client
                .unsupported(oauth_openid::VERIFY_SECURITY_EVENT, "OpenID Connect is missing")
                .into());
        };
        let issuer = self.client.spec().issuer.unwrap_or_default();
        let expected = SecurityEventExpectations::new(issuer, self.client_ids.iter().map(String::as_str));
        let token = openid.verify_security_event(token, &expected).await?;
        // The documentation shows a text, and does not say that there is always one event in it.
        let events = match token.events() {
            Value::String(text) => parse_json(text.as_bytes())
                .map_err(|problem| SignalError::Malformed(format!("the events of the payload: {problem}")))?,
            other => other.clone(),
        };
        let events = match events {
            Value::Array(events) if !events.is_empty() => events,
            event @ Value::Object(_) => vec![event],
            _ => return Err(malformed("the events of the payload are not an object")),
        };
        let signal = |event| {
            let signal = self.signal(token.id(), event)?;
            // An event without a time is no later than the message, and ends nothing that is newer.
            let at = signal.at.or(token.issued_at());
            Ok(signal.with_time(at))
        };
        events.into_iter().map(signal).collect()
    }
}

/// A time in milliseconds since 1970, as Apple sends it; in seconds if it would be before 1973 otherwise.
fn moment(time: i64) -> Option<OffsetDateTime> {
    let milliseconds = if time < 100_000_000_000 { time.checked_mul(1000)? } else { time };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
}

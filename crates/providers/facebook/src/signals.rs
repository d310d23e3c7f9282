//! Meta's callbacks about users who remove the application or ask for deletion of their data.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    OAuth2, OffsetDateTime, Operation, Signal, SignalError, SignalEvent, SignalSubject, SignalVerifier,
    async_trait,
    http::{HeaderMap, HeaderValue, Response, header},
    parse_json,
    provider_kit::{check_media_type, hmac_sha256_hex, text_at},
    same_secret,
    serde_json::{Value, json},
};

/// The verification of Meta's callbacks, in errors.
pub const VERIFY_SIGNED_REQUEST: Operation = Operation::new("verify_signed_request");

/// How far Meta's clock may be ahead.
const LEEWAY: i64 = 5 * 60;

/// Verifies the [deauthorization](https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow#deauth-callback) and the
/// [data deletion](https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback) callback of an app.
///
/// Both post the same `signed_request`, so each needs a URL of its own.
#[derive(Clone, Debug)]
pub struct FacebookSignals {
    client: OAuth2,
    /// The page of a deletion's status, up to the confirmation code; `None` for the deauthorization.
    status_url: Option<String>,
}

impl FacebookSignals {
    pub(crate) fn of(client: &OAuth2, status_url: Option<String>) -> Self {
        Self { client: client.clone(), status_url }
    }

    /// The payload of a signed request, and an id that nobody can guess without the secret.
    async fn payload(&self, signed_request: &str) -> Result<(Value, String), SignalError> {
        let malformed = |what: &str| SignalError::Malformed(what.to_owned());
        let Some((signature, payload)) =
            signed_request.split_once('.').filter(|(_, rest)| !rest.contains('.'))
        else {
            return Err(malformed("signed_request is not two parts with a dot between them"));
        };
        let found = hex_of_base64url(signature)
            .ok_or_else(|| malformed("the signature in signed_request is not base64url"))?;
        let secrets = self.client.reveal_client_secrets(VERIFY_SIGNED_REQUEST).await?;
        let Some(secret) =
            secrets.iter().find(|secret| same_secret(&hmac_sha256_hex(secret.expose(), payload), &found))
        else {
            return Err(SignalError::Signature(
                "signed_request is not signed with this app's secret".to_owned(),
            ));
        };
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
        let json = json.map_err(|_| malformed("the payload of signed_request is not base64url"))?;
        let payload_of = parse_json(&json)
            .map_err(|problem| SignalError::Malformed(format!("the payload of signed_request: {problem}")))?;
        let mut id = hmac_sha256_hex(secret.expose(), &format!("confirmation_code.{payload}"));
        id.truncate(32);
        Ok((payload_of, id))
    }

    fn signal(&self, payload: Value, id: String) -> Result<Signal, SignalError> {
        let malformed = |what: &str| SignalError::Malformed(what.to_owned());
        let algorithm = payload.get("algorithm").and_then(Value::as_str).unwrap_or_default();
        if !algorithm.eq_ignore_ascii_case("HMAC-SHA256") {
            return Err(malformed("the algorithm of signed_request is not HMAC-SHA256"));
        }
        // Signed requests for browsers, such as those in the cookie of Meta's JavaScript, are signed with the same secret.
        if ["code", "oauth_token"].iter().any(|name| payload.get(name).is_some()) {
            return Err(malformed("signed_request is that of a login"));
        }
        let at = match payload.get("issued_at") {
            None | Some(Value::Null) => None,
            Some(issued) => {
                let seconds = issued.as_i64().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
                Some(seconds.ok_or_else(|| malformed("issued_at of signed_request is not a time"))?)
            }
        };
        let latest = OffsetDateTime::now_utc().unix_timestamp().saturating_add(LEEWAY);
        if at.is_some_and(|at| at.unix_timestamp() > latest) {
            return Err(malformed("issued_at of signed_request is in the future"));
        }
        let user = text_at(&payload, "/user_id").filter(|user| !user.is_empty() && user != "0");
        let (about, event) = match (user, &self.status_url) {
            (Some(subject), status_url) => {
                let about = SignalSubject::User { issuer: self.client.identity_issuer(), subject };
                let event = match status_url {
                    Some(_) => SignalEvent::DeletionRequested,
                    None => SignalEvent::ConsentRevoked,
                };
                (about, event)
            }
            // A page that removes the app is not a user.
            (None, None) if text_at(&payload, "/profile_id").is_some() => {
                (SignalSubject::Nobody, SignalEvent::Other { name: "page_deauthorized".to_owned() })
            }
            (None, _) => return Err(malformed("signed_request names no user")),
        };
        Ok(Signal::new(self.client.name(), id, about, event).with_time(at).with_details(payload))
    }
}

#[async_trait]
impl SignalVerifier for FacebookSignals {
    fn provider(&self) -> &str {
        self.client.name()
    }

    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Signal>, SignalError> {
        check_media_type(headers, "application/x-www-form-urlencoded")?;
        let malformed = |what: &str| SignalError::Malformed(what.to_owned());
        let form = std::str::from_utf8(body).map_err(|_| malformed("the form is not UTF-8"))?;
        let form = oauth_core::Callback::from_form(form);
        let mut found = form.pairs().filter(|(name, _)| *name == "signed_request");
        let (Some((_, signed_request)), None) = (found.next(), found.next()) else {
            return Err(malformed("the form has no signed_request, or several"));
        };
        let (payload, id) = self.payload(signed_request).await?;
        Ok(vec![self.signal(payload, id)?])
    }

    /// What Meta shows a user whose data is to be deleted.
    fn accepted(&self, signals: &[Signal]) -> Response<String> {
        let (Some(status_url), Some(signal)) = (&self.status_url, signals.first()) else {
            return Response::new(String::new());
        };
        let answer = json!({"url": format!("{status_url}{}", signal.id), "confirmation_code": signal.id});
        let mut response = Response::new(answer.to_string());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// The bytes of base64url, with padding or without, as lower-case hexadecimal digits.
fn hex_of_base64url(text: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that Meta published for signed requests, with the secret `secret`.
    const PUBLISHED: &str =
        "vlXgu64BQGFSQrY0ZcJBZASMvYvTHu9GQ0YM9rjPSso.eyJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIsIjAiOiJwYXlsb2FkIn0";

    fn signals(secret: &str) -> FacebookSignals {
        FacebookSignals::of(&OAuth2::new("1", secret, "https://as.example/a", "https://as.example/t"), None)
    }

    #[tokio::test]
    async fn the_published_example_is_signed_with_its_secret() {
        let (payload, id) = signals("secret").payload(PUBLISHED).await.unwrap();
        assert_eq!(payload, json!({"algorithm": "HMAC-SHA256", "0": "payload"}));
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        let error = signals("other").payload(PUBLISHED).await.unwrap_err();
        assert!(matches!(error, SignalError::Signature(_)), "{error:?}");
    }

    #[tokio::test]
    async fn without_a_secret_nothing_is_believed() {
        let error = signals("").payload(PUBLISHED).await.unwrap_err();
        assert!(matches!(error, SignalError::Unavailable(_)), "{error:?}");
    }
}

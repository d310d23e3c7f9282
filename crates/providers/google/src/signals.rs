//! Google's security events about users (Cross-Account Protection, also called RISC).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use oauth_core::{
    Endpoint, Error, ErrorKind, Instant, JwtCheck, OAuth2, Operation, Provider, Result, Signal, SignalError,
    SignalEvent, SignalSubject, SignalVerifier, TokenIdentifier, async_trait,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
    provider_kit::{check_media_type, text_at},
    serde_json::{Value, json},
};
use oauth_openid::{OpenIDConnect, SecurityEventExpectations};

/// The reading of Google's description of its security events, in errors.
pub const GET_RISC_CONFIGURATION: Operation = Operation::new("get_risc_configuration");

/// For how long the description is used before it is read again.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long it is not asked for after that failed.
const PAUSE: Duration = Duration::from_secs(10);

/// Verifies the security event tokens of Google's
/// [Cross-Account Protection](https://developers.google.com/identity/protocols/risc).
///
/// The issuer and the place of the keys are those of Google's
/// [description](https://accounts.google.com/.well-known/risc-configuration), which is read once a day.
#[derive(Clone, Debug)]
pub struct GoogleSignals {
    client: OAuth2,
    client_ids: Vec<String>,
    configuration: Arc<Mutex<KeptConfiguration>>,
    /// Held by the one who reads the description; the others wait for what comes of that.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// What was read of the description, and when nothing came of it.
#[derive(Debug, Default)]
struct KeptConfiguration {
    found: Option<(Instant, Arc<Configuration>)>,
    failed: Option<(Instant, Error)>,
}

/// Google's description of its security events.
#[derive(Debug)]
struct Configuration {
    issuer: String,
    /// The client with the keys of the description.
    client: OAuth2,
}

impl GoogleSignals {
    pub(crate) fn of(client: &OAuth2) -> Self {
        let client_ids = vec![client.client_id().to_owned()];
        Self { client: client.clone(), client_ids, configuration: Arc::default(), reading: Arc::default() }
    }

    /// Also takes the events for these clients. Google sends those for all clients of a project to one endpoint.
    #[must_use]
    pub fn with_client_ids<I: Into<String>>(mut self, ids: impl IntoIterator<Item = I>) -> Self {
        self.client_ids.extend(ids.into_iter().map(Into::into));
        self
    }

    async fn configuration(&self) -> Result<Arc<Configuration>> {
        if let Some(known) = self.known_configuration() {
            return known;
        }
        let _reading = self.reading.lock().await;
        if let Some(known) = self.known_configuration() {
            return known;
        }
        let read = self.read_configuration().await.map(Arc::new);
        let mut kept = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(found) => {
                *kept = KeptConfiguration { found: Some((Instant::now(), found.clone())), failed: None };
                Ok(found)
            }
            Err(error) => {
                kept.failed = Some((Instant::now(), error.clone()));
                kept.found.as_ref().map(|(_, old)| old.clone()).ok_or(error)
            }
        }
    }

    /// What was read lately, or the last error where it is too early to ask again; `None` if it is time to read it.
    fn known_configuration(&self) -> Option<Result<Arc<Configuration>>> {
        let kept = self.configuration.lock().unwrap_or_else(PoisonError::into_inner);
        let paused = kept.failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE);
        match (&kept.found, paused) {
            (Some((at, found)), _) if at.elapsed() < FRESH => Some(Ok(found.clone())),
            (Some((_, found)), Some(_)) => Some(Ok(found.clone())),
            (None, Some((_, error))) => Some(Err(error.clone())),
            (_, None) => None,
        }
    }

    async fn read_configuration(&self) -> Result<Configuration> {
        let url = self
            .client
            .endpoints()
            .other("risc_configuration")
            .map_err(|error| error.at(self.client.name().to_owned()))?;
        let reply = self.client.request(GET_RISC_CONFIGURATION, Method::GET, url).send().await?;
        let document = reply.object()?;
        let text = |name: &str| {
            text_at(&document, &format!("/{name}"))
                .filter(|text| text.starts_with("https://"))
                .ok_or_else(|| reply.malformed(format!("it has no https address as {name}")))
        };
        let (issuer, keys) = (text("issuer")?, text("jwks_uri")?);
        let client = match self.client.endpoints().get(Endpoint::Jwks) {
            Some(own) if own == keys => self.client.clone(),
            _ => self.client.clone().with_endpoints(|all| all.with(Endpoint::Jwks, keys)),
        };
        Ok(Configuration { issuer, client })
    }

    fn signal(&self, id: &str, issuer: &str, uri: &str, event: &Value) -> Result<Signal, SignalError> {
        let text = |at: &str| text_at(event, at).filter(|text| !text.is_empty());
        let happened = match uri.strip_prefix("https://schemas.openid.net/secevent/").unwrap_or_default() {
            "risc/event-type/sessions-revoked" => SignalEvent::SessionsRevoked,
            "oauth/event-type/tokens-revoked" => SignalEvent::ConsentRevoked,
            "oauth/event-type/token-revoked" => SignalEvent::TokenRevoked,
            "risc/event-type/account-disabled" => SignalEvent::AccountDisabled { reason: text("/reason") },
            "risc/event-type/account-enabled" => SignalEvent::AccountEnabled,
            "risc/event-type/account-purged" => SignalEvent::AccountDeleted,
            "risc/event-type/account-credential-change-required" => SignalEvent::CredentialChangeRequired,
            "risc/event-type/verification" => SignalEvent::Verification { state: text("/state") },
            _ => SignalEvent::Other { name: uri.to_owned() },
        };
        let malformed = |what: &str| SignalError::Malformed(format!("the event {} {what}", happened.name()));
        let token = || -> Option<TokenIdentifier> {
            Some(TokenIdentifier::new(text("/subject/token_identifier_alg")?, text("/subject/token")?))
        };
        let about = match (&happened, text("/subject/sub"), token()) {
            (SignalEvent::Verification { .. }, ..) => SignalSubject::Nobody,
            (SignalEvent::TokenRevoked, _, Some(token)) => SignalSubject::Token(token),
            (_, Some(subject), _) => {
                // The issuer's name in a subject has a slash at its end, or has none.
                let of = text("/subject/iss").unwrap_or_else(|| issuer.to_owned());
                if of.trim_end_matches('/') != issuer.trim_end_matches('/') {
                    return Err(malformed("is about a user of another issuer"));
                }
                SignalSubject::User { issuer: self.client.identity_issuer(), subject }
            }
            (SignalEvent::Other { .. }, None, _) => SignalSubject::Nobody,
            // By an address, say, which tells nothing for sure.
            _ if event.get("subject").is_some_and(Value::is_object) => SignalSubject::Nobody,
            (_, None, _) => return Err(malformed("names no user")),
        };
        Ok(Signal::new(self.client.name(), id, about, happened).with_details(event.clone()))
    }
}

#[async_trait]
impl SignalVerifier for GoogleSignals {
    fn provider(&self) -> &str {
        self.client.name()
    }

    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Signal>, SignalError> {
        check_media_type(headers, "application/secevent+jwt")?;
        let malformed = |what: &str| SignalError::Malformed(what.to_owned());
        let token = std::str::from_utf8(body).map_err(|_| malformed("the token is not text"))?.trim();
        let configuration = self.configuration().await?;
        let Some(openid) = OpenIDConnect::of(&configuration.client) else {
            return Err(self
                .client
                .unsupported(oauth_openid::VERIFY_SECURITY_EVENT, "OpenID Connect is missing")
                .into());
        };
        let ids = self.client_ids.iter().map(String::as_str);
        let expected = SecurityEventExpectations::new(&*configuration.issuer, ids).expired_or_not();
        let token = openid.verify_security_event(token, &expected).await?;
        let Some(events) = token.events().as_object().filter(|events| !events.is_empty()) else {
            return Err(malformed("the token's events are not an object with a member"));
        };
        let signal = |(uri, event): (&String, &Value)| {
            let signal = self.signal(token.id(), token.issuer(), uri, event)?;
            Ok(signal.with_time(token.issued_at()))
        };
        events.iter().map(signal).collect()
    }

    /// 202 (RFC 8935 section 2.2).
    fn accepted(&self, _signals: &[Signal]) -> Response<String> {
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::ACCEPTED;
        response
    }

    /// 400 with one of the codes of RFC 8935 section 2.4; 503 where Google should try again.
    fn refused(&self, error: &SignalError) -> Response<String> {
        let code = match error {
            SignalError::Token(error) => match error.kind() {
                ErrorKind::Jwt(refused) => match refused.check {
                    JwtCheck::Issuer => "invalid_issuer",
                    JwtCheck::Audience => "invalid_audience",
                    JwtCheck::Algorithm | JwtCheck::Key | JwtCheck::Signature => "invalid_key",
                    _ => "invalid_request",
                },
                _ => "invalid_request",
            },
            SignalError::Unavailable(_) | SignalError::NotHandled(_) => "",
            _ => "invalid_request",
        };
        let mut response = Response::new(error.public_message().to_owned());
        *response.status_mut() = error.status();
        let mut content_type = "text/plain; charset=utf-8";
        if !code.is_empty() {
            *response.body_mut() = json!({"err": code, "description": error.public_message()}).to_string();
            *response.status_mut() = StatusCode::BAD_REQUEST;
            content_type = "application/json";
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
        response
    }
}

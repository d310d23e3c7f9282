//! Signals: what a vendor's server reports about users, shops and tokens between two logins.

use std::fmt;

use async_trait::async_trait;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    crypto::backend,
    error::{Error, ErrorKind, Operation, Result},
    oauth2::OAuth2,
    secret::{Secret, same_secret},
    text::redaction::OneLine,
};

/// Something that a vendor reports about a user, a shop or a token, verified.
///
/// `Debug` leaves out the details, which may hold personal data.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Signal {
    /// The provider's name, as [`Provider::name`](crate::Provider::name) has it.
    pub provider: String,
    /// The message's id. A message that is sent again has the same one, and all signals of one message share it.
    pub id: String,
    /// Whom or what it is about.
    pub about: SignalSubject,
    /// What happened.
    pub event: SignalEvent,
    /// When it happened, by the vendor's clock, if the message says so.
    pub at: Option<OffsetDateTime>,
    /// The event as the vendor sent it.
    pub details: Value,
}

/// Whom or what a [`Signal`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalSubject {
    /// A user, by the two parts of [`Identity::key`](crate::Identity::key).
    User {
        /// The issuer.
        issuer: String,
        /// The subject.
        subject: String,
    },
    /// A shop with everything in it.
    Shop {
        /// The shop's permanent domain, such as `my-shop.myshopify.com`.
        domain: String,
        /// The shop's number, if the message has it.
        id: Option<String>,
    },
    /// A customer of a shop, who never signed in to this application.
    Customer {
        /// The shop's permanent domain.
        shop: String,
        /// The customer's number in that shop; `None` if only an address or a telephone number is known.
        id: Option<String>,
    },
    /// One token, whose user is not named.
    Token(TokenIdentifier),
    /// Nobody, as with a test message.
    Nobody,
}

/// What a [`Signal`] says has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalEvent {
    /// The user or the shop took back all that this application was granted.
    ConsentRevoked,
    /// One token was revoked.
    TokenRevoked,
    /// The user's sessions at the vendor have ended, for their security.
    SessionsRevoked,
    /// The account no longer exists.
    AccountDeleted,
    /// The account cannot be used for now.
    AccountDisabled {
        /// Why, in the vendor's word, such as Google's `hijacking` and `bulk-account`.
        reason: Option<String>,
    },
    /// The account can be used again.
    AccountEnabled,
    /// The vendor suspects the account's credentials, and demands new ones.
    CredentialChangeRequired,
    /// Everything that came from the vendor about the subject is to be deleted.
    DeletionRequested,
    /// A person asks what is stored about them.
    DataRequested,
    /// The relay address of the user forwards mail again.
    EmailEnabled,
    /// The relay address of the user forwards no mail any more.
    EmailDisabled,
    /// The vendor tests the endpoint.
    Verification {
        /// What the application asked the vendor to send.
        state: Option<String>,
    },
    /// Something that this library does not know.
    Other {
        /// Its name at the vendor. Text of the vendor, not to be trusted in a page.
        name: String,
    },
}

impl Signal {
    /// A signal without a time and without details.
    pub fn new(
        provider: impl Into<String>,
        id: impl Into<String>,
        about: SignalSubject,
        event: SignalEvent,
    ) -> Self {
        Self { provider: provider.into(), id: id.into(), about, event, at: None, details: Value::Null }
    }

    /// Sets when it happened.
    #[must_use]
    pub fn with_time(mut self, at: Option<OffsetDateTime>) -> Self {
        self.at = at;
        self
    }

    /// Sets the event as the vendor sent it.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// Whether the grants of the subject are of no use any more: those that were obtained before [`at`](Self::at), for the user may
    /// have signed in again before the message came.
    #[must_use]
    pub fn ends_grants(&self) -> bool {
        let is_of_grantor = !matches!(self.about, SignalSubject::Customer { .. } | SignalSubject::Nobody);
        is_of_grantor
            && matches!(
                self.event,
                SignalEvent::ConsentRevoked
                    | SignalEvent::TokenRevoked
                    | SignalEvent::AccountDeleted
                    | SignalEvent::AccountDisabled { .. }
                    | SignalEvent::DeletionRequested
            )
    }

    /// Whether the subject's sessions in this application are to end, because whoever uses them may no longer be the user.
    #[must_use]
    pub fn ends_sessions(&self) -> bool {
        matches!(self.about, SignalSubject::User { .. })
            && (self.ends_grants() || self.event == SignalEvent::SessionsRevoked)
    }

    /// Whether everything that came from the vendor about the subject is to be deleted.
    #[must_use]
    pub fn asks_for_deletion(&self) -> bool {
        matches!(self.event, SignalEvent::DeletionRequested | SignalEvent::AccountDeleted)
    }
}

impl SignalEvent {
    /// Returns a word for logs and for the reason of a grant's end, such as `consent_revoked`; the vendor's own for [`Other`](Self::Other).
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ConsentRevoked => "consent_revoked",
            Self::TokenRevoked => "token_revoked",
            Self::SessionsRevoked => "sessions_revoked",
            Self::AccountDeleted => "account_deleted",
            Self::AccountDisabled { .. } => "account_disabled",
            Self::AccountEnabled => "account_enabled",
            Self::CredentialChangeRequired => "credential_change_required",
            Self::DeletionRequested => "deletion_requested",
            Self::DataRequested => "data_requested",
            Self::EmailEnabled => "email_enabled",
            Self::EmailDisabled => "email_disabled",
            Self::Verification { .. } => "verification",
            Self::Other { name } => name,
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("provider", &self.provider)
            .field("id", &self.id)
            .field("about", &self.about)
            .field("event", &self.event)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// A token as a vendor names it without showing it (OAuth Event Types 1.0 section 2.1).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenIdentifier {
    /// How the token is named: `prefix` (its first 16 characters) or `hash_base64_sha512_sha512`, which is also called `hash_SHA512_double`.
    pub algorithm: String,
    /// The prefix or the hash.
    pub value: Secret,
}

/// How many characters of a token are its prefix.
const PREFIX: usize = 16;

impl TokenIdentifier {
    /// An identifier as it came.
    pub fn new(algorithm: impl Into<String>, value: impl Into<Secret>) -> Self {
        Self { algorithm: algorithm.into(), value: value.into() }
    }

    /// Whether it names this token. An algorithm that is not known names none.
    #[must_use]
    pub fn names(&self, token: &str) -> bool {
        let value = self.value.expose();
        match &*self.algorithm {
            // A shorter prefix would name more than one token.
            "prefix" => {
                value.chars().count() == PREFIX
                    && token
                        .char_indices()
                        .nth(PREFIX)
                        .is_some_and(|(at, _)| same_secret(value, &token[..at]))
            }
            "hash_base64_sha512_sha512" | "hash_SHA512_double" => {
                let hash = backend::sha512(&backend::sha512(token.as_bytes()));
                let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                let value = value.replace('-', "+").replace('_', "/");
                same_secret(value.trim_end_matches('='), &STANDARD_NO_PAD.encode(hash))
                    | same_secret(&value.to_ascii_lowercase(), &hex)
            }
            _ => false,
        }
    }
}

impl fmt::Debug for TokenIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIdentifier").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a signal was not accepted. Neither `Display` nor `Debug` shows the message or a secret.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The request does not have the form of this vendor's messages.
    #[error("the request is not a signal: {}", OneLine(.0))]
    Malformed(String),
    /// The request is not signed with this application's secret.
    #[error("the signal's signature is missing or wrong: {}", OneLine(.0))]
    Signature(String),
    /// The signed token in the request failed a check, of [`ErrorKind::Jwt`].
    #[error(transparent)]
    Token(Error),
    /// The body is larger than any message of a vendor.
    #[error("the signal is too large")]
    TooLarge,
    /// The signal could not be verified now, because keys or a secret could not be read.
    #[error(transparent)]
    Unavailable(Error),
    /// The signal is genuine, and the application could not act on it, or is still at it.
    #[error("the signal was not handled: {}", OneLine(.0))]
    NotHandled(String),
}

impl SignalError {
    /// A usual status for the answer: 400 for a request that is not a genuine signal, 413 for one that is too large, and 503 where the
    /// vendor should try again.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Signature(_) | Self::Token(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable(_) | Self::NotHandled(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A sentence for the vendor that tells nothing of this application's inside.
    #[must_use]
    pub fn public_message(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "the request does not have the form of a signal",
            Self::Signature(_) | Self::Token(_) => "the signal is not valid here",
            Self::TooLarge => "the request is too large",
            Self::Unavailable(_) | Self::NotHandled(_) => "try again later",
        }
    }
}

/// A failed check of a token is the sender's fault, and anything else may pass.
impl From<Error> for SignalError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Jwt(_) => Self::Token(error),
            _ => Self::Unavailable(error),
        }
    }
}

/// Verifies a vendor's messages, and says how the vendor wants them answered. Each provider crate that has signals implements it; `oauth-web`
/// makes an endpoint of it.
#[async_trait]
pub trait SignalVerifier: fmt::Debug + Send + Sync {
    /// The provider's name.
    fn provider(&self) -> &str;

    /// Verifies a posted message by the headers and the unchanged body, and returns what it reports, at least one signal.
    ///
    /// # Errors
    ///
    /// A [`SignalError`]. It shows neither the body nor a secret.
    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Signal>, SignalError>;

    /// The answer to a message that was handled, now or before. Default: 200 without a body.
    fn accepted(&self, signals: &[Signal]) -> Response<String> {
        let _ = signals;
        Response::new(String::new())
    }

    /// The answer to a message that was not handled. Default: [`SignalError::status`] and one line of text.
    fn refused(&self, error: &SignalError) -> Response<String> {
        let mut response = Response::new(error.public_message().to_owned());
        *response.status_mut() = error.status();
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        response
    }
}

/// The one value of a header.
///
/// # Errors
///
/// What is wrong: it is missing, there twice, or not text.
pub fn single_header<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, SignalError> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => Ok(value),
        (None, _) => Err(SignalError::Malformed(format!("it has no header {name}"))),
        (Some(Err(_)), _) => Err(SignalError::Malformed(format!("its header {name} is not text"))),
        (Some(_), Some(_)) => Err(SignalError::Malformed(format!("its header {name} is there twice"))),
    }
}

/// Checks that the body is of this media type, whatever its parameters.
///
/// # Errors
///
/// [`SignalError::Malformed`].
pub fn check_media_type(headers: &HeaderMap, expected: &str) -> Result<(), SignalError> {
    let found = single_header(headers, "content-type")?.split(';').next().unwrap_or_default().trim();
    match found.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err(SignalError::Malformed(format!("its body is not {expected}"))),
    }
}

/// HMAC-SHA-256 of a message in base64 with padding: what Shopify signs webhooks with.
#[must_use]
pub fn hmac_sha256_base64(key: &str, message: &[u8]) -> String {
    STANDARD.encode(backend::hmac_sha256(key.as_bytes(), message))
}

impl OAuth2 {
    /// All client secrets that are good now, to verify what the vendor has signed with one of them: while one secret replaces another,
    /// both. Empty secrets, with which everybody can sign, are left out.
    ///
    /// # Errors
    ///
    /// A configuration error when the secrets' source fails, or there is none.
    pub async fn reveal_client_secrets(&self, operation: Operation) -> Result<Vec<Secret>> {
        let wrong = |problem: String| self.error(operation, ErrorKind::Configuration(problem));
        let secrets = self.client_secret().all(self.now()).await;
        let mut secrets =
            secrets.map_err(|cause| wrong(format!("could not obtain the client secret: {cause}")))?;
        secrets.retain(|secret| !secret.expose().is_empty());
        match secrets.is_empty() {
            true => {
                Err(wrong("what the vendor signs cannot be verified without the client secret".to_owned()))
            }
            false => Ok(secrets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_named_by_its_prefix_and_by_its_double_hash() {
        let token = "1//0abcdefghijklmnopq";
        assert!(TokenIdentifier::new("prefix", "1//0abcdefghijkl").names(token));
        let hash = backend::sha512(&backend::sha512(token.as_bytes()));
        let base64 = STANDARD.encode(hash);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let url = base64.trim_end_matches('=').replace('+', "-").replace('/', "_");
        for value in [&base64, &hex, &url] {
            for algorithm in ["hash_base64_sha512_sha512", "hash_SHA512_double"] {
                assert!(TokenIdentifier::new(algorithm, &**value).names(token), "{algorithm} {value}");
                assert!(!TokenIdentifier::new(algorithm, &**value).names("1//0abcdefghijklmnopr"));
            }
        }
        for (algorithm, value) in [
            ("prefix", "1//0"),
            ("prefix", ""),
            ("prefix", token),
            ("plain", token),
            ("hash_base64_sha512_sha512", ""),
        ] {
            assert!(!TokenIdentifier::new(algorithm, value).names(token), "{algorithm} {value}");
        }
        // A prefix never names the token that is no longer than it.
        assert!(!TokenIdentifier::new("prefix", "1//0abcdefghijkl").names("1//0abcdefghijkl"));
    }

    #[test]
    fn the_debug_form_shows_no_personal_data_and_no_token() {
        let about = SignalSubject::Token(TokenIdentifier::new("prefix", "1//0abcdefghijkl"));
        let signal = Signal::new("google", "j-1", about, SignalEvent::TokenRevoked)
            .with_details(serde_json::json!({"email": "ann@example.com"}));
        let shown = format!("{signal:?}");
        assert!(!shown.contains("ann@") && !shown.contains("1//0"), "{shown}");
        for said in ["google", "j-1", "TokenRevoked", "prefix"] {
            assert!(shown.contains(said), "{said}: {shown}");
        }
    }

    #[test]
    fn a_customers_deletion_ends_no_grant_of_the_shop() {
        let customer = SignalSubject::Customer { shop: "s.myshopify.com".to_owned(), id: None };
        let signal = Signal::new("shopify", "1", customer, SignalEvent::DeletionRequested);
        assert!(signal.asks_for_deletion() && !signal.ends_grants() && !signal.ends_sessions());
        let shop = SignalSubject::Shop { domain: "s.myshopify.com".to_owned(), id: None };
        assert!(Signal::new("shopify", "1", shop, SignalEvent::DeletionRequested).ends_grants());
    }

    #[test]
    fn a_header_that_is_there_twice_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(single_header(&headers, "x-a").is_err());
        headers.append("x-a", HeaderValue::from_static("1"));
        assert_eq!(single_header(&headers, "x-a").unwrap(), "1");
        headers.append("x-a", HeaderValue::from_static("1"));
        assert!(single_header(&headers, "x-a").is_err());
    }

    #[test]
    fn what_a_signal_ends_depends_on_whom_it_is_about() {
        let user =
            || SignalSubject::User { issuer: "https://as.example".to_owned(), subject: "1".to_owned() };
        let shop = || SignalSubject::Shop { domain: "s.myshopify.com".to_owned(), id: None };
        let token = || SignalSubject::Token(TokenIdentifier::new("prefix", "1//0abcdefghijkl"));
        // Whether it ends grants, ends sessions, and asks for deletion.
        for (about, event, ends) in [
            (user(), SignalEvent::ConsentRevoked, (true, true, false)),
            (user(), SignalEvent::AccountDisabled { reason: None }, (true, true, false)),
            (user(), SignalEvent::AccountDeleted, (true, true, true)),
            (user(), SignalEvent::DeletionRequested, (true, true, true)),
            (user(), SignalEvent::SessionsRevoked, (false, true, false)),
            (user(), SignalEvent::EmailDisabled, (false, false, false)),
            (user(), SignalEvent::CredentialChangeRequired, (false, false, false)),
            (token(), SignalEvent::TokenRevoked, (true, false, false)),
            (token(), SignalEvent::SessionsRevoked, (false, false, false)),
            (shop(), SignalEvent::DeletionRequested, (true, false, true)),
            (SignalSubject::Nobody, SignalEvent::TokenRevoked, (false, false, false)),
        ] {
            let signal = Signal::new("x", "1", about, event);
            let found = (signal.ends_grants(), signal.ends_sessions(), signal.asks_for_deletion());
            assert_eq!(found, ends, "{signal:?}");
        }
    }
}

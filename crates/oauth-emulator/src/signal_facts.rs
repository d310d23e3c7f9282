//! How a provider reports what users do, as its file of facts says it.

use serde::Deserialize;

/// How a provider sends signals: `[emulator.signals]` in its file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignalFacts {
    pub(crate) form: SignalForm,
    /// The issuer of signed tokens, where it is not that of ID tokens.
    pub(crate) issuer: Option<String>,
    /// For how long signed tokens live; without it they have no expiry.
    pub(crate) expires_in: Option<i64>,
    /// The prefix of the names of events.
    #[serde(default)]
    pub(crate) prefix: String,
    /// The events that the provider reports.
    pub(crate) events: Vec<String>,
    /// Those that end the grants of the user.
    #[serde(default)]
    pub(crate) ends_grants: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SignalForm {
    /// Meta's form field with a payload that is signed with the secret.
    SignedRequest,
    /// Apple's JSON with a signed token in it.
    Notification,
    /// A security event token (RFC 8417) by push (RFC 8935).
    SecurityEvent,
    /// Shopify's JSON with a signature in a header.
    Webhook,
}

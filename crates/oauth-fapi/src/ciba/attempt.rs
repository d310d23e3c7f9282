//! An authentication that a provider has taken up (CIBA section 7.3), and what is kept of it until it ends.

use std::{fmt, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{OffsetDateTime, Secret, same_secret};
use serde::{Deserialize, Serialize};

/// How the client learns that the user has decided (CIBA section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CibaDelivery {
    /// The client asks now and then.
    #[default]
    Poll,
    /// The provider tells the client that it may ask.
    Ping,
    /// The provider sends the tokens to the client. FAPI forbids it.
    Push,
}

impl CibaDelivery {
    /// The registered name (`backchannel_token_delivery_mode`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Ping => "ping",
            Self::Push => "push",
        }
    }
}

/// An authentication that has begun: what to keep until it ends.
///
/// It serializes, so that another process can finish it. Whoever stores it stores a secret: with it and the client's own credentials, the
/// tokens can be fetched.
#[derive(Clone, Serialize, Deserialize)]
pub struct CibaAttempt {
    #[serde(with = "exposed")]
    auth_req_id: Secret,
    /// The SHA-256 of the token by which the provider notifies the client; empty in poll mode.
    #[serde(default)]
    pub(super) notification_token_hash: String,
    pub(super) delivery: CibaDelivery,
    started_at: i64,
    expires_at: i64,
    /// In seconds; `None` where the provider named none.
    interval: Option<u64>,
    #[serde(default)]
    pub(super) required_acr: Vec<String>,
}

impl CibaAttempt {
    pub(super) fn new(
        auth_req_id: Secret,
        notification_token: Option<&str>,
        delivery: CibaDelivery,
        started_at: OffsetDateTime,
        expires_in: u64,
        interval: Option<u64>,
    ) -> Self {
        let started_at = started_at.unix_timestamp();
        Self {
            auth_req_id,
            notification_token_hash: notification_token.map(hash).unwrap_or_default(),
            delivery,
            started_at,
            expires_at: started_at.saturating_add(i64::try_from(expires_in).unwrap_or(i64::MAX)),
            interval,
            required_acr: Vec::new(),
        }
    }

    /// The name that the provider gave the request. It is a secret.
    #[must_use]
    pub fn auth_req_id(&self) -> &Secret {
        &self.auth_req_id
    }

    /// How the client learns that the user has decided.
    #[must_use]
    pub fn delivery(&self) -> CibaDelivery {
        self.delivery
    }

    /// When it began, by the client's clock.
    #[must_use]
    pub fn started_at(&self) -> OffsetDateTime {
        moment(self.started_at)
    }

    /// When the user's time to decide is up.
    #[must_use]
    pub fn expires_at(&self) -> OffsetDateTime {
        moment(self.expires_at)
    }

    pub(super) fn interval(&self) -> Option<Duration> {
        self.interval.map(Duration::from_secs)
    }

    pub(super) fn lifetime_at(&self, now: OffsetDateTime) -> Duration {
        (self.expires_at() - now).try_into().unwrap_or_default()
    }

    /// Whether a notification came by the token that the provider was given for this attempt.
    pub(super) fn is_notified_by(&self, token: &str) -> bool {
        !self.notification_token_hash.is_empty() && same_secret(&self.notification_token_hash, &hash(token))
    }

    /// What can be kept without a secret in it, until the provider names the request.
    pub(super) fn without_id(&self) -> Self {
        Self { auth_req_id: Secret::default(), ..self.clone() }
    }

    pub(super) fn with_id(self, auth_req_id: &str) -> Self {
        Self { auth_req_id: auth_req_id.into(), ..self }
    }
}

/// The SHA-256 of a text as base64url.
pub(super) fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn moment(seconds: i64) -> OffsetDateTime {
    const END_OF_9999: i64 = 253_402_300_799;
    OffsetDateTime::from_unix_timestamp(seconds.clamp(0, END_OF_9999)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

mod exposed {
    use oauth_core::Secret;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        secret.expose().serialize(serializer)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Secret, D::Error> {
        Secret::deserialize(deserializer)
    }
}

impl fmt::Debug for CibaAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CibaAttempt")
            .field("delivery", &self.delivery)
            .field("started_at", &self.started_at())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

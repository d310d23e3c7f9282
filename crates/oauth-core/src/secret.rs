//! Secrets as text: tokens, client secrets with their lifetimes, code verifiers.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use zeroize::Zeroize;

/// A string that must not be seen: a token, a client secret, a code verifier.
///
/// It prints as `Secret(…)`, compares in constant time, does not serialize, and is wiped from memory when dropped.
#[derive(Clone, Default, Deserialize)]
#[serde(try_from = "Value")]
pub struct Secret(String);

impl Secret {
    /// Wraps a string that must not be seen.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself. The caller answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // As slices, which are overwritten as a whole; a `Vec` is overwritten byte by byte.
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.as_mut_slice().zeroize();
        bytes.spare_capacity_mut().zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same_secret(self.expose(), other.expose())
    }
}

impl Eq for Secret {}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

// By way of a `Value`, because serde's own error quotes what should have been a text.
impl TryFrom<Value> for Secret {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        match value {
            Value::String(secret) => Ok(Self(secret)),
            _ => Err("a secret is a text"),
        }
    }
}

/// What is wrong with a client secret that nobody issued: one that was read from a file together with the end of its line, or is
/// blank. An empty one is that of a public client, which some servers want to see as such.
pub(crate) fn check_secret(secret: &Secret) -> Result<(), &'static str> {
    let secret = secret.expose();
    if secret.contains(['\n', '\r']) {
        return Err("the client secret has a line break in it; leave out the one at its end");
    }
    if !secret.is_empty() && secret.trim().is_empty() {
        return Err("the client secret is nothing but white space");
    }
    Ok(())
}

/// Compares two secrets without telling by the time it takes where they differ.
#[must_use]
pub fn same_secret(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// A client secret: none, a fixed one, or one that is made for each request.
///
/// A string converts into a fixed secret, so that `GitHubOAuth2::new("id", "secret")` reads as it should.
#[derive(Clone, Debug, Default)]
pub struct ClientSecret(SecretKind);

#[derive(Clone, Debug, Default)]
enum SecretKind {
    #[default]
    None,
    Fixed(Secret),
    Made(Arc<MadeSecret>),
}

/// A source of secrets, and what its secrets have met with.
#[derive(Debug)]
struct MadeSecret {
    source: Box<dyn SecretSource>,
    /// The secrets that the provider did not accept lately, and when.
    rejected: Mutex<Vec<(Secret, OffsetDateTime)>>,
    warned_at: Mutex<Option<OffsetDateTime>>,
}

/// For how long a secret that the provider did not accept is tried after the others.
const REJECTION_COUNTS: Duration = Duration::from_secs(5 * 60);

/// How often it is said that a secret expires.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60 * 60);

impl ClientSecret {
    /// A public client (RFC 6749 section 2.1): it sends its id and no secret.
    pub const NONE: Self = Self(SecretKind::None);

    /// A secret that is made anew for each request, such as Apple's signed JWT or one read from a vault.
    pub fn made_by(source: impl SecretSource + 'static) -> Self {
        Self(SecretKind::Made(Arc::new(MadeSecret {
            source: Box::new(source),
            rejected: Mutex::default(),
            warned_at: Mutex::default(),
        })))
    }

    /// Several secrets that are good side by side, the preferred one first, for the time in which one replaces another. While the
    /// provider does not accept the first, requests are sent once more with the next.
    ///
    /// A source that reads them where they are kept, so that nothing has to be restarted, is for
    /// [`made_by`](Self::made_by) with [`SecretSource::client_secrets`].
    ///
    /// ```
    /// use oauth_core::{ClientSecret, DatedSecret, OAuth2};
    ///
    /// let secret = ClientSecret::rotating([DatedSecret::new("NEW_SECRET"), DatedSecret::new("OLD_SECRET")]);
    /// let client = OAuth2::new("CLIENT_ID", secret, "https://as.example/authorize", "https://as.example/token");
    /// ```
    pub fn rotating(secrets: impl IntoIterator<Item = DatedSecret>) -> Self {
        Self::made_by(FixedSecrets(secrets.into_iter().collect()))
    }

    /// Whether there is no secret at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self.0, SecretKind::None)
    }

    /// Whether there is no secret at all or an empty one, so that it proves nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            SecretKind::None => true,
            SecretKind::Fixed(secret) => secret.expose().is_empty(),
            SecretKind::Made(_) => false,
        }
    }

    /// Whether there may be another one to send if the first is not accepted.
    pub(crate) fn may_be_several(&self) -> bool {
        matches!(self.0, SecretKind::Made(_))
    }

    /// Checks that a fixed secret can be one that a provider issued.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match &self.0 {
            SecretKind::Fixed(secret) => check_secret(secret),
            SecretKind::None | SecretKind::Made(_) => Ok(()),
        }
    }

    /// The secret to send now; `None` for a public client.
    pub(crate) async fn get(
        &self,
        now: OffsetDateTime,
    ) -> Result<Option<Cow<'_, Secret>>, SecretSourceError> {
        Ok(self.choose(now).await?.0)
    }

    /// The secret to send now, and whether there is another one to send if it is not accepted.
    pub(crate) async fn choose(
        &self,
        now: OffsetDateTime,
    ) -> Result<(Option<Cow<'_, Secret>>, bool), SecretSourceError> {
        match &self.0 {
            SecretKind::None => Ok((None, false)),
            SecretKind::Fixed(secret) => {
                check_secret(secret)?;
                Ok((Some(Cow::Borrowed(secret)), false))
            }
            SecretKind::Made(made) => {
                let mut candidates = made.candidates(now).await?.into_iter();
                let first = candidates.next().ok_or("the source has no client secret")?;
                let has_another = candidates.any(|candidate| candidate != first);
                Ok((Some(Cow::Owned(first)), has_another))
            }
        }
    }

    /// All secrets that are good now, the preferred one first; none for a public client.
    pub(crate) async fn all(&self, now: OffsetDateTime) -> Result<Vec<Secret>, SecretSourceError> {
        match &self.0 {
            SecretKind::None => Ok(Vec::new()),
            SecretKind::Fixed(secret) => {
                check_secret(secret)?;
                Ok(vec![secret.clone()])
            }
            SecretKind::Made(made) => made.candidates(now).await,
        }
    }

    /// Notes whether the provider has accepted a secret, so that the next request begins with one that it accepts.
    pub(crate) fn note(&self, secret: &Secret, is_accepted: bool, now: OffsetDateTime) {
        if let SecretKind::Made(made) = &self.0 {
            let mut rejected = lock(&made.rejected);
            rejected.retain(|(known, at)| known != secret && now - *at < REJECTION_COUNTS);
            if !is_accepted {
                rejected.push((secret.clone(), now));
            }
        }
    }
}

impl MadeSecret {
    /// The secrets in the order in which to try them: first those that were not refused lately.
    async fn candidates(&self, now: OffsetDateTime) -> Result<Vec<Secret>, SecretSourceError> {
        let mut secrets = self.source.client_secrets().await?;
        for secret in &secrets {
            check_secret(&secret.secret)?;
        }
        // A wrong clock should not keep a client from sending the only secret that it has.
        let is_good = |secret: &DatedSecret| secret.expires_at.is_none_or(|at| now < at);
        if secrets.iter().any(is_good) {
            secrets.retain(is_good);
        }
        self.warn_of_expiry(&secrets, now);
        let rejected = lock(&self.rejected);
        let rejected_at = |secret: &Secret| {
            let found = rejected.iter().find(|(known, at)| known == secret && now - *at < REJECTION_COUNTS);
            found.map(|(_, at)| *at)
        };
        secrets.sort_by_key(|secret| rejected_at(&secret.secret));
        Ok(secrets.into_iter().map(|secret| secret.secret).collect())
    }

    /// Says that the last secret expires soon, now and then.
    fn warn_of_expiry(&self, secrets: &[DatedSecret], now: OffsetDateTime) {
        let expiries: Option<Vec<_>> = secrets.iter().map(|secret| secret.expires_at).collect();
        // One that does not expire is enough.
        let Some(last) = expiries.and_then(|expiries| expiries.into_iter().max()) else { return };
        let mut warned_at = lock(&self.warned_at);
        let was_said = warned_at.is_some_and(|at| now - at < BETWEEN_WARNINGS);
        if last - now < self.source.warn_before() && !was_said {
            *warned_at = Some(now);
            drop(warned_at);
            self.source.expires_soon(last);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Into<Secret>> From<S> for ClientSecret {
    fn from(secret: S) -> Self {
        Self(SecretKind::Fixed(secret.into()))
    }
}

/// Why a [`SecretSource`] gave no secret.
pub type SecretSourceError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a client secret when one is needed.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync {
    /// The secret for the request that is about to be sent.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from making one; the request is then not sent.
    async fn client_secret(&self) -> Result<Secret, SecretSourceError>;

    /// Returns all secrets that the provider may accept now, the preferred one first: while one replaces another, both. If the
    /// provider does not accept the first, the request is sent once more with the second. Default: the one of
    /// [`client_secret`](Self::client_secret).
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from making one; the request is then not sent.
    async fn client_secrets(&self) -> Result<Vec<DatedSecret>, SecretSourceError> {
        Ok(vec![DatedSecret::new(self.client_secret().await?)])
    }

    /// How long before its end the last secret's expiry is [told](Self::expires_soon). Default: 14 days.
    fn warn_before(&self) -> Duration {
        Duration::from_secs(14 * 24 * 60 * 60)
    }

    /// Called when a request is sent and the last of the secrets expires soon, once an hour. Default: a warning event of `tracing`.
    fn expires_soon(&self, expires_at: OffsetDateTime) {
        #[cfg(feature = "tracing")]
        tracing::warn!(
            { crate::telemetry::EVENT_NAME } = crate::telemetry::event::SECRET_EXPIRES_SOON,
            %expires_at,
            "the client secret expires soon, and there is no later one"
        );
        #[cfg(not(feature = "tracing"))]
        let _ = expires_at;
    }
}

/// A client secret, and until when it is good.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DatedSecret {
    /// The secret.
    pub secret: Secret,
    /// When it expires, if it does and that is known. It is not sent afterwards, unless there is no other.
    pub expires_at: Option<OffsetDateTime>,
}

impl DatedSecret {
    /// A secret that does not expire.
    pub fn new(secret: impl Into<Secret>) -> Self {
        Self { secret: secret.into(), expires_at: None }
    }

    /// Sets when it expires.
    #[must_use]
    pub fn until(self, expires_at: OffsetDateTime) -> Self {
        Self { expires_at: Some(expires_at), ..self }
    }
}

#[derive(Debug)]
struct FixedSecrets(Vec<DatedSecret>);

#[async_trait]
impl SecretSource for FixedSecrets {
    async fn client_secret(&self) -> Result<Secret, SecretSourceError> {
        let first = self.0.first().ok_or("the list of client secrets is empty")?;
        Ok(first.secret.clone())
    }

    async fn client_secrets(&self) -> Result<Vec<DatedSecret>, SecretSourceError> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lb_02_secrets_are_equal_as_a_whole_or_not_at_all() {
        for (one, other, equal) in [
            ("state", "state", true),
            ("", "", true),
            ("state", "statf", false),
            ("state", "tate", false),
            ("state", "stat", false),
            ("state", "states", false),
            ("state", "State", false),
            ("state", "", false),
            ("\u{e4}", "a\u{308}", false),
        ] {
            assert_eq!(same_secret(one, other), equal, "{one} {other}");
            assert_eq!(Secret::new(one) == Secret::new(other), equal, "{one} {other}");
        }
    }

    #[test]
    fn a_secret_that_nobody_issued_is_refused() {
        for (secret, is_fine) in [
            ("s3cr3t", true),
            ("", true),
            ("with a space", true),
            ("s3cr3t\n", false),
            ("  ", false),
            ("\t", false),
        ] {
            assert_eq!(ClientSecret::from(secret).check().is_ok(), is_fine, "{secret:?}");
        }
    }

    #[test]
    fn a_secret_prints_as_nothing_but_that_it_is_one() {
        let shown = format!("{:?}", DatedSecret::new("s3cr3t"));
        assert_eq!(shown, "DatedSecret { secret: Secret(…), expires_at: None }");
        for secret in [ClientSecret::from("s3cr3t"), ClientSecret::rotating([DatedSecret::new("s3cr3t")])] {
            assert!(!format!("{secret:?}").contains("s3cr3t"));
        }
    }

    #[tokio::test]
    async fn a_secret_that_was_refused_lately_is_tried_last() {
        let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let minutes = |count| now + time::Duration::minutes(count);
        let secret = ClientSecret::rotating([
            DatedSecret::new("expired").until(now),
            DatedSecret::new("new"),
            DatedSecret::new("old").until(minutes(60)),
        ]);
        let order = async |at| {
            let all = secret.all(at).await.unwrap();
            all.iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(now).await, "new old");
        let chosen = secret.choose(now).await.unwrap();
        assert_eq!((chosen.0.as_deref().map(Secret::expose), chosen.1), (Some("new"), true));
        secret.note(&"new".into(), false, now);
        assert_eq!(order(minutes(4)).await, "old new");
        secret.note(&"old".into(), false, minutes(1));
        // Of two that were refused, the one whose refusal is older comes first.
        assert_eq!(order(minutes(4)).await, "new old");
        secret.note(&"new".into(), true, minutes(4));
        assert_eq!(order(minutes(4)).await, "new old");
        // After five minutes, a refusal counts no more.
        secret.note(&"new".into(), false, now);
        assert_eq!(order(minutes(5)).await, "new old");
        assert_eq!(order(minutes(60)).await, "new");

        let only = ClientSecret::rotating([DatedSecret::new("expired").until(now)]);
        assert_eq!(only.get(minutes(1)).await.unwrap().as_deref().map(Secret::expose), Some("expired"));
        assert!(!only.choose(minutes(1)).await.unwrap().1);
        assert!(ClientSecret::rotating([]).get(now).await.is_err());
        assert!(
            ClientSecret::rotating([DatedSecret::new("a"), DatedSecret::new("\n")]).get(now).await.is_err()
        );
    }

    #[tokio::test]
    async fn that_the_last_secret_expires_is_said_once_an_hour() {
        #[derive(Debug)]
        struct Vault(Vec<DatedSecret>, Mutex<Vec<OffsetDateTime>>);

        #[async_trait]
        impl SecretSource for Arc<Vault> {
            async fn client_secret(&self) -> Result<Secret, SecretSourceError> {
                Ok(self.0[0].secret.clone())
            }

            async fn client_secrets(&self) -> Result<Vec<DatedSecret>, SecretSourceError> {
                Ok(self.0.clone())
            }

            fn expires_soon(&self, expires_at: OffsetDateTime) {
                lock(&self.1).push(expires_at);
            }
        }

        let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
        let hours = |count| now + time::Duration::hours(count);
        let said = async |secrets: Vec<DatedSecret>, times: &[i64]| {
            let vault = Arc::new(Vault(secrets, Mutex::default()));
            let secret = ClientSecret::made_by(vault.clone());
            for at in times {
                secret.get(now + time::Duration::minutes(*at)).await.unwrap();
            }
            lock(&vault.1).clone()
        };
        let until = |at| DatedSecret::new("s").until(at);
        let days = 24;
        assert_eq!(said(vec![until(hours(13 * days))], &[0, 1, 59]).await, [hours(13 * days)]);
        assert_eq!(said(vec![until(hours(13 * days))], &[0, 30, 60]).await.len(), 2);
        assert!(said(vec![until(hours(14 * days))], &[0]).await.is_empty());
        assert!(said(vec![until(hours(1)), until(hours(15 * days))], &[0]).await.is_empty());
        assert_eq!(said(vec![until(hours(1)), until(hours(2))], &[0]).await, [hours(2)]);
        assert!(said(vec![until(hours(1)), DatedSecret::new("s")], &[0]).await.is_empty());
    }
}

//! Signed assertions that are themselves a grant (RFC 7523 section 2.1).

use std::{fmt, sync::Arc, time::Duration};

use oauth_core::{Clock, Error, ErrorKind, Operation, Result, Secret, SystemClock, random_token};
use serde_json::{Map, Value};

use crate::signing::{SignError, Signer, sign_jwt};

/// Signing an assertion, in errors.
pub const SIGN_ASSERTION: Operation = Operation::new("sign_assertion");

/// How a signed assertion is made (RFC 7523 section 3): one server, many users. Each time it is signed anew, with a new `jti` and a short
/// life.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use oauth_fapi::{JwtAssertion, Signer, oauth_core::Result};
///
/// # async fn f(signer: Arc<dyn Signer>) -> Result<()> {
/// let assertion = JwtAssertion::new(signer, "CLIENT_ID", "https://as.example")
///     .with_claim("tenant", "acme")
///     .with_lifetime(Duration::from_secs(60));
/// let for_a_user = assertion.sign("user-17").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct JwtAssertion {
    signer: Arc<dyn Signer>,
    issuer: String,
    audience: String,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    lifetime: Duration,
    most: Duration,
    backdated_by: Duration,
    has_id: bool,
    has_subject: bool,
    has_audience: bool,
    clock: Arc<dyn Clock>,
}

/// Long enough for a slow network, short enough for a stolen assertion to be of little use.
const USUAL_LIFETIME: Duration = Duration::from_secs(60);
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

impl JwtAssertion {
    /// Assertions of this issuer (`iss`), which for most servers is the client id, for one audience (`aud`): the issuer identifier of the
    /// authorization server, or its token endpoint where it wants that. It is one string (draft-ietf-oauth-rfc7523bis section 4).
    pub fn new(signer: Arc<dyn Signer>, issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            signer,
            issuer: issuer.into(),
            audience: audience.into(),
            header: Map::new(),
            claims: Map::new(),
            lifetime: USUAL_LIFETIME,
            most: AN_HOUR,
            backdated_by: Duration::ZERO,
            has_id: true,
            has_subject: true,
            has_audience: true,
            clock: Arc::new(SystemClock),
        }
    }

    /// Adds a claim: a `scope` where the server wants it inside of the assertion, or one of the vendor's own. Those that this type sets
    /// itself (`iss`, `sub`, `aud`, `iat`, `exp`, `jti`) cannot be changed in this way.
    pub fn with_claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Adds a member to the header, or replaces one, such as `typ`. It is `JWT` unless another is set.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    /// Sets how long each assertion lives, from now on. Default: a minute.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the longest life that the server allows. A longer one is refused before anything is signed. Default: an hour.
    pub fn with_longest_lifetime(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// Dates each assertion back by this much (`iat`), for a server that refuses what a fast clock has signed.
    pub fn with_backdating(mut self, by: Duration) -> Self {
        self.backdated_by = by;
        self
    }

    /// Leaves `jti` out, for a server that refuses claims which it does not know.
    pub fn without_id(mut self) -> Self {
        self.has_id = false;
        self
    }

    /// Leaves `sub` out, for a server that wants it only where somebody is acted for. [`sign`](Self::sign) with a subject sends it all
    /// the same.
    pub fn without_subject(mut self) -> Self {
        self.has_subject = false;
        self
    }

    /// Leaves `aud` out, for an API that takes the assertion itself as a token, as GitHub's does.
    pub fn without_audience(mut self) -> Self {
        self.has_audience = false;
        self
    }

    /// Takes the time from this clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The issuer (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs an assertion about this subject (`sub`); about the issuer itself where it is empty.
    ///
    /// # Errors
    ///
    /// A configuration error when a claim is missing, the life is longer than the server allows, or the key cannot sign; a transient one
    /// when what holds the key cannot be reached.
    pub async fn sign(&self, subject: &str) -> Result<Secret> {
        self.check().map_err(configuration)?;
        let now = self.clock.now().unix_timestamp();
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        let issued_at = now.saturating_sub(seconds(self.backdated_by));
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), self.issuer.clone().into());
        let subject = match (subject, self.has_subject) {
            ("", true) => Some(&*self.issuer),
            ("", false) => None,
            (subject, _) => Some(subject),
        };
        if let Some(subject) = subject {
            claims.insert("sub".to_owned(), subject.into());
        }
        if self.has_audience {
            claims.insert("aud".to_owned(), self.audience.clone().into());
        }
        claims.insert("iat".to_owned(), issued_at.into());
        claims.insert("exp".to_owned(), issued_at.saturating_add(seconds(self.lifetime)).into());
        if self.has_id {
            claims.insert("jti".to_owned(), random_token()?.into());
        }
        claims.extend(self.claims.clone());
        let mut header = self.header.clone();
        header.entry("typ").or_insert_with(|| "JWT".into());
        sign_jwt(&*self.signer, header, &claims).await.map(Secret::new).map_err(not_signed)
    }

    fn check(&self) -> Result<(), String> {
        if self.issuer.is_empty() {
            return Err("the assertion has no issuer; it is the client id for most servers".to_owned());
        }
        if self.audience.is_empty() && self.has_audience {
            return Err(
                "the assertion has no audience; it is the issuer identifier of the authorization server"
                    .to_owned(),
            );
        }
        if self.lifetime > self.most {
            return Err(format!(
                "the assertion would live for {} s, and the server allows {} s",
                self.lifetime.as_secs(),
                self.most.as_secs()
            ));
        }
        if self.lifetime <= self.backdated_by {
            return Err("the assertion would have expired already; let it live longer".to_owned());
        }
        if self.header.contains_key("alg") {
            return Err(
                "the header's alg is that of the signer; leave it out of the further members".to_owned()
            );
        }
        const OWN: &[&str] = &["iss", "sub", "aud", "iat", "exp", "jti"];
        match OWN.iter().find(|name| self.claims.contains_key(**name)) {
            Some(name) => {
                Err(format!("the claim {name} is set by the library; leave it out of the further ones"))
            }
            None => Ok(()),
        }
    }
}

fn configuration(problem: String) -> Error {
    Error::new(SIGN_ASSERTION, "oauth2", ErrorKind::Configuration(problem))
}

/// What keeps a signature from being made, with the class that tells whether it may be the next time.
pub(crate) fn not_signed(error: SignError) -> Error {
    Error::new(SIGN_ASSERTION, "oauth2", ErrorKind::Signing(error.into()))
}

impl fmt::Debug for JwtAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAssertion")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("claims", &self.claims.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

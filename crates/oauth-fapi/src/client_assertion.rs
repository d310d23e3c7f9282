//! Client authentication by a JWT that the client signs (RFC 7523 section 2.2, OpenID Connect Core section 9).

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use bytes::Bytes;
use oauth_core::{
    AuthenticationError, ClientAuthentication, ClientSecret, Credentials, OffsetDateTime, RequestContext,
    RequestDraft, Secret, SigningError, http, random_token,
};
use oauth_openid::Algorithm;
use serde_json::{Map, Value};

use crate::{
    assertion_field::add_assertion,
    key_error::KeyError,
    signing::{SignError, Signer},
    signing_key::SigningKey,
    signing_keys::SigningKeys,
};

/// Whom an assertion is for: its `aud`, which is always one text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The authorization server, by its issuer identifier, at whichever of its endpoints. It is what FAPI 2.0 demands, and safe: a hostile
    /// server cannot have an assertion made that another one accepts.
    #[default]
    Issuer,
    /// The token endpoint's usual URL, at whichever endpoint, for a server that wants nothing else: Entra ID, Login.gov. Only where the
    /// endpoint is known from the provider's documentation, or the provider is trusted not to name another's in its metadata.
    TokenEndpoint,
    /// The URL that the request goes to, without its query, for a server that wants nothing else. As for
    /// [`TokenEndpoint`](Self::TokenEndpoint), the provider must be trusted.
    UrlCalled,
    /// This text.
    Fixed(String),
}

/// A header or claims.
type JwtMembers = Map<String, Value>;

/// Changes header and claims before they are signed.
type Modify = Arc<dyn Fn(&mut JwtMembers, &mut JwtMembers) + Send + Sync>;

/// What both methods have in common.
#[derive(Clone)]
struct Assertion {
    audience: AssertionAudience,
    kind: Option<Cow<'static, str>>,
    lifetime: Duration,
    clock_offset: i64,
    has_not_before: bool,
    modify: Option<Modify>,
}

/// The type of a client assertion (draft-ietf-oauth-rfc7523bis section 4).
const TYPE: &str = "client-authentication+jwt";

impl Default for Assertion {
    fn default() -> Self {
        Self {
            audience: AssertionAudience::default(),
            kind: Some(TYPE.into()),
            lifetime: Duration::from_secs(60),
            clock_offset: 0,
            has_not_before: false,
            modify: None,
        }
    }
}

impl Assertion {
    fn audience<'c>(&'c self, context: &RequestContext<'c>) -> Result<&'c str, AuthenticationError> {
        let without_query = |url: &'c str| url.split(['?', '#']).next().unwrap_or(url);
        match &self.audience {
            AssertionAudience::Issuer => context.issuer.ok_or_else(|| {
                "the assertion's aud is the issuer, and the client knows none; name it by with_issuer, or choose another \
                 AssertionAudience"
                    .into()
            }),
            AssertionAudience::TokenEndpoint if context.token_endpoint.is_empty() => {
                Err("the assertion's aud is the token endpoint, and the client knows none".into())
            }
            AssertionAudience::TokenEndpoint => Ok(context.token_endpoint),
            AssertionAudience::UrlCalled => Ok(without_query(context.url)),
            AssertionAudience::Fixed(audience) => Ok(audience),
        }
    }

    /// The second at which the assertion says that it was made.
    fn issued_at(&self, now: OffsetDateTime) -> i64 {
        now.unix_timestamp().saturating_add(self.clock_offset)
    }

    /// Header and claims, new each time.
    fn parts(&self, context: &RequestContext<'_>) -> Result<(JwtMembers, JwtMembers), AuthenticationError> {
        let mut header = Map::new();
        if let Some(kind) = &self.kind {
            header.insert("typ".to_owned(), Value::from(&**kind));
        }
        let issued_at = self.issued_at(context.now);
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let mut claims: JwtMembers = [
            ("iss", Value::from(context.client_id)),
            ("sub", context.client_id.into()),
            ("aud", self.audience(context)?.into()),
            ("jti", random_token()?.into()),
            ("iat", issued_at.into()),
            ("exp", issued_at.saturating_add(lifetime).into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if self.has_not_before {
            claims.insert("nbf".to_owned(), issued_at.into());
        }
        if let Some(modify) = &self.modify {
            modify(&mut header, &mut claims);
        }
        Ok((header, claims))
    }

    /// What a server that refuses the client may have disliked.
    fn advice(&self, context: &RequestContext<'_>, reply: &http::Response<Bytes>) -> Option<String> {
        let body = String::from_utf8_lossy(reply.body());
        if !body.contains("invalid_client") {
            return None;
        }
        let issued_at = self.issued_at(context.now);
        let audience = self.audience(context).unwrap_or_default();
        let date = reply.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        let server = date.and_then(|date| httpdate::parse_http_date(date).ok());
        let server = server.map(|time| OffsetDateTime::from(time).unix_timestamp());
        let mut advice = format!("the assertion was for {audience} (aud) and made at {issued_at} (iat)");
        if let Some(server) = server {
            let apart = server.saturating_sub(issued_at);
            advice.push_str(&format!(", and the server's Date is {server}"));
            if apart.unsigned_abs() > CLOCKS_APART {
                let direction = if apart > 0 { "ahead" } else { "behind" };
                advice.push_str(&format!(
                    ", {} s {direction}: is this machine's clock right? with_clock_offset corrects what is signed",
                    apart.unsigned_abs()
                ));
            }
        }
        Some(advice)
    }
}

/// From which difference on, in seconds, clocks are worth a word.
const CLOCKS_APART: u64 = 15;

/// The settings that both methods have.
macro_rules! settings {
    () => {
        /// Makes assertions for this audience, in place of the issuer.
        #[must_use]
        pub fn audience(mut self, audience: AssertionAudience) -> Self {
            self.assertion.audience = audience;
            self
        }

        /// Says in the header that it is a JWT of this type (`typ`), such as `JWT`, in place of `client-authentication+jwt`.
        #[must_use]
        pub fn header_type(mut self, kind: impl Into<Cow<'static, str>>) -> Self {
            self.assertion.kind = Some(kind.into());
            self
        }

        /// Sends no `typ`, for a server that stumbles over it.
        #[must_use]
        pub fn without_header_type(mut self) -> Self {
            self.assertion.kind = None;
            self
        }

        /// Lets an assertion live for this long, in place of 60 seconds. Each is sent once, so it need not live longer than the
        /// clocks differ.
        #[must_use]
        pub fn lifetime(mut self, lifetime: Duration) -> Self {
            self.assertion.lifetime = lifetime;
            self
        }

        /// Adds these seconds to this machine's clock, for what is signed: a negative number where the server takes assertions for ones
        /// from the future.
        #[must_use]
        pub fn with_clock_offset(mut self, seconds: i64) -> Self {
            self.assertion.clock_offset = seconds;
            self
        }

        /// Says from when on the assertion is good (`nbf`), which is when it is made.
        #[must_use]
        pub fn with_not_before(mut self) -> Self {
            self.assertion.has_not_before = true;
            self
        }

        /// Changes header and claims, in this order, just before they are signed, for a server that wants what the standards do not have.
        /// Nothing checks what comes out.
        #[must_use]
        pub fn dangerously_modify_assertion(
            mut self,
            modify: impl Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync + 'static,
        ) -> Self {
            self.assertion.modify = Some(Arc::new(modify));
            self
        }
    };
}

/// `private_key_jwt`: the client signs with its private key who it is (OpenID Connect Core section 9).
///
/// ```
/// use oauth_fapi::{PrivateKeyJwt, SigningKey, oauth_core::{OAuth2, Provider}, oauth_openid::Algorithm};
///
/// let key = SigningKey::generate(Algorithm::PS256)?;
/// let client =
///     OAuth2::new("CLIENT_ID", PrivateKeyJwt::new(key), "https://as.example/authorize", "https://as.example/token")
///         // Whom each assertion is for. A client with discovery knows it.
///         .with_issuer("https://as.example");
/// # Ok::<(), oauth_fapi::KeyError>(())
/// ```
///
/// Each request gets an assertion of its own, which lives for a minute, and the client id beside it. Its audience is the issuer: see
/// [`AssertionAudience`] for servers that want another.
#[derive(Clone)]
pub struct PrivateKeyJwt {
    keys: SigningKeys,
    assertion: Assertion,
}

impl PrivateKeyJwt {
    /// Authenticates by a signer, or by whichever of several keys is the current one.
    pub fn new(keys: impl Into<SigningKeys>) -> Self {
        Self { keys: keys.into(), assertion: Assertion::default() }
    }

    /// Authenticates at Microsoft Entra ID, which knows keys by their certificate (PEM or DER): the audience is the token endpoint, the
    /// type `JWT`, and the header names the certificate, by its SHA-256 or, for a key that signs by RS256 as older documentation has it,
    /// by its SHA-1.
    ///
    /// ```
    /// use oauth_fapi::{PrivateKeyJwt, SigningKey, oauth_openid::Algorithm};
    ///
    /// # fn f(pem_with_certificate: &str) -> Result<PrivateKeyJwt, oauth_fapi::KeyError> {
    /// PrivateKeyJwt::entra(SigningKey::from_pem(pem_with_certificate, Algorithm::PS256)?, pem_with_certificate)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`KeyError::Form`] when it is not a certificate, or that of another key; [`KeyError::Algorithm`] for a key that signs by neither PS256
    /// nor RS256.
    pub fn entra(key: SigningKey, certificate: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let key = key.without_key_id();
        let key = match key.algorithm() {
            Algorithm::PS256 => key.with_certificate(certificate)?,
            Algorithm::RS256 => key.with_certificate_sha1(certificate)?,
            algorithm => {
                return Err(KeyError::Algorithm { algorithm, key: "Entra ID, which takes PS256".to_owned() });
            }
        };
        let made = Self::new(key).audience(AssertionAudience::TokenEndpoint).header_type("JWT");
        Ok(made.lifetime(Duration::from_secs(5 * 60)).with_not_before())
    }

    /// Whether its assertions are for the issuer, as FAPI 2.0 demands.
    pub(crate) fn is_for_the_issuer(&self) -> bool {
        self.assertion.audience == AssertionAudience::Issuer
    }

    /// The keys that sign, to be rotated or published.
    #[must_use]
    pub fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    settings!();
}

#[async_trait]
impl ClientAuthentication for PrivateKeyJwt {
    fn method(&self) -> &str {
        "private_key_jwt"
    }

    fn signing_algorithm(&self) -> Option<String> {
        Some(self.keys.current().algorithm().as_str().to_owned())
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        let (header, claims) = self.assertion.parts(context)?;
        let assertion = self.keys.sign_jwt(header, &claims).await.map_err(SigningError::from)?;
        add_assertion(context, request, &assertion)
    }

    fn advice(&self, context: &RequestContext<'_>, reply: &http::Response<Bytes>) -> Option<String> {
        self.assertion.advice(context, reply)
    }
}

/// `client_secret_jwt`: the client signs with its secret who it is (OpenID Connect Core section 9), so that the secret is never sent.
///
/// ```
/// use oauth_fapi::{ClientSecretJwt, oauth_core::OAuth2, oauth_openid::Algorithm};
///
/// # fn f(client_secret: &str) -> Result<(), oauth_fapi::KeyError> {
/// let authentication = ClientSecretJwt::new(client_secret, Algorithm::HS256)?;
/// let client = OAuth2::new("CLIENT_ID", authentication, "https://as.example/authorize", "https://as.example/token");
/// # Ok(())
/// # }
/// ```
///
/// It is as [`PrivateKeyJwt`] is, but for the key.
#[derive(Clone)]
pub struct ClientSecretJwt {
    key: SecretKey,
    secret: ClientSecret,
    assertion: Assertion,
}

impl ClientSecretJwt {
    /// Authenticates by this secret and HS256, HS384 or HS512.
    ///
    /// # Errors
    ///
    /// [`KeyError::Form`] for a secret that is shorter than the algorithm's hash (RFC 7518 section 3.2), and [`KeyError::Algorithm`] for an
    /// algorithm whose key is not secret.
    pub fn new(secret: impl Into<Secret>, algorithm: Algorithm) -> Result<Self, KeyError> {
        let secret = secret.into();
        let (hmac, least) = match algorithm {
            Algorithm::HS256 => (hmac::HMAC_SHA256, 32),
            Algorithm::HS384 => (hmac::HMAC_SHA384, 48),
            Algorithm::HS512 => (hmac::HMAC_SHA512, 64),
            _ => return Err(KeyError::Algorithm { algorithm, key: "a client secret".to_owned() }),
        };
        let found = secret.expose().len();
        if found < least {
            return Err(KeyError::Form(format!(
                "the client secret has {found} bytes, and {algorithm} needs {least} (RFC 7518 section 3.2)"
            )));
        }
        let key = SecretKey { algorithm, key: hmac::Key::new(hmac, secret.expose().as_bytes()) };
        Ok(Self { key, secret: ClientSecret::from(secret), assertion: Assertion::default() })
    }

    settings!();
}

#[async_trait]
impl ClientAuthentication for ClientSecretJwt {
    fn method(&self) -> &str {
        "client_secret_jwt"
    }

    fn signing_algorithm(&self) -> Option<String> {
        Some(self.key.algorithm.as_str().to_owned())
    }

    fn client_secret(&self) -> &ClientSecret {
        &self.secret
    }

    async fn authenticate(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        let (header, claims) = self.assertion.parts(context)?;
        let signed = crate::signing::sign_jwt(&self.key, header, &claims).await;
        add_assertion(context, request, &signed.map_err(SigningError::from)?)
    }

    fn advice(&self, context: &RequestContext<'_>, reply: &http::Response<Bytes>) -> Option<String> {
        self.assertion.advice(context, reply)
    }
}

/// A client secret as a signer. It is not a key that anybody could publish, so it is not one of the API's.
#[derive(Clone)]
struct SecretKey {
    algorithm: Algorithm,
    key: hmac::Key,
}

#[async_trait]
impl Signer for SecretKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_jwk(&self) -> JwtMembers {
        Map::new()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(hmac::sign(&self.key, message).as_ref().to_vec())
    }
}

impl From<PrivateKeyJwt> for Credentials {
    fn from(authentication: PrivateKeyJwt) -> Self {
        Self::authentication(authentication)
    }
}

impl From<ClientSecretJwt> for Credentials {
    fn from(authentication: ClientSecretJwt) -> Self {
        Self::authentication(authentication)
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion")
            .field("audience", &self.audience)
            .field("kind", &self.kind)
            .field("lifetime", &self.lifetime)
            .field("is_modified", &self.modify.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PrivateKeyJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKeyJwt").field("keys", &self.keys).field("assertion", &self.assertion).finish()
    }
}

impl fmt::Debug for ClientSecretJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecretJwt")
            .field("key", &self.key)
            .field("assertion", &self.assertion)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

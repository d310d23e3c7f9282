//! Who verifies access tokens.

use std::fmt;

use oauth_core::{
    OAuth2, OffsetDateTime, async_trait,
    serde_json::{Map, Value},
};

/// Verifies access tokens: by introspection, by their signature, or as the authorization server's own code does.
#[async_trait]
pub trait TokenVerifier: fmt::Debug + Send + Sync {
    /// Says what a token is good for. Audience, expiry and scopes are compared by the [`Guard`](super::Guard).
    ///
    /// # Errors
    ///
    /// [`VerifyError::Invalid`] for a token that is not good, [`VerifyError::Unavailable`] while nobody can tell.
    async fn verify(&self, access_token: &str) -> Result<TokenInfo, VerifyError>;
}

/// Why a token was not verified.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is not good. The reason is for the log, not for the client.
    #[error("the access token is not valid: {0}")]
    Invalid(String),
    /// Whoever knows could not be asked.
    #[error("access tokens cannot be verified now: {0}")]
    Unavailable(String),
}

/// What an access token is good for, without the token itself: it is for this server, and must not be sent on to another one.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// Who issued it, if that is known.
    pub issuer: Option<String>,
    /// Whose it is.
    pub subject: Option<String>,
    /// The client that it was issued to.
    pub client_id: Option<String>,
    /// What it is for.
    pub audience: Vec<String>,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it expires; `None` if the claims do not say. An `exp` that is not a number has passed.
    pub expires_at: Option<OffsetDateTime>,
    /// All claims, or all members of the introspection response.
    pub claims: Map<String, Value>,
}

impl TokenInfo {
    /// Reads the claims of a JWT access token (RFC 9068 section 2.2) or an introspection response (RFC 7662 section 2.2), which have the
    /// same names. Whether they are true is for the caller to know.
    #[must_use]
    pub fn of_claims(claims: Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let texts = |name: &str| match claims.get(name) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        // `scp` is Microsoft's and Okta's name.
        let scopes =
            ["scope", "scp"].into_iter().map(&texts).find(|scopes| !scopes.is_empty()).unwrap_or_default();
        let scopes =
            scopes.iter().flat_map(|scopes| scopes.split_ascii_whitespace()).map(str::to_owned).collect();
        let expires_at = claims.get("exp").filter(|exp| !exp.is_null()).map(expiry);
        Self {
            issuer: text("iss"),
            subject: text("sub"),
            client_id: text("client_id").or_else(|| text("azp")),
            audience: texts("aud"),
            scopes,
            expires_at,
            claims,
        }
    }

    /// Whether it allows all of these scopes.
    #[must_use]
    pub fn has_scopes<'a>(&self, wanted: impl IntoIterator<Item = &'a str>) -> bool {
        wanted.into_iter().all(|wanted| self.scopes.iter().any(|scope| scope == wanted))
    }
}

/// When a token expires, in seconds since 1970. Some servers send fractions, or a text. What is later than all calendars ends with them, and
/// what is not a number says nothing that a token could be believed by: it has expired.
fn expiry(exp: &Value) -> OffsetDateTime {
    const END_OF_9999: f64 = 253_402_300_799.0;
    let seconds = match exp {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    // A text may be `NaN`, which is not at least zero.
    let seconds = seconds.filter(|seconds: &f64| *seconds >= 0.0).unwrap_or_default().min(END_OF_9999);
    #[expect(clippy::cast_possible_truncation, reason = "it is within the years that can be written down")]
    OffsetDateTime::from_unix_timestamp(seconds as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

impl fmt::Debug for TokenInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenInfo")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("audience", &self.audience)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Asks the authorization server about each token (RFC 7662).
///
/// ```
/// use oauth_core::OAuth2;
/// use oauth_mcp::server::Introspection;
///
/// let client = OAuth2::new("mcp-server", "SECRET", "https://login.example/authorize", "https://login.example/token")
///     .with_introspection_endpoint("https://login.example/introspect");
/// let verifier = Introspection::new(client);
/// ```
#[derive(Clone, Debug)]
pub struct Introspection(OAuth2);

impl Introspection {
    /// Asks as this client, which is the MCP server's own at its authorization server.
    #[must_use]
    pub fn new(client: OAuth2) -> Self {
        Self(client)
    }
}

#[async_trait]
impl TokenVerifier for Introspection {
    async fn verify(&self, access_token: &str) -> Result<TokenInfo, VerifyError> {
        let reply = self.0.introspect_token(access_token, Some("access_token")).await;
        match reply.map_err(|error| VerifyError::Unavailable(error.to_string()))? {
            Value::Object(claims) if claims.get("active") == Some(&Value::Bool(true)) => {
                Ok(TokenInfo::of_claims(claims))
            }
            _ => Err(VerifyError::Invalid("it is not active".to_owned())),
        }
    }
}

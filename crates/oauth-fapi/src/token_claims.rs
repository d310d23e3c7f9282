//! What an authorization server says of an access token, to a resource server: by introspection or in the token itself.

use std::fmt;

use oauth_core::OffsetDateTime;
use serde_json::{Map, Value};

/// The claims of an access token that is good, by which a resource server decides. Nobody but a resource server should look into a
/// token: to a client it is opaque (RFC 9068 section 6).
#[derive(Clone, PartialEq)]
pub struct TokenClaims(pub(crate) Map<String, Value>);

impl TokenClaims {
    /// `iss`: who issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub`: the user, or the client itself where no user is involved.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `client_id`: to whom it was issued.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text("client_id")
    }

    /// `username`: the user's name, for people.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.text("username")
    }

    /// `jti`: the token's own name.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `token_type`, such as `Bearer` or `DPoP`.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.text("token_type")
    }

    /// `aud`: the resource servers that it is for.
    #[must_use]
    pub fn audiences(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// `scope`: what it allows.
    #[must_use]
    pub fn scopes(&self) -> Vec<&str> {
        match self.0.get("scope") {
            Some(Value::String(scopes)) => scopes.split(' ').filter(|scope| !scope.is_empty()).collect(),
            Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it allows this.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().contains(&scope)
    }

    /// `exp`: when it expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        self.moment("exp")
    }

    /// `iat`: when it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<OffsetDateTime> {
        self.moment("iat")
    }

    /// `auth_time`: when the user was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<OffsetDateTime> {
        self.moment("auth_time")
    }

    /// `acr`: in which authentication context.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.text("acr")
    }

    /// `cnf`: what it is bound to (RFC 7800 section 3.1): `jkt` for a key (RFC 9449 section 6), `x5t#S256` for a certificate (RFC 8705
    /// section 3). [`check_sender`](Self::check_sender) compares it.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Value> {
        self.0.get("cnf").filter(|cnf| !cnf.is_null())
    }

    /// `authorization_details`: what was granted in detail (RFC 9396 section 9).
    #[must_use]
    pub fn authorization_details(&self) -> Option<&Value> {
        self.0.get("authorization_details")
    }

    /// `act`: who acts for the subject (RFC 8693 section 4.1). What is in it again is who acted before; only the outermost counts.
    #[must_use]
    pub fn actor(&self) -> Option<&Value> {
        self.0.get("act")
    }

    /// `may_act`: who may act for the subject (RFC 8693 section 4.4).
    #[must_use]
    pub fn may_act(&self) -> Option<&Value> {
        self.0.get("may_act")
    }

    /// A claim as it came.
    #[must_use]
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }

    /// All claims as they came.
    #[must_use]
    pub fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim).and_then(Value::as_str)
    }

    fn moment(&self, claim: &str) -> Option<OffsetDateTime> {
        date(self.0.get(claim)?)
    }
}

/// A time in seconds since 1970, which may have a fraction (RFC 7519 section 2).
pub(crate) fn date(claim: &Value) -> Option<OffsetDateTime> {
    const END_OF_9999: f64 = 253_402_300_799.0;
    let seconds = claim.as_f64().filter(|seconds| (0.0..=END_OF_9999).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "it is within the years that can be written down")]
    OffsetDateTime::from_unix_timestamp(seconds.floor() as i64).ok()
}

impl fmt::Debug for TokenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The others are personal data.
        f.debug_struct("TokenClaims")
            .field("client_id", &self.client_id())
            .field("scopes", &self.scopes())
            .finish_non_exhaustive()
    }
}

//! Access tokens that are JWTs, as a resource server verifies them (RFC 9068 section 4).

use std::{fmt, sync::Arc};

use oauth_core::{ErrorKind, JwtCheck, JwtError, JwtUse, Operation, Provider, Result};
use oauth_openid::{Algorithm, JwtExpectations, OpenIDConnect};
use serde_json::{Map, Value};

use crate::token_claims::TokenClaims;

/// The method [`AccessTokenVerifier::verify`], in errors.
pub const VERIFY_ACCESS_TOKEN: Operation = Operation::new("verify_access_token");

/// Verifies the access tokens that a resource server is sent, with the keys of the authorization server.
///
/// ```
/// use std::sync::Arc;
///
/// use oauth_fapi::{AccessTokenVerifier, PresentedToken, oauth_openid::OpenID};
///
/// # async fn f(token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// // Its metadata name the keys. The client id is not used.
/// let issuer = OpenID::lazy("orders-api", "", "https://login.example.com")?;
/// let verifier = AccessTokenVerifier::new(Arc::new(issuer), ["https://orders.example"]);
///
/// let claims = verifier.verify(token).await?;
/// claims.check_sender(&PresentedToken::as_bearer())?;
/// if !claims.has_scope("orders.read") {
///     // 403 and `insufficient_scope`.
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AccessTokenVerifier {
    provider: Arc<dyn Provider>,
    audiences: Vec<String>,
    types: Vec<String>,
    algorithms: Option<Vec<Algorithm>>,
    may_be_untyped: bool,
}

/// What an access token must have (RFC 9068 section 2.2), beside `iss`, `aud`, `exp` and `iat`.
const REQUIRED: &[(&str, JwtCheck)] =
    &[("sub", JwtCheck::Subject), ("client_id", JwtCheck::AuthorizedParty), ("jti", JwtCheck::Replay)];

impl AccessTokenVerifier {
    /// Verifies tokens of this issuer for a resource server that goes by one of these audiences: its resource indicators.
    #[must_use]
    pub fn new<S: Into<String>>(issuer: Arc<dyn Provider>, audiences: impl IntoIterator<Item = S>) -> Self {
        Self {
            provider: issuer,
            audiences: audiences.into_iter().map(Into::into).collect(),
            types: vec!["at+jwt".to_owned()],
            algorithms: None,
            may_be_untyped: false,
        }
    }

    /// Accepts these algorithms only.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms =
            Some(algorithms.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect());
        self
    }

    /// Accepts this `typ` in place of `at+jwt`, for a server that does not follow RFC 9068 to the letter.
    #[must_use]
    pub fn with_type(mut self, kind: impl Into<String>) -> Self {
        self.types = vec![kind.into()];
        self
    }

    /// Accepts tokens without a type of their own and without `client_id`, `sub` and `jti`, for servers that are older than RFC 9068, such
    /// as Keycloak and Entra. Whatever else the server signs for the same audience then passes too, ID tokens among them: let the
    /// resource server have an audience that no client has.
    #[must_use]
    pub fn dangerously_accept_other_tokens(mut self) -> Self {
        self.may_be_untyped = true;
        self
    }

    /// Verifies a token: its type, issuer, audience, expiry, algorithm and signature. Whether it was sent by whoever it is bound to is for
    /// [`TokenClaims::check_sender`] to say, and what it allows for the resource server.
    ///
    /// # Errors
    ///
    /// An error of [`ErrorKind::Jwt`] that says which check failed, or any error of reading metadata and keys.
    pub async fn verify(&self, access_token: &str) -> Result<TokenClaims> {
        let client = self.provider.oauth2();
        let Some(openid) = OpenIDConnect::of(&*self.provider) else {
            let reason = "without OpenID Connect its keys are not known; make a client of its issuer with OpenID::lazy";
            return Err(client.unsupported(VERIFY_ACCESS_TOKEN, reason));
        };
        if self.audiences.iter().all(String::is_empty) {
            let problem =
                "the resource server has no audience, so that a token for anybody would do".to_owned();
            return Err(client.error(VERIFY_ACCESS_TOKEN, ErrorKind::Configuration(problem)));
        }
        let mut expected =
            JwtExpectations::new(JwtUse::AccessToken).during(VERIFY_ACCESS_TOKEN).other_audiences_allowed();
        for kind in &self.types {
            expected = match self.may_be_untyped {
                true => expected.type_allowed(kind),
                false => expected.type_required(kind),
            };
        }
        for audience in self.audiences.iter().filter(|audience| !audience.is_empty()) {
            expected = expected.audience(audience);
        }
        if let Some(algorithms) = &self.algorithms {
            expected = expected.algorithms(algorithms.iter().copied());
        }
        let claims = openid.verify_jwt(access_token, &expected).await?;
        if !self.may_be_untyped {
            check_required(&claims).map_err(|(check, reason)| {
                let error = JwtError { token: JwtUse::AccessToken, check, reason };
                client.error(VERIFY_ACCESS_TOKEN, ErrorKind::Jwt(error))
            })?;
        }
        Ok(TokenClaims(claims))
    }
}

fn check_required(claims: &Map<String, Value>) -> Result<(), (JwtCheck, String)> {
    let is_missing = |name: &str| claims.get(name).and_then(Value::as_str).is_none_or(str::is_empty);
    match REQUIRED.iter().find(|(name, _)| is_missing(name)) {
        Some((name, check)) => Err((*check, format!("it has no {name} (RFC 9068 section 2.2)"))),
        None => Ok(()),
    }
}

impl fmt::Debug for AccessTokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenVerifier")
            .field("issuer", &self.provider.oauth2().issuer())
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}

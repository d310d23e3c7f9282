//! Signed authorization responses (JARM, JWT Secured Authorization Response Mode for OAuth 2.0).

use oauth_core::{
    AuthorizationParams, Callback, Error, ErrorKind, JwtCheck, JwtError, JwtUse, LoginAttempt, LoginError,
    OAuth2, Operation, Participant, ResponseMode, Result, async_trait, same_secret,
};
use oauth_openid::{Algorithm, JwtExpectations, OpenIDConnect, RegisteredClient};
use serde_json::{Map, Value};

/// Has the provider sign authorization responses (JARM), and verifies them before anything in them is looked at, as a
/// [participant](oauth_core::Participant) of a client.
///
/// Each login asks for its response mode with `.jwt` behind it, or for `jwt`, the usual one. A callback with plain parameters is then
/// refused, even if it brings an error. Routes of `oauth-web` find the login all the same.
///
/// ```
/// use oauth_fapi::{SignedResponses, oauth_core::Provider, oauth_openid::{Algorithm, OpenID}};
///
/// # fn f() -> Result<(), oauth_fapi::oauth_core::Error> {
/// let client = OpenID::lazy("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com")?
///     .with_participant(SignedResponses::new().algorithms([Algorithm::PS256]));
/// # Ok(())
/// # }
/// ```
///
/// Keys and issuer are those of the client's OpenID Connect metadata. An encrypted response is decrypted by the
/// [`decrypter`](oauth_openid::VerificationPolicy::decrypter) of the client's policy.
#[derive(Clone, Debug)]
#[must_use]
pub struct SignedResponses {
    algorithms: Vec<Algorithm>,
    must_be_encrypted: bool,
}

impl Default for SignedResponses {
    fn default() -> Self {
        Self::new()
    }
}

/// What a response is refused for if it is not text (JARM section 2.1).
const TEXTS: &[&str] =
    &["code", "state", "iss", "error", "error_description", "error_uri", "id_token", "access_token"];

/// What is about the JWT and no parameter of the response.
const ABOUT_THE_JWT: &[&str] = &["aud", "exp", "iat", "nbf", "jti"];

impl SignedResponses {
    /// Responses that are signed by `RS256`, as they are for a client that registered nothing else
    /// (`authorization_signed_response_alg`, JARM section 3).
    pub fn new() -> Self {
        Self { algorithms: vec![Algorithm::RS256], must_be_encrypted: false }
    }

    /// What a client registered: `authorization_signed_response_alg`, and whether responses are encrypted for it.
    ///
    /// # Errors
    ///
    /// A configuration error when the registered algorithm is `none`, or one that is not known here.
    pub fn of_registration(client: &RegisteredClient) -> Result<Self> {
        let text = |name: &str| client.get(name).and_then(Value::as_str);
        let registered = text("authorization_signed_response_alg").unwrap_or(Algorithm::RS256.as_str());
        let Some(algorithm) = Algorithm::of(registered) else {
            let problem = format!(
                "the registration's authorization_signed_response_alg {registered:?} is not accepted"
            );
            return Err(Error::configuration("fapi", problem));
        };
        let must_be_encrypted = text("authorization_encrypted_response_alg").is_some();
        Ok(Self { algorithms: vec![algorithm], must_be_encrypted })
    }

    /// Accepts these algorithms only: what the client registered as `authorization_signed_response_alg`. What the provider's metadata
    /// lists can narrow this, and never widen it.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Refuses responses that are not encrypted, because the client registered `authorization_encrypted_response_alg`. Only then may a
    /// response in the query have an ID token.
    pub fn encrypted(mut self) -> Self {
        self.must_be_encrypted = true;
        self
    }

    /// What signs the responses.
    pub(crate) fn accepted_algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    fn expected(&self) -> JwtExpectations {
        let expected = JwtExpectations::new(JwtUse::AuthorizationResponse)
            .during(Operation::FINISH_LOGIN)
            .algorithms(self.algorithms.iter().copied())
            .issue_times_ignored();
        if self.must_be_encrypted { expected.encrypted() } else { expected }
    }
}

#[async_trait]
impl Participant for SignedResponses {
    fn opens_callbacks(&self) -> bool {
        true
    }

    fn accepted(&self) -> String {
        format!("{:?} {}", self.algorithms, self.must_be_encrypted)
    }

    fn begin(&self, client: &OAuth2, attempt: LoginAttempt) -> Result<LoginAttempt> {
        if OpenIDConnect::of(client).is_none() {
            return Err(no_keys(client).during(Operation::START_LOGIN));
        }
        let mode = attempt.response_mode().signed();
        Ok(attempt.with_response_mode(mode))
    }

    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<()> {
        let wrong = |problem: &str| {
            let kind = ErrorKind::Configuration(problem.to_owned());
            Err(client.error(Operation::GET_AUTHORIZATION_URL, kind))
        };
        let mode = match params.get("response_mode") {
            None => ResponseMode::Jwt,
            Some(name) => match ResponseMode::of(name) {
                Some(mode) => mode.signed(),
                None => {
                    return wrong("the response_mode that was asked for cannot be signed (JARM section 2.3)");
                }
            },
        };
        let has_id_token = params.get("response_type").is_some_and(|kind| kind.contains("id_token"));
        if mode == ResponseMode::QueryJwt && has_id_token && !self.must_be_encrypted {
            return wrong(
                "an ID token in a query would show it to logs and other sites unless it is encrypted (JARM section 2.3.1); use \
                 form_post, or SignedResponses::encrypted",
            );
        }
        params.set("response_mode", mode.as_str());
        Ok(())
    }

    async fn state_of_callback(&self, client: &OAuth2, callback: &Callback) -> Option<String> {
        let claims = unverified(client, callback.signed_response()?).await.ok()?;
        Some(claims.get("state")?.as_str()?.to_owned())
    }

    async fn open_callback(
        &self,
        client: &OAuth2,
        attempt: &LoginAttempt,
        callback: &Callback,
    ) -> Result<Option<Callback>> {
        let Some(response) = callback.signed_response() else { return Ok(None) };
        let openid = OpenIDConnect::of(client).ok_or_else(|| no_keys(client))?;
        // A response to another login makes no request for keys. It is compared once more when it is verified.
        if let Some(Value::String(state)) = unverified(client, response).await?.get("state")
            && !same_secret(state, attempt.state())
        {
            return Err(client.error(Operation::FINISH_LOGIN, ErrorKind::Login(LoginError::StateMismatch)));
        }
        let claims = openid.verify_jwt(response, &self.expected()).await?;
        Ok(Some(callback.opened(parameters(client, claims)?)))
    }
}

fn no_keys(client: &OAuth2) -> Error {
    let problem = "signed responses are verified with the keys of OpenID Connect metadata, and the client has none; make it with \
                   oauth-openid";
    client.error(Operation::FINISH_LOGIN, ErrorKind::Configuration(problem.to_owned()))
}

/// What a response says, if anybody can be believed.
async fn unverified(client: &OAuth2, response: &str) -> Result<Map<String, Value>> {
    match OpenIDConnect::of(client) {
        Some(openid) => {
            let claims = openid.unverified_claims(response, JwtUse::AuthorizationResponse).await;
            claims.map_err(|error| error.during(Operation::FINISH_LOGIN))
        }
        None => Ok(Map::new()),
    }
}

/// The parameters of a response that was verified.
fn parameters(client: &OAuth2, claims: Map<String, Value>) -> Result<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    for (name, value) in claims {
        match value {
            _ if ABOUT_THE_JWT.contains(&&*name) => {}
            Value::String(text) => parameters.push((name, text)),
            _ if TEXTS.contains(&&*name) => {
                let reason = format!("its {name} is not a text");
                let error = JwtError { token: JwtUse::AuthorizationResponse, check: JwtCheck::Form, reason };
                return Err(client.error(Operation::FINISH_LOGIN, ErrorKind::Jwt(error)));
            }
            // Whatever else is in it is ignored (JARM section 2.1).
            _ => {}
        }
    }
    Ok(parameters)
}

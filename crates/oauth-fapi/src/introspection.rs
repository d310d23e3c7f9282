//! Introspection of tokens by a resource server (RFC 7662), also by signed answers (RFC 9701).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Endpoint, Error, ErrorKind, JwtCheck, JwtError, JwtUse, OAuth2, OffsetDateTime, Operation, Provider,
    Response, Result,
    http::{Method, header},
};
use oauth_openid::{Algorithm, JwtExpectations, OpenIDConnect};
use serde_json::{Map, Value};

use crate::token_claims::{TokenClaims, date};

/// Asks an authorization server about the tokens that a resource server is sent.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use oauth_fapi::{Introspector, oauth_core::Provider};
///
/// # async fn f(provider: Arc<dyn Provider>, token: &str) -> Result<(), oauth_fapi::oauth_core::Error> {
/// let introspector = Introspector::new(provider).with_cache(10_000, Duration::from_secs(30));
/// match introspector.introspect(token).await? {
///     Some(claims) => println!("{:?} may {:?}", claims.subject(), claims.scopes()),
///     None => println!("401: the token is not active"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Introspector {
    provider: Arc<dyn Provider>,
    form: AnswerForm,
    cache: Option<Arc<AnswerCache>>,
}

/// In which form the server is to answer.
#[derive(Clone, Debug)]
enum AnswerForm {
    Json,
    /// As a JWT, by one of these algorithms.
    Signed {
        algorithms: Vec<Algorithm>,
        is_encrypted: bool,
    },
}

const MEDIA_TYPE: &str = "application/token-introspection+jwt";
/// Nobody wants to serve a revoked token for longer.
const LONGEST_CACHED: Duration = Duration::from_secs(24 * 60 * 60);
/// For clocks that differ.
const LEEWAY: Duration = Duration::from_secs(60);

impl Introspector {
    /// Asks this provider with the credentials of its client, which are those of the resource server. Each call asks anew.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, form: AnswerForm::Json, cache: None }
    }

    /// Demands answers that the server has signed (RFC 9701) by RS256, which is what it does unless the resource server registered
    /// another algorithm. Plain JSON in their place is refused.
    #[must_use]
    pub fn with_signed_answers(self) -> Self {
        self.with_answers_signed_by([Algorithm::RS256])
    }

    /// Demands answers that the server has signed by the algorithm that the resource server registered
    /// (`introspection_signed_response_alg`).
    #[must_use]
    pub fn with_answers_signed_by(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let algorithms = algorithms.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect();
        self.form = AnswerForm::Signed { algorithms, is_encrypted: false };
        self
    }

    /// Demands that signed answers are encrypted too, as the resource server registered
    /// (`introspection_encrypted_response_alg`). The provider's client must have a decrypter.
    #[must_use]
    pub fn with_encrypted_answers(mut self) -> Self {
        let algorithms = match self.form {
            AnswerForm::Json => vec![Algorithm::RS256],
            AnswerForm::Signed { algorithms, .. } => algorithms,
        };
        self.form = AnswerForm::Signed { algorithms, is_encrypted: true };
        self
    }

    /// Keeps up to so many answers, each for so long and never beyond the token's expiry. A token that is revoked meanwhile is good until
    /// then, so keep them for seconds. That a token is not active is not kept.
    #[must_use]
    pub fn with_cache(mut self, capacity: usize, lifetime: Duration) -> Self {
        let lifetime = lifetime.min(LONGEST_CACHED);
        let cache = AnswerCache { capacity, lifetime, answers: Mutex::default() };
        self.cache = (capacity > 0 && !lifetime.is_zero()).then(|| Arc::new(cache));
        self
    }

    /// Asks about an access token. `None` if it is not active: nothing else that the server says of it counts then.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where no introspection endpoint is known; a malformed-reply error when the answer is not one, or is
    /// not signed though that is demanded; an error of [`ErrorKind::Jwt`] that says which check of a signed one failed; else any
    /// [`Error`].
    pub async fn introspect(&self, token: &str) -> Result<Option<TokenClaims>> {
        self.introspect_hinted(token, None).await
    }

    /// Asks about a token of any kind, with a hint of which: `access_token` or `refresh_token`.
    ///
    /// # Errors
    ///
    /// As [`introspect`](Self::introspect).
    pub async fn introspect_hinted(&self, token: &str, hint: Option<&str>) -> Result<Option<TokenClaims>> {
        let now = || self.provider.oauth2().clock().now();
        if let Some(known) = self.cache.as_ref().and_then(|cache| cache.get(token, now())) {
            return Ok(Some(known));
        }
        let answer = self.asked(token, hint).await;
        let members = answer.map_err(|error| self.provider.translate_error(error))?;
        let claims = members.filter(|members| is_current(members, now())).map(TokenClaims);
        if let (Some(cache), Some(claims)) = (&self.cache, &claims) {
            cache.put(token, claims, now());
        }
        Ok(claims)
    }

    /// What the server says of a token that it calls active.
    async fn asked(&self, token: &str, hint: Option<&str>) -> Result<Option<Map<String, Value>>> {
        let operation = Operation::INTROSPECT_TOKEN;
        let AnswerForm::Signed { algorithms, is_encrypted } = &self.form else {
            let Value::Object(members) = self.provider.oauth2().introspect_token(token, hint).await? else {
                return Ok(None);
            };
            return Ok((members.get("active") == Some(&Value::Bool(true))).then_some(members));
        };
        let client = self.provider.oauth2().ready().await?;
        let endpoint = client.endpoints().get(Endpoint::Introspection);
        let endpoint =
            endpoint.ok_or_else(|| client.unsupported(operation, "tokens cannot be introspected"))?;
        let Some(openid) = OpenIDConnect::of(&*self.provider) else {
            let reason =
                "without OpenID Connect the keys of the server are not known, which signs its answers";
            return Err(client.unsupported(operation, reason));
        };
        let reply = client
            .request(operation, Method::POST, endpoint)
            .endpoint(Endpoint::Introspection)
            .client_auth(client.introspection_auth().unwrap_or(client.client_auth()))
            .header("accept", MEDIA_TYPE)
            .form([("token", token), ("token_type_hint", hint.unwrap_or_default())])
            .send()
            .await?;
        let jwt = signed_answer(&reply)?;
        let mut expected = JwtExpectations::new(JwtUse::IntrospectionResponse)
            .during(operation)
            .type_required("token-introspection+jwt")
            .without_expiry()
            .algorithms(algorithms.iter().copied());
        if *is_encrypted {
            expected = expected.encrypted();
        }
        let mut claims = openid.verify_jwt(jwt, &expected).await?;
        let Some(Value::Object(members)) = claims.remove("token_introspection") else {
            let reason = "it lacks the object member `token_introspection`".to_owned();
            return Err(refused(&client, reason));
        };
        match members.get("active") {
            Some(Value::Bool(true)) => Ok(Some(members)),
            Some(Value::Bool(false)) => Ok(None),
            _ => {
                Err(refused(&client, "its token_introspection lacks the boolean member `active`".to_owned()))
            }
        }
    }
}

/// The JWT that a server answers with when it was asked for one.
fn signed_answer(reply: &Response) -> Result<&str> {
    let kind = reply.header(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != MEDIA_TYPE {
        let problem =
            format!("it is not signed, though that is demanded: its type is {kind:?}, and not {MEDIA_TYPE}");
        return Err(reply.malformed(problem));
    }
    std::str::from_utf8(reply.body()).map(str::trim).map_err(|_| reply.malformed("it is not text"))
}

fn refused(client: &OAuth2, reason: String) -> Error {
    let error = JwtError { token: JwtUse::IntrospectionResponse, check: JwtCheck::Form, reason };
    client.error(Operation::INTROSPECT_TOKEN, ErrorKind::Jwt(error))
}

/// Whether a token is of now, whatever the server says: a time that is there must be one (RFC 7662 section 2.2).
fn is_current(members: &Map<String, Value>, now: OffsetDateTime) -> bool {
    let time = |name: &str| members.get(name).filter(|value| !value.is_null());
    // Zero means to some that there is no end.
    let has_ended = time("exp")
        .is_some_and(|exp| exp.as_f64() != Some(0.0) && expires(exp).is_none_or(|exp| exp < now - LEEWAY));
    let has_not_begun = time("nbf").is_some_and(|nbf| date(nbf).is_none_or(|nbf| nbf > now + LEEWAY));
    !has_ended && !has_not_begun
}

/// An expiry, which may be further away than any calendar goes.
fn expires(exp: &Value) -> Option<OffsetDateTime> {
    let seconds = match exp {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    date(&Value::from(seconds.min(253_402_300_799.0)))
}

/// Answers about tokens that are active, by the hash of the token.
struct AnswerCache {
    capacity: usize,
    lifetime: Duration,
    answers: Mutex<HashMap<String, (TokenClaims, OffsetDateTime)>>,
}

impl AnswerCache {
    fn get(&self, token: &str, now: OffsetDateTime) -> Option<TokenClaims> {
        let answers = self.lock();
        let (claims, until) = answers.get(&name(token))?;
        (now < *until).then(|| claims.clone())
    }

    fn put(&self, token: &str, claims: &TokenClaims, now: OffsetDateTime) {
        let latest = now + self.lifetime;
        let until = claims.0.get("exp").and_then(expires).filter(|exp| exp.unix_timestamp() != 0);
        let until = until.map_or(latest, |exp| exp.min(latest));
        if until <= now {
            return;
        }
        let mut answers = self.lock();
        let name = name(token);
        if answers.len() >= self.capacity && !answers.contains_key(&name) {
            answers.retain(|_, (_, until)| *until > now);
            if answers.len() >= self.capacity {
                let first = answers.iter().min_by_key(|(_, (_, until))| *until).map(|(name, _)| name.clone());
                first.map(|first| answers.remove(&first));
            }
        }
        answers.insert(name, (claims.clone(), until));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (TokenClaims, OffsetDateTime)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under which name an answer is kept. It does not show the token.
fn name(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()))
}

impl fmt::Debug for AnswerCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerCache")
            .field("capacity", &self.capacity)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector")
            .field("provider", &self.provider.name())
            .field("form", &self.form)
            .field("cache", &self.cache)
            .finish()
    }
}

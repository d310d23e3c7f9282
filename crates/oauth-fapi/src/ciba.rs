//! Authentication on a device of the user's own, which the client starts without a browser (OpenID Connect Client-Initiated Backchannel
//! Authentication, CIBA).

mod attempt;
mod endpoint;
mod request;

use std::{
    borrow::Cow,
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Endpoint, Error, ErrorKind, JwtCheck, JwtError, JwtUse, OAuth2, OAuth2Token, Operation, Polled, Polling,
    Provider, Response, Result, Timer, http::Method, parse_json, random_token, same_secret,
};
use oauth_openid::{Algorithm, Expectations, IdToken, OpenIDConnect};
use serde_json::{Map, Value};

use crate::{
    assertion::not_signed,
    signing::{Signer, sign_jwt},
};

pub use self::{
    attempt::{CibaAttempt, CibaDelivery},
    endpoint::{CibaAnswer, CibaEndpoint, CibaNotification, EXPECT_NOTIFICATION, PushedTokens},
    request::CibaRequest,
};

/// The method [`Ciba::start`], in errors.
pub const START_CIBA: Operation = Operation::new("start_ciba");
/// The methods [`Ciba::finish`] and [`Ciba::redeem`], in errors.
pub const FINISH_CIBA: Operation = Operation::new("finish_ciba");
/// The method [`Ciba::accept`], in errors.
pub const ACCEPT_PUSH: Operation = Operation::new("accept_ciba_push");

const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";
/// How long a signed request lives.
const REQUEST_LIFETIME: Duration = Duration::from_secs(60);
/// How often a client asks that waits for a notification, should that be lost.
const FALLBACK_INTERVAL: Duration = Duration::from_secs(60);
/// How often at least it asks while the attempt lives, so that one that lives for a minute does not end unasked.
const LEAST_FALLBACKS: u32 = 3;
/// The interval where the provider names none (section 7.3).
const USUAL_INTERVAL: Duration = Duration::from_secs(5);

/// A client that has users authenticated on their own devices (CIBA).
///
/// ```
/// use oauth_fapi::{Ciba, CibaRequest, oauth_core::{Provider, Result}};
///
/// # async fn f(bank: &dyn Provider) -> Result<()> {
/// let ciba = Ciba::new(bank);
/// let request = CibaRequest::for_login_hint("jane@example.com").with_binding_message("W4SCT");
/// let attempt = ciba.start(&request).await?;
/// // Jane compares W4SCT on her telephone with what the application shows, and agrees.
/// let login = ciba.finish(&attempt).await?;
/// println!("{} agreed", login.id_token.subject());
/// # Ok(())
/// # }
/// ```
///
/// [`finish`](Self::finish) polls. In ping and push mode the provider reports to a [`CibaEndpoint`].
#[derive(Clone)]
#[must_use]
pub struct Ciba<'p> {
    provider: &'p dyn Provider,
    delivery: CibaDelivery,
    signer: Option<Arc<dyn Signer>>,
    timer: Option<Arc<dyn Timer>>,
}

/// What an authentication ended with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CibaLogin {
    /// The tokens.
    pub token: OAuth2Token,
    /// The ID token, which says who agreed. It has passed all checks.
    pub id_token: IdToken,
}

impl<'p> Ciba<'p> {
    /// A client in poll mode. It must be one of OpenID Connect, because an ID token says who agreed.
    pub fn new(provider: &'p dyn Provider) -> Self {
        Self { provider, delivery: CibaDelivery::Poll, signer: None, timer: None }
    }

    /// Learns in this way that the user has decided, which must be the one that the client is registered for.
    pub fn with_delivery(mut self, delivery: CibaDelivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Signs each request (section 7.1.1).
    pub fn signed_by(mut self, signer: Arc<dyn Signer>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Waits between polls by this timer in place of Tokio's.
    pub fn with_timer(mut self, timer: Arc<dyn Timer>) -> Self {
        self.timer = Some(timer);
        self
    }

    /// Asks the provider to authenticate a user.
    ///
    /// # Errors
    ///
    /// A configuration error when the request or the client's settings do not fit the provider, before anything is sent; what the
    /// provider refuses with, such as `unknown_user_id` (section 13); any other [`Error`]. There is nothing to poll for then.
    pub async fn start(&self, request: &CibaRequest) -> Result<CibaAttempt> {
        let outcome = self.started(request).await;
        outcome.map_err(|error| self.provider.translate_error(error.during(START_CIBA)))
    }

    async fn started(&self, request: &CibaRequest) -> Result<CibaAttempt> {
        let client = self.provider.oauth2();
        request.check().map_err(|problem| configuration(client, problem))?;
        let client = client.ready().await?;
        let endpoint = client.endpoints().get(Endpoint::BackchannelAuthentication).map(str::to_owned);
        let endpoint = endpoint.ok_or_else(|| {
            client.unsupported(START_CIBA, "it has no backchannel authentication endpoint, and so no CIBA")
        })?;
        self.check_metadata(&client, request).await?;
        let notification_token = match self.delivery {
            CibaDelivery::Poll => None,
            CibaDelivery::Ping | CibaDelivery::Push => Some(random_token()?),
        };
        let notification_token = notification_token.as_deref();
        let form: Vec<(&str, Cow<'_, str>)> = match &self.signer {
            Some(signer) => {
                let jwt = signed(&client, &**signer, request, notification_token).await?;
                vec![("request", jwt.into())]
            }
            None => {
                let token = notification_token.map(|token| ("client_notification_token", Cow::from(token)));
                request.form().into_iter().chain(token).collect()
            }
        };
        let form = form.iter().map(|(name, value)| (*name, &**value));
        let started_at = client.clock().now();
        let reply = client
            .request(START_CIBA, Method::POST, endpoint)
            .endpoint(Endpoint::BackchannelAuthentication)
            .client_auth(client.client_auth())
            .form(form)
            .send()
            .await?;
        let (auth_req_id, expires_in, interval) = acknowledgement(&reply)?;
        let mut attempt = CibaAttempt::new(
            auth_req_id.into(),
            notification_token,
            self.delivery,
            started_at,
            expires_in,
            interval,
        );
        attempt.required_acr = request.required_acr().to_vec();
        Ok(attempt)
    }

    /// Polls until the user has decided, the time is up, or the provider says that nothing will come of it. In ping mode it asks only
    /// once a minute, and at least three times, for the case that the notification is lost; see
    /// [`finish_when_pinged`](Self::finish_when_pinged).
    ///
    /// # Errors
    ///
    /// What ended it: `access_denied` where the user refused, [`Expired`](oauth_core::LoginError::Expired) when the time is up, an error
    /// of [`ErrorKind::Jwt`] when the ID token fails a check (the tokens are then in [`Error::tokens`]), or any other [`Error`].
    pub async fn finish(&self, attempt: &CibaAttempt) -> Result<CibaLogin> {
        self.finish_when_pinged(attempt, std::future::pending()).await
    }

    /// Redeems the attempt as soon as the future ends, which the application ends when the provider's notification has come; until then
    /// it asks as [`finish`](Self::finish) does. A provider that has pinged and still says that the user has not decided is asked again at
    /// its interval.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub async fn finish_when_pinged(
        &self,
        attempt: &CibaAttempt,
        ping: impl Future<Output = ()>,
    ) -> Result<CibaLogin> {
        let mut polling = self.polling(attempt)?;
        let mut ping = pin!(ping);
        let mut is_pinged = false;
        loop {
            if is_pinged {
                polling.wait().await?;
            } else {
                is_pinged = {
                    let mut wait = pin!(polling.wait());
                    poll_fn(|context| match ping.as_mut().poll(context) {
                        Poll::Ready(()) => Poll::Ready(Ok(true)),
                        Poll::Pending => wait.as_mut().poll(context).map_ok(|()| false),
                    })
                    .await?
                };
                if is_pinged {
                    // From here on nothing is waited for that could be lost, so the provider's own interval counts.
                    polling = self.polling_every(attempt, attempt.interval());
                }
            }
            let outcome = self.tokens(attempt).await;
            if let Polled::Done((client, token)) = polling.judge(outcome)? {
                return self.verified(&client, attempt, token, FINISH_CIBA).await;
            }
        }
    }

    /// The polling of an attempt, for a program that shows how things stand: hand it [`redeem`](Self::redeem) at each step.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error in push mode, where the token endpoint is not asked.
    pub fn polling(&self, attempt: &CibaAttempt) -> Result<Polling> {
        let client = self.provider.oauth2();
        let interval = match attempt.delivery {
            CibaDelivery::Poll => attempt.interval(),
            CibaDelivery::Ping => {
                let left = attempt.lifetime_at(client.clock().now());
                let fallback = FALLBACK_INTERVAL.min(left / (LEAST_FALLBACKS + 1));
                Some(attempt.interval().unwrap_or(USUAL_INTERVAL).max(fallback))
            }
            CibaDelivery::Push => return Err(not_asked(client)),
        };
        Ok(self.polling_every(attempt, interval))
    }

    fn polling_every(&self, attempt: &CibaAttempt, interval: Option<Duration>) -> Polling {
        let client = self.provider.oauth2();
        let lifetime = attempt.lifetime_at(client.clock().now());
        let polling = Polling::new(FINISH_CIBA, client.name().to_owned(), interval, lifetime)
            .with_clock(client.clock().clone());
        match &self.timer {
            Some(timer) => polling.with_timer(timer.clone()),
            None => polling,
        }
    }

    /// Asks for the tokens of an attempt, once: when the provider has [pinged](CibaNotification::Ping), or at a step of
    /// [`polling`](Self::polling).
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish), and `authorization_pending` while the user has not decided.
    pub async fn redeem(&self, attempt: &CibaAttempt) -> Result<CibaLogin> {
        if attempt.delivery == CibaDelivery::Push {
            return Err(not_asked(self.provider.oauth2()));
        }
        let (client, token) = self.tokens(attempt).await?;
        self.verified(&client, attempt, token, FINISH_CIBA).await
    }

    async fn tokens(&self, attempt: &CibaAttempt) -> Result<(OAuth2, OAuth2Token)> {
        let client = self.provider.oauth2().ready().await.map_err(|error| error.during(FINISH_CIBA))?;
        let form = [("grant_type", GRANT_TYPE), ("auth_req_id", attempt.auth_req_id().expose())];
        let outcome = client.request_token(FINISH_CIBA, client.endpoints().token(), form).await;
        let token = outcome.map_err(|error| self.provider.translate_error(error))?;
        Ok((client, token))
    }

    /// Verifies tokens that the provider has pushed (section 10.3.1): the ID token must belong to this attempt and to the tokens beside
    /// it.
    ///
    /// # Errors
    ///
    /// An error of [`ErrorKind::Jwt`] that says which check failed, or any error of reading the keys.
    pub async fn accept(&self, attempt: &CibaAttempt, pushed: PushedTokens) -> Result<CibaLogin> {
        let client = self.provider.oauth2().ready().await.map_err(|error| error.during(ACCEPT_PUSH))?;
        let PushedTokens(mut token) = pushed;
        client.check_new_token(&mut token).map_err(|error| error.during(ACCEPT_PUSH))?;
        let login = self.verified(&client, attempt, token, ACCEPT_PUSH).await?;
        check_push(attempt, &login).map_err(|(check, reason)| {
            let error = JwtError { token: JwtUse::IdToken, check, reason };
            client.error(ACCEPT_PUSH, ErrorKind::Jwt(error))
        })?;
        Ok(login)
    }

    /// Verifies the ID token among the tokens, and who it is about.
    async fn verified(
        &self,
        client: &OAuth2,
        attempt: &CibaAttempt,
        token: OAuth2Token,
        operation: Operation,
    ) -> Result<CibaLogin> {
        let refuse = |error: Error| error.during(operation).with_tokens(token.clone());
        let Some(openid) = OpenIDConnect::of(self.provider) else {
            let reason = "without OpenID Connect nothing says who has agreed";
            return Err(refuse(client.unsupported(operation, reason)));
        };
        let Some(id_token) = token.id_token() else {
            let reason = "the provider sent none, though the scope openid was asked for".to_owned();
            let error = JwtError { token: JwtUse::IdToken, check: JwtCheck::Presence, reason };
            return Err(refuse(client.error(operation, ErrorKind::Jwt(error))));
        };
        // It answers a request of this client's, and comes from the token endpoint or names the request: no nonce is foreseen.
        let mut expected = Expectations::new()
            .without_nonce()
            .scopes_allowed()
            .access_token(token.access_token())
            .issued_after(attempt.started_at())
            .acr(&attempt.required_acr);
        if operation == ACCEPT_PUSH {
            expected = expected.at_hash_required();
        }
        let id_token = openid.verify_id_token(id_token, &expected).await.map_err(refuse)?;
        Ok(CibaLogin { token, id_token })
    }

    /// That the provider's metadata, where it says something of CIBA, allows what is asked.
    async fn check_metadata(&self, client: &OAuth2, request: &CibaRequest) -> Result<()> {
        let Some(openid) = OpenIDConnect::of(self.provider) else {
            let reason = "CIBA needs a client of OpenID Connect, because the ID token says who has agreed";
            return Err(client.unsupported(START_CIBA, reason));
        };
        let Some(metadata) = openid.metadata().await? else { return Ok(()) };
        let lists =
            |member: &str, wanted: &str| metadata.list(member).is_none_or(|listed| listed.contains(&wanted));
        if !lists("backchannel_token_delivery_modes_supported", self.delivery.as_str()) {
            let problem = format!(
                "the provider has no {} mode (backchannel_token_delivery_modes_supported)",
                self.delivery.as_str()
            );
            return Err(configuration(client, problem));
        }
        if request.has_user_code() && !metadata.flag("backchannel_user_code_parameter_supported") {
            let problem = "the provider takes no user code (backchannel_user_code_parameter_supported)";
            return Err(configuration(client, problem.to_owned()));
        }
        let list = "backchannel_authentication_request_signing_alg_values_supported";
        if let Some(signer) = &self.signer
            && !lists(list, signer.algorithm().as_str())
        {
            let problem = format!(
                "the provider takes no requests that are signed with {} ({list})",
                signer.algorithm()
            );
            return Err(configuration(client, problem));
        }
        Ok(())
    }
}

/// The request as a signed JWT (section 7.1.1).
async fn signed(
    client: &OAuth2,
    signer: &dyn Signer,
    request: &CibaRequest,
    notification_token: Option<&str>,
) -> Result<String> {
    let Some(issuer) = client.issuer() else {
        let problem = "the issuer identifier is not known, which a signed request is for".to_owned();
        return Err(configuration(client, problem));
    };
    let now = client.clock().now().unix_timestamp();
    let lifetime = i64::try_from(REQUEST_LIFETIME.as_secs()).unwrap_or_default();
    let mut claims = request.claims();
    if let Some(token) = notification_token {
        claims.insert("client_notification_token".to_owned(), token.into());
    }
    let own: [(&str, Value); 6] = [
        ("iss", client.client_id().into()),
        ("aud", issuer.into()),
        ("iat", now.into()),
        ("nbf", now.into()),
        ("exp", now.saturating_add(lifetime).into()),
        ("jti", random_token()?.into()),
    ];
    claims.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let jwt = sign_jwt(signer, Map::new(), &claims).await;
    jwt.map_err(|error| not_signed(error).at(client.name().to_owned()))
}

/// Reads what the provider acknowledges a request with (section 7.3).
fn acknowledgement(reply: &Response) -> Result<(String, u64, Option<u64>)> {
    let value = reply.object()?;
    let id = value["auth_req_id"].as_str().filter(|id| !id.is_empty());
    let Some(id) = id else { return Err(reply.malformed("it has no auth_req_id")) };
    let Some(expires_in) = seconds(&value["expires_in"]).filter(|seconds| *seconds > 0) else {
        return Err(reply.malformed("its expires_in is not a positive number of seconds"));
    };
    let interval = match &value["interval"] {
        Value::Null => None,
        interval => match seconds(interval) {
            Some(seconds) => Some(seconds),
            None => return Err(reply.malformed("its interval is not a number of seconds")),
        },
    };
    Ok((id.to_owned(), expires_in, interval))
}

/// A whole number of seconds, which some servers send as a text.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}

/// What must tie pushed tokens to the attempt and to each other (section 10.3.1).
fn check_push(attempt: &CibaAttempt, login: &CibaLogin) -> Result<(), (JwtCheck, String)> {
    const ID: &str = "urn:openid:params:jwt:claim:auth_req_id";
    const REFRESH_TOKEN_HASH: &str = "urn:openid:params:jwt:claim:rt_hash";
    let text = |claim: &str| login.id_token.get(claim).and_then(Value::as_str).unwrap_or_default();
    if !same_secret(text(ID), attempt.auth_req_id().expose()) {
        return Err((JwtCheck::Agreement, "its auth_req_id is not that of this request".to_owned()));
    }
    if let Some(refresh_token) = login.token.refresh_token() {
        let expected = algorithm_of(login.id_token.raw())
            .map(|algorithm| algorithm.left_half_hash(refresh_token))
            .ok_or_else(|| (JwtCheck::Algorithm, "its alg is not known".to_owned()))?;
        if !same_secret(text(REFRESH_TOKEN_HASH), &expected) {
            return Err((
                JwtCheck::Agreement,
                "its rt_hash is not that of the refresh token that came with it".to_owned(),
            ));
        }
    }
    Ok(())
}

/// The algorithm of a JWT that is verified already.
fn algorithm_of(jwt: &str) -> Option<Algorithm> {
    let header = URL_SAFE_NO_PAD.decode(jwt.split('.').next()?).ok()?;
    Algorithm::of(parse_json(&header).ok()?["alg"].as_str()?)
}

fn configuration(client: &OAuth2, problem: String) -> Error {
    client.error(START_CIBA, ErrorKind::Configuration(problem))
}

fn not_asked(client: &OAuth2) -> Error {
    client.unsupported(FINISH_CIBA, "in push mode the provider sends the tokens, and is not asked for them")
}

impl fmt::Debug for Ciba<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ciba")
            .field("provider", &self.provider.name())
            .field("delivery", &self.delivery)
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}

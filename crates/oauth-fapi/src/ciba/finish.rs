//! How an authentication ends: polling, notifications, and the checks of the tokens (CIBA sections 10 and 11).

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Error, ErrorKind, JwtCheck, JwtError, JwtUse, OAuth2, OAuth2Token, Operation, Polled, Polling, Result,
    parse_json, same_secret,
};
use oauth_openid::{Algorithm, Expectations, OpenIDConnect};
use serde_json::Value;

use super::{
    attempt::{CibaAttempt, CibaDelivery},
    client::{Ciba, CibaLogin},
    endpoint::{ACCEPT_PUSH, PushedTokens},
};

/// The methods [`Ciba::finish`] and [`Ciba::redeem`], in errors.
pub const FINISH_CIBA: Operation = Operation::new("finish_ciba");

const GRANT_TYPE: &str = "urn:openid:params:grant-type:ciba";
/// How often a client asks that waits for a notification, should that be lost.
const FALLBACK_INTERVAL: Duration = Duration::from_secs(60);
/// How often at least it asks while the attempt lives, so that one that lives for a minute does not end unasked.
const LEAST_FALLBACKS: u32 = 3;
/// The interval where the provider names none (section 7.3).
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
/// For how long the checks of tokens that came are repeated during an outage.
const CHECKED_FOR: Duration = Duration::from_secs(10 * 60);
/// The pause before the checks are repeated grows from twice this.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

impl<'p> Ciba<'p> {
    /// Polls until the user has decided, the time is up, or the provider says that nothing will come of it. In ping mode it asks only
    /// once a minute, and at least three times, for the case that the notification is lost; see
    /// [`finish_when_pinged`](Self::finish_when_pinged).
    ///
    /// When the tokens have come, an outage that keeps the ID token from being verified, such as that of the provider's keys, is waited
    /// out for ten minutes.
    ///
    /// # Errors
    ///
    /// What ended it: `access_denied` where the user refused, [`Expired`](oauth_core::LoginError::Expired) when the time is up, an error
    /// of [`ErrorKind::Jwt`] when the ID token fails a check, or any other [`Error`]. Tokens that came are in [`Error::tokens`]; if the
    /// error is [transient](oauth_core::ErrorClass::Transient) too, [`check_tokens`](Self::check_tokens) goes on with them.
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
            if let Polled::Done(token) = polling.judge(outcome)? {
                return self.received(token, FINISH_CIBA).checked(self, attempt).await;
            }
        }
    }

    /// The states of an attempt, one after the other, for a program that shows how things stand.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error in push mode, where the token endpoint is not asked.
    pub fn states(&self, attempt: &CibaAttempt) -> Result<CibaStates<'p>> {
        let polling = self.polling(attempt)?;
        Ok(CibaStates {
            ciba: self.clone(),
            attempt: attempt.clone(),
            polling,
            received: None,
            is_over: false,
        })
    }

    /// The polling of an attempt, for a program that polls in a way of its own: hand it [`redeem`](Self::redeem) at each step.
    /// [`states`](Self::states) does so, and can be stopped at any moment without losing tokens.
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
        self.polling_for(FINISH_CIBA, interval, attempt.lifetime_at(self.provider.oauth2().clock().now()))
    }

    fn polling_for(&self, operation: Operation, interval: Option<Duration>, lifetime: Duration) -> Polling {
        let client = self.provider.oauth2();
        let polling = Polling::new(operation, client.name().to_owned(), interval, lifetime)
            .with_clock(client.clock().clone());
        match &self.timer {
            Some(timer) => polling.with_timer(timer.clone()),
            None => polling,
        }
    }

    /// Asks for the tokens of an attempt, once: when the provider has [pinged](crate::CibaNotification::Ping), or at a step of
    /// [`polling`](Self::polling). An outage while they are checked is waited out, as [`finish`](Self::finish) does.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish), and `authorization_pending` while the user has not decided. A
    /// [transient](oauth_core::ErrorClass::Transient) error without tokens has spent nothing: ask again.
    pub async fn redeem(&self, attempt: &CibaAttempt) -> Result<CibaLogin> {
        if attempt.delivery == CibaDelivery::Push {
            return Err(not_asked(self.provider.oauth2()));
        }
        let token = self.tokens(attempt).await?;
        self.received(token, FINISH_CIBA).checked(self, attempt).await
    }

    async fn tokens(&self, attempt: &CibaAttempt) -> Result<OAuth2Token> {
        let client = self.provider.oauth2().ready().await?;
        let form = [("grant_type", GRANT_TYPE), ("auth_req_id", attempt.auth_req_id().expose())];
        let outcome = client.request_token(FINISH_CIBA, client.endpoints().token(), form).await;
        outcome.map_err(|error| self.provider.translate_error(error))
    }

    /// Verifies tokens that the provider has pushed (section 10.3.1): the ID token must belong to this attempt and to the tokens beside
    /// it. An outage during the checks is waited out for ten minutes, because the provider does not push them again; so answer the
    /// provider first.
    ///
    /// # Errors
    ///
    /// An error of [`ErrorKind::Jwt`] that says which check failed, or any error of reading the keys. The tokens are in
    /// [`Error::tokens`]; if the error is [transient](oauth_core::ErrorClass::Transient), [`check_tokens`](Self::check_tokens) goes on
    /// with them.
    pub async fn accept(&self, attempt: &CibaAttempt, pushed: PushedTokens) -> Result<CibaLogin> {
        let PushedTokens(token) = pushed;
        self.received(token, ACCEPT_PUSH).checked(self, attempt).await
    }

    /// Checks tokens once more that came with a [transient](oauth_core::ErrorClass::Transient) error ([`Error::tokens`]): an outage
    /// longer than the ten minutes, or one in another process. Both the attempt and the tokens serialize.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish), or, in push mode, as [`accept`](Self::accept).
    pub async fn check_tokens(&self, attempt: &CibaAttempt, token: OAuth2Token) -> Result<CibaLogin> {
        let operation = match attempt.delivery {
            CibaDelivery::Push => ACCEPT_PUSH,
            CibaDelivery::Poll | CibaDelivery::Ping => FINISH_CIBA,
        };
        self.received(token, operation).checked(self, attempt).await
    }

    fn received(&self, token: OAuth2Token, operation: Operation) -> Received {
        let checks = self.polling_for(operation, Some(CHECK_INTERVAL), CHECKED_FOR);
        Received { token, operation, checks, failure: None }
    }

    /// Verifies the ID token among the tokens, and who it is about.
    async fn verified(
        &self,
        attempt: &CibaAttempt,
        mut token: OAuth2Token,
        operation: Operation,
    ) -> Result<CibaLogin> {
        let client = self.provider.oauth2().ready().await?;
        let is_push = operation == ACCEPT_PUSH;
        if is_push {
            client.check_new_token(&mut token).map_err(|error| error.during(operation))?;
        }
        let refuse = |check, reason| {
            let error = JwtError { token: JwtUse::IdToken, check, reason };
            client.error(operation, ErrorKind::Jwt(error))
        };
        let Some(openid) = OpenIDConnect::of(self.provider) else {
            let reason = "without OpenID Connect nothing says who has agreed";
            return Err(client.unsupported(operation, reason));
        };
        let Some(id_token) = token.id_token() else {
            let reason = "the provider sent none, though the scope openid was asked for".to_owned();
            return Err(refuse(JwtCheck::Presence, reason));
        };
        // It answers a request of this client's, and comes from the token endpoint or names the request: no nonce is foreseen.
        let mut expected = Expectations::new()
            .without_nonce()
            .scopes_allowed()
            .access_token(token.access_token())
            .issued_after(attempt.started_at())
            .acr(&attempt.required_acr);
        if is_push {
            expected = expected.at_hash_required();
        }
        let verified = openid.verify_id_token(id_token, &expected).await;
        let id_token = verified.map_err(|error| match error.kind() {
            ErrorKind::Jwt(_) => error.during(operation),
            // What the metadata or the keys were asked for keeps its own name, which decides what the error means.
            _ => error,
        })?;
        let login = CibaLogin { token, id_token };
        if is_push {
            check_push(attempt, &login).map_err(|(check, reason)| refuse(check, reason))?;
        }
        Ok(login)
    }
}

/// An authentication as a row of states: the state after each poll, and at the end the login or an error.
///
/// It asks nothing until the next state is asked for, and asks no more once it is dropped. The tokens are not lost when the future of
/// [`next`](Self::next) is dropped while they are checked: the next call checks them again.
///
/// ```
/// use oauth_fapi::{Ciba, CibaAttempt, CibaLogin, oauth_core::{Polled, Result}};
///
/// async fn shown(ciba: &Ciba<'_>, attempt: &CibaAttempt) -> Result<Option<CibaLogin>> {
///     let mut states = ciba.states(attempt)?;
///     while let Some(state) = states.next().await {
///         match state? {
///             Polled::Done(login) => return Ok(Some(login)),
///             Polled::Failed(error) => println!("{error}; trying again"),
///             _ => println!("waiting for the user"),
///         }
///     }
///     Ok(None)
/// }
/// ```
pub struct CibaStates<'p> {
    ciba: Ciba<'p>,
    attempt: CibaAttempt,
    polling: Polling,
    /// What came for the attempt, until it is checked.
    received: Option<Received>,
    is_over: bool,
}

impl CibaStates<'_> {
    /// Waits until the provider may be asked, and says what came of it; `None` after [`Polled::Done`] or an error.
    ///
    /// [`Polled::Failed`] is an outage, of the token endpoint or of what the tokens are checked with. It is tried again at the next call.
    pub async fn next(&mut self) -> Option<Result<Polled<CibaLogin>>> {
        if self.is_over {
            return None;
        }
        let state = self.advance().await;
        self.is_over = matches!(state, Ok(Polled::Done(_)) | Err(_));
        Some(state)
    }

    async fn advance(&mut self) -> Result<Polled<CibaLogin>> {
        let received = match &mut self.received {
            Some(received) => received,
            None => match self.polling.step(self.ciba.tokens(&self.attempt)).await? {
                Polled::Done(token) => self.received.insert(self.ciba.received(token, FINISH_CIBA)),
                Polled::SlowedDown(interval) => return Ok(Polled::SlowedDown(interval)),
                Polled::Failed(error) => return Ok(Polled::Failed(error)),
                _ => return Ok(Polled::Pending),
            },
        };
        received.check(&self.ciba, &self.attempt).await
    }
}

/// Tokens that came for an attempt, until they are checked. The attempt is spent, so that nothing else brings them again.
struct Received {
    token: OAuth2Token,
    operation: Operation,
    checks: Polling,
    /// Why they could not be checked so far.
    failure: Option<Error>,
}

impl Received {
    /// Checks them, after a pause if an outage has kept them from being checked before.
    async fn check(&mut self, ciba: &Ciba<'_>, attempt: &CibaAttempt) -> Result<Polled<CibaLogin>> {
        if let Some(failure) = &self.failure
            && self.checks.wait().await.is_err()
        {
            return Err(failure.clone().with_tokens(self.token.clone()));
        }
        let outcome = ciba.verified(attempt, self.token.clone(), self.operation).await;
        self.failure = outcome.as_ref().err().cloned();
        self.checks.judge(outcome).map_err(|error| error.with_tokens(self.token.clone()))
    }

    /// Checks them until that has come to an end.
    async fn checked(mut self, ciba: &Ciba<'_>, attempt: &CibaAttempt) -> Result<CibaLogin> {
        loop {
            if let Polled::Done(login) = self.check(ciba, attempt).await? {
                return Ok(login);
            }
        }
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

fn not_asked(client: &OAuth2) -> Error {
    client.unsupported(FINISH_CIBA, "in push mode the provider sends the tokens, and is not asked for them")
}

impl fmt::Debug for CibaStates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CibaStates").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

//! A client of the backchannel authentication endpoint, and how it starts an authentication (CIBA sections 5 to 7).

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use oauth_core::{
    Endpoint, Error, ErrorKind, OAuth2, OAuth2Token, Operation, Provider, Response, Result, Timer,
    http::Method, random_token,
};
use oauth_openid::{IdToken, OpenIDConnect};
use serde_json::{Map, Value};

use super::{
    attempt::{CibaAttempt, CibaDelivery},
    request::CibaRequest,
};
use crate::{
    assertion::not_signed,
    signing::{Signer, sign_jwt},
};

/// The method [`Ciba::start`], in errors.
pub const START_CIBA: Operation = Operation::new("start_ciba");

/// How long a signed request lives.
const REQUEST_LIFETIME: Duration = Duration::from_secs(60);

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
/// [`finish`](Self::finish) polls. In ping and push mode the provider reports to a [`CibaEndpoint`](crate::CibaEndpoint).
#[derive(Clone)]
#[must_use]
pub struct Ciba<'p> {
    pub(super) provider: &'p dyn Provider,
    delivery: CibaDelivery,
    signer: Option<Arc<dyn Signer>>,
    pub(super) timer: Option<Arc<dyn Timer>>,
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
        let problem = "the issuer identifier is not known, and a signed request must name it".to_owned();
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

fn configuration(client: &OAuth2, problem: String) -> Error {
    client.error(START_CIBA, ErrorKind::Configuration(problem))
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

//! Signed authorization requests (RFC 9101, OpenID Connect Core section 6).

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    AuthenticationError, AuthorizationParams, AuthorizationStage, Endpoint, Error, ErrorKind, OAuth2,
    Operation, Participant, RequestContext, RequestDemand, RequestDraft, Result, SigningError, async_trait,
    random_token,
};
use oauth_openid::{Algorithm, OpenIDConnect, ProviderMetadata};
use serde_json::{Map, Value};

use crate::{
    encryption::Encrypter, hosted_requests::HostedRequests, pushed_requests::PushedRequests,
    signing::SignError, signing_keys::SigningKeys,
};

/// The signing of an authorization request, in errors.
pub const SIGN_AUTHORIZATION_REQUEST: Operation = Operation::new("sign_authorization_request");

/// Signs authorization requests (RFC 9101, JAR), as a [participant](oauth_core::Participant) of a client.
///
/// All parameters of a request are in a signed JWT, the request object, so that nobody changes them on the way. With
/// [`PushedRequests`], in whichever order the two were added, the object is pushed; else it is in the URL, or, with
/// [`hosted`](Self::hosted), the server fetches it from the application. Each try has an object of its own.
///
/// ```
/// use std::sync::Arc;
///
/// use oauth_fapi::{SignedRequests, Signer, oauth_core::Provider, oauth_openid::OpenID};
///
/// # fn f(signer: Arc<dyn Signer>) -> Result<(), oauth_fapi::oauth_core::Error> {
/// let client = OpenID::lazy("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com")?
///     .with_participant(SignedRequests::new(signer));
/// # Ok(())
/// # }
/// ```
///
/// The object is signed by the client (`iss`) for the issuer (`aud`), and is good for a minute unless
/// [`lifetime`](Self::lifetime) says otherwise. What is JSON stays JSON in it: `claims` is an object, `max_age` a number,
/// `authorization_details` a list.
#[derive(Clone)]
#[must_use]
pub struct SignedRequests {
    signature: RequestSignature,
    audience: Option<String>,
    lifetime: Duration,
    backdated_by: Duration,
    encrypter: Option<Arc<dyn Encrypter>>,
    hosted: Option<HostedRequests>,
}

#[derive(Clone)]
enum RequestSignature {
    By(SigningKeys),
    /// `alg` is `none`.
    None,
}

/// What a pushed request holds until it is signed.
#[derive(Clone)]
pub(crate) struct UnsignedRequest(pub(crate) Map<String, Value>);

/// The longest life of a request object (FAPI 2.0 Message Signing section 5.3.1).
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The type of a request object (RFC 9101 section 10.8).
pub(crate) const TYPE: &str = "oauth-authz-req+jwt";

impl SignedRequests {
    /// Signs each authorization request with this key, or with whichever of several is the current one. The provider must know the public
    /// half.
    pub fn new(keys: impl Into<SigningKeys>) -> Self {
        Self::with(RequestSignature::By(keys.into()))
    }

    /// Puts requests into objects that nobody has signed (`alg` is `none`), for a server that a test is about. They prove nothing:
    /// everybody can write one. A provider that demands signed requests is sent none of them.
    pub fn dangerously_unsigned() -> Self {
        Self::with(RequestSignature::None)
    }

    fn with(signature: RequestSignature) -> Self {
        Self {
            signature,
            audience: None,
            lifetime: Duration::from_secs(60),
            backdated_by: Duration::from_secs(10),
            encrypter: None,
            hosted: None,
        }
    }

    /// Names the audience of request objects, in place of the issuer.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Lets a request object live this long, in place of a minute: up to an hour, of which
    /// [`backdated_by`](Self::backdated_by) is a part.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Dates `nbf` back by this much, in place of ten seconds, for servers whose clock is behind.
    pub fn backdated_by(mut self, skew: Duration) -> Self {
        self.backdated_by = skew;
        self
    }

    /// Encrypts request objects for the server once they are signed (RFC 9101 section 6.1).
    pub fn encrypted(mut self, encrypter: Arc<dyn Encrypter>) -> Self {
        self.encrypter = Some(encrypter);
        self
    }

    /// Has the server fetch request objects from the application (`request_uri`, RFC 9101 section 5.2), where requests are not pushed.
    pub fn hosted(mut self, hosted: HostedRequests) -> Self {
        self.hosted = Some(hosted);
        self
    }

    /// The algorithm that signs; `None` if nothing does.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        match &self.signature {
            RequestSignature::By(keys) => Some(keys.current().algorithm()),
            RequestSignature::None => None,
        }
    }

    /// Whether request objects are for the issuer.
    pub(crate) fn is_for_the_issuer(&self) -> bool {
        self.audience.is_none()
    }

    /// What a request object holds, but for what changes from one to the next.
    pub(crate) fn parameters(
        &self,
        client: &OAuth2,
        params: &AuthorizationParams,
    ) -> Result<Map<String, Value>> {
        let wrong = |problem: String| configuration(client, problem);
        let mut claims = Map::new();
        for (name, value) in params.iter() {
            if ["request", "request_uri"].contains(&name) {
                let problem = format!("a request object must hold no {name} (RFC 9101 section 4)");
                return Err(wrong(problem));
            }
            let value = native(name, value).map_err(wrong)?;
            match claims.get_mut(name) {
                None => drop(claims.insert(name.to_owned(), value)),
                // Several resources (RFC 8707 section 2), and whatever else may be there more than once.
                Some(Value::Array(several)) if several.first().is_some_and(Value::is_string) => {
                    several.push(value)
                }
                Some(first) => *first = Value::Array(vec![first.take(), value]),
            }
        }
        // Nothing that looks like an assertion of the client's (RFC 9101 section 10.8).
        if claims.get("sub").is_some_and(|sub| sub == client.client_id()) {
            return Err(wrong("a request object must not have the client id as its sub".to_owned()));
        }
        claims.insert("client_id".to_owned(), client.client_id().into());
        claims.insert("iss".to_owned(), client.client_id().into());
        let audience = self.audience.as_deref().or(client.issuer()).ok_or_else(|| {
            wrong(
                "the issuer, for which request objects are, is not known; name it with with_issuer"
                    .to_owned(),
            )
        })?;
        claims.insert("aud".to_owned(), audience.into());
        Ok(claims)
    }

    /// A new request object with these parameters.
    async fn object(&self, now: i64, mut claims: Map<String, Value>) -> Result<String, ObjectError> {
        let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
        if self.lifetime.is_zero() || self.lifetime.saturating_add(self.backdated_by) > LONGEST {
            let problem = format!(
                "a request object may live for an hour at most, with what it is dated back by, and not for {} s",
                self.lifetime.saturating_add(self.backdated_by).as_secs()
            );
            return Err(ObjectError::Configuration(problem));
        }
        claims.insert("iat".to_owned(), now.into());
        claims.insert("nbf".to_owned(), now.saturating_sub(seconds(self.backdated_by)).into());
        claims.insert("exp".to_owned(), now.saturating_add(seconds(self.lifetime)).into());
        claims.insert("jti".to_owned(), random_token().map_err(ObjectError::Other)?.into());
        let mut header = Map::new();
        header.insert("typ".to_owned(), TYPE.into());
        let signed = match &self.signature {
            RequestSignature::By(keys) => keys.sign_jwt(header, &claims).await?,
            RequestSignature::None => {
                header.insert("alg".to_owned(), "none".into());
                let part =
                    |object: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(object).to_string());
                format!("{}.{}.", part(header), part(claims))
            }
        };
        match &self.encrypter {
            // Signed first: who encrypts alone proves nothing (RFC 9101 section 6.1).
            Some(encrypter) => encrypter.encrypt(&signed).await.map_err(ObjectError::Encryption),
            None => Ok(signed),
        }
    }

    /// That the server takes what this makes, as far as its metadata say.
    async fn check(&self, client: &OAuth2) -> Result<()> {
        let wrong = |problem: String| Err(configuration(client, problem));
        let metadata = match OpenIDConnect::of(client) {
            Some(openid) => openid.metadata().await?,
            None => None,
        };
        let algorithm = match &self.signature {
            RequestSignature::None => return Ok(()),
            RequestSignature::By(keys) => keys.current().algorithm(),
        };
        if algorithm.is_symmetric() {
            return wrong(format!(
                "{algorithm} takes the client secret as its key; request objects are signed with a private key"
            ));
        }
        let listed = |metadata: &ProviderMetadata| {
            let listed = metadata.list("request_object_signing_alg_values_supported")?;
            (!listed.is_empty()).then(|| listed.join(" "))
        };
        match metadata.as_deref().and_then(listed) {
            Some(listed) if !listed.split(' ').any(|one| Algorithm::of(one) == Some(algorithm)) => {
                wrong(format!(
                    "the provider takes request objects that are signed by {listed}, and the key is for {algorithm}"
                ))
            }
            _ => Ok(()),
        }
    }

    /// That the server takes request objects in URLs, or fetches them, as far as its metadata say.
    async fn check_offer(&self, client: &OAuth2) -> Result<()> {
        let Some(openid) = OpenIDConnect::of(client) else { return Ok(()) };
        let Some(metadata) = openid.metadata().await? else { return Ok(()) };
        let member = match &self.hosted {
            Some(_) => "request_uri_parameter_supported",
            None => "request_parameter_supported",
        };
        // Only what is said counts: many servers leave it out.
        match metadata.members().get(member) {
            Some(Value::Bool(false)) => Err(configuration(
                client,
                format!("the provider's metadata has {member} false; push the requests with PushedRequests"),
            )),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Participant for SignedRequests {
    fn stage(&self) -> AuthorizationStage {
        AuthorizationStage::Signature
    }

    fn fulfils(&self, _client: &OAuth2, demand: RequestDemand) -> bool {
        demand == RequestDemand::Signed && matches!(self.signature, RequestSignature::By(_))
    }

    async fn authorize(&self, client: &OAuth2, params: &mut AuthorizationParams) -> Result<()> {
        self.check(client).await?;
        if let Some(pushed) = client.participant::<PushedRequests>()
            && pushed.endpoint(client)?.is_some()
        {
            // It is signed when it is pushed, each time anew.
            return Ok(());
        }
        self.check_offer(client).await?;
        let claims = self.parameters(client, params)?;
        let object = self.object(client.now().unix_timestamp(), claims).await;
        let object = object.map_err(|error| error.of(client))?;
        // Servers of OpenID Connect want these outside too, and the same as inside (Core section 6.1).
        let is_openid = |scope: &str| scope.split(' ').any(|one| one == "openid");
        let outside = match params.get("scope").filter(|scope| is_openid(scope)) {
            Some(scope) => {
                let response_type = params.get("response_type").unwrap_or_default();
                vec![("response_type", response_type.to_owned()), ("scope", scope.to_owned())]
            }
            None => Vec::new(),
        };
        params.clear();
        params.set(client.spec().client_id_param, client.client_id());
        for (name, value) in outside {
            params.set(name, value);
        }
        match &self.hosted {
            Some(hosted) => {
                let url = hosted.publish(client, object, self.lifetime).await?;
                params.set("request_uri", url);
                params.set_expiry(client.now() + self.lifetime);
            }
            None => {
                params.set("request", object);
                params.set_expiry(client.now() + self.lifetime);
            }
        }
        Ok(())
    }

    async fn before_send(
        &self,
        context: &RequestContext<'_>,
        request: &mut RequestDraft,
    ) -> Result<(), AuthenticationError> {
        if context.endpoint != Some(Endpoint::PushedAuthorization) {
            return Ok(());
        }
        let Some(UnsignedRequest(claims)) = request.extensions().get().cloned() else { return Ok(()) };
        let object = self.object(context.now.unix_timestamp(), claims).await;
        request.add_field("request", &object.map_err(ObjectError::into_cause)?)?;
        Ok(())
    }
}

impl fmt::Debug for SignedRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequests").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// A parameter as it is in a request object: JSON, where it is JSON (RFC 9101 section 4, OpenID Connect Core section 6.1).
fn native(name: &str, value: &str) -> Result<Value, String> {
    match name {
        "max_age" => value
            .parse::<u64>()
            .map(Value::from)
            .map_err(|_| "max_age must be a whole number of seconds".to_owned()),
        "claims" | "authorization_details" => oauth_core::parse_json(value.as_bytes())
            .map_err(|problem| format!("the parameter {name} is not JSON: {problem}")),
        _ => Ok(value.into()),
    }
}

/// Why there is no request object.
#[derive(Debug, thiserror::Error)]
enum ObjectError {
    #[error("{0}")]
    Configuration(String),
    #[error("the request object was not signed: {0}")]
    Signing(#[from] SignError),
    #[error("the request object was not encrypted: {0}")]
    Encryption(AuthenticationError),
    #[error(transparent)]
    Other(Error),
}

impl ObjectError {
    /// The error for a request that is about to be sent: an outage stays one.
    fn into_cause(self) -> AuthenticationError {
        match self {
            Self::Other(error) => error.into(),
            Self::Signing(error) => SigningError::from(error).into(),
            other => other.into(),
        }
    }

    fn of(self, client: &OAuth2) -> Error {
        match self {
            Self::Other(error) => error.at(client.name().to_owned()).during(SIGN_AUTHORIZATION_REQUEST),
            Self::Signing(error) => {
                client.error(SIGN_AUTHORIZATION_REQUEST, ErrorKind::Signing(SigningError::from(error)))
            }
            other => configuration(client, other.to_string()),
        }
    }
}

fn configuration(client: &OAuth2, problem: String) -> Error {
    client.error(SIGN_AUTHORIZATION_REQUEST, ErrorKind::Configuration(problem))
}

//! A provider that answers by itself: an HTTP client with a real key, whose answers a test changes.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    Callback, Clock, Credentials, HttpClient, HttpError, Login, LoginOptions, OffsetDateTime, Provider,
    Result, Sealer, SealingKey, Timer, async_trait, bytes::Bytes,
};
use oauth_fapi::{Signer, SigningKey, SigningKeys, sign_jwt};
use oauth_openid::{Algorithm, Discovery, OpenID, OpenIDProvider};
use oauth_tokens::{MemoryStore, TokenManager, TokenManagerBuilder};
use serde_json::{Map, Value, json};

pub(crate) const ISSUER: &str = "https://op.example";
pub(crate) const CLIENT_ID: &str = "client-1";
pub(crate) const REDIRECT_URI: &str = "https://app.example/cb";

/// A clock that a test sets.
#[derive(Clone, Debug)]
pub(crate) struct SetClock(Arc<AtomicI64>);

impl SetClock {
    pub(crate) fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_secs()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_secs()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.seconds()).unwrap()
    }
}

/// Moves the clock, and notes how long was waited.
#[derive(Debug)]
pub(crate) struct Naps {
    clock: SetClock,
    naps: Mutex<Vec<u64>>,
}

impl Naps {
    pub(crate) fn all(&self) -> Vec<u64> {
        self.naps.lock().unwrap().clone()
    }
}

#[async_trait]
impl Timer for Naps {
    async fn sleep(&self, duration: Duration) -> Result<(), HttpError> {
        self.naps.lock().unwrap().push(duration.as_secs());
        self.clock.advance(duration);
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) url: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) form: Vec<(String, String)>,
}

impl Sent {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        self.form.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Answer = Box<dyn FnMut(&Sent) -> Option<http::Response<Bytes>> + Send>;

pub(crate) struct State {
    pub(crate) metadata: Value,
    /// Laid over the token reply; null takes a member out.
    pub(crate) token_reply: Value,
    /// Laid over the claims of ID tokens; null takes a claim out.
    pub(crate) claims: Value,
    nonce: Option<String>,
    answer: Option<Answer>,
    requests: Vec<Sent>,
}

/// The provider.
#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    key: SigningKey,
    pub(crate) clock: SetClock,
}

impl Server {
    pub(crate) fn new() -> Self {
        let at = |path: &str| format!("{ISSUER}/{path}");
        let metadata = json!({
            "issuer": ISSUER,
            "authorization_endpoint": at("auth"),
            "token_endpoint": at("token"),
            "userinfo_endpoint": at("me"),
            "jwks_uri": at("jwks"),
            "pushed_authorization_request_endpoint": at("par"),
            "device_authorization_endpoint": at("device"),
            "revocation_endpoint": at("revoke"),
            "introspection_endpoint": at("introspect"),
            "backchannel_authentication_endpoint": at("bc-authorize"),
            "backchannel_token_delivery_modes_supported": ["poll", "ping"],
            "authorization_response_iss_parameter_supported": true,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        let (token_reply, claims) = (json!({}), json!({}));
        let state = State { metadata, token_reply, claims, nonce: None, answer: None, requests: Vec::new() };
        let now = OffsetDateTime::now_utc().unix_timestamp();
        Self {
            state: Arc::new(Mutex::new(state)),
            key: SigningKey::generate(Algorithm::ES256).unwrap(),
            clock: SetClock(Arc::new(AtomicI64::new(now))),
        }
    }

    pub(crate) fn bend(&self, bend: impl FnOnce(&mut State)) {
        bend(&mut self.state());
    }

    /// Answers requests so; where it says nothing, they are answered as usual.
    pub(crate) fn answer(&self, answer: impl FnMut(&Sent) -> Option<http::Response<Bytes>> + Send + 'static) {
        self.state().answer = Some(Box::new(answer));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The requests whose URL ends so.
    pub(crate) fn requests(&self, end: &str) -> Vec<Sent> {
        self.state().requests.iter().filter(|sent| sent.url.ends_with(end)).cloned().collect()
    }

    pub(crate) fn client(&self, credentials: impl Into<Credentials>) -> OpenID {
        let discovery = Discovery::new(ISSUER).with_http_client(self.clone());
        let client = discovery.client(CLIENT_ID, credentials).unwrap();
        client.with_policy(|policy| policy.clock(self.clock.clone()))
    }

    pub(crate) fn naps(&self) -> Arc<Naps> {
        Arc::new(Naps { clock: self.clock.clone(), naps: Mutex::default() })
    }

    pub(crate) fn tokens(&self) -> TokenManagerBuilder {
        tokens().clock(self.clock.clone())
    }

    /// A whole login.
    pub(crate) async fn login(&self, client: &impl Provider) -> Result<Login> {
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await?;
        let callback = [("code", "the-code"), ("state", started.attempt.state()), ("iss", ISSUER)];
        // It would have come to the authorization endpoint, or been pushed.
        self.bend(|state| state.nonce = started.attempt.nonce().map(str::to_owned));
        client.finish_login(started.attempt.clone(), Callback::from_query(&encoded(&callback))).await
    }

    /// A JWT of the provider's.
    pub(crate) async fn signed(&self, claims: Value) -> String {
        sign_jwt(&self.key, Map::new(), claims.as_object().unwrap()).await.unwrap()
    }

    /// A JWT of the provider's whose claims are this text.
    pub(crate) async fn signed_text(&self, claims: &str) -> String {
        let header = json!({"alg": "ES256", "kid": self.key.key_id()});
        let text = format!("{}.{}", to_base64(header.to_string().as_bytes()), to_base64(claims.as_bytes()));
        let signature = self.key.sign(text.as_bytes()).await.unwrap();
        format!("{text}.{}", to_base64(&signature))
    }

    /// The provider's public key, as its `jwks_uri` has it.
    pub(crate) fn public_jwk(&self) -> Value {
        let keys = SigningKeys::from(self.key.clone()).public_jwks();
        let keys: Value = serde_json::from_str(keys.json()).unwrap();
        keys["keys"][0].clone()
    }

    async fn usual(&self, sent: &Sent) -> http::Response<Bytes> {
        let path = sent.url.strip_prefix(ISSUER).unwrap_or_default();
        match path {
            "/.well-known/openid-configuration" => reply(200, &self.state().metadata.clone()),
            "/jwks" => reply(200, &json!({"keys": [self.public_jwk()]})),
            "/par" => reply(201, &json!({"request_uri": "urn:example:1", "expires_in": 60})),
            "/device" => reply(
                200,
                &json!({"device_code": "DC", "user_code": "ABCD", "verification_uri": "https://op.example/d",
                    "expires_in": 600, "interval": 5}),
            ),
            "/bc-authorize" => reply(200, &json!({"auth_req_id": "REQ-1", "expires_in": 600, "interval": 5})),
            "/me" => reply(200, &json!({"sub": "user-1"})),
            "/revoke" => reply(200, &json!({})),
            "/introspect" => reply(200, &json!({"active": true, "sub": "user-1"})),
            "/token" => {
                let now = self.clock.seconds();
                let nonce = self.state().nonce.clone();
                let mut claims =
                    json!({"iss": ISSUER, "sub": "user-1", "aud": CLIENT_ID, "iat": now, "exp": now + 300});
                if let Some(nonce) = nonce.filter(|_| sent.field("code").is_some()) {
                    claims["nonce"] = nonce.into();
                }
                lay_over(&mut claims, &self.state().claims);
                let token_type = if sent.headers.contains_key("dpop") { "DPoP" } else { "Bearer" };
                let mut body = json!({"access_token": "AT", "token_type": token_type, "expires_in": 300, "refresh_token": "RT"});
                body["id_token"] = self.signed(claims).await.into();
                lay_over(&mut body, &self.state().token_reply);
                reply(200, &body)
            }
            _ => reply(404, &json!({})),
        }
    }
}

#[async_trait]
impl HttpClient for Server {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let sent = Sent {
            url: request.uri().to_string(),
            headers: request.headers().clone(),
            form: form_urlencoded::parse(request.body()).into_owned().collect(),
        };
        let answered = {
            let mut state = self.state();
            state.requests.push(sent.clone());
            state.answer.as_mut().and_then(|answer| answer(&sent))
        };
        match answered {
            Some(answer) => Ok(answer),
            None => Ok(self.usual(&sent).await),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Server")
    }
}

/// A manager without a provider yet.
pub(crate) fn tokens() -> TokenManagerBuilder {
    TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::from_bytes([7; 32])))
}

fn lay_over(object: &mut Value, patch: &Value) {
    for (name, value) in patch.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
    object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

pub(crate) fn reply(status: u16, body: &Value) -> http::Response<Bytes> {
    let response = http::Response::builder().status(status).header("content-type", "application/json");
    response.body(body.to_string().into()).unwrap()
}

/// A demand for another nonce.
pub(crate) fn wants_nonce(nonce: &str) -> http::Response<Bytes> {
    let mut reply = reply(400, &json!({"error": "use_dpop_nonce"}));
    reply.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
    reply
}

pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The claims of a JWT, unverified.
pub(crate) fn claims(jwt: &str) -> Value {
    let token: Vec<_> = jwt.split('.').collect();
    oauth_core::parse_json(&base64(token[1])).unwrap()
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            let six = usize::try_from((bits >> (18 - 6 * place)) & 63).unwrap();
            text.push(char::from(ALPHABET[six]));
        }
    }
    text
}

fn base64(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        let six = ALPHABET.iter().position(|other| *other == byte).unwrap();
        bits = (bits << 6) | u32::try_from(six).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

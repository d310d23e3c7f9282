//! A provider inside the test that does what it is told, however wrong: real keys, any header, any claims, any reply.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{
    digest,
    encoding::AsDer,
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use oauth_clients::{
    Callback, Clock, HttpClient, HttpError, HttpErrorKind, JwtCheck, Login, LoginAttempt, LoginOptions,
    OffsetDateTime, Provider, Result, StartedLogin, async_trait,
    openid::{Discovery, OpenID, OpenIDProvider, VerificationPolicy},
};
use serde_json::{Map, Value, json};

use crate::support::{Sent, query_of, reply};

pub(crate) const ISSUER: &str = "https://op.example";
pub(crate) const CLIENT_ID: &str = "client-1";
/// As long as the hash of HS512, so that it can be a key for it.
pub(crate) const CLIENT_SECRET: &str = "a-client-secret-that-is-long-enough-to-be-a-key-for-HS512-tokens";
pub(crate) const REDIRECT_URI: &str = "https://app.example/cb";
pub(crate) const CODE: &str = "the-code";
pub(crate) const ACCESS_TOKEN: &str = "the-access-token";
pub(crate) const SUBJECT: &str = "user-1";

/// A clock that a test sets. It begins with what time it is, because attempts go by the system's.
#[derive(Clone, Debug)]
pub(crate) struct SetClock(Arc<AtomicI64>);

impl SetClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(OffsetDateTime::now_utc().unix_timestamp())))
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_secs()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn turn_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_secs()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.seconds()).unwrap()
    }
}

/// The private keys, made once for all tests.
struct Keys {
    rsa: RsaKeyPair,
    other_rsa: RsaKeyPair,
    p256: Vec<u8>,
    other_p256: Vec<u8>,
    p384: Vec<u8>,
    p521: Vec<u8>,
    ed25519: Ed25519KeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let curve =
        |algorithm| EcdsaKeyPair::generate(algorithm).unwrap().to_pkcs8v1().unwrap().as_ref().to_vec();
    Keys {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        other_rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        p256: curve(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        other_p256: curve(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        p384: curve(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        p521: curve(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        ed25519: Ed25519KeyPair::generate().unwrap(),
    }
});

/// One of the provider's keys, or of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Rsa,
    OtherRsa,
    P256,
    OtherP256,
    P384,
    P521,
    Ed25519,
}

impl Key {
    /// The public key as a JWK with this name, and nothing else said of it.
    pub(crate) fn bare(self, kid: &str) -> Value {
        let mut jwk = match self {
            Self::Rsa | Self::OtherRsa => {
                let public = self.rsa().public_key();
                let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
                json!({
                    "kty": "RSA",
                    "n": text(public.modulus().big_endian_without_leading_zero()),
                    "e": text(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Self::P256 | Self::OtherP256 => self.curve("P-256"),
            Self::P384 => self.curve("P-384"),
            Self::P521 => self.curve("P-521"),
            Self::Ed25519 => {
                let public = KEYS.ed25519.public_key().as_ref();
                json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public)})
            }
        };
        jwk["kid"] = kid.into();
        jwk
    }

    /// The key as a well-kept provider publishes it.
    pub(crate) fn jwk(self, kid: &str, alg: &str) -> Value {
        let mut jwk = self.bare(kid);
        jwk["use"] = "sig".into();
        jwk["alg"] = alg.into();
        jwk
    }

    /// The public key in DER: what somebody who confuses keys would take for a secret.
    pub(crate) fn public_der(self) -> Vec<u8> {
        self.rsa().public_key().as_der().unwrap().as_ref().to_vec()
    }

    fn rsa(self) -> &'static RsaKeyPair {
        if self == Self::OtherRsa { &KEYS.other_rsa } else { &KEYS.rsa }
    }

    fn pkcs8(self) -> &'static [u8] {
        match self {
            Self::P256 => &KEYS.p256,
            Self::OtherP256 => &KEYS.other_p256,
            Self::P384 => &KEYS.p384,
            _ => &KEYS.p521,
        }
    }

    fn pair(self, der: bool) -> EcdsaKeyPair {
        let algorithm = match (self, der) {
            (Self::P256 | Self::OtherP256, false) => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            (Self::P256 | Self::OtherP256, true) => &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
            (Self::P384, false) => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            (Self::P384, true) => &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
            (_, false) => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
            (_, true) => &signature::ECDSA_P521_SHA512_ASN1_SIGNING,
        };
        EcdsaKeyPair::from_pkcs8(algorithm, self.pkcs8()).unwrap()
    }

    fn curve(self, name: &str) -> Value {
        let pair = self.pair(false);
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({"kty": "EC", "crv": name, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
    }
}

/// How a token is signed, whatever its header says.
#[derive(Clone, Debug)]
pub(crate) enum Signing {
    /// By the algorithm of this name, with this key.
    With(&'static str, Key),
    /// ECDSA in DER, which is not what a JWS holds.
    Der(Key),
    /// HMAC with these bytes.
    Hmac(&'static str, Vec<u8>),
    /// These bytes in place of a signature.
    Bytes(Vec<u8>),
}

impl Signing {
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::With(_, Key::Ed25519) => KEYS.ed25519.sign(message).as_ref().to_vec(),
            Self::With(algorithm, key @ (Key::Rsa | Key::OtherRsa)) => {
                let encoding = match *algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signed = vec![0; key.rsa().public_modulus_len()];
                key.rsa().sign(encoding, &random, message, &mut signed).unwrap();
                signed
            }
            Self::With(_, key) => key.pair(false).sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Der(key) => key.pair(true).sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Hmac(algorithm, secret) => {
                let algorithm = match *algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(algorithm, secret), message).as_ref().to_vec()
            }
            Self::Bytes(bytes) => bytes.clone(),
        }
    }

    /// The token of this header and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// The token of this header and these claims, which need not be JSON.
    pub(crate) fn token_of(&self, header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(header), encode(claims));
        let signed = URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes()));
        format!("{message}.{signed}")
    }
}

/// The hash of `at_hash` and `c_hash` (OpenID Connect Core section 3.1.3.6), worked out by the names of the algorithms.
pub(crate) fn left_half(algorithm: &str, value: &str) -> String {
    let hash = match &algorithm[2..] {
        "256" => digest::digest(&digest::SHA256, value.as_bytes()),
        "384" => digest::digest(&digest::SHA384, value.as_bytes()),
        _ => digest::digest(&digest::SHA512, value.as_bytes()),
    };
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

/// What can be asked of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    Discovery,
    Keys,
    Token,
    UserInfo,
    Registration,
    Other,
}

impl Endpoint {
    pub(crate) fn of(url: &str) -> Self {
        let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        match behind_scheme.split_once('/').map_or("", |(_, path)| path) {
            path if path.contains(".well-known/openid-configuration")
                || path.contains(".well-known/oauth-authorization-server") =>
            {
                Self::Discovery
            }
            path if path.ends_with("jwks") => Self::Keys,
            path if path.ends_with("token") => Self::Token,
            path if path.ends_with("me") => Self::UserInfo,
            path if path.contains("register") => Self::Registration,
            _ => Self::Other,
        }
    }
}

type Answer = Box<dyn FnMut(&Sent) -> Option<http::Response<Bytes>> + Send>;
type Hook = Box<dyn FnMut(&mut State) + Send>;

/// What the provider does. A test bends it.
pub(crate) struct State {
    pub(crate) metadata: Value,
    pub(crate) jwks: Value,
    /// The header of ID tokens.
    pub(crate) header: Value,
    pub(crate) signing: Signing,
    /// Laid over the claims of ID tokens; null takes a claim out.
    pub(crate) claims: Value,
    /// In place of the ID token that would be made.
    pub(crate) id_token: Option<Value>,
    /// Laid over the token reply.
    pub(crate) token_reply: Value,
    pub(crate) userinfo: Value,
    /// The `Cache-Control` of metadata and keys.
    pub(crate) cache_control: Option<String>,
    /// No connection to these.
    pub(crate) down: Vec<Endpoint>,
    /// Replies in place of the usual ones.
    answers: BTreeMap<Endpoint, Answer>,
    /// What happens before a token request is answered.
    before_token: Option<Hook>,
    /// The nonce that the browser brought to the authorization endpoint.
    pub(crate) nonce: Option<String>,
    counts: BTreeMap<Endpoint, usize>,
    requests: Vec<Sent>,
}

impl State {
    pub(crate) fn answer(
        &mut self,
        endpoint: Endpoint,
        answer: impl FnMut(&Sent) -> Option<http::Response<Bytes>> + Send + 'static,
    ) {
        self.answers.insert(endpoint, Box::new(answer));
    }

    pub(crate) fn before_token(&mut self, hook: impl FnMut(&mut State) + Send + 'static) {
        self.before_token = Some(Box::new(hook));
    }

    /// Signs with this algorithm and key, and publishes the key alone.
    pub(crate) fn sign_with(&mut self, algorithm: &'static str, key: Key, kid: &str) {
        self.header = json!({"alg": algorithm, "kid": kid});
        self.signing = Signing::With(algorithm, key);
        self.jwks = json!({"keys": [key.jwk(kid, algorithm)]});
    }
}

/// The provider: an HTTP client that answers by itself.
#[derive(Clone)]
pub(crate) struct Op {
    state: Arc<Mutex<State>>,
    pub(crate) clock: SetClock,
    pub(crate) issuer: &'static str,
}

impl Op {
    /// A provider that does everything right.
    pub(crate) fn new() -> Self {
        Self::at(ISSUER)
    }

    pub(crate) fn at(issuer: &'static str) -> Self {
        let at = |path: &str| format!("{issuer}/{path}");
        let state = State {
            metadata: json!({
                "issuer": issuer,
                "authorization_endpoint": at("auth"),
                "token_endpoint": at("token"),
                "userinfo_endpoint": at("me"),
                "jwks_uri": at("jwks"),
                "end_session_endpoint": at("logout?tenant=1"),
                "registration_endpoint": at("register"),
                "response_types_supported": ["code", "id_token code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["none", "HS256", "RS256", "PS256", "ES256", "EdDSA"],
            }),
            jwks: json!({"keys": [Key::Rsa.jwk("rsa", "RS256")]}),
            header: json!({"alg": "RS256", "kid": "rsa"}),
            signing: Signing::With("RS256", Key::Rsa),
            claims: json!({}),
            id_token: None,
            token_reply: json!({}),
            userinfo: json!({"sub": SUBJECT, "email": "ada@mail.example", "email_verified": true}),
            cache_control: None,
            down: Vec::new(),
            answers: BTreeMap::new(),
            before_token: None,
            nonce: None,
            counts: BTreeMap::new(),
            requests: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), clock: SetClock::new(), issuer }
    }

    /// A provider that departs from the usual one.
    pub(crate) fn bent(bend: impl FnOnce(&mut State)) -> Self {
        let op = Self::new();
        op.bend(bend);
        op
    }

    pub(crate) fn bend(&self, bend: impl FnOnce(&mut State)) {
        bend(&mut self.state());
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn discovery(&self) -> Discovery {
        Discovery::new(self.issuer).with_http_client(self.clone())
    }

    /// A client that knows the issuer and nothing else yet.
    pub(crate) fn client(&self) -> OpenID {
        self.client_with(|policy| policy)
    }

    pub(crate) fn client_with(
        &self,
        policy: impl FnOnce(VerificationPolicy) -> VerificationPolicy,
    ) -> OpenID {
        let client = self.discovery().client(CLIENT_ID, CLIENT_SECRET).unwrap();
        client.with_policy(|ours| policy(ours.clock(self.clock.clone())))
    }

    /// The claims of an ID token that is right in every way, with the patch of the state laid over them.
    pub(crate) fn claims(&self) -> Value {
        let state = self.state();
        let now = self.clock.seconds();
        let mut claims = json!({
            "iss": self.issuer, "sub": SUBJECT, "aud": CLIENT_ID, "iat": now, "exp": now + 300,
        });
        if let Some(nonce) = &state.nonce {
            claims["nonce"] = nonce.as_str().into();
        }
        merge(&mut claims, &state.claims);
        claims
    }

    /// An ID token as the state wants it, with a last patch.
    pub(crate) fn id_token(&self, patch: Value) -> String {
        let mut claims = self.claims();
        merge(&mut claims, &patch);
        let state = self.state();
        state.signing.token(&state.header, &claims)
    }

    /// Sends the browser off, and remembers the nonce that it brings.
    pub(crate) async fn start(&self, client: &dyn Provider, options: LoginOptions) -> StartedLogin {
        let started = client.start_login(REDIRECT_URI, options).await.unwrap();
        self.visit(&started.url);
        started
    }

    /// What the authorization endpoint learns from the browser.
    pub(crate) fn visit(&self, url: &str) {
        let query = query_of(url);
        let nonce = query.into_iter().find(|(name, _)| name == "nonce").map(|(_, value)| value);
        self.state().nonce = nonce;
    }

    /// The callback of an attempt by its response mode, with further parameters.
    pub(crate) fn callback(&self, attempt: &LoginAttempt, extra: &[(&str, &str)]) -> Callback {
        let body = callback_body(attempt, extra);
        if attempt.is_form_post() { Callback::from_form(&body) } else { Callback::from_query(&body) }
    }

    /// A login from start to finish.
    pub(crate) async fn login(&self, client: &dyn Provider, options: LoginOptions) -> Result<Login> {
        let attempt = self.start(client, options).await.attempt;
        let callback = self.callback(&attempt, &[]);
        client.finish_login(attempt, callback).await
    }

    pub(crate) fn count(&self, endpoint: Endpoint) -> usize {
        self.state().counts.get(&endpoint).copied().unwrap_or_default()
    }

    /// How often metadata, keys, tokens and UserInfo were asked for.
    pub(crate) fn counts(&self) -> [usize; 4] {
        [Endpoint::Discovery, Endpoint::Keys, Endpoint::Token, Endpoint::UserInfo].map(|one| self.count(one))
    }

    pub(crate) fn requests(&self) -> Vec<Sent> {
        self.state().requests.clone()
    }

    pub(crate) fn last_request(&self) -> Sent {
        self.requests().pop().unwrap()
    }

    fn answer(&self, sent: &Sent) -> Result<http::Response<Bytes>, HttpError> {
        let endpoint = Endpoint::of(&sent.url);
        {
            let mut state = self.state();
            *state.counts.entry(endpoint).or_default() += 1;
            state.requests.push(sent.clone());
            if state.down.contains(&endpoint) {
                return Err(HttpError::new(HttpErrorKind::Connect));
            }
            if endpoint == Endpoint::Token
                && let Some(mut hook) = state.before_token.take()
            {
                hook(&mut state);
                state.before_token.get_or_insert(hook);
            }
            if let Some(mut answer) = state.answers.remove(&endpoint) {
                let replied = answer(sent);
                state.answers.entry(endpoint).or_insert(answer);
                if let Some(replied) = replied {
                    return Ok(replied);
                }
            }
        }
        let document = |body: &Value| {
            let mut reply = reply(200, "application/json", body.to_string());
            if let Some(directives) = &self.state().cache_control {
                reply.headers_mut().insert("cache-control", directives.parse().unwrap());
            }
            reply
        };
        let json = |status, body: Value| reply(status, "application/json", body.to_string());
        let (metadata, jwks, userinfo, id_token, patch) = {
            let state = self.state();
            (
                state.metadata.clone(),
                state.jwks.clone(),
                state.userinfo.clone(),
                state.id_token.clone(),
                state.token_reply.clone(),
            )
        };
        Ok(match endpoint {
            Endpoint::Discovery => document(&metadata),
            Endpoint::Keys => document(&jwks),
            Endpoint::UserInfo => json(200, userinfo),
            Endpoint::Token => {
                let id_token = id_token.unwrap_or_else(|| self.id_token(json!({})).into());
                let mut tokens = json!({
                    "access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 300,
                    "refresh_token": "the-refresh-token", "id_token": id_token,
                });
                merge(&mut tokens, &patch);
                json(200, tokens)
            }
            Endpoint::Registration | Endpoint::Other => json(404, json!({})),
        })
    }
}

#[async_trait]
impl HttpClient for Op {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        // Whoever is asked lets others run meanwhile, as a network does.
        tokio::task::yield_now().await;
        self.answer(&Sent::of(&request))
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Op").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

pub(crate) fn callback_body(attempt: &LoginAttempt, extra: &[(&str, &str)]) -> String {
    let mut pairs = vec![("code", CODE), ("state", attempt.state())];
    for &(name, value) in extra {
        pairs.retain(|(other, _)| *other != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    oauth_clients::provider_kit::form_encoded(&pairs)
}

/// Lays the patch over the object; null takes a member out.
pub(crate) fn merge(object: &mut Value, patch: &Value) {
    let object = object.as_object_mut().unwrap();
    for (name, value) in patch.as_object().unwrap_or(&Map::new()) {
        match value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.clone(), value.clone())),
        }
    }
}

/// The check by which a login at the bent provider is refused. Nothing may be asked after the token reply but the keys.
pub(crate) async fn check_of(bend: impl FnOnce(&mut State)) -> JwtCheck {
    let op = Op::bent(bend);
    let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
    let [metadata, keys, tokens, userinfo] = op.counts();
    assert_eq!((metadata, tokens, userinfo), (1, 1, 0), "{error}");
    assert!(keys <= 1, "{keys} requests for keys: {error}");
    error.jwt_check().unwrap_or_else(|| panic!("no check refused it: {error:?}"))
}

/// The same for claims that are laid over the right ones.
pub(crate) async fn check_of_claims(claims: Value) -> JwtCheck {
    check_of(|state| state.claims = claims).await
}

/// Lets what was spawned run to its end: nothing in it waits for anything but its turn.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

//! The keys of one client, which replace each other without a restart.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use oauth_core::http;
use serde_json::{Map, Value, json};

use crate::{
    key_error::KeyError,
    signing::{SignError, Signer, TIME_LIMIT, sign_jwt, within},
};

/// The keys of one client: the one that signs, the one that will, and those that did.
///
/// Whatever takes a key takes these too, and copies share them, so that a key is replaced without a restart. A server may keep the
/// client's JWK set for hours, so a new key is first [announced](Self::announce), then, once that time has passed, [put in the
/// other's place](Self::rotate), and the former one [withdrawn](Self::withdraw_former) when nothing that it signed is under way any more.
///
/// ```
/// use oauth_fapi::{SigningKey, SigningKeys, oauth_openid::Algorithm};
///
/// let keys = SigningKeys::from(SigningKey::generate(Algorithm::ES256)?);
/// keys.announce(SigningKey::generate(Algorithm::ES256)?)?;
/// // Serve this at the `jwks_uri` that the client registered.
/// let published = keys.public_jwks();
/// assert_eq!(published.json().matches("\"kid\"").count(), 2);
/// keys.rotate()?;
/// keys.withdraw_former();
/// # Ok::<(), oauth_fapi::KeyError>(())
/// ```
///
/// One key pair for each authorization server is best: then no server can use at another one what was signed for it.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Arc<RwLock<Keys>>,
    time_limit: Duration,
}

struct Keys {
    current: Arc<dyn Signer>,
    next: Option<Arc<dyn Signer>>,
    former: Vec<Arc<dyn Signer>>,
}

impl SigningKeys {
    /// The keys of a client that has one.
    pub fn new(signer: impl Signer + 'static) -> Self {
        let keys = Keys { current: Arc::new(signer), next: None, former: Vec::new() };
        Self { keys: Arc::new(RwLock::new(keys)), time_limit: TIME_LIMIT }
    }

    /// Gives a signer this long to sign, in place of 10 seconds. What takes longer is an error that may pass. There is no limit where no
    /// Tokio runtime is.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The key that signs now.
    #[must_use]
    pub fn current(&self) -> Arc<dyn Signer> {
        self.read().current.clone()
    }

    /// Publishes a key that will sign after the next [`rotate`](Self::rotate), in place of one that was announced before.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when the key has no `kid`, or one that another key of the set has: servers could not tell them apart.
    pub fn announce(&self, next: impl Signer + 'static) -> Result<(), KeyError> {
        let mut keys = self.write();
        let mut names: HashSet<&str> = HashSet::new();
        let staying = std::iter::once(&keys.current).chain(&keys.former);
        for key in staying.map(|key| &**key as &dyn Signer).chain([&next as &dyn Signer]) {
            let name = key.key_id().ok_or_else(|| {
                KeyError::Name(
                    "of several keys each needs a kid, by which servers tell them apart".to_owned(),
                )
            })?;
            if !names.insert(name) {
                return Err(KeyError::Name(format!("two keys of the set have the kid {name:?}")));
            }
        }
        keys.next = Some(Arc::new(next));
        Ok(())
    }

    /// Has the announced key sign from now on. The former one stays published.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] when no key was announced.
    pub fn rotate(&self) -> Result<(), KeyError> {
        let mut keys = self.write();
        let next = keys.next.take();
        let next = next.ok_or_else(|| KeyError::Name("no key was announced that could sign".to_owned()))?;
        let former = std::mem::replace(&mut keys.current, next);
        keys.former.push(former);
        Ok(())
    }

    /// Publishes the keys that signed before no more.
    pub fn withdraw_former(&self) {
        self.write().former.clear();
    }

    /// The public half of each key, ready to be served.
    #[must_use]
    pub fn public_jwks(&self) -> PublicJwks {
        let keys = self.read();
        let all = std::iter::once(&keys.current).chain(&keys.next).chain(&keys.former);
        let jwks: Vec<Value> = all.map(|key| published(&**key).into()).collect();
        PublicJwks { json: json!({ "keys": jwks }).to_string() }
    }

    /// A JWT that the current key signed, as [`sign_jwt`](crate::sign_jwt) makes it, within the time limit.
    ///
    /// # Errors
    ///
    /// That of the signer, or [`SignError::Timeout`].
    pub async fn sign_jwt(
        &self,
        header: Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Result<String, SignError> {
        self.sign_jwt_by(&*self.current(), header, claims).await
    }

    /// A JWT that one of the keys signed, within the time limit.
    pub(crate) async fn sign_jwt_by(
        &self,
        signer: &dyn Signer,
        header: Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Result<String, SignError> {
        within(self.time_limit, sign_jwt(signer, header, claims)).await
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Signer + 'static> From<S> for SigningKeys {
    fn from(signer: S) -> Self {
        Self::new(signer)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.read();
        f.debug_struct("SigningKeys")
            .field("current", &keys.current)
            .field("next", &keys.next)
            .field("former", &keys.former)
            .finish()
    }
}

/// Members that no published key has: private ones (RFC 7518 section 6), and addresses that a server would have to fetch.
const UNPUBLISHED: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k", "x5u"];

/// The public half of a key, as it is published.
fn published(key: &dyn Signer) -> Map<String, Value> {
    let mut jwk = key.public_jwk();
    jwk.retain(|name, _| !UNPUBLISHED.contains(&&**name));
    jwk.entry("use").or_insert_with(|| "sig".into());
    jwk.entry("alg").or_insert_with(|| key.algorithm().as_str().into());
    if let Some(key_id) = key.key_id() {
        jwk.insert("kid".to_owned(), key_id.into());
    }
    jwk
}

/// The public keys of a client as a JWK set (RFC 7517 section 5), ready to be served at its `jwks_uri`, or to be pasted where the
/// provider registers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicJwks {
    json: String,
}

impl PublicJwks {
    /// The media type (RFC 7517 section 8.5.2).
    pub const CONTENT_TYPE: &'static str = "application/jwk-set+json";

    /// The JSON.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The answer of a web server, in the types of the `http` crate. Servers may keep it for five minutes.
    #[must_use]
    pub fn into_response(self) -> http::Response<String> {
        let mut response = http::Response::new(self.json);
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(Self::CONTENT_TYPE));
        headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("public, max-age=300"));
        response
    }
}

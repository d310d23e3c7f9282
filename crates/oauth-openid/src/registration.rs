//! Dynamic client registration (RFC 7591, RFC 7592, OpenID Connect Dynamic Client Registration 1.0).

use std::fmt;

use oauth_core::{
    ClientAuth, ClientAuthentication, ClientSecret, Clock, Credentials, Error, ErrorKind, OAuth2,
    OffsetDateTime, Operation, Provider, Request, Response, Result, Secret, SystemClock,
    http::Method,
    serde_json::{self, Map, Value, json},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    algorithm::Algorithm,
    client::OpenID,
    discovery::Discovery,
    jws::quoted,
    metadata::demands_in,
    openid_connect::OpenIDConnect,
    policy::{UserInfoForm, VerificationPolicy},
    relying_party::OpenIDProvider,
};

/// The method [`OpenID::register`], in errors.
pub const REGISTER: Operation = Operation::new("register");

/// What a client tells a provider of itself (RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2).
///
/// ```no_run
/// use oauth_openid::{ClientMetadata, Discovery, OpenID};
///
/// # async fn f() -> Result<(), oauth_core::Error> {
/// let discovery = Discovery::new("https://login.example.com");
/// let metadata = ClientMetadata::new(["https://app.example/callback"])
///     .set("client_name", "An application")
///     .set("id_token_signed_response_alg", "ES256");
/// let registered = OpenID::register(&discovery, &metadata, None).await?;
/// let client = registered.client(&discovery)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
#[must_use]
pub struct ClientMetadata(Map<String, Value>);

impl ClientMetadata {
    /// A client with these redirect URIs, for the authorization code grant and refresh tokens.
    pub fn new<S: Into<String>>(redirect_uris: impl IntoIterator<Item = S>) -> Self {
        let uris: Vec<String> = redirect_uris.into_iter().map(Into::into).collect();
        Self(Map::new())
            .set("redirect_uris", uris)
            .set("response_types", ["code"])
            .set("grant_types", ["authorization_code", "refresh_token"])
    }

    /// Sets a member, in place of one that is there. `null` takes it out. A `software_statement` is sent as it is.
    pub fn set(mut self, name: &str, value: impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(Value::Null) | Err(_) => self.0.remove(name),
            Ok(value) => self.0.insert(name.to_owned(), value),
        };
        self
    }
}

/// A client as the provider registered it, which need not be as was asked (RFC 7591 section 3.2.1).
///
/// It serializes, to be kept like a password: it holds the client secret and the token that changes the registration.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "ClientRecord")]
pub struct RegisteredClient(ClientRecord);

/// A registration as the provider answers it and as it is stored: the members of RFC 7591 section 3.2.1, and all others.
#[derive(Clone, Serialize, Deserialize)]
struct ClientRecord {
    #[serde(deserialize_with = "client_id")]
    client_id: String,
    #[serde(default, deserialize_with = "secret", serialize_with = "exposed")]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<Secret>,
    /// As a Unix time, and zero for never; `None` where the provider does not say it.
    #[serde(default, deserialize_with = "unix_time", skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
    #[serde(default, deserialize_with = "secret", serialize_with = "exposed")]
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<Secret>,
    /// What each member must be: as was asked for, or else as the provider answered at first. The name is not one of RFC 7591.
    #[serde(rename = "urn:oauth-openid:expected", default)]
    expected: Map<String, Value>,
    /// All that the provider answered beside these.
    #[serde(flatten)]
    metadata: Map<String, Value>,
}

/// Members of a request that are secrets, or not repeated as they were sent.
const NOT_COMPARED: &[&str] = &["client_id", "client_secret", "software_statement"];

impl OpenID {
    /// Registers a client (RFC 7591 section 3). Some providers want an initial access token.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider registers nobody; what it refused with, such as
    /// `invalid_redirect_uri`; a malformed-reply error when the reply lacks what it must have.
    pub async fn register(
        discovery: &Discovery,
        metadata: &ClientMetadata,
        initial_access_token: Option<&str>,
    ) -> Result<RegisteredClient> {
        let asking = discovery.anonymous_client()?;
        let endpoint = registration_endpoint(&asking).await?;
        let call = asking.oauth2().request(REGISTER, Method::POST, &*endpoint);
        let call = match initial_access_token {
            Some(token) => call.bearer(token),
            None => call,
        };
        let reply = call.json(Value::Object(metadata.0.clone())).send().await?;
        RegisteredClient::read(&reply, &endpoint, None, Some(metadata))
    }
}

impl RegisteredClient {
    /// The client id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// The client secret; `None` for a public client, and for one that authenticates by a key.
    #[must_use]
    pub fn client_secret(&self) -> Option<&Secret> {
        self.0.client_secret.as_ref()
    }

    /// When the secret expires; `None` for never, which is also what it means that the provider does not say it: see
    /// [`notes`](Self::notes).
    #[must_use]
    pub fn secret_expires_at(&self) -> Option<OffsetDateTime> {
        let at = self.0.client_secret_expires_at.filter(|at| *at != 0)?;
        OffsetDateTime::from_unix_timestamp(at).ok()
    }

    /// What is unusual about the registration and keeps nobody from using it, in sentences for a log.
    #[must_use]
    pub fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if self.0.client_secret.is_some() && self.0.client_secret_expires_at.is_none() {
            notes.push(
                "the provider does not say when the client secret expires (client_secret_expires_at); it is used until the \
                 provider refuses it",
            );
        }
        if self.member("id_token_signed_response_alg").and_then(Value::as_str) == Some("none") {
            notes.push(
                "the provider registered id_token_signed_response_alg none; the client accepts no ID token, so that every login \
                 fails",
            );
        }
        notes
    }

    /// A member of what the provider registered.
    #[must_use]
    pub fn get(&self, member: &str) -> Option<&Value> {
        self.0.metadata.get(member)
    }

    /// The members that the provider registered otherwise than was asked for, or that are otherwise than they were when the
    /// registration was first read. A member that the provider does not repeat is taken to be as was asked for.
    #[must_use]
    pub fn changes(&self) -> Vec<&str> {
        let is_changed = |(name, expected): &(&String, &Value)| {
            self.0.metadata.get(*name).is_some_and(|found| !is_same_member(found, expected))
        };
        self.0.expected.iter().filter(is_changed).map(|(name, _)| &**name).collect()
    }

    /// This registration, with all [`changes`](Self::changes) accepted: look at them first.
    #[must_use]
    pub fn with_changes_accepted(mut self) -> Self {
        let ClientRecord { expected, metadata, .. } = &mut self.0;
        for (name, expected) in expected {
            if let Some(found) = metadata.get(name) {
                expected.clone_from(found);
            }
        }
        self
    }

    /// A client with this registration: its id, its secret, how it authenticates, and what it accepts of tokens.
    ///
    /// # Errors
    ///
    /// A configuration error when the secret has expired; when the provider registered other algorithms, redirect URIs or keys than
    /// were asked for, and [`with_changes_accepted`](Self::with_changes_accepted) does not accept them; or when the registration
    /// names an algorithm or a way to authenticate that this library does not know.
    pub fn client(&self, discovery: &Discovery) -> Result<OpenID> {
        self.client_by(discovery, None)
    }

    /// A client with this registration that proves who it is by what was registered in place of a secret: a key, a certificate.
    ///
    /// # Errors
    ///
    /// Those of [`client`](Self::client), and a configuration error when the provider registered another `token_endpoint_auth_method` or
    /// `token_endpoint_auth_signing_alg`.
    pub fn client_with_credentials(
        &self,
        discovery: &Discovery,
        credentials: impl Into<Credentials>,
    ) -> Result<OpenID> {
        self.client_by(discovery, Some(credentials.into()))
    }

    fn client_by(&self, discovery: &Discovery, credentials: Option<Credentials>) -> Result<OpenID> {
        self.check_changes()?;
        let own = credentials.as_ref().and_then(Credentials::own_authentication);
        let auth = match own {
            Some(own) => {
                self.check_authentication(&**own)?;
                None
            }
            None => self.secret_auth()?,
        };
        let secret = match &self.0.client_secret {
            Some(secret) => ClientSecret::from(secret.clone()),
            None => ClientSecret::NONE,
        };
        let credentials = credentials.unwrap_or_else(|| secret.into());
        let policy = self.policy()?;
        let mut client = discovery.clone().client(&*self.0.client_id, credentials)?.with_policy(policy);
        if let Some(auth) = auth {
            client = client.with_client_auth(auth);
        }
        // As the provider has it now, or as it was asked for.
        for members in [&self.0.expected, &self.0.metadata] {
            for demand in demands_in(members) {
                client = client.with_oauth2(|oauth2| oauth2.demand_of_requests(demand));
            }
        }
        Ok(client)
    }

    /// That the registration has not expired, and that the provider registered what was asked for.
    fn check_changes(&self) -> Result<()> {
        if self.secret_expires_at().is_some_and(|at| at <= SystemClock.now()) {
            return Err(wrong("the client secret of this registration has expired; register again"));
        }
        // A client of unsigned ID tokens is made, and refuses every one of them.
        let is_unsigned =
            |name: &str| name == "id_token_signed_response_alg" && self.text(name) == Some("none");
        let mut changed = self.changes();
        changed.retain(|name| decides_something(name) && !is_unsigned(name));
        if changed.is_empty() {
            return Ok(());
        }
        Err(wrong(format!(
            "the provider registered otherwise than was asked for: {}; look at it, and take it by with_changes_accepted or \
             delete the registration",
            changed.join(", ")
        )))
    }

    /// That a client authenticates as it was registered to.
    fn check_authentication(&self, own: &dyn ClientAuthentication) -> Result<()> {
        for (name, used) in [
            ("token_endpoint_auth_method", Some(own.method().to_owned())),
            ("token_endpoint_auth_signing_alg", own.signing_algorithm()),
        ] {
            // Ed25519 has two names.
            let is_same = |one: &str, other: &str| {
                one == other || Algorithm::of(one).is_some_and(|one| Algorithm::of(other) == Some(one))
            };
            if let (Some(registered), Some(used)) = (self.text(name), used)
                && !is_same(registered, &used)
            {
                return Err(wrong(format!(
                    "the registration's {name} is {}, not {used}",
                    quoted(registered)
                )));
            }
        }
        Ok(())
    }

    /// How the secret of the registration is sent, if it says so.
    fn secret_auth(&self) -> Result<Option<ClientAuth>> {
        match self.text("token_endpoint_auth_method") {
            Some("client_secret_basic") => Ok(Some(ClientAuth::Basic)),
            Some("client_secret_post") => Ok(Some(ClientAuth::Post)),
            Some("none") => Ok(Some(ClientAuth::None)),
            // Basic is what it means not to say (OpenID Connect Dynamic Client Registration section 2).
            None => Ok(self.0.client_secret.is_some().then_some(ClientAuth::Basic)),
            Some(other) => Err(wrong(format!(
                "the registration's token_endpoint_auth_method {} takes no secret; give what signs or shows a certificate, such as \
                 that of oauth-fapi, to client_with_credentials",
                quoted(other)
            ))),
        }
    }

    /// How the client's tokens are signed and encrypted, as the registration has it.
    fn policy(&self) -> Result<impl FnOnce(VerificationPolicy) -> VerificationPolicy> {
        let algorithm = |name: &str| match self.text(name) {
            None => Ok(None),
            Some(found) => Algorithm::of(found)
                .map(Some)
                .ok_or_else(|| wrong(format!("the registration's {name} {} is not accepted", quoted(found)))),
        };
        // An unsigned ID token proves nothing, so this client accepts none: its logins fail, and say why.
        let id_token = match self.text("id_token_signed_response_alg") {
            Some("none") => Vec::new(),
            // RS256 is what it means not to say (section 2).
            _ => vec![algorithm("id_token_signed_response_alg")?.unwrap_or(Algorithm::RS256)],
        };
        let userinfo = algorithm("userinfo_signed_response_alg")?;
        Ok(move |mut policy: VerificationPolicy| {
            policy = policy.algorithms(id_token);
            if let Some(userinfo) = userinfo {
                policy = policy.userinfo(UserInfoForm::Signed).userinfo_algorithms([userinfo]);
            }
            if self.member("require_auth_time") == Some(&Value::Bool(true)) {
                policy = policy.auth_time_always();
            }
            if let Some(Value::Array(types)) = self.member("authorization_details_types") {
                policy = policy.authorization_details_types(types.iter().filter_map(Value::as_str));
            }
            if self.text("id_token_encrypted_response_alg").is_some() {
                policy = policy.encrypted_id_tokens();
            }
            if self.text("userinfo_encrypted_response_alg").is_some() {
                policy = policy.encrypted_userinfo();
            }
            policy
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Value::as_str)
    }

    /// Reads the registration as it is now (RFC 7592 section 2.1). Its secrets may have changed: keep the result.
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the provider gave no way to manage the registration; else any [`Error`].
    pub async fn read_again(&self, discovery: &Discovery) -> Result<Self> {
        let (url, token) = self.management()?;
        let reply = manage(discovery, Method::GET, url, token, |call| call).await?;
        Self::read(&reply, url, Some(self), None)
    }

    /// Replaces the registration (RFC 7592 section 2.2). Keep the result.
    ///
    /// # Errors
    ///
    /// As [`read_again`](Self::read_again).
    pub async fn update(&self, discovery: &Discovery, metadata: &ClientMetadata) -> Result<Self> {
        let (url, token) = self.management()?;
        let mut wanted = metadata.0.clone();
        wanted.insert("client_id".to_owned(), json!(self.0.client_id));
        let reply =
            manage(discovery, Method::PUT, url, token, |call| call.json(Value::Object(wanted))).await?;
        Self::read(&reply, url, Some(self), Some(metadata))
    }

    /// Takes the registration back (RFC 7592 section 2.3).
    ///
    /// # Errors
    ///
    /// As [`read_again`](Self::read_again).
    pub async fn delete(self, discovery: &Discovery) -> Result<()> {
        let (url, token) = self.management()?;
        manage(discovery, Method::DELETE, url, token, |call| call).await.map(drop)
    }

    /// What was registered, or, where the provider is silent, what was asked for.
    fn member(&self, name: &str) -> Option<&Value> {
        self.0.metadata.get(name).or_else(|| self.0.expected.get(name))
    }

    fn management(&self) -> Result<(&str, &Secret)> {
        match (&self.0.registration_client_uri, &self.0.registration_access_token) {
            (Some(url), Some(token)) => Ok((url, token)),
            _ => Err(Error::new(
                REGISTER,
                "openid",
                ErrorKind::Unsupported("the provider gave no way to change the registration".to_owned()),
            )),
        }
    }

    /// Reads a reply of RFC 7591 section 3.2.1. The URL is the one that was asked: the one that is answered must be of the same
    /// origin, because a token goes there.
    fn read(
        reply: &Response,
        asked: &str,
        before: Option<&Self>,
        wanted: Option<&ClientMetadata>,
    ) -> Result<Self> {
        let read = ClientRecord::deserialize(reply.object()?);
        let mut read = read.map_err(|error| reply.malformed(error.to_string()))?;
        if let Some(url) = &read.registration_client_uri
            && origin(url) != origin(asked)
        {
            return Err(reply.malformed("its registration_client_uri is on another host than the provider's"));
        }
        if before.is_some_and(|before| before.client_id() != read.client_id) {
            return Err(reply.malformed("its client_id is that of another client"));
        }
        // What is expected is not the provider's to say.
        read.expected = match (wanted, before) {
            (Some(ClientMetadata(wanted)), _) => wanted.clone(),
            (None, Some(Self(before))) => before.expected.clone(),
            (None, None) => Map::new(),
        };
        read.expected.retain(|name, _| !NOT_COMPARED.contains(&&**name));
        if let Some(Self(before)) = before {
            // What is not repeated is as it was.
            read.registration_client_uri =
                read.registration_client_uri.or(before.registration_client_uri.clone());
            read.registration_access_token =
                read.registration_access_token.or(before.registration_access_token.clone());
            if read.client_secret.is_none() || read.client_secret == before.client_secret {
                read.client_secret.clone_from(&before.client_secret);
                read.client_secret_expires_at =
                    read.client_secret_expires_at.or(before.client_secret_expires_at);
            }
        }
        Ok(read.into())
    }
}

impl From<ClientRecord> for RegisteredClient {
    /// What nobody asked for is expected to stay as it is now; of a registration that an earlier version stored, that is all.
    fn from(mut read: ClientRecord) -> Self {
        for (name, found) in &read.metadata {
            if decides_something(name) && !read.expected.contains_key(name) {
                read.expected.insert(name.clone(), found.clone());
            }
        }
        Self(read)
    }
}

fn client_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer)?.ok_or_else(|| D::Error::custom("its client_id is not a text"))
}

/// A text that is not empty; a member of any other kind counts as absent.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    })
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(text(deserializer)?.map(Secret::from))
}

fn exposed<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

/// A date in seconds since 1970, or zero; what is neither counts as absent, because a registration must not be lost by it.
fn unix_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    // Rounded up, because zero alone means never.
    #[expect(clippy::cast_possible_truncation, reason = "a moment beyond the calendar counts as none")]
    let at = seconds.map(|seconds: f64| seconds.ceil() as i64);
    Ok(at.filter(|at| OffsetDateTime::from_unix_timestamp(*at).is_ok()))
}

/// Whether a client must not silently be made with another value of this member: where codes go, how tokens are signed and encrypted,
/// and with whose keys.
fn decides_something(member: &str) -> bool {
    matches!(member, "redirect_uris" | "jwks" | "jwks_uri")
        || member.ends_with("_alg")
        || member.ends_with("_enc")
}

/// Whether two values of a member mean the same. The order of a list means nothing in any of them.
fn is_same_member(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.iter().all(|item| other.contains(item)) && other.iter().all(|item| one.contains(item))
        }
        _ => one == other,
    }
}

fn wrong(problem: impl Into<String>) -> Error {
    Error::new(REGISTER, "openid", ErrorKind::Configuration(problem.into()))
}

async fn registration_endpoint(client: &OpenID) -> Result<String> {
    let oauth2 = client.oauth2();
    let metadata = match oauth2.participant::<OpenIDConnect>() {
        Some(protocol) => protocol.metadata(oauth2).await?,
        None => None,
    };
    let endpoint = metadata.and_then(|metadata| metadata.text("registration_endpoint").map(str::to_owned));
    endpoint.ok_or_else(|| oauth2.unsupported(REGISTER, "it has no registration_endpoint"))
}

async fn manage(
    discovery: &Discovery,
    method: Method,
    url: &str,
    token: &Secret,
    complete: impl FnOnce(Request<'_>) -> Request<'_>,
) -> Result<Response> {
    let asking = discovery.anonymous_client()?;
    let oauth2: &OAuth2 = asking.oauth2();
    complete(oauth2.request(REGISTER, method, url).bearer(token.expose())).send().await
}

fn origin(url: &str) -> Option<url::Origin> {
    url::Url::parse(url).ok().map(|url| url.origin())
}

impl fmt::Debug for ClientMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only names: a client's own secret can be in an update, and a software statement is not for everybody.
        f.debug_tuple("ClientMetadata").field(&self.0.keys().collect::<Vec<_>>()).finish()
    }
}

impl fmt::Debug for RegisteredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClient")
            .field("client_id", &self.client_id())
            .field("secret_expires_at", &self.secret_expires_at())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Signs;

    fn registered(others: Value) -> RegisteredClient {
        let mut all = json!({"client_id": "id"});
        for (name, value) in others.as_object().unwrap() {
            all[name] = value.clone();
        }
        ClientRecord::deserialize(all).unwrap().into()
    }

    #[test]
    fn rg_a_client_authenticates_as_it_was_registered_to() {
        let client = registered(json!({
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "EdDSA",
        }));
        for (own, is_good) in [
            (Signs("private_key_jwt", Some("EdDSA")), true),
            (Signs("private_key_jwt", Some("Ed25519")), true),
            (Signs("private_key_jwt", None), true),
            (Signs("private_key_jwt", Some("ES256")), false),
            (Signs("tls_client_auth", None), false),
        ] {
            assert_eq!(client.check_authentication(&own).is_ok(), is_good, "{own:?}");
        }
        assert!(registered(json!({})).check_authentication(&Signs("anything", Some("ES256"))).is_ok());
    }

    #[test]
    fn rg_a_secret_is_sent_as_was_registered() {
        let auth = |others: Value| registered(others).secret_auth().ok();
        assert_eq!(
            auth(json!({"token_endpoint_auth_method": "client_secret_basic"})),
            Some(Some(ClientAuth::Basic))
        );
        assert_eq!(
            auth(json!({"token_endpoint_auth_method": "client_secret_post"})),
            Some(Some(ClientAuth::Post))
        );
        assert_eq!(auth(json!({"token_endpoint_auth_method": "none"})), Some(Some(ClientAuth::None)));
        assert_eq!(auth(json!({"token_endpoint_auth_method": "private_key_jwt"})), None);
        assert_eq!(auth(json!({"client_secret": "s"})), Some(Some(ClientAuth::Basic)));
        assert_eq!(auth(json!({})), Some(None));
    }

    #[test]
    fn rg_a_date_of_a_registration_is_read_however_it_is_written() {
        let expires = |at: Value| {
            let client = registered(json!({"client_secret": "s", "client_secret_expires_at": at}));
            client.secret_expires_at().map(OffsetDateTime::unix_timestamp)
        };
        assert_eq!(expires(json!(1_700_000_000)), Some(1_700_000_000));
        assert_eq!(expires(json!("1700000000")), Some(1_700_000_000));
        assert_eq!(expires(json!(1_699_999_999.5)), Some(1_700_000_000));
        for none in [json!(0), json!(null), json!("soon"), json!([]), json!(1e300)] {
            assert_eq!(expires(none.clone()), None, "{none}");
        }
    }

    #[test]
    fn rg_lists_in_another_order_are_the_same() {
        assert!(is_same_member(&json!(["a", "b"]), &json!(["b", "a"])));
        assert!(!is_same_member(&json!(["a"]), &json!(["a", "b"])));
        assert!(!is_same_member(&json!(["a", "b"]), &json!(["a"])));
        assert!(is_same_member(&json!("a"), &json!("a")) && !is_same_member(&json!("a"), &json!("b")));
        for name in ["redirect_uris", "jwks", "jwks_uri", "id_token_signed_response_alg", "x_enc"] {
            assert!(decides_something(name), "{name}");
        }
        assert!(!decides_something("client_name"));
    }

    #[test]
    fn rg_registrations_show_no_secret() {
        let shown =
            format!("{:?}", registered(json!({"client_secret": "secret-1", "client_secret_expires_at": 0})));
        assert!(shown.contains("\"id\"") && !shown.contains("secret-1"), "{shown}");
        let metadata = ClientMetadata::new(["https://app.example/"]).set("software_statement", "secret-2");
        let shown = format!("{metadata:?}");
        assert!(shown.contains("software_statement") && !shown.contains("secret-2"), "{shown}");
    }
}

//! Rows of the specifications that the general tests hold for other clients, at MCP servers: refreshes (RT), resources (RI), metadata of
//! protected resources (PM), PKCE and signed assertions (MC).

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use oauth_core::{
    Callback, Clock, Credentials, HttpClient, HttpError, OffsetDateTime, Sealer, SealingKey, async_trait,
    bytes::Bytes,
    http::{HeaderMap, Request, Response},
    serde_json::{Value, json},
};
use oauth_fapi::{PrivateKeyJwt, SigningKey, oauth_openid::Algorithm};
use oauth_mcp::{
    Access, Authorizer, Browser, Grant, KnownClient, McpError, NameRules, PendingLogin, Revision, ServerUrl,
};
use oauth_tokens::MemoryStore;

const ONE: &str = "https://mcp.example/one";
const AS: &str = "https://as.example";
const METADATA: &str = "https://as.example/.well-known/oauth-authorization-server";
const PRM: &str = "https://mcp.example/.well-known/oauth-protected-resource/one";

/// Two MCP servers, and the authorization server of both, which answers token requests one after another.
#[derive(Clone, Debug, Default)]
struct World(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The replies of the token endpoint, in their order.
    tokens: VecDeque<(u16, Value)>,
    /// Pages that differ from the usual ones, with the header of a 401.
    pages: HashMap<String, (u16, Value)>,
    challenge: Option<String>,
    /// The MCP servers take no token at all.
    refuses_all: bool,
    asked: Vec<(String, HeaderMap, String)>,
}

impl World {
    fn new(tokens: impl IntoIterator<Item = (u16, Value)>) -> Self {
        let world = Self::default();
        world.0.lock().unwrap().tokens.extend(tokens);
        world
    }

    fn page(&self, url: &str, status: u16, body: Value) -> &Self {
        self.0.lock().unwrap().pages.insert(url.to_owned(), (status, body));
        self
    }

    fn challenge(&self, challenge: impl Into<String>) -> &Self {
        self.0.lock().unwrap().challenge = Some(challenge.into());
        self
    }

    /// The URLs that were asked.
    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.iter().map(|(url, ..)| url.clone()).collect()
    }

    /// The forms that the token endpoint was sent.
    fn forms(&self) -> Vec<HashMap<String, String>> {
        let state = self.0.lock().unwrap();
        let forms = state.asked.iter().filter(|(url, ..)| url.ends_with("/token"));
        forms.map(|(.., body)| url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()).collect()
    }
}

fn metadata(members: Value) -> Value {
    let mut metadata = json!({
        "issuer": AS, "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token", "registration_endpoint": "https://as.example/register",
        "code_challenge_methods_supported": ["S256"],
    });
    metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    metadata
}

#[async_trait]
impl HttpClient for World {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let url = request.uri().to_string();
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let mut state = self.0.lock().unwrap();
        state.asked.push((url.clone(), request.headers().clone(), body));
        let has_token = request.headers().contains_key("authorization") && !state.refuses_all;
        let path = request.uri().path();
        let (status, body) = match (path, has_token) {
            _ if state.pages.contains_key(&url) => state.pages[&url].clone(),
            ("/one" | "/two", true) => (200, json!({})),
            ("/one" | "/two", false) => (401, json!({})),
            ("/.well-known/oauth-authorization-server", _) => (200, metadata(json!({}))),
            ("/register", _) => (201, json!({ "client_id": "c" })),
            ("/token", _) => state.tokens.pop_front().expect("a token request too many"),
            (path, _) => match path.strip_prefix("/.well-known/oauth-protected-resource/") {
                Some(name) => {
                    let resource = format!("https://mcp.example/{name}");
                    (200, json!({ "resource": resource, "authorization_servers": [AS] }))
                }
                None => (404, json!({})),
            },
        };
        let mut reply = Response::builder().status(status);
        if let (401, Some(challenge)) = (status, &state.challenge) {
            reply = reply.header("www-authenticate", challenge);
        }
        Ok(reply.body(Bytes::from(body.to_string())).unwrap())
    }
}

/// A user who says yes, and remembers the addresses that were shown.
#[derive(Default)]
struct Yes(Mutex<Vec<String>>);

#[async_trait]
impl Browser for Yes {
    fn redirect_uri(&self) -> &str {
        "http://127.0.0.1:4173/callback"
    }

    async fn sign_in(
        &self,
        login: &PendingLogin,
    ) -> Result<Callback, Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push(login.url().to_owned());
        Ok(Callback::from_query(&format!("code=c&state={}", login.state())))
    }
}

/// A clock that the test advances: a token that is only seconds old is not refreshed after a 401.
#[derive(Clone, Debug, Default)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs().cast_signed(), Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

const MINUTES: Duration = Duration::from_secs(10 * 60);

fn token(access: &str, refresh: Option<&str>) -> (u16, Value) {
    let expires_in = 100_000;
    (
        200,
        json!({ "access_token": access, "token_type": "Bearer", "refresh_token": refresh, "expires_in": expires_in }),
    )
}

fn authorizer(world: &World) -> Authorizer {
    Authorizer::new("Tests").with_http_client(world.clone())
}

fn server() -> ServerUrl {
    ServerUrl::parse(ONE).unwrap()
}

fn access(authorizer: Authorizer) -> Access {
    Access::in_memory(authorizer, server()).unwrap()
}

/// The two servers, with tokens in one store.
fn servers(world: &World, clock: &Hands) -> [Access; 2] {
    let authorizer = authorizer(world).with_clock(clock.clone());
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    let tokens = authorizer.token_manager(MemoryStore::new(), sealer).clock(clock.clone()).build().unwrap();
    ["one", "two"].map(|name| {
        let server = ServerUrl::parse(&format!("https://mcp.example/{name}")).unwrap();
        Access::new(authorizer.clone(), tokens.clone(), server, "ada")
    })
}

async fn live(access: &Access) -> Option<String> {
    access.token().await.unwrap().map(|token| token.access_token().to_owned())
}

#[tokio::test]
async fn ri_06_a_refresh_names_the_resource_of_the_token_that_expired() {
    let world = World::new([
        token("one-1", Some("r1")),
        token("two-1", Some("r2")),
        token("one-2", Some("r3")),
        token("two-2", Some("r4")),
    ]);
    let clock = Hands::default();
    let [one, two] = servers(&world, &clock);
    one.authorize(&Yes::default()).await.unwrap();
    two.authorize(&Yes::default()).await.unwrap();
    clock.advance(MINUTES);
    assert!(one.renew("one-1").await.unwrap() && two.renew("two-1").await.unwrap());
    // A token for one resource is never that of the other.
    assert_eq!((live(&one).await.as_deref(), live(&two).await.as_deref()), (Some("one-2"), Some("two-2")));
    let forms = world.forms();
    for (form, (name, refresh)) in forms[2..].iter().zip([("one", "r1"), ("two", "r2")]) {
        assert_eq!(form["resource"], format!("https://mcp.example/{name}"));
        assert_eq!(form["refresh_token"], refresh);
    }
}

#[tokio::test]
async fn rt_01_a_new_refresh_token_replaces_the_old_one_and_none_keeps_it() {
    let world =
        World::new([token("t1", Some("r1")), token("t2", None), token("t3", Some("r2")), token("t4", None)]);
    let clock = Hands::default();
    let [access, _] = servers(&world, &clock);
    access.authorize(&Yes::default()).await.unwrap();
    for refused in ["t1", "t2", "t3"] {
        clock.advance(MINUTES);
        assert!(access.renew(refused).await.unwrap(), "{refused}");
    }
    let redeemed: Vec<_> = world.forms()[1..].iter().map(|form| form["refresh_token"].clone()).collect();
    assert_eq!(redeemed, ["r1", "r1", "r2"]);
}

#[tokio::test]
async fn mc_44_a_refresh_names_no_scope_also_after_a_narrower_one() {
    let narrower = |access: &str| {
        let (status, mut reply) = token(access, None);
        reply["scope"] = "read".into();
        (status, reply)
    };
    let world = World::new([token("t1", Some("r1")), narrower("t2"), narrower("t3")]);
    world.challenge("Bearer scope=\"read write\"");
    let clock = Hands::default();
    let [access, _] = servers(&world, &clock);
    access.authorize(&Yes::default()).await.unwrap();
    for refused in ["t1", "t2"] {
        clock.advance(MINUTES);
        assert!(access.renew(refused).await.unwrap(), "{refused}");
    }
    assert!(world.forms()[1..].iter().all(|form| !form.contains_key("scope")), "{:?}", world.forms());
}

#[tokio::test]
async fn rt_04_a_dead_grant_is_not_asked_for_again_and_the_user_signs_in() {
    let refused = (400, json!({ "error": "invalid_grant" }));
    let world = World::new([token("t1", Some("r1")), refused, token("t2", Some("r2"))]);
    let clock = Hands::default();
    let [access, _] = servers(&world, &clock);
    access.authorize(&Yes::default()).await.unwrap();
    clock.advance(MINUTES);
    assert!(!access.renew("t1").await.unwrap());
    for _ in 0..2 {
        assert_eq!(live(&access).await, None);
    }
    assert_eq!(world.forms().len(), 2);
    access.authorize(&Yes::default()).await.unwrap();
    assert_eq!(live(&access).await.as_deref(), Some("t2"));
}

#[tokio::test]
async fn rt_07_a_refused_token_is_refreshed_once_and_then_the_user_is_asked_once() {
    let world = World::new([token("t1", Some("r1")), token("t2", Some("r2")), token("t3", Some("r3"))]);
    let clock = Hands::default();
    let [access, _] = servers(&world, &clock);
    let user = Yes::default();
    access.authorize(&user).await.unwrap();
    access.accepted("t1").await;
    clock.advance(MINUTES);
    world.0.lock().unwrap().refuses_all = true;
    let request = Request::post(ONE).body(Bytes::new()).unwrap();
    let error = access.send(&request, &user).await.unwrap_err();
    assert!(matches!(error, McpError::StillUnauthorized), "{error:?}");
    let grants: Vec<_> = world.forms().iter().map(|form| form["grant_type"].clone()).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token"]);
    assert_eq!(user.0.lock().unwrap().len(), 1, "the user is not sent for a token that the server refuses");
}

#[tokio::test]
async fn ri_03_a_resource_that_the_authorization_server_does_not_know_is_told_by_its_code() {
    let world = World::new([(400, json!({ "error": "invalid_target" }))]);
    let [access, _] = servers(&world, &Hands::default());
    let error = access.authorize(&Yes::default()).await.unwrap_err();
    let code = error.oauth().and_then(|error| error.oauth_error()).map(|error| error.code.clone());
    assert_eq!(code.as_deref(), Some("invalid_target"), "{error}");
}

#[tokio::test]
async fn mc_13_s256_is_sent_whatever_is_allowed_and_whatever_the_server_lists() {
    for (methods, settings) in [
        (json!(null), 0),
        (json!([]), 0),
        (json!(["plain", "S256"]), 1),
        // A revision that does not ask for the list.
        (json!(null), 2),
    ] {
        let world = World::new([token("t", None)]);
        world.page(METADATA, 200, metadata(json!({ "code_challenge_methods_supported": methods })));
        let authorizer = match settings {
            0 => authorizer(&world).allowing_unlisted_pkce(AS),
            1 => authorizer(&world),
            _ => authorizer(&world).with_revision(Revision::V2025_06_18),
        };
        let user = Yes::default();
        access(authorizer).authorize(&user).await.unwrap();
        let shown = url::Url::parse(&user.0.lock().unwrap()[0]).unwrap();
        let shown: HashMap<_, _> = shown.query_pairs().into_owned().collect();
        assert_eq!(shown["code_challenge_method"], "S256", "{methods}");
        assert!(shown["code_challenge"].len() == 43, "{methods}");
        assert!(world.forms()[0]["code_verifier"].len() >= 43, "{methods}");
    }
    // One that lists other methods is refused, also where silence is allowed.
    let world = World::new([]);
    world.page(METADATA, 200, metadata(json!({ "code_challenge_methods_supported": ["plain"] })));
    let user = Yes::default();
    let error = access(authorizer(&world).allowing_unlisted_pkce(AS)).authorize(&user).await.unwrap_err();
    assert!(matches!(error, McpError::NoPkce { .. }), "{error}");
    assert!(user.0.lock().unwrap().is_empty());
}

fn machine(world: &World, key: Algorithm) -> Access {
    let credentials = Credentials::authentication(PrivateKeyJwt::new(SigningKey::generate(key).unwrap()));
    let client = KnownClient::new(AS, "machine", credentials);
    access(authorizer(world).with_client(client).with_grant(Grant::ClientCredentials))
}

/// Header and claims of a JWT.
fn decoded(jwt: &str) -> [Value; 2] {
    let mut parts = jwt.split('.').map(|part| {
        let key = |byte: u8| match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            _ => 63,
        };
        let bits = part.bytes().flat_map(|byte| (0..6).rev().map(move |bit| (key(byte) >> bit) & 1));
        let bits: Vec<u8> = bits.collect();
        bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect::<Vec<u8>>()
    });
    [(); 2].map(|()| oauth_core::serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[tokio::test]
async fn mc_46_an_assertion_is_for_the_issuer_and_signed_as_the_server_takes_it() {
    let takes = |algorithms: Value| {
        metadata(json!({
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
        }))
    };
    let request = Request::post(ONE).body(Bytes::new()).unwrap();
    let world = World::new([token("t", None)]);
    world.page(METADATA, 200, takes(json!(["RS256", "ES256"])));
    let user = Yes::default();
    machine(&world, Algorithm::ES256).send(&request, &user).await.unwrap();
    let form = &world.forms()[0];
    let [header, claims] = decoded(&form["client_assertion"]);
    assert_eq!(header["alg"], "ES256");
    assert_eq!(claims["aud"], AS, "one text, and not a list");
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!("machine"), &json!("machine")));
    assert_eq!(form["resource"], ONE);
    assert!(user.0.lock().unwrap().is_empty());
    // What the server does not take is not sent.
    let world = World::new([]);
    world.page(METADATA, 200, takes(json!(["RS256"])));
    let error = machine(&world, Algorithm::ES256).send(&request, &user).await.unwrap_err();
    assert!(matches!(error, McpError::NoClientAuthentication { .. }), "{error}");
    assert!(error.to_string().contains("RS256") && error.to_string().contains("ES256"), "{error}");
    assert!(world.forms().is_empty());
    // One algorithm has two names.
    let world = World::new([token("t", None)]);
    world.page(METADATA, 200, takes(json!(["Ed25519"])));
    machine(&world, Algorithm::EdDSA).send(&request, &user).await.unwrap();
}

#[tokio::test]
async fn pm_02_a_document_about_another_resource_is_not_used() {
    for found in ["https://evil.example/one", "https://mcp.example", "https://mcp.example/ONE", ""] {
        let world = World::new([]);
        world.page(PRM, 200, json!({ "resource": found, "authorization_servers": [AS] }));
        let strict = authorizer(&world).with_name_rules(NameRules::Exact);
        let user = Yes::default();
        access(strict).authorize(&user).await.unwrap_err();
        assert!(!world.asked().iter().any(|url| url.starts_with(AS)), "{found:?}: {:?}", world.asked());
        assert!(user.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn pm_03_what_a_challenge_leads_to_must_be_about_the_url_that_was_called() {
    let elsewhere = "https://elsewhere.example/metadata";
    for (found, is_taken) in [
        (ONE, true),
        ("https://mcp.example/two", false),
        ("https://elsewhere.example", false),
        ("https://mcp.example/one/", false),
    ] {
        let world = World::new([token("t", None)]);
        world.challenge(format!("Bearer resource_metadata=\"{elsewhere}\""));
        world.page(elsewhere, 200, json!({ "resource": found, "authorization_servers": [AS] }));
        let outcome = access(authorizer(&world)).authorize(&Yes::default()).await;
        match is_taken {
            true => drop(outcome.unwrap()),
            false => {
                assert!(matches!(outcome, Err(McpError::ResourceMismatch { .. })), "{found}: {outcome:?}")
            }
        }
        assert_eq!(world.asked().iter().any(|url| url.starts_with(AS)), is_taken, "{found}");
    }
}

#[tokio::test]
async fn pm_04_an_unknown_authorization_server_gets_no_credentials() {
    let evil = "https://evil.example";
    let client = || KnownClient::new(AS, "mine", "the-secret");
    // The one with a client is chosen, wherever it is in the list.
    let world = World::new([token("t", None)]);
    world.page(PRM, 200, json!({ "resource": ONE, "authorization_servers": [evil, AS] }));
    access(authorizer(&world).with_client(client())).authorize(&Yes::default()).await.unwrap();
    assert!(!world.asked().iter().any(|url| url.starts_with(evil)), "{:?}", world.asked());
    // Alone, it is an error, and nothing is registered there.
    let document = metadata(json!({
        "issuer": evil, "authorization_endpoint": "https://evil.example/authorize",
        "token_endpoint": "https://evil.example/token", "registration_endpoint": "https://evil.example/register",
    }));
    let world = World::new([]);
    world.page(PRM, 200, json!({ "resource": ONE, "authorization_servers": [evil] }));
    world.page(&format!("{evil}/.well-known/oauth-authorization-server"), 200, document.clone());
    let error =
        access(authorizer(&world).with_client(client())).authorize(&Yes::default()).await.unwrap_err();
    assert!(matches!(error, McpError::ClientOfOtherIssuer { .. }), "{error}");
    // A document that passes itself off as the known one's is another issuer's.
    let mut posing = document;
    posing["issuer"] = AS.into();
    world.page(&format!("{evil}/.well-known/oauth-authorization-server"), 200, posing);
    let error =
        access(authorizer(&world).with_client(client())).authorize(&Yes::default()).await.unwrap_err();
    assert!(matches!(error, McpError::IssuerMismatch { .. }), "{error}");
    let state = world.0.lock().unwrap();
    for (url, headers, body) in &state.asked {
        assert!(!url.ends_with("/register") && !url.ends_with("/token"), "{url}");
        assert!(!format!("{headers:?} {body}").contains("the-secret"));
    }
}

#[tokio::test]
async fn pm_05_a_challenge_leads_to_no_address_that_is_not_public() {
    for place in [
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "https://10.0.0.7/metadata",
        "https://[::1]/metadata",
        "https://[::ffff:10.0.0.7]/metadata",
        "https://0x7f.1/metadata",
        "https://user:word@mcp.example/metadata",
        "file:///etc/passwd",
        "//elsewhere",
    ] {
        let world = World::new([]);
        world.challenge(format!("Bearer resource_metadata=\"{place}\""));
        let user = Yes::default();
        access(authorizer(&world)).authorize(&user).await.unwrap_err();
        assert!(world.asked().iter().all(|url| url == ONE), "{place}: {:?}", world.asked());
        assert!(user.0.lock().unwrap().is_empty());
    }
    // Nor by way of a redirect.
    let world = World::new([]);
    world.page(PRM, 302, json!({}));
    let error = access(authorizer(&world)).authorize(&Yes::default()).await.unwrap_err();
    assert!(matches!(error, McpError::Redirected { .. } | McpError::NoResourceMetadata(_)), "{error}");
}

#[tokio::test]
async fn dr_02_a_registration_tells_when_its_secret_expires() {
    let world = World::new([token("t", Some("r"))]);
    world.page(
        "https://as.example/register",
        201,
        json!({ "client_id": "c", "client_secret": "s", "client_secret_expires_at": 4_000_000_000_u32,
            "token_endpoint_auth_method": "client_secret_basic" }),
    );
    let access = access(authorizer(&world));
    assert!(access.registration().await.unwrap().is_none());
    access.authorize(&Yes::default()).await.unwrap();
    let registration = access.registration().await.unwrap().unwrap();
    assert_eq!((&*registration.issuer, &*registration.client_id), (AS, "c"));
    assert_eq!(registration.secret_expires_at.unwrap().unix_timestamp(), 4_000_000_000);
    assert!(registration.is_known);
}

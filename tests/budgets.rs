//! What must not grow unnoticed: allocations and requests of each kind of work, without network. `budgets.toml` says how many there
//! may be; `cargo xtask budgets --update` writes it anew, together with packages. Allocations
//! may be a quarter more, because a dependency's release must not fail a build.
//!
//! A binary of its own, because the allocator that counts is the whole program's.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use oauth_clients::{
    AuthorizationRequest, Callback, CodeVerifier, HttpClient, HttpError, LoginOptions, OAuth2, Provider,
    Sealer, SealingKey, async_trait, github::GitHubOAuth2, random_token,
};
use oauth_openid::{Discovery, Expectations, OpenID, OpenIDProvider, ProviderMetadata};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const REDIRECT_URI: &str = "https://app.example/callback";
const ISSUER: &str = "https://op.example";

/// Sections of the file; `packages` is the xtask's.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Budgets {
    allocations: BTreeMap<String, u64>,
    requests: BTreeMap<String, u64>,
    #[serde(default)]
    packages: BTreeMap<String, u64>,
}

#[test]
fn nothing_costs_more_than_its_budget() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("budgets.toml");
    let known: Budgets = toml::from_str(&fs::read_to_string(&file).unwrap_or_default()).unwrap_or_default();
    let found = measured();
    if env::var_os("UPDATE_BUDGETS").is_some() {
        let updated = Budgets { packages: known.packages, ..found };
        fs::write(&file, format!("{HEAD}{}", toml::to_string(&updated).unwrap())).unwrap();
        return;
    }
    let mut problems = Vec::new();
    for (work, &count) in &found.allocations {
        match known.allocations.get(work) {
            Some(&budget) if count <= budget + budget / 4 => {}
            budget => problems.push(format!("{work} allocates {count} times, and its budget is {budget:?}")),
        }
    }
    for (work, count) in &found.requests {
        let budget = known.requests.get(work);
        if budget != Some(count) {
            problems.push(format!("{work} makes {count} requests, and its budget is {budget:?}"));
        }
    }
    assert!(
        problems.is_empty(),
        "{}\nIf that is right, `cargo xtask budgets --update` writes tests/budgets.toml anew.",
        problems.join("\n")
    );
}

/// Answers with this document, or with nothing for ever.
#[derive(Debug)]
struct Documents {
    metadata: String,
    keys_hang: bool,
}

#[async_trait]
impl HttpClient for Documents {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        if self.keys_hang && request.uri().path() == "/jwks" {
            std::future::pending::<()>().await;
        }
        Ok(http::Response::new(self.metadata.clone().into()))
    }
}

/// A provider with much to say does not take a hundred times as much memory.
#[test]
fn metadata_takes_memory_in_proportion() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let many_members: Value = (0..40_000).map(|number| (format!("member_{number}"), json!(1))).collect();
    for more in [json!(vec![1; 400_000]), json!(vec![json!({"a": {}}); 80_000]), many_members] {
        let mut document = metadata();
        match more {
            Value::Object(members) => document.as_object_mut().unwrap().extend(members),
            more => document["more"] = more,
        }
        let metadata = document.to_string();
        drop(document);
        let most = 4 * i64::try_from(metadata.len()).unwrap();
        let http = Documents { metadata, keys_hang: false };
        let client = Discovery::new(ISSUER).with_http_client(http).client("client", "secret").unwrap();
        let held = allocation_counter::measure(|| {
            runtime.block_on(client.start_login(REDIRECT_URI, LoginOptions::new())).unwrap();
        });
        assert!(
            held.bytes_current < most,
            "{} bytes are held, and at most {most} may be",
            held.bytes_current
        );
    }
}

/// Tokens that wait for keys are kept as their senders keep them: as text.
#[test]
fn waiting_tokens_take_memory_in_proportion() {
    const SENDERS: usize = 50;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let http = Documents { metadata: metadata().to_string(), keys_hang: true };
    let client = Discovery::new(ISSUER).with_http_client(http).client("client", "secret").unwrap();
    runtime.block_on(client.metadata()).unwrap();
    let claims = json!({"iss": ISSUER, "more": vec![1; 40_000]}).to_string();
    let header = json!({"alg": "ES256", "kid": "1"}).to_string();
    let token = [header, claims, "signature".to_owned()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let most = i64::try_from(2 * SENDERS * token.len()).unwrap();
    let held = allocation_counter::measure(|| {
        for _ in 0..SENDERS {
            let (client, token) = (client.clone(), token.clone());
            runtime.spawn(async move {
                client.verify_id_token(&token, &Expectations::new().nonce("nonce")).await.map(drop)
            });
        }
        runtime.block_on(async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        });
    });
    assert!(held.bytes_current < most, "{} bytes are held, and at most {most} may be", held.bytes_current);
}

const HEAD: &str = "# Allocations and requests of each kind of work, and the packages of minimal programs.\n\
                    # `cargo xtask budgets` compares; `cargo xtask budgets --update` writes this file.\n\n";

fn measured() -> Budgets {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut found = Budgets::default();
    let mut allocations = |work: &str, run: &mut dyn FnMut()| {
        // What is made once is none of the work's.
        run();
        run();
        found.allocations.insert(work.to_owned(), allocation_counter::measure(run).count_total);
    };

    let http = Arc::new(Fake::default());
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_scopes(["email", "profile"])
        .with_refresh_endpoint("https://as.example/token")
        .with_http_client(http.clone());
    let verifier = CodeVerifier::random().unwrap();
    let attempt = runtime.block_on(client.start_login(REDIRECT_URI, LoginOptions::new())).unwrap().attempt;
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    let sealed = sealer.seal(&attempt).unwrap();

    allocations("authorization URL with fresh state and PKCE", &mut || {
        let (state, verifier) = (random_token().unwrap(), CodeVerifier::random().unwrap());
        let request = AuthorizationRequest::new(REDIRECT_URI).state(&state).pkce(&verifier);
        runtime.block_on(client.get_authorization_url(request)).unwrap();
    });
    allocations("start_login", &mut || {
        runtime.block_on(client.start_login(REDIRECT_URI, LoginOptions::new())).unwrap();
    });
    allocations("code exchange", &mut || {
        let exchange = client.get_access_token("code", REDIRECT_URI, Some(&verifier), &[]);
        runtime.block_on(exchange).unwrap();
    });
    allocations("refresh", &mut || {
        runtime.block_on(client.refresh_token("RT", None)).unwrap();
    });
    allocations("login attempt, sealed", &mut || {
        sealer.seal(&attempt).unwrap();
    });
    allocations("login attempt, opened", &mut || {
        sealer.open(&sealed, "oauth2", REDIRECT_URI).unwrap();
    });

    let openid = OpenID::new("client", "secret", ProviderMetadata::new(metadata()).unwrap())
        .unwrap()
        .with_http_client(http.clone());
    let (token, expected) = (http.id_token("nonce"), Expectations::new().nonce("nonce"));
    allocations("ID token, verified with warm keys", &mut || {
        runtime.block_on(openid.verify_id_token(&token, &expected)).unwrap();
    });

    let tokens = TokenManager::builder(MemoryStore::new(), sealer.clone())
        .provider(Arc::new(client.clone()))
        .build()
        .unwrap();
    let key = TokenKey::new("oauth2", "user-1");
    runtime.block_on(async {
        let token = client.refresh_token("RT", None).await.unwrap();
        tokens.put(&key, &token).await.unwrap();
    });
    allocations("live token from the manager", &mut || {
        runtime.block_on(tokens.get(&key)).unwrap();
    });

    let mut requests = |work: &str, http: &Fake| {
        for (path, count) in http.requests() {
            found.requests.insert(format!("{work}: {path}"), count);
        }
        found.requests.insert(work.to_owned(), http.requests().values().sum());
    };
    let http = Arc::new(Fake::default());
    let github = GitHubOAuth2::new("id", "secret").with_http_client(http.clone());
    let started = runtime.block_on(github.start_login(REDIRECT_URI, LoginOptions::new())).unwrap();
    requests("start_login at GitHub", &http);
    let callback = Callback::from_query(&format!("code=c&state={}", started.attempt.state()));
    let login = runtime.block_on(github.finish_login(started.attempt, callback)).unwrap();
    requests("login at GitHub", &http);
    runtime.block_on(github.get_identity(&login.token)).unwrap();
    requests("login at GitHub with identity", &http);

    let http = Arc::new(Fake::default());
    let client = Discovery::new(ISSUER).with_http_client(http.clone()).client("client", "secret").unwrap();
    runtime.block_on(first_logins(Arc::new(client)));
    requests("64 first logins at once", &http);

    let http = Arc::new(Fake::default());
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_refresh_endpoint("https://as.example/token")
        .with_http_client(http.clone());
    runtime.block_on(storm(Arc::new(client), sealer));
    requests("1,000 callers of one expired token", &http);
    found
}

async fn first_logins(client: Arc<OpenID>) {
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        logins.spawn(async move {
            let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
            let (state, nonce) = (started.attempt.state(), started.attempt.nonce().unwrap());
            let callback = Callback::from_query(&format!("code={nonce}&state={state}"));
            client.finish_login(started.attempt, callback).await.unwrap();
        });
    }
    while let Some(login) = logins.join_next().await {
        login.unwrap();
    }
}

async fn storm(client: Arc<OAuth2>, sealer: Sealer) {
    let tokens = TokenManager::builder(MemoryStore::new(), sealer).provider(client).build().unwrap();
    let key = TokenKey::new("oauth2", "user-1");
    let expired = r#"{"access_token":"old","expires_at":1,"refresh_token":"RT"}"#;
    tokens.put(&key, &serde_json::from_str(expired).unwrap()).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let (tokens, key) = (tokens.clone(), key.clone());
        calls.spawn(async move { assert_eq!(tokens.get(&key).await.unwrap().access_token(), "AT") });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
}

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
    })
}

/// Answers as a provider does, and counts.
#[derive(Debug)]
struct Fake {
    key: EcdsaKeyPair,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl Default for Fake {
    fn default() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { key, requests: Mutex::default() }
    }
}

impl Fake {
    fn requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().unwrap().clone()
    }

    fn id_token(&self, nonce: &str) -> String {
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let claims = json!({
            "iss": ISSUER, "sub": "1", "aud": "client", "nonce": nonce, "iat": now, "exp": now + 600,
            "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
        });
        let header = json!({"alg": "ES256", "kid": "1", "typ": "JWT"});
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn body(&self, path: &str, form: &[u8]) -> Value {
        match path {
            "/.well-known/openid-configuration" => metadata(),
            "/jwks" => {
                let point = self.key.public_key().as_ref();
                let [x, y] = [&point[1..33], &point[33..]].map(|half| URL_SAFE_NO_PAD.encode(half));
                json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "1", "x": x, "y": y}]})
            }
            "/user" => json!({"id": 1, "login": "ada", "email": null}),
            "/user/emails" => json!([{"email": "ada@example.com", "primary": true, "verified": true}]),
            // The code says which nonce the ID token is to hold.
            _ => {
                let code = form_urlencoded::parse(form).find(|(name, _)| name == "code");
                let nonce = code.map(|(_, code)| code.into_owned()).unwrap_or_default();
                json!({
                    "access_token": "AT", "token_type": "bearer", "expires_in": 3600, "refresh_token": "RT",
                    "scope": "email profile", "id_token": (nonce.len() > 4).then(|| self.id_token(&nonce)),
                })
            }
        }
    }
}

#[async_trait]
impl HttpClient for Fake {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let path = request.uri().path().to_owned();
        *self.requests.lock().unwrap().entry(path.clone()).or_default() += 1;
        // So that calls which could be one overlap.
        tokio::task::yield_now().await;
        let mut reply = http::Response::new(self.body(&path, request.body()).to_string().into());
        let json = http::HeaderValue::from_static("application/json");
        reply.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Ok(reply)
    }
}

//! What vendors report between two logins: sent by the emulator, verified, and carried out on the grants of a real manager.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use oauth_clients::{
    ClientSecret, DatedSecret, Endpoint, MemoryCache, Provider, Sealer, SealingKey, SharedCache, Signal,
    SignalError, SignalEvent, SignalSubject, SignalVerifier,
    apple::{AppleOAuth2, AppleSecret, AppleSignals},
    bytes::Bytes,
    facebook::{FacebookOAuth2, FacebookSignals},
    google::{GoogleOAuth2, GoogleSignals},
    shopify::{ShopifyOAuth2, ShopifySignals},
};
use oauth_emulator::{Emulator, Fault, SignalRequest};
use oauth_tokens::{
    BatchOptions, DeadMark, DeadReason, Filter, MemoryStore, TokenError, TokenKey, TokenManager,
};
use oauth_web_axum::{SignalEndpoint, signal_route};
use serde_json::{Value, json};

use crate::support::events::Events;

const USER: &str = "1815121018521127";
const FORM: &str = "application/x-www-form-urlencoded";

type Seen = Arc<Mutex<Vec<Signal>>>;

/// An endpoint that notes what it is told.
fn noting(verifier: impl SignalVerifier + 'static) -> (SignalEndpoint, Seen) {
    let seen = Seen::default();
    let noted = seen.clone();
    let endpoint = SignalEndpoint::new(verifier, move |signal: Signal| {
        noted.lock().unwrap().push(signal);
        async { Ok::<(), String>(()) }
    });
    (endpoint, seen)
}

fn request(sent: &SignalRequest) -> Request<Full<Bytes>> {
    let mut request = Request::post("/signals");
    for (name, value) in &sent.headers {
        request = request.header(name, value);
    }
    request.body(Full::from(sent.body.clone())).unwrap()
}

fn with_body(sent: &SignalRequest, body: String) -> SignalRequest {
    let mut other = sent.clone();
    other.body = body;
    other
}

fn with_header(sent: &SignalRequest, name: &str, value: &str) -> SignalRequest {
    let mut other = sent.clone();
    other.headers.retain(|(known, _)| known != name);
    other.headers.push((name.to_owned(), value.to_owned()));
    other
}

fn headers(sent: &SignalRequest) -> HeaderMap {
    let pairs = sent
        .headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::try_from(value).unwrap()));
    pairs.collect()
}

async fn status(endpoint: &SignalEndpoint, sent: &SignalRequest) -> u16 {
    let response = endpoint.receive(request(sent)).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.status().as_u16()
}

async fn verify(verifier: &impl SignalVerifier, sent: &SignalRequest) -> Result<Vec<Signal>, SignalError> {
    verifier.verify(&headers(sent), sent.body.as_bytes()).await
}

async fn only(verifier: &impl SignalVerifier, sent: &SignalRequest) -> Signal {
    let mut all = verify(verifier, sent).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn facebook(emulator: &Emulator) -> FacebookOAuth2 {
    let facebook = FacebookOAuth2::new("facebook-client-id", "facebook-client-secret");
    facebook.with_http_client(emulator.http_client().unwrap())
}

fn google(emulator: &Emulator) -> GoogleOAuth2 {
    let google = GoogleOAuth2::new("google-client-id", "google-client-secret");
    google.with_http_client(emulator.http_client().unwrap())
}

fn apple(emulator: &Emulator) -> AppleOAuth2 {
    let key = emulator.apple_key();
    let secret = AppleSecret::new(&key.team_id, &key.key_id, &key.private_key_pem).unwrap();
    AppleOAuth2::new("apple-client-id", secret).with_http_client(emulator.http_client().unwrap())
}

fn meta(emulator: &Emulator, event: &str, members: Value) -> SignalRequest {
    emulator.signal("facebook", "facebook-client-id", event, USER, members).unwrap()
}

fn of_apple(emulator: &Emulator, event: &str, members: Value) -> SignalRequest {
    emulator.signal("apple", "apple-client-id", event, USER, members).unwrap()
}

fn of_google(emulator: &Emulator, event: &str, members: Value) -> SignalRequest {
    emulator.signal("google", "google-client-id", event, USER, members).unwrap()
}

fn of_shopify(emulator: &Emulator, topic: &str, members: Value) -> SignalRequest {
    emulator.signal("shopify", "shopify-client-id", topic, "my-shop", members).unwrap()
}

fn user(issuer: &str) -> SignalSubject {
    serde_subject(issuer, USER)
}

fn serde_subject(issuer: &str, subject: &str) -> SignalSubject {
    SignalSubject::User { issuer: issuer.to_owned(), subject: subject.to_owned() }
}

/// A security event token of Google with these claims in place of the usual ones.
fn set(emulator: &Emulator, typ: &str, changes: Value) -> SignalRequest {
    let event = "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked";
    let subject = json!({"subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": USER});
    let mut claims = json!({
        "iss": "https://accounts.google.com/",
        "aud": "google-client-id",
        "iat": time::OffsetDateTime::now_utc().unix_timestamp(),
        "jti": "j-1",
        "events": {event: {"subject": subject}},
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let token = emulator.sign_jwt("google", Some(typ), claims).unwrap();
    with_body(&of_google(emulator, "risc/event-type/verification", json!({})), token)
}

/// Apple's notification with these changes to its claims.
fn notification(emulator: &Emulator, changes: Value) -> SignalRequest {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let mut claims = json!({
        "iss": "https://appleid.apple.com",
        "aud": "apple-client-id",
        "iat": now,
        "exp": now + 86400,
        "jti": "j-1",
        "events": json!({"type": "consent-revoked", "sub": USER, "event_time": now * 1000}).to_string(),
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let token = emulator.sign_jwt("apple", None, claims).unwrap();
    with_body(&of_apple(emulator, "email-enabled", json!({})), json!({"payload": token}).to_string())
}

/// The application: its users by issuer and subject, its manager, and what it has deleted.
#[derive(Clone)]
struct Application {
    tokens: TokenManager,
    deleted: Arc<Mutex<Vec<String>>>,
}

impl Application {
    /// The recipe of `docs/signals.md`.
    async fn act_on(&self, signal: Signal) -> Result<(), TokenError> {
        let mut grants = Filter::all().with_provider(&signal.provider);
        match &signal.about {
            SignalSubject::User { subject, .. } => grants = grants.with_subject(format!("user-of-{subject}")),
            SignalSubject::Shop { domain, .. } => grants = grants.with_subject(domain),
            SignalSubject::Token(_) => {}
            _ => return Ok(()),
        }
        let mut mark = DeadMark::new(signal.event.name());
        if let Some(at) = signal.at {
            mark = mark.obtained_until(at);
        }
        if let SignalSubject::Token(identifier) = signal.about.clone() {
            mark = mark.of_token(move |token| {
                token.refresh_token().is_some_and(|refresh_token| identifier.names(refresh_token))
            });
        }
        let options = BatchOptions::new();
        let batch = match (signal.asks_for_deletion(), signal.ends_grants()) {
            (true, _) => {
                self.deleted.lock().unwrap().push(format!("{:?}", signal.about));
                self.tokens.erase_all(&grants, &options).await?
            }
            (false, true) => self.tokens.mark_all_dead(&grants, &mark, &options).await?,
            (false, false) => return Ok(()),
        };
        match batch.error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn endpoint(&self, verifier: impl SignalVerifier + 'static) -> SignalEndpoint {
        let application = self.clone();
        SignalEndpoint::new(verifier, move |signal| {
            let application = application.clone();
            async move { application.act_on(signal).await }
        })
    }
}

/// A site with a manager and an endpoint for each vendor, really listening.
async fn site(emulator: &Emulator) -> (String, Application) {
    let shopify = ShopifyOAuth2::new("shopify-client-id", "shopify-client-secret", "my-shop").unwrap();
    let (facebook, apple, google) = (facebook(emulator), apple(emulator), google(emulator));
    let tokens = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::from_bytes([1; 32])))
        .provider(Arc::new(facebook.clone()))
        .provider(Arc::new(apple.clone()))
        .provider(Arc::new(google.clone()))
        .provider(Arc::new(shopify.with_http_client(emulator.http_client().unwrap())))
        .build()
        .unwrap();
    let application = Application { tokens, deleted: Arc::default() };
    let route = |verifier: Arc<dyn SignalVerifier>| signal_route(application.endpoint(Shared(verifier)));
    let deletion = FacebookSignals::data_deletion(&facebook, "https://app.example/deletion?code=");
    let app: Router = Router::new()
        .route("/signals/deauthorize", route(Arc::new(FacebookSignals::deauthorization(&facebook))))
        .route("/signals/deletion", route(Arc::new(deletion)))
        .route("/signals/apple", route(Arc::new(AppleSignals::new(&apple))))
        .route("/signals/google", route(Arc::new(GoogleSignals::new(&google))))
        .route("/signals/shopify", route(Arc::new(ShopifySignals::new("shopify-client-secret"))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/signals", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, application)
}

/// The trait is object-safe, and an application may wrap it.
#[derive(Debug)]
struct Shared(Arc<dyn SignalVerifier>);

#[oauth_clients::async_trait]
impl SignalVerifier for Shared {
    fn provider(&self) -> &str {
        self.0.provider()
    }

    async fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Signal>, SignalError> {
        self.0.verify(headers, body).await
    }

    fn accepted(&self, signals: &[Signal]) -> Response<String> {
        self.0.accepted(signals)
    }

    fn refused(&self, error: &SignalError) -> Response<String> {
        self.0.refused(error)
    }
}

fn key(provider: &str) -> TokenKey {
    match provider {
        "shopify" => TokenKey::new("shopify", "my-shop.myshopify.com"),
        _ => TokenKey::new(provider, format!("user-of-{USER}")),
    }
}

fn dead_for(error: &TokenError) -> &str {
    match error {
        TokenError::Dead { grant, .. } => match &grant.reason {
            DeadReason::MarkedDead { reason } => reason,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_users_grants_end_when_the_vendor_says_so() {
    let emulator = Emulator::start().await.unwrap();
    let (url, application) = site(&emulator).await;
    for (provider, path, event, reason, expected) in [
        ("facebook", "deauthorize", "deauthorize", "consent_revoked", 200),
        ("apple", "apple", "consent-revoked", "consent_revoked", 200),
        ("google", "google", "oauth/event-type/tokens-revoked", "consent_revoked", 202),
        ("google", "google", "risc/event-type/account-disabled", "account_disabled", 202),
        ("shopify", "shopify", "app/uninstalled", "consent_revoked", 200),
    ] {
        let tokens = &application.tokens;
        tokens.put(&key(provider), &emulator.sign_in(provider).unwrap()).await.unwrap();
        tokens.get(&key(provider)).await.unwrap();
        // Somebody else's stays.
        let other = TokenKey::new(provider, "somebody-else");
        tokens.put(&other, &emulator.sign_in(provider).unwrap()).await.unwrap();
        let about = if provider == "shopify" { "my-shop" } else { USER };
        let signal = emulator.signal(provider, &format!("{provider}-client-id"), event, about, json!({}));
        let reply = signal.unwrap().send(&format!("{url}/{path}")).await.unwrap();
        assert_eq!((reply.status().as_u16(), reply.body().len()), (expected, 0), "{event}");
        let error = tokens.get(&key(provider)).await.unwrap_err();
        assert_eq!(dead_for(&error), reason, "{event}");
        tokens.get(&other).await.unwrap();
    }
}

#[tokio::test]
async fn one_token_that_google_names_ends_and_no_other() {
    let emulator = Emulator::start().await.unwrap();
    let (url, application) = site(&emulator).await;
    let (tokens, other) = (&application.tokens, TokenKey::new("google", "somebody-else"));
    let named = emulator.sign_in("google").unwrap();
    tokens.put(&key("google"), &named).await.unwrap();
    tokens.put(&other, &emulator.sign_in("google").unwrap()).await.unwrap();
    let refresh_token = named.refresh_token().unwrap();
    let event = "oauth/event-type/token-revoked";
    let subject = json!({"subject_type": "oauth_token", "token_type": "refresh_token",
        "token_identifier_alg": "prefix", "token": &refresh_token[..16]});
    for members in [json!({}), json!({ "subject": subject })] {
        let sent = emulator.signal("google", "google-client-id", event, refresh_token, members).unwrap();
        let reply = sent.send(&format!("{url}/google")).await.unwrap();
        assert_eq!(reply.status().as_u16(), 202);
        assert_eq!(dead_for(&tokens.get(&key("google")).await.unwrap_err()), "token_revoked");
        tokens.get(&other).await.unwrap();
        tokens.put(&key("google"), &named).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_to_be_deleted_is_deleted() {
    let emulator = Emulator::start().await.unwrap();
    let (url, application) = site(&emulator).await;
    let tokens = &application.tokens;
    for (provider, path, event) in [
        ("facebook", "deletion", "data-deletion"),
        ("apple", "apple", "account-delete"),
        ("shopify", "shopify", "shop/redact"),
    ] {
        tokens.put(&key(provider), &emulator.sign_in(provider).unwrap()).await.unwrap();
        let about = if provider == "shopify" { "my-shop" } else { USER };
        let signal =
            emulator.signal(provider, &format!("{provider}-client-id"), event, about, json!({})).unwrap();
        let reply = signal.send(&format!("{url}/{path}")).await.unwrap();
        assert_eq!(reply.status().as_u16(), 200, "{event}");
        assert!(matches!(tokens.get(&key(provider)).await, Err(TokenError::NotFound { .. })), "{event}");
    }
    assert_eq!(application.deleted.lock().unwrap().len(), 3);

    // A customer of the shop is not the shop.
    tokens.put(&key("shopify"), &emulator.sign_in("shopify").unwrap()).await.unwrap();
    for topic in ["customers/redact", "customers/data_request"] {
        let reply = of_shopify(&emulator, topic, json!({})).send(&format!("{url}/shopify")).await.unwrap();
        assert_eq!(reply.status().as_u16(), 200, "{topic}");
    }
    tokens.get(&key("shopify")).await.unwrap();
}

/// Apple's TN3194: whoever deletes an account that signs in with Apple revokes its tokens.
#[tokio::test]
async fn deleting_an_account_revokes_its_tokens_at_apple() {
    let emulator = Emulator::start().await.unwrap();
    let (_, application) = site(&emulator).await;
    application.tokens.put(&key("apple"), &emulator.sign_in("apple").unwrap()).await.unwrap();
    let all = Filter::all().with_subject(format!("user-of-{USER}"));
    let batch = application.tokens.revoke_all(&all, &BatchOptions::new()).await.unwrap();
    assert_eq!((batch.done, batch.left), (1, 0), "{batch}");
    let revoked =
        emulator.requests().into_iter().filter(|request| request.endpoint().ends_with("/auth/revoke"));
    assert_eq!(revoked.count(), 1);
}

#[tokio::test]
async fn a_grant_that_is_newer_than_the_event_stays() {
    let emulator = Emulator::start().await.unwrap();
    let (url, application) = site(&emulator).await;
    application.tokens.put(&key("facebook"), &emulator.sign_in("facebook").unwrap()).await.unwrap();
    let an_hour_ago = time::OffsetDateTime::now_utc().unix_timestamp() - 3600;
    let late = meta(&emulator, "deauthorize", json!({"issued_at": an_hour_ago}));
    assert_eq!(late.send(&format!("{url}/deauthorize")).await.unwrap().status().as_u16(), 200);
    application.tokens.get(&key("facebook")).await.unwrap();
}

#[tokio::test]
async fn meta_is_answered_with_a_page_and_a_code() {
    let emulator = Emulator::start().await.unwrap();
    let client = facebook(&emulator);
    let (endpoint, seen) =
        noting(FacebookSignals::data_deletion(&client, "https://app.example/deletion?code="));
    let sent = meta(&emulator, "data-deletion", json!({}));
    let mut answers = Vec::new();
    for _ in 0..2 {
        let response = endpoint.receive(request(&sent)).await;
        assert_eq!(response.headers()["content-type"], "application/json");
        answers.push(serde_json::from_str::<Value>(response.body()).unwrap());
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1, "the handler is called once");
    assert_eq!(seen[0].event, SignalEvent::DeletionRequested);
    assert_eq!(seen[0].about, user("https://www.facebook.com"));
    let code = &seen[0].id;
    assert!(code.len() == 32 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{code}");
    let expected =
        json!({"url": format!("https://app.example/deletion?code={code}"), "confirmation_code": code});
    assert_eq!(answers, [expected.clone(), expected]);
}

/// Meta posts the same text to both when a user removes the app and wants their data deleted.
#[tokio::test]
async fn one_signed_request_at_both_callbacks_is_two_signals() {
    let emulator = Emulator::start().await.unwrap();
    let client = facebook(&emulator);
    let cache: Arc<dyn SharedCache> = Arc::new(MemoryCache::new());
    let (removal, removed) = noting(FacebookSignals::deauthorization(&client));
    let (deletion, deleted) = noting(FacebookSignals::data_deletion(&client, "https://app.example/"));
    let (removal, deletion) = (removal.remember_in(cache.clone()), deletion.remember_in(cache));
    let sent = meta(&emulator, "deauthorize", json!({}));
    assert_eq!((status(&removal, &sent).await, status(&deletion, &sent).await), (200, 200));
    assert_eq!((removed.lock().unwrap().len(), deleted.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn a_signed_request_that_is_not_metas_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, seen) = noting(FacebookSignals::deauthorization(&facebook(&emulator)));
    let good = meta(&emulator, "deauthorize", json!({}));
    let signed = good.body.strip_prefix("signed_request=").unwrap().to_owned();
    let (signature, payload) = signed.split_once('.').unwrap();
    let forged = URL_SAFE_NO_PAD.encode(json!({"algorithm": "HMAC-SHA256", "user_id": "1"}).to_string());
    let unsigned = URL_SAFE_NO_PAD.encode(json!({"algorithm": "none", "user_id": USER}).to_string());
    let future = time::OffsetDateTime::now_utc().unix_timestamp() + 3600;
    for (what, sent) in [
        ("no field", with_body(&good, "a=b".to_owned())),
        ("twice", with_body(&good, format!("{0}&{0}", good.body))),
        ("another payload", with_body(&good, format!("signed_request={signature}.{forged}"))),
        ("no signature", with_body(&good, format!("signed_request=.{unsigned}"))),
        ("no payload", with_body(&good, format!("signed_request={signature}"))),
        ("three parts", with_body(&good, format!("signed_request={signature}.{payload}.x"))),
        ("no form", with_header(&good, "content-type", "application/json")),
        ("algorithm", meta(&emulator, "deauthorize", json!({"algorithm": "HMAC-SHA1"}))),
        ("no algorithm", meta(&emulator, "deauthorize", json!({"algorithm": null}))),
        ("the future", meta(&emulator, "deauthorize", json!({"issued_at": future}))),
        ("no time", meta(&emulator, "deauthorize", json!({"issued_at": "soon"}))),
        ("nobody", meta(&emulator, "deauthorize", json!({"user_id": null}))),
        ("a login's cookie", meta(&emulator, "deauthorize", json!({"code": "AQB"}))),
        ("a login's token", meta(&emulator, "deauthorize", json!({"oauth_token": "EAA"}))),
    ] {
        assert_eq!(status(&endpoint, &sent).await, 400, "{what}");
    }
    let (other, _) =
        noting(FacebookSignals::deauthorization(&FacebookOAuth2::new("facebook-client-id", "another")));
    assert_eq!(status(&other, &good).await, 400);
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(status(&endpoint, &good).await, 200);
    assert_eq!(
        status(&endpoint, &with_header(&good, "content-type", &format!("{FORM}; charset=utf-8"))).await,
        200
    );
    let page = meta(&emulator, "deauthorize", json!({"user_id": "0", "profile_id": "7"}));
    assert_eq!(status(&endpoint, &page).await, 200, "a page that removes the app is told, and nothing more");
}

#[tokio::test]
async fn a_secret_that_was_just_replaced_still_verifies() {
    let emulator = Emulator::start().await.unwrap();
    let secrets = || ["new-secret", "facebook-client-secret", "shopify-client-secret"].map(DatedSecret::new);
    let both = FacebookOAuth2::new("facebook-client-id", ClientSecret::rotating(secrets()));
    let (endpoint, _) = noting(FacebookSignals::deauthorization(&both));
    assert_eq!(status(&endpoint, &meta(&emulator, "deauthorize", json!({}))).await, 200);
    let (endpoint, _) = noting(ShopifySignals::new(ClientSecret::rotating(secrets())));
    assert_eq!(status(&endpoint, &of_shopify(&emulator, "shop/redact", json!({}))).await, 200);
    // Everybody can sign with an empty secret.
    let (endpoint, _) = noting(ShopifySignals::new(ClientSecret::rotating([DatedSecret::new("")])));
    assert_eq!(status(&endpoint, &of_shopify(&emulator, "shop/redact", json!({}))).await, 503);
}

#[tokio::test]
async fn apples_events_are_told_apart() {
    let emulator = Emulator::start().await.unwrap();
    let verifier = AppleSignals::new(&apple(&emulator));
    let now = time::OffsetDateTime::now_utc();
    for (event, expected) in [
        ("consent-revoked", SignalEvent::ConsentRevoked),
        ("account-delete", SignalEvent::AccountDeleted),
        ("email-enabled", SignalEvent::EmailEnabled),
        ("email-disabled", SignalEvent::EmailDisabled),
    ] {
        let signal = only(&verifier, &of_apple(&emulator, event, json!({}))).await;
        assert_eq!(
            (&signal.event, &signal.about),
            (&expected, &user("https://appleid.apple.com")),
            "{event}"
        );
        let at = signal.at.unwrap();
        assert!((now - at).abs() < Duration::from_secs(60), "{at}: the time is in milliseconds");
    }
    for (kind, expected) in [
        ("account-deleted", SignalEvent::AccountDeleted),
        ("moved-to-mars", SignalEvent::Other { name: "moved-to-mars".to_owned() }),
    ] {
        let events = json!({"type": kind, "sub": USER, "event_time": 1_508_184_845_000_i64}).to_string();
        let signal = only(&verifier, &notification(&emulator, json!({ "events": events }))).await;
        assert_eq!(signal.event, expected);
        assert_eq!(signal.at.unwrap().unix_timestamp(), 1_508_184_845);
    }
    let events = json!({"type": "consent-revoked", "sub": USER}).to_string();
    let untimed = notification(&emulator, json!({"events": events, "iat": 1_508_184_845}));
    let at = only(&verifier, &untimed).await.at;
    assert_eq!(at.unwrap().unix_timestamp(), 1_508_184_845, "that of the message");
}

#[tokio::test]
async fn a_notification_that_is_not_apples_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, seen) = noting(AppleSignals::new(&apple(&emulator)));
    let good = notification(&emulator, json!({}));
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let token = serde_json::from_str::<Value>(&good.body).unwrap()["payload"].as_str().unwrap().to_owned();
    let of_google =
        set(&emulator, "secevent+jwt", json!({"iss": "https://appleid.apple.com", "aud": "apple-client-id"}));
    let parts: Vec<_> = token.split('.').collect();
    let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), parts[1]);
    let symmetric = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), parts[1], parts[2]);
    let payload = |token: &str| json!({ "payload": token }).to_string();
    for (what, sent) in [
        ("another app", notification(&emulator, json!({"aud": "com.example.other"}))),
        ("another issuer", notification(&emulator, json!({"iss": "https://appleid.apple.com.evil.example"}))),
        ("no issuer", notification(&emulator, json!({"iss": null}))),
        ("the future", notification(&emulator, json!({"iat": now + 3600}))),
        ("expired", notification(&emulator, json!({"exp": now - 3600}))),
        ("no id", notification(&emulator, json!({"jti": null}))),
        ("no events", notification(&emulator, json!({"events": null, "sub": USER}))),
        ("events that are not JSON", notification(&emulator, json!({"events": "consent-revoked"}))),
        (
            "a member twice",
            notification(
                &emulator,
                json!({"events": format!(
            r#"{{"type":"consent-revoked","sub":"1","sub":"{USER}"}}"#)}),
            ),
        ),
        ("no user", notification(&emulator, json!({"events": r#"{"type":"consent-revoked"}"#}))),
        ("no type", notification(&emulator, json!({"events": format!(r#"{{"sub":"{USER}"}}"#)}))),
        ("another vendor's key", with_body(&good, payload(&of_google.body))),
        ("alg none", with_body(&good, payload(&none))),
        ("alg HS256", with_body(&good, payload(&symmetric))),
        ("no token", with_body(&good, payload("e30"))),
        ("payload twice", with_body(&good, format!(r#"{{"payload":"{token}","payload":"{token}"}}"#))),
        ("no JSON", with_body(&good, token.clone())),
        ("another type", with_header(&good, "content-type", "text/plain")),
    ] {
        assert_eq!(status(&endpoint, &sent).await, 400, "{what}");
    }
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(status(&endpoint, &good).await, 200);
    // The App ID that a Services ID is grouped with.
    let (grouped, _) = noting(AppleSignals::new(&apple(&emulator)).with_client_ids(["com.example.app"]));
    assert_eq!(status(&grouped, &notification(&emulator, json!({"aud": "com.example.app"}))).await, 200);
}

#[tokio::test]
async fn googles_events_are_told_apart() {
    let emulator = Emulator::start().await.unwrap();
    let verifier = GoogleSignals::new(&google(&emulator));
    let hijacking = Some("hijacking".to_owned());
    for (event, members, expected) in [
        ("risc/event-type/sessions-revoked", json!({}), SignalEvent::SessionsRevoked),
        ("oauth/event-type/tokens-revoked", json!({}), SignalEvent::ConsentRevoked),
        (
            "risc/event-type/account-disabled",
            json!({"reason": "hijacking"}),
            SignalEvent::AccountDisabled { reason: hijacking },
        ),
        ("risc/event-type/account-disabled", json!({}), SignalEvent::AccountDisabled { reason: None }),
        ("risc/event-type/account-enabled", json!({}), SignalEvent::AccountEnabled),
        (
            "risc/event-type/account-credential-change-required",
            json!({}),
            SignalEvent::CredentialChangeRequired,
        ),
    ] {
        let signal = only(&verifier, &of_google(&emulator, event, members)).await;
        assert_eq!(
            (&signal.event, &signal.about),
            (&expected, &user("https://accounts.google.com")),
            "{event}"
        );
        assert!(signal.at.is_some());
    }
    let test = of_google(&emulator, "risc/event-type/verification", json!({"state": "s-1"}));
    let signal = only(&verifier, &test).await;
    assert_eq!(signal.event, SignalEvent::Verification { state: Some("s-1".to_owned()) });
    assert_eq!(signal.about, SignalSubject::Nobody);
    // The subject of an ID token, whose issuer has no slash at its end.
    let claims = json!({"subject_type": "id_token_claims", "iss": "https://accounts.google.com", "sub": USER,
        "email": "ada@example.com"});
    let signal = only(
        &verifier,
        &of_google(&emulator, "risc/event-type/sessions-revoked", json!({"subject": claims})),
    )
    .await;
    assert_eq!(signal.about, user("https://accounts.google.com"));
    // What is new at Google is acknowledged.
    let event = "https://schemas.openid.net/secevent/risc/event-type/recovery-activated";
    let signal = only(&verifier, &set(&emulator, "JWT", json!({"events": {event: {}}}))).await;
    assert_eq!(signal.event, SignalEvent::Other { name: event.to_owned() });
    assert!(!signal.ends_grants() && !signal.ends_sessions());
}

/// The example of Google's page: of 2017, and without an expiry.
#[tokio::test]
async fn an_old_event_without_an_expiry_is_accepted() {
    let emulator = Emulator::start().await.unwrap();
    let verifier = GoogleSignals::new(&google(&emulator))
        .with_client_ids(["123456789-abcedfgh.apps.googleusercontent.com"]);
    let event = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
    let published = json!({
        "aud": "123456789-abcedfgh.apps.googleusercontent.com",
        "iat": 1_508_184_845,
        "jti": "756E69717565206964656E746966696572",
        "events": {event: {
            "subject": {"subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": "7375626A656374"},
            "reason": "hijacking",
        }},
    });
    let signal = only(&verifier, &set(&emulator, "JWT", published.clone())).await;
    assert_eq!(signal.about, serde_subject("https://accounts.google.com", "7375626A656374"));
    assert_eq!(signal.id, "756E69717565206964656E746966696572");
    assert_eq!(signal.at.unwrap().unix_timestamp(), 1_508_184_845);
    let mut expired = published;
    expired["exp"] = json!(1_508_184_845);
    only(&verifier, &set(&emulator, "JWT", expired)).await;
}

#[tokio::test]
async fn a_security_event_that_is_not_googles_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, seen) = noting(GoogleSignals::new(&google(&emulator)));
    let good = set(&emulator, "secevent+jwt", json!({}));
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let parts: Vec<_> = good.body.split('.').collect();
    let first = if parts[2].starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{}.{}.{first}{}", parts[0], parts[1], &parts[2][1..]);
    let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), parts[1]);
    let symmetric = format!("{}.{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), parts[1], parts[2]);
    let event = "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked";
    let stranger = json!({"subject_type": "iss-sub", "iss": "https://op.example", "sub": USER});
    let apples =
        notification(&emulator, json!({"iss": "https://accounts.google.com/", "aud": "google-client-id"}));
    let apples = serde_json::from_str::<Value>(&apples.body).unwrap()["payload"].as_str().unwrap().to_owned();
    for (what, sent, code) in [
        ("another app", set(&emulator, "JWT", json!({"aud": "other"})), "invalid_audience"),
        ("no app", set(&emulator, "JWT", json!({"aud": null})), "invalid_audience"),
        ("another issuer", set(&emulator, "JWT", json!({"iss": "https://op.example/"})), "invalid_issuer"),
        ("the future", set(&emulator, "JWT", json!({"iat": now + 3600})), "invalid_request"),
        ("no time", set(&emulator, "JWT", json!({"iat": null})), "invalid_request"),
        ("no id", set(&emulator, "JWT", json!({"jti": null})), "invalid_request"),
        ("no events", set(&emulator, "JWT", json!({"events": null})), "invalid_request"),
        ("no event", set(&emulator, "JWT", json!({"events": {}})), "invalid_request"),
        (
            "a stranger's user",
            set(&emulator, "JWT", json!({"events": {event: {"subject": stranger}}})),
            "invalid_request",
        ),
        ("nobody", set(&emulator, "JWT", json!({"events": {event: {}}})), "invalid_request"),
        ("a logout token", set(&emulator, "logout+jwt", json!({})), "invalid_request"),
        ("an access token", set(&emulator, "at+jwt", json!({})), "invalid_request"),
        ("another vendor's key", with_body(&good, apples), "invalid_key"),
        ("alg none", with_body(&good, none), "invalid_key"),
        ("alg HS256", with_body(&good, symmetric), "invalid_key"),
        ("a changed token", with_body(&good, changed), "invalid_key"),
        ("no token", with_body(&good, "hello".to_owned()), "invalid_request"),
        ("nothing", with_body(&good, String::new()), "invalid_request"),
        ("another type", with_header(&good, "content-type", "application/json"), "invalid_request"),
    ] {
        let response = endpoint.receive(request(&sent)).await;
        assert_eq!(response.status().as_u16(), 400, "{what}");
        assert_eq!(response.headers()["content-type"], "application/json", "{what}");
        assert_eq!(response.headers()["content-language"], "en", "{what}");
        let body: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body["err"], code, "{what}");
        assert!(body["description"].is_string());
    }
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(status(&endpoint, &good).await, 202);
    assert_eq!(status(&endpoint, &good).await, 202, "a repetition is acknowledged");
    assert_eq!(seen.lock().unwrap().len(), 1, "and not handled again");
}

#[tokio::test]
async fn googles_description_is_read_once_for_many_events_at_once() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, _) = noting(GoogleSignals::new(&google(&emulator)));
    emulator.clear_requests();
    let sent: Vec<_> =
        (0..16).map(|number| set(&emulator, "JWT", json!({"jti": format!("j-{number}")}))).collect();
    let mut answers = tokio::task::JoinSet::new();
    for sent in sent {
        let endpoint = endpoint.clone();
        answers.spawn(async move { status(&endpoint, &sent).await });
    }
    assert!(answers.join_all().await.iter().all(|status| *status == 202));
    let requests = emulator.requests();
    let described =
        requests.iter().filter(|request| request.endpoint().ends_with("/.well-known/risc-configuration"));
    assert_eq!(described.count(), 1, "{requests:?}");
}

#[tokio::test]
async fn googles_description_names_issuer_and_keys() {
    let emulator = Emulator::start().await.unwrap();
    // Google's keys for events are elsewhere than those that the client has for ID tokens.
    let moved =
        google(&emulator).with_endpoints(|all| all.with(Endpoint::Jwks, "https://www.googleapis.com/none"));
    let (endpoint, _) = noting(GoogleSignals::new(&moved));
    emulator.clear_requests();
    assert_eq!(status(&endpoint, &set(&emulator, "JWT", json!({}))).await, 202);
    assert_eq!(status(&endpoint, &set(&emulator, "JWT", json!({"jti": "j-2"}))).await, 202);
    let paths: Vec<_> = emulator.requests().iter().map(|request| request.endpoint().to_owned()).collect();
    let read = |end: &str| paths.iter().filter(|path| path.ends_with(end)).count();
    assert_eq!((read("/.well-known/risc-configuration"), read("/oauth2/v3/certs")), (1, 1), "{paths:?}");
}

#[tokio::test]
async fn google_is_told_to_try_again_while_the_keys_cannot_be_read() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, seen) = noting(GoogleSignals::new(&google(&emulator)));
    let sent = set(&emulator, "JWT", json!({}));
    emulator.fault("google", Fault::ServerError).unwrap();
    emulator.clear_requests();
    for _ in 0..5 {
        assert_eq!(status(&endpoint, &sent).await, 503);
    }
    assert_eq!(emulator.requests().len(), 1, "who floods the endpoint does not flood Google");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn shopifys_topics_are_told_apart() {
    let emulator = Emulator::start().await.unwrap();
    let verifier = ShopifySignals::new("shopify-client-secret");
    let domain = || "my-shop.myshopify.com".to_owned();
    let shop = SignalSubject::Shop { domain: domain(), id: Some("548380009".to_owned()) };
    let customer = SignalSubject::Customer { shop: domain(), id: Some("191167".to_owned()) };
    for (topic, event, about) in [
        ("app/uninstalled", SignalEvent::ConsentRevoked, shop.clone()),
        ("shop/redact", SignalEvent::DeletionRequested, shop),
        ("customers/redact", SignalEvent::DeletionRequested, customer.clone()),
        ("customers/data_request", SignalEvent::DataRequested, customer),
    ] {
        let signal = only(&verifier, &of_shopify(&emulator, topic, json!({}))).await;
        assert_eq!((signal.event, signal.about), (event, about), "{topic}");
        let age = time::OffsetDateTime::now_utc() - signal.at.unwrap();
        assert!(age.abs() < Duration::from_secs(60), "{topic}: {age}");
    }
    let other = of_shopify(&emulator, "shop/redact", json!({}));
    let signal = only(&verifier, &with_header(&other, "x-shopify-topic", "orders/create")).await;
    assert_eq!(signal.event, SignalEvent::Other { name: "orders/create".to_owned() });
    assert!(!signal.ends_grants());
}

#[tokio::test]
async fn a_webhook_that_shopify_did_not_sign_is_401() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, seen) = noting(ShopifySignals::new("shopify-client-secret"));
    let good = of_shopify(&emulator, "app/uninstalled", json!({}));
    let mut twice = good.clone();
    twice.headers.push(("x-shopify-hmac-sha256".to_owned(), "AAAA".to_owned()));
    let mut without = good.clone();
    without.headers.retain(|(name, _)| name != "x-shopify-hmac-sha256");
    for (what, sent) in [
        ("a changed body", with_body(&good, format!("{} ", good.body))),
        ("an empty body", with_body(&good, String::new())),
        ("an empty signature", with_header(&good, "x-shopify-hmac-sha256", "")),
        ("two signatures", twice),
        ("no signature", without),
    ] {
        assert_eq!(status(&endpoint, &sent).await, 401, "{what}");
    }
    let (other, _) = noting(ShopifySignals::new("another"));
    assert_eq!(status(&other, &good).await, 401);
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(status(&endpoint, &good).await, 200);
}

/// Topic and shop are in headers, which are not signed.
#[tokio::test]
async fn a_webhook_whose_headers_do_not_fit_its_body_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, seen) = noting(ShopifySignals::new("shopify-client-secret"));
    let redact = of_shopify(&emulator, "customers/redact", json!({}));
    let uninstalled = of_shopify(&emulator, "app/uninstalled", json!({}));
    let shop = "x-shopify-shop-domain";
    for (what, sent) in [
        ("a customer's message about a shop", with_header(&redact, "x-shopify-topic", "shop/redact")),
        ("a customer's message about the app", with_header(&redact, "x-shopify-topic", "app/uninstalled")),
        (
            "a shop's message about a customer",
            with_header(&uninstalled, "x-shopify-topic", "customers/redact"),
        ),
        ("another shop", with_header(&uninstalled, shop, "other.myshopify.com")),
        ("no shop's domain", with_header(&uninstalled, shop, "my-shop.example")),
        ("a path", with_header(&uninstalled, shop, "my-shop.example/#.myshopify.com")),
        ("two labels", with_header(&uninstalled, shop, "a.my-shop.myshopify.com")),
        ("a bare name", with_header(&uninstalled, shop, "my-shop")),
        ("another type", with_header(&uninstalled, "content-type", "application/xml")),
    ] {
        assert_eq!(status(&endpoint, &sent).await, 400, "{what}");
    }
    let mut two_shops = uninstalled.clone();
    two_shops.headers.push((shop.to_owned(), "my-shop.myshopify.com".to_owned()));
    assert_eq!(status(&endpoint, &two_shops).await, 400);
    assert!(seen.lock().unwrap().is_empty());
    // One event may be delivered twice, under two of these ids.
    assert_eq!(status(&endpoint, &uninstalled).await, 200);
    assert_eq!(status(&endpoint, &with_header(&uninstalled, "x-shopify-webhook-id", "new")).await, 200);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

/// The body of `shop/redact` is the same each time, and that of `app/uninstalled` may be.
#[tokio::test]
async fn a_shop_that_leaves_twice_is_two_events() {
    let emulator = Emulator::start().await.unwrap();
    for topic in ["app/uninstalled", "shop/redact"] {
        let (endpoint, seen) = noting(ShopifySignals::new("shopify-client-secret"));
        let first = with_header(&of_shopify(&emulator, topic, json!({})), "x-shopify-event-id", "e-1");
        let second = with_header(&first, "x-shopify-event-id", "e-2");
        for sent in [&first, &first, &second, &second] {
            assert_eq!(status(&endpoint, sent).await, 200, "{topic}");
        }
        assert_eq!(seen.lock().unwrap().len(), 2, "{topic}");
    }
}

#[tokio::test]
async fn a_handler_that_fails_is_called_again() {
    let emulator = Emulator::start().await.unwrap();
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let endpoint = SignalEndpoint::new(AppleSignals::new(&apple(&emulator)), move |_: Signal| {
        let call = {
            let mut calls = counted.lock().unwrap();
            *calls += 1;
            *calls
        };
        async move {
            assert_ne!(call, 2, "an application's own panic");
            if call == 1 { Err("the database is down at db-7") } else { Ok(()) }
        }
    });
    let sent = of_apple(&emulator, "consent-revoked", json!({}));
    let log = Events::of("oauth_web");
    let guard = log.listen();
    for expected in [503, 503, 200, 200] {
        let response = endpoint.receive(request(&sent)).await;
        assert_eq!(response.status().as_u16(), expected);
        assert!(!response.body().contains("db-7"));
    }
    assert_eq!(*calls.lock().unwrap(), 3);
    drop(guard);
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("db-7") && line.contains("apple")), "{lines:?}");
}

#[tokio::test]
async fn a_message_that_is_being_handled_is_not_acknowledged() {
    let emulator = Emulator::start().await.unwrap();
    let (release, released) = tokio::sync::watch::channel(false);
    let endpoint = SignalEndpoint::new(AppleSignals::new(&apple(&emulator)), move |_: Signal| {
        let mut released = released.clone();
        async move { released.wait_for(|released| *released).await.map(drop) }
    });
    let sent = of_apple(&emulator, "consent-revoked", json!({}));
    let first = tokio::spawn({
        let (endpoint, sent) = (endpoint.clone(), sent.clone());
        async move { status(&endpoint, &sent).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(status(&endpoint, &sent).await, 503, "if the first one fails, the vendor must send it again");
    release.send(true).unwrap();
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(status(&endpoint, &sent).await, 200);
}

#[tokio::test]
async fn a_handler_goes_on_when_the_vendor_hangs_up() {
    let emulator = Emulator::start().await.unwrap();
    let done = Arc::new(Mutex::new(0));
    let counted = done.clone();
    let endpoint = SignalEndpoint::new(AppleSignals::new(&apple(&emulator)), move |_: Signal| {
        let counted = counted.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            *counted.lock().unwrap() += 1;
            Ok::<(), String>(())
        }
    });
    let sent = of_apple(&emulator, "consent-revoked", json!({}));
    // So that the keys are there, and the time goes into the handler.
    assert_eq!(status(&endpoint, &of_apple(&emulator, "email-enabled", json!({}))).await, 200);
    let hung_up = tokio::time::timeout(Duration::from_millis(150), endpoint.receive(request(&sent))).await;
    assert!(hung_up.is_err());
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(*done.lock().unwrap(), 2);
    assert_eq!(status(&endpoint, &sent).await, 200);
    assert_eq!(*done.lock().unwrap(), 2);
}

#[tokio::test]
async fn an_endpoint_takes_posts_of_moderate_size() {
    let emulator = Emulator::start().await.unwrap();
    let (endpoint, _) = noting(ShopifySignals::new("shopify-client-secret"));
    let large = of_shopify(&emulator, "app/uninstalled", json!({"note": "x".repeat(1_100_000)}));
    assert_eq!(status(&endpoint, &large).await, 413);
    assert_eq!(status(&endpoint.clone().most_bytes(1_200_000), &large).await, 200);
    // A customer of many years, whose orders are all named.
    let orders: Vec<u64> = (0..50_000).map(|order| 4_000_000_000_000 + order).collect();
    let request = json!({"orders_requested": orders});
    assert_eq!(status(&endpoint, &of_shopify(&emulator, "customers/data_request", request)).await, 200);
    for method in ["GET", "HEAD", "PUT"] {
        let request =
            Request::builder().method(method).uri("/signals").body(Full::<Bytes>::default()).unwrap();
        let response = endpoint.receive(request).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &HeaderValue::from_static("POST"))
        );
    }
    let (google, _) = noting(GoogleSignals::new(&google(&emulator)));
    let large = with_body(&set(&emulator, "JWT", json!({})), "x".repeat(70_000));
    assert_eq!(status(&google, &large).await, 400);
}

#[tokio::test]
async fn no_error_shows_a_secret_or_the_message() {
    let emulator = Emulator::start().await.unwrap();
    let good = meta(&emulator, "deauthorize", json!({"algorithm": "x", "email": "ada@example.com"}));
    let signed = good.body.strip_prefix("signed_request=").unwrap().to_owned();
    let verifier = FacebookSignals::deauthorization(&facebook(&emulator));
    let mut shown = format!("{verifier:?} {good:?}");
    for sent in [good.clone(), with_body(&good, format!("{}x", good.body))] {
        let error = verify(&verifier, &sent).await.unwrap_err();
        shown += &format!("{error} {error:?}");
    }
    let verifier = ShopifySignals::new("shopify-client-secret");
    let sent = of_shopify(&emulator, "customers/redact", json!({}));
    shown += &format!("{:?}", only(&verifier, &sent).await);
    let error = verify(&verifier, &with_body(&sent, format!("{} ", sent.body))).await.unwrap_err();
    shown += &format!("{verifier:?} {error} {error:?}");
    for secret in ["client-secret", &signed[..43], "ada@", "john@example.com", "555-625"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

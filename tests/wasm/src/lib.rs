//! What the tests in `run.mjs` call.

use std::{fmt, sync::Arc, time::Duration};

use js_sys::{Function, Promise};
use oauth_apple::{AppleOAuth2, AppleSecret};
use oauth_fetch::{
    FetchClient,
    oauth_core::{
        Callback, HttpClient, HttpError, LoginOptions, MemoryCache, Provider, Sealer, SealingKey,
        SharedCache, async_trait,
        bytes::Bytes,
        http::{Request, Response},
        random_token,
        serde_json::json,
    },
};
use oauth_github::GitHubOAuth2;
use oauth_google::GoogleOAuth2;
use oauth_openid::{Discovery, IdToken};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Sends requests for a provider's real URLs to the emulator.
struct Emulated {
    client: FetchClient,
    origin: String,
}

impl fmt::Debug for Emulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Emulated")
    }
}

#[async_trait]
impl HttpClient for Emulated {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let url = request.uri().to_string();
        if let Some(rest) = url.strip_prefix("https://") {
            *request.uri_mut() = format!("{}/{rest}", self.origin).parse().unwrap();
        }
        self.client.send(request).await
    }
}

fn emulated(origin: String) -> Arc<dyn HttpClient> {
    Arc::new(Emulated { client: FetchClient::new(), origin })
}

fn failed(error: impl fmt::Display) -> JsValue {
    js_sys::Error::new(&error.to_string()).into()
}

/// Signs a user in with a client: `browse` does what the browser does, and gives the URL of the callback.
async fn sign_in(client: &dyn Provider, redirect_uri: &str, browse: &Function) -> Result<String, JsValue> {
    let started = client.start_login(redirect_uri, LoginOptions::new()).await.map_err(failed)?;
    // As a worker does it that keeps the attempt in a cookie.
    let sealer = Sealer::new(SealingKey::random().map_err(failed)?);
    let sealed = sealer.seal(&started.attempt).map_err(failed)?;
    let back = browse.call1(&JsValue::NULL, &started.url.into())?;
    let back = JsFuture::from(Promise::resolve(&back)).await?;
    let attempt = sealer.open(&sealed, client.oauth2().name(), redirect_uri).map_err(failed)?;
    let callback = Callback::from_url(&back.as_string().ok_or("no URL")?);
    let login = client.finish_login(attempt, callback).await.map_err(failed)?;
    let identity = client.get_identity(&login.token).await.map_err(failed)?;
    Ok(json!({
        "subject": identity.subject,
        "issuer": identity.issuer,
        "claims": IdToken::of(&login).map(|token| json!({ "iss": token.issuer(), "sub": token.subject() })),
        "expires": login.token.expires_at().is_some(),
    })
    .to_string())
}

#[wasm_bindgen]
pub async fn github(
    origin: String,
    id: String,
    secret: String,
    redirect_uri: String,
    browse: Function,
) -> Result<String, JsValue> {
    let client = GitHubOAuth2::new(id, secret).with_http_client(emulated(origin));
    sign_in(&client, &redirect_uri, &browse).await
}

#[wasm_bindgen]
pub async fn google(
    origin: String,
    id: String,
    secret: String,
    redirect_uri: String,
    browse: Function,
) -> Result<String, JsValue> {
    let client = GoogleOAuth2::new(id, secret).with_http_client(emulated(origin));
    sign_in(&client, &redirect_uri, &browse).await
}

/// A provider that is discovered, whose documents are read anew and shared.
#[wasm_bindgen]
pub async fn discovered(
    issuer: String,
    origin: String,
    id: String,
    secret: String,
    redirect_uri: String,
    browse: Function,
) -> Result<String, JsValue> {
    let discovery = Discovery::new(issuer).with_http_client(emulated(origin));
    let client = discovery.connect(id, secret).await.map_err(failed)?;
    sign_in(&client, &redirect_uri, &browse).await
}

/// Exchanges a code at Apple, which a server of the test plays.
#[wasm_bindgen]
pub async fn apple(origin: String, key: String) -> Result<(), JsValue> {
    let secret = AppleSecret::new("TEAM123456", "KEY1234567", &key).map_err(failed)?;
    let client = AppleOAuth2::new("com.example.app", secret).with_http_client(emulated(origin));
    let exchanged = client.get_access_token("code", "https://app.example/callback", None, &[]).await;
    exchanged.map(drop).map_err(failed)
}

/// Sends one request, and says what came.
#[wasm_bindgen]
pub async fn send(method: String, url: String, body: String, milliseconds: u32) -> String {
    let client = FetchClient::new().with_request_timeout(Duration::from_millis(milliseconds.into()));
    let request = Request::builder().method(&*method).uri(url).header("x-test", "one");
    match client.send(request.body(Bytes::from(body)).unwrap()).await {
        Ok(reply) => {
            let header = |name: &str| reply.headers().get(name).and_then(|value| value.to_str().ok());
            json!({
                "status": reply.status().as_u16(),
                "location": header("location"),
                "encoding": header("content-encoding"),
                "length": reply.body().len(),
                "body": String::from_utf8_lossy(&reply.body()[..reply.body().len().min(200)]),
            })
        }
        Err(error) => json!({
            "kind": format!("{:?}", error.kind()),
            "status": error.status().map(|status| status.as_u16()),
            "text": error.to_string(),
        }),
    }
    .to_string()
}

/// What needs random bytes and a clock.
#[wasm_bindgen]
pub async fn platform() -> Result<(), JsValue> {
    let [one, other] = [random_token().map_err(failed)?, random_token().map_err(failed)?];
    if one == other {
        return Err("random tokens repeat".into());
    }
    let cache = MemoryCache::new();
    cache.put("name", Bytes::from("value"), Duration::from_secs(60)).await.map_err(failed)?;
    match cache.get("name").await.map_err(failed)? {
        Some(value) if value == "value" => Ok(()),
        _ => Err("the cache lost a value".into()),
    }
}

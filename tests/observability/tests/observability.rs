//! What spans, events and metrics say of a sign-in and of the tokens after it, and that no secret is among it.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::Full;
use metrics_util::debugging::DebuggingRecorder;
use oauth_core::{
    Operation, Provider, Sealer, SealingKey,
    telemetry::{event, metric, span},
};
use oauth_emulator::{Consent, Emulator, Fault};
use oauth_google::GoogleOAuth2;
use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
use oauth_web::{SignIn, SignInRequest};
use tracing_subscriber::{
    Layer, filter::filter_fn, fmt::format::FmtSpan, layer::SubscriberExt, util::SubscriberInitExt,
};

const GUIDE: &str = include_str!("../../../docs/observability.md");
const DASHBOARD: &str = include_str!("../../../docs/observability/grafana-dashboard.json");
const CLIENT_SECRET: &str = "google-client-secret";
const SITE: &str = "https://app.example/auth/google";

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Written {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn request(url: &str, cookie: Option<&str>) -> SignInRequest {
    let mut request = Request::get(url);
    if let Some(cookie) = cookie {
        request = request.header(header::COOKIE, cookie);
    }
    SignInRequest::new(request.body(()).unwrap().into_parts().0, [("provider", "google")])
}

fn cookie_of(headers: impl FnOnce(&mut HeaderMap)) -> String {
    let mut map = HeaderMap::new();
    headers(&mut map);
    let cookie = map.get(header::SET_COOKIE).unwrap().to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// The values of a URL's query with at least eight characters, as they are and decoded.
fn values(url: &str, names: &[&str]) -> Vec<String> {
    let uri: http::Uri = url.parse().unwrap();
    let query = uri.query().unwrap_or_default().to_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| names.contains(name)).map(|(_, value)| value.to_owned()).collect()
}

#[tokio::test]
async fn no_span_event_or_metric_contains_a_secret() {
    let written = Written::default();
    let writer = written.clone();
    let ours = filter_fn(|metadata| metadata.target().starts_with("oauth"));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_span_events(FmtSpan::FULL);
    let layer = layer.with_writer(move || writer.clone()).with_filter(ours);
    tracing_subscriber::registry().with(layer).init();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();

    let emulator = Emulator::start().await.unwrap();
    let google = GoogleOAuth2::new("google-client-id", CLIENT_SECRET)
        .with_http_client(emulator.http_client().unwrap());
    let sign_in =
        SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32]))).at("https://app.example").unwrap();
    let sign_in = sign_in.provider(google.clone()).unwrap();
    let mut secrets = vec![CLIENT_SECRET.to_owned()];

    // A sign-in, with its callback used once more and without its cookie.
    let answer = sign_in.login(&request(&format!("{SITE}/login"), None)).await;
    let cookie = cookie_of(|headers| answer.headers.apply(headers));
    let redirect = answer.result.unwrap();
    let location = redirect.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let callback = emulator.browse(&location, Consent::Allow).await.unwrap().into_url();
    secrets.extend(values(&location, &["state", "nonce", "code_challenge"]));
    secrets.extend(values(&callback, &["state", "code"]));
    secrets.push(cookie.split_once('=').unwrap().1.to_owned());
    let answer = sign_in.callback(&request(&callback, Some(&cookie)), Full::new(Bytes::new())).await;
    let user = answer.result.unwrap();
    secrets.push(user.identity.subject.clone());
    secrets.extend(user.identity.email.iter().map(|email| email.address.clone()));
    for cookie in [Some(&*cookie), None] {
        let answer = sign_in.callback(&request(&callback, cookie), Full::new(Bytes::new())).await;
        answer.result.unwrap_err();
    }

    // A refresh that fails, one that works, and a revocation.
    let mut expired = serde_json::to_value(&user.token).unwrap();
    expired["expires_at"] = 1.into();
    let token: oauth_core::OAuth2Token = serde_json::from_value(expired).unwrap();
    assert!(token.refresh_token().is_some(), "Google gives one with the first consent");
    let tokens_of = |token: &oauth_core::OAuth2Token| {
        let texts = [Some(token.access_token()), token.refresh_token(), token.id_token()];
        texts.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    secrets.extend(tokens_of(&token));
    let key = TokenKey::new("google", "ada@mail.example");
    secrets.push("ada@mail.example".to_owned());
    let sealer = Sealer::new(SealingKey::from_bytes([2; 32]));
    let manager = TokenManager::builder(MemoryStore::new(), sealer).provider(Arc::new(google.clone()));
    let short = Duration::from_millis(1);
    let manager = manager.backoff(short, short).reread_failures_after(short).build().unwrap();
    manager.put(&key, &token).await.unwrap();
    emulator.fault("google", Fault::ServerError).unwrap();
    manager.get(&key).await.unwrap_err();
    emulator.clear_faults();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let fresh = manager.get_token(&key).await.unwrap();
    secrets.extend(tokens_of(&fresh));
    manager.revoke(&key).await.unwrap();

    // What the application sent is secret too: codes, verifiers, tokens.
    for sent in emulator.requests() {
        let names = ["code", "code_verifier", "refresh_token", "token", "client_secret"];
        secrets.extend(names.iter().filter_map(|name| sent.field(name)).map(ToString::to_string));
    }

    let text = written.text();
    let measured: Vec<_> = snapshotter.snapshot().into_vec();
    let told = format!("{text}\n{measured:?}");
    secrets.retain(|secret| secret.len() >= 6);
    assert!(secrets.len() >= 12, "{}", secrets.len());
    for secret in &secrets {
        assert!(!told.contains(&**secret), "{secret} is in\n{told}");
    }

    // It says something.
    for name in [
        event::SIGN_IN_BEGUN,
        event::SIGN_IN_COMPLETED,
        event::SIGN_IN_REFUSED,
        event::TOKEN_EXCHANGED,
        event::TOKEN_REFRESHED,
        event::TOKEN_REVOKED,
        event::REQUEST_FAILED,
        event::TOKENS_PUT,
        event::TOKENS_TRANSIENT,
        event::TOKENS_REFRESHED,
        event::TOKENS_REVOKED,
    ] {
        assert!(text.contains(&format!("event.name=\"{name}\"")), "{name} is not in\n{text}");
    }
    for name in span::ALL {
        assert!(text.contains(&format!("{name}{{")), "{name} is not in\n{text}");
    }
    assert!(text.contains("http.request.method=\"POST\"") && text.contains("http.response.status_code=200"));
    let names: BTreeSet<_> = measured.iter().map(|(key, ..)| key.key().name().to_owned()).collect();
    for name in [metric::REQUESTS, metric::REQUEST_SECONDS, metric::SIGN_INS, metric::TOKENS] {
        assert!(names.contains(name), "{name} is not among {names:?}");
    }
    for name in &names {
        assert!(metric::ALL.contains(&&**name), "{name} is not in oauth_core::telemetry");
    }
    assert_eq!(Operation::REFRESH_TOKEN.as_str(), "refresh_token", "a label of the dashboard");
}

/// The first cell of each row of the guide's tables, if it is a name and not a crate.
fn documented() -> BTreeSet<String> {
    let rows = GUIDE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).filter(|name| !name.contains('-')).collect()
}

#[test]
fn the_guide_has_the_names_of_the_module_and_no_others() {
    let names = [span::ALL, event::ALL, oauth_bff::telemetry::event::ALL, metric::ALL].concat();
    let names: BTreeSet<_> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(documented(), names);
}

#[test]
fn the_dashboard_asks_only_for_metrics_that_exist() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let words = target["expr"].as_str().unwrap().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        // A histogram is exported with a suffix.
        asked.extend(
            words.filter(|word| word.starts_with("oauth_")).map(|word| word.trim_end_matches("_bucket")),
        );
    }
    assert_eq!(asked, metric::ALL.iter().copied().collect(), "each is asked for, and each exists");
}

//! An authorization code for a token, over http and https, one after the other and 64 at once.

use std::{path::PathBuf, pin::Pin, process::Command, sync::Arc};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use oauth_by_hand::Token;
use oauth_core::{CodeVerifier, OAuth2, Provider};
use oauth_hyper::HyperClient;
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, PkceCodeVerifier, RedirectUrl, TokenUrl,
    basic::BasicClient,
};
use openidconnect::{
    IssuerUrl,
    core::{CoreClient, CoreJsonWebKeySet},
};

use crate::{
    measure::{MeasuredTime, Contender, Sample, beside_server, interleave},
    peers::{self, Which},
    report::{Cast, Goal, Row, find, times},
    world::{World, runtime, tls},
};

const CLIENT_ID: &str = crate::jwt::CLIENT_ID;
const CLIENT_SECRET: &str = "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";
const CODE: &str = "4/0AeaYSHBz1pQ6wX3cV8nM2kL5jH7gF9dS";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT_URI: &str = "https://app.example.com/auth/callback";

const REQWEST: &str = "bare reqwest + serde_json";
const HYPER: &str = "bare hyper-util + serde_json";
const OURS: &str = "oauth-clients";
const OAUTH2: &str = "oauth2 + reqwest";
const OURS_ON_HYPER: &str = "oauth-clients on hyper";

/// One exchange; clones share their connections.
pub type ExchangeFn = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub fn exchange<F, Fut>(make: F) -> ExchangeFn
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move || Box::pin(make()))
}

pub fn row(world: &mut World) -> Result<Row> {
    beside_server(|| measured(world))
}

fn measured(world: &mut World) -> Result<Row> {
    let mut tables = Vec::new();
    let wanted = [Which::HttpxOauth, Which::OpenidClient];
    let peers: Vec<_> = wanted.into_iter().filter_map(|which| peers::ready(which, world)).collect();
    for (scheme, at_once) in [("http", 1), ("http", 64), ("https", 1), ("https", 64)] {
        let url = match scheme {
            "http" => format!("{}/token", world.server.hello.http),
            _ => format!("{}/token", world.server.hello.https),
        };
        let plan = world.plan(2_000);
        let runtime = runtime()?;
        let mut contenders: Vec<Contender<'_>> = contenders(&url)?
            .into_iter()
            .map(|(name, exchange)| {
                let runtime = &runtime;
                Contender::new(name, move |count| runtime.block_on(all(&exchange, count, at_once)))
            })
            .collect();
        for peer in &peers {
            let (url, ca) = (url.clone(), world.server.hello.ca.clone());
            contenders.push(Contender::elsewhere(peer.name.clone(), move |count| {
                // They are slow, and need no more than this to show how slow.
                foreign(peer, &url, &ca, (count / 4).max(at_once), at_once)
            }));
        }
        let server = &mut world.server;
        let measured = interleave(contenders, plan, &mut || {
            server
                .counts()
                .into_iter()
                .filter(|(name, _)| !name.starts_with('/') || name == "/token")
                .collect()
        });
        let cast = Cast { ours: &[OURS, OURS_ON_HYPER], floors: &[REQWEST, HYPER], base: REQWEST };
        let title = match at_once {
            1 => format!("over {scheme}, in sequence"),
            _ => format!("over {scheme}, {at_once} at once"),
        };
        let mut table = times(title, &measured, &cast, MeasuredTime::Cpu)
            .with_goal("CPU ≤ 1.05 × bare reqwest", &measured, (OURS, REQWEST), MeasuredTime::Cpu, 1.05)
            .with_goal("CPU ≤ oauth2's", &measured, (OURS, OAUTH2), MeasuredTime::Cpu, 1.0);
        if let Some(ours) = find(&measured, OURS) {
            let fact = |name: &str| {
                let found = ours.facts.iter().find(|(other, _)| other == name);
                found.and_then(|(_, count)| count.parse::<u64>().ok()).unwrap_or(0)
            };
            let (connections, handshakes) = (fact("connections"), fact("TLS handshakes"));
            let requests = fact("/token");
            // While calls wait for connections that are being opened, others become free; hyper keeps both.
            let met = connections <= 4 * at_once as u64 && (scheme == "http" || handshakes == connections);
            table.goals.push(Goal::exact(
                "one TLS handshake for each connection, none for each call",
                format!("{connections} connections and {handshakes} handshakes for {requests} requests"),
                met,
            ));
        }
        tables.push(table);
    }
    Ok(Row {
        id: "exchange",
        title: "Code exchange",
        method: format!(
            "{} exchanges in each round, of one code for one token reply of {} bytes, by `client_secret_post` with a code \
             verifier. Every client was made once before; connections stay open. CPU is that of the client's process, in user \
             and kernel mode; the server is another process. On Linux both keep to one processor, \
             because to wake another one costs now nothing and now as much again; so wall time is that of both together. TLS is rustls on ring, verified by the platform's roots, for all \
             Rust contenders. The floors send the same form and read the reply into a flat struct. `oauth2` and `openidconnect` \
             use reqwest 0.12, which is the one that they come with. Contenders in other languages run as processes of their \
             own, warmed up before they measure themselves, so that all their connections are opened anew in each round. The \
             columns at the right are what the server counted over all rounds.",
            world.plan(2_000).iterations,
            crate::server::TOKEN_REPLY.len(),
        ),
        tables,
    })
}

/// Does the exchange this many times, at most so many at once.
pub async fn all(exchange: &ExchangeFn, count: usize, at_once: usize) {
    if at_once == 1 {
        for _ in 0..count {
            exchange().await;
        }
        return;
    }
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..at_once {
        let exchange = exchange.clone();
        tasks.spawn(async move {
            for _ in (first..count).step_by(at_once) {
                exchange().await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no exchange fails");
    }
}

fn contenders(url: &str) -> Result<Vec<(&'static str, ExchangeFn)>> {
    Ok(vec![
        (REQWEST, bare_reqwest(url)?),
        (OURS, ours(url, None)?),
        ("oauth2 + reqwest", oauth2_reqwest(url)?),
        ("openidconnect + reqwest", openidconnect_reqwest(url)?),
        (HYPER, bare_hyper(url)?),
        (OURS_ON_HYPER, ours(url, Some(HyperClient::new()?))?),
    ])
}

/// With the default client, which is on reqwest, or another one.
pub fn ours(url: &str, http: Option<HyperClient>) -> Result<ExchangeFn> {
    let mut client = OAuth2::new(CLIENT_ID, CLIENT_SECRET, "https://as.example/authorize", url.to_owned());
    if let Some(http) = http {
        client = client.with_http_client(http);
    }
    let verifier = CodeVerifier::new(VERIFIER)?;
    Ok(exchange(move || {
        let (client, verifier) = (client.clone(), verifier.clone());
        async move {
            let token = client.get_access_token(CODE, REDIRECT_URI, Some(&verifier), &[]).await;
            assert_eq!(token.expect("the exchange succeeds").access_token().len(), 60);
        }
    }))
}

const FORM: &[(&str, &str)] = &[
    ("grant_type", "authorization_code"),
    ("code", CODE),
    ("redirect_uri", REDIRECT_URI),
    ("code_verifier", VERIFIER),
    ("client_id", CLIENT_ID),
    ("client_secret", CLIENT_SECRET),
];

pub fn bare_reqwest(url: &str) -> Result<ExchangeFn> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls()?)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(oauth_core::REQUEST_TIMEOUT)
        .connect_timeout(oauth_core::CONNECT_TIMEOUT)
        .build()?;
    let url = reqwest::Url::parse(url)?;
    Ok(exchange(move || {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let reply = client
                .post(url)
                .header("accept", "application/json")
                .header("user-agent", "bench/1.0")
                .form(FORM)
                .send()
                .await
                .expect("it is sent");
            assert!(reply.status().is_success());
            let token: Token =
                serde_json::from_slice(&reply.bytes().await.expect("it comes")).expect("it is a token");
            assert_eq!(token.access_token.len(), 60);
        }
    }))
}

fn bare_hyper(url: &str) -> Result<ExchangeFn> {
    use hyper_util::{
        client::legacy::Client,
        rt::{TokioExecutor, TokioTimer},
    };

    let mut tcp = hyper_util::client::legacy::connect::HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls()?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let url: http::Uri = url.parse()?;
    Ok(exchange(move || {
        let (client, url) = (client.clone(), url.clone());
        async move {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(FORM).finish();
            let request = http::Request::post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .header("accept", "application/json")
                .header("user-agent", "bench/1.0")
                .body(Full::new(Bytes::from(body)))
                .expect("the request is valid");
            let reply = client.request(request).await.expect("it is sent");
            assert!(reply.status().is_success());
            let body = reply.into_body().collect().await.expect("it comes").to_bytes();
            let token: Token = serde_json::from_slice(&body).expect("it is a token");
            assert_eq!(token.access_token.len(), 60);
        }
    }))
}

/// The client that `oauth2` and `openidconnect` come with.
pub fn old_reqwest() -> Result<oauth2::reqwest::Client> {
    Ok(oauth2::reqwest::Client::builder()
        .use_preconfigured_tls(tls()?)
        .redirect(oauth2::reqwest::redirect::Policy::none())
        .timeout(oauth_core::REQUEST_TIMEOUT)
        .connect_timeout(oauth_core::CONNECT_TIMEOUT)
        .build()?)
}

pub fn oauth2_reqwest(url: &str) -> Result<ExchangeFn> {
    use oauth2::TokenResponse;

    let http = old_reqwest()?;
    let client = BasicClient::new(ClientId::new(CLIENT_ID.to_owned()))
        .set_client_secret(ClientSecret::new(CLIENT_SECRET.to_owned()))
        .set_auth_uri(AuthUrl::new("https://as.example/authorize".to_owned())?)
        .set_token_uri(TokenUrl::new(url.to_owned())?)
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned())?)
        .set_auth_type(AuthType::RequestBody);
    let client = Arc::new(client);
    Ok(exchange(move || {
        let (client, http) = (client.clone(), http.clone());
        async move {
            let token = client
                .exchange_code(AuthorizationCode::new(CODE.to_owned()))
                .set_pkce_verifier(PkceCodeVerifier::new(VERIFIER.to_owned()))
                .request_async(&http)
                .await
                .expect("the exchange succeeds");
            assert_eq!(token.access_token().secret().len(), 60);
        }
    }))
}

fn openidconnect_reqwest(url: &str) -> Result<ExchangeFn> {
    use openidconnect::OAuth2TokenResponse;

    let http = old_reqwest()?;
    let client = CoreClient::new(
        openidconnect::ClientId::new(CLIENT_ID.to_owned()),
        IssuerUrl::new("https://as.example".to_owned())?,
        CoreJsonWebKeySet::new(Vec::new()),
    )
    .set_client_secret(openidconnect::ClientSecret::new(CLIENT_SECRET.to_owned()))
    .set_auth_uri(openidconnect::AuthUrl::new("https://as.example/authorize".to_owned())?)
    .set_token_uri(openidconnect::TokenUrl::new(url.to_owned())?)
    .set_redirect_uri(openidconnect::RedirectUrl::new(REDIRECT_URI.to_owned())?)
    .set_auth_type(openidconnect::AuthType::RequestBody);
    let client = Arc::new(client);
    Ok(exchange(move || {
        let (client, http) = (client.clone(), http.clone());
        async move {
            let token = client
                .exchange_code(openidconnect::AuthorizationCode::new(CODE.to_owned()))
                .set_pkce_verifier(openidconnect::PkceCodeVerifier::new(VERIFIER.to_owned()))
                .request_async(&http)
                .await
                .expect("the exchange succeeds");
            assert_eq!(token.access_token().secret().len(), 60);
        }
    }))
}

/// A contender in another language: it does the exchanges and tells what they took.
fn foreign(peer: &peers::Peer, url: &str, ca: &PathBuf, count: usize, at_once: usize) -> Result<Sample> {
    let mut command = Command::new(&peer.program);
    command.args(&peer.arguments).args([url, &count.to_string(), &at_once.to_string()]);
    command.env("SSL_CERT_FILE", ca).env("NODE_EXTRA_CA_CERTS", ca).current_dir(&peer.folder);
    let output = command.output().with_context(|| format!("cannot start {}", peer.name))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim().lines().last().unwrap_or("it failed"));
    let times: [f64; 2] = serde_json::from_slice(&output.stdout).context("it printed no times")?;
    Ok(Sample { wall: times[0], cpu: times[1] })
}

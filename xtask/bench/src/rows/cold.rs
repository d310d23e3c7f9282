//! 64 first logins at once, before metadata and keys were read.

use std::{process::Command, sync::Arc, time::Instant};

use anyhow::{Context, Result, ensure};
use oauth_core::{Callback, LoginOptions, Provider};
use oauth_openid::{IdToken, OpenID};
use tokio::task::JoinSet;

use crate::{
    measure::{MeasuredTime, Contender, Sample, cpu_time_of_children, interleave},
    peers::{self, Which},
    report::{Cast, Goal, Row, find, times},
    world::{World, runtime},
};

const LOGINS: usize = 64;
const OURS: &str = "oauth-clients";
const NO_CACHE: &str = "openidconnect, discovering for each login";
const REDIRECT_URI: &str = "https://app.example.com/auth/callback";

pub fn row(world: &mut World) -> Result<Row> {
    let runtime = runtime()?;
    let issuer = format!("{}/op", world.server.hello.https);
    let http = oauth_reqwest::reqwest_client(|defaults| defaults)?;
    let old = super::exchange::old_reqwest()?;
    let rullst_connect = peers::ready(Which::RullstConnect, world);
    let openid_client = peers::ready(Which::OpenidClient, world);

    let mut contenders = vec![
        Contender::new(OURS, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    let client =
                        OpenID::lazy(crate::jwt::CLIENT_ID, "secret", issuer.clone()).expect("it is valid");
                    ours(Arc::new(client.with_http_client(http.clone()))).await;
                }
            });
        }),
        Contender::new(NO_CACHE, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    openidconnect(&issuer, &old).await;
                }
            });
        }),
    ];
    if let Some(peer) = &rullst_connect {
        let issuer = issuer.clone();
        contenders.push(Contender::elsewhere(format!("{}, one provider", peer.name), move |count| {
            let (cpu, wall) = (cpu_time_of_children(), Instant::now());
            finish(Command::new(&peer.program).arg(&issuer).arg(count.to_string()))?;
            let wall = wall.elapsed().as_nanos() as f64;
            Ok(Sample { wall: wall / count as f64, cpu: (cpu_time_of_children() - cpu) / count as f64 })
        }));
    }
    if let Some(peer) = &openid_client {
        let (issuer, ca) = (issuer.clone(), world.server.hello.ca.clone());
        let script = peer.folder.join("openid_client_cold.mjs");
        for (how, argument) in [("one configuration", "shared"), ("discovering for each login", "each")] {
            let (issuer, ca, script) = (issuer.clone(), ca.clone(), script.clone());
            contenders.push(Contender::elsewhere(format!("{}, {how}", peer.name), move |count| {
                let wall = Instant::now();
                for _ in 0..count {
                    let mut node = Command::new("node");
                    node.arg(&script).args([&*issuer, argument]).env("NODE_EXTRA_CA_CERTS", &ca);
                    finish(node.current_dir(&peer.folder))?;
                }
                // The start of Node.js is in it; only the requests are of interest.
                Ok(Sample { wall: wall.elapsed().as_nanos() as f64 / count as f64, cpu: f64::NAN })
            }));
        }
    }
    let plan = world.plan(2);
    let server = &mut world.server;
    let measured = interleave(contenders, plan, &mut || {
        let counts = server.counts();
        counts.into_iter().filter(|(name, _)| name.starts_with("/op/") && name != "/op/token").collect()
    });
    let storms = plan.rounds * plan.iterations + (plan.iterations / 4).max(1);
    // For one storm each, which is what people ask.
    let measured: Vec<_> = measured
        .into_iter()
        .map(|mut one| {
            for (_, count) in &mut one.facts {
                let total: f64 = count.parse().unwrap_or(f64::NAN);
                let each = total / storms as f64;
                *count = if each.fract() == 0.0 { format!("{each}") } else { format!("{each:.1}") };
            }
            one
        })
        .collect();
    let cast = Cast { ours: &[OURS], floors: &[], base: OURS };
    let mut table = times("", &measured, &cast, MeasuredTime::Wall);
    if let Some(ours) = find(&measured, OURS) {
        let fact = |name: &str| {
            let found = ours.facts.iter().find(|(other, _)| other == name);
            found.map_or("0", |(_, count)| count).to_owned()
        };
        let (discoveries, fetches) = (fact("/op/.well-known/openid-configuration"), fact("/op/jwks"));
        let met = discoveries == "1" && fetches == "1";
        let found = format!("{discoveries} and {fetches}");
        table.goals.push(Goal::exact("one discovery and one JWKS fetch", found, met));
    }
    Ok(Row {
        id: "cold",
        title: "64 first logins on a cold key cache",
        method: format!(
            "{LOGINS} logins at once over https with a client that was made a moment before: metadata, code exchange, verified ID \
             token. Discovery and keys take {} ms each at the server. The columns at the right are requests at the server for one \
             such storm. `openidconnect` has no cache: an application that keeps its metadata makes one of each too. `rullst-connect` \
             keeps keys for the whole process, which its program empties before each storm, and reads the metadata once, \
             with the provider; 11 is the newest version that builds with Rust 1.95, as 12 demands 1.96. The times of Node.js hold its \
             start, and those of `rullst-connect`, which is a process of its own too, that of a small program.",
            crate::server::SLOW.as_millis()
        ),
        tables: vec![table],
    })
}

/// Runs a peer's program to its end.
fn finish(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot start the peer")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}", said.trim().lines().last().unwrap_or("it failed"));
    Ok(())
}

async fn ours(client: Arc<OpenID>) {
    let mut logins = JoinSet::new();
    for _ in 0..LOGINS {
        let client = client.clone();
        logins.spawn(async move {
            let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await.expect("it starts");
            let (state, nonce) =
                (started.attempt.state().to_owned(), started.attempt.nonce().map(str::to_owned));
            let nonce = nonce.expect("there is a nonce");
            let callback = Callback::from_query(&format!("code={nonce}&state={state}"));
            let login = client.finish_login(started.attempt, callback).await.expect("it ends well");
            assert_eq!(IdToken::of(&login).map(IdToken::subject), Some(crate::jwt::SUBJECT));
        });
    }
    while let Some(done) = logins.join_next().await {
        done.expect("no login fails");
    }
}

async fn openidconnect(issuer: &str, http: &oauth2::reqwest::Client) {
    use openidconnect::{
        AuthType, AuthorizationCode, ClientId, ClientSecret, IssuerUrl, Nonce, RedirectUrl, TokenResponse,
        core::{CoreClient, CoreProviderMetadata},
    };

    let mut logins = JoinSet::new();
    for number in 0..LOGINS {
        let (issuer, http) = (issuer.to_owned(), http.clone());
        logins.spawn(async move {
            let issuer = IssuerUrl::new(issuer).expect("it is a URL");
            let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.expect("it is there");
            let client = CoreClient::from_provider_metadata(
                metadata,
                ClientId::new(crate::jwt::CLIENT_ID.to_owned()),
                Some(ClientSecret::new("secret".to_owned())),
            )
            .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).expect("it is a URL"))
            .set_auth_type(AuthType::RequestBody);
            let nonce = format!("nonce-{number}");
            let token = client
                .exchange_code(AuthorizationCode::new(nonce.clone()))
                .expect("there is a token endpoint")
                .request_async(&http)
                .await
                .expect("the exchange succeeds");
            let id_token = token.id_token().expect("there is an ID token");
            let verifier = client
                .id_token_verifier()
                .set_allowed_algs([openidconnect::core::CoreJwsSigningAlgorithm::EcdsaP256Sha256]);
            let claims = id_token.claims(&verifier, &Nonce::new(nonce)).expect("it is right");
            assert_eq!(claims.subject().as_str(), crate::jwt::SUBJECT);
        });
    }
    while let Some(done) = logins.join_next().await {
        done.expect("no login fails");
    }
}

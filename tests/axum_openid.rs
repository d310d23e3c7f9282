//! The routes of the axum integration for what an OpenID Connect provider or portal asks of an application.

use std::{
    error::Error,
    sync::{Arc, Mutex},
};

use axum::Router;
use http::{HeaderMap, HeaderValue, Response};
use oauth_clients::{
    ReqwestClient, Sealer, SealingKey,
    openid::{FrontChannelLogout, IdToken, LogoutToken},
    reqwest_client,
};
use oauth_web_axum::{Routes, SignIn, SignInError, SignInRoutes, SignedIn};
use serde_json::{Value, json};

use crate::{
    openid::op::{Endpoint, Op},
    support::{events::Events, query_of},
};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A site on loopback whose provider is `openid`.
struct Site {
    url: String,
    op: Op,
    http: ReqwestClient,
    ended: Arc<Mutex<Vec<String>>>,
    failures: Arc<Mutex<Vec<String>>>,
}

async fn site() -> Site {
    let op = Op::new();
    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32]))).provider(op.client()).unwrap();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let failed = failures.clone();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let seen = ended.clone();
    let panicked = Arc::new(Mutex::new(false));
    let routes = Routes::new(sign_in)
        .back_channel_logout(None, move |token: LogoutToken| {
            let (seen, panicked) = (seen.clone(), panicked.clone());
            async move {
                let sid = token.session_id().unwrap_or_default().to_owned();
                if sid == "stuck" {
                    return Err("the database is down at db-7");
                }
                if sid == "panics once" && !std::mem::replace(&mut *panicked.lock().unwrap(), true) {
                    panic!("an application's own");
                }
                seen.lock().unwrap().push(sid);
                Ok(())
            }
        })
        .front_channel_logout(async |said: FrontChannelLogout, _: HeaderMap| {
            let mut response = Response::new(said.is_of("https://op.example", Some("s-1"), true).to_string());
            // As an application's own answers have it.
            let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
            for (name, value) in [("x-frame-options", "DENY"), ("content-security-policy", policy)] {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            response
        })
        .initiated_login();
    let routes = SignInRoutes::new(routes)
        .on_error(move |error: SignInError| {
            let cause = error.kind().source().map(ToString::to_string).unwrap_or_default();
            failed.lock().unwrap().push(format!("{error}: {cause}"));
            // The provider does not see an application's own page.
            (error.status(), "so sorry")
        })
        .router(async |user: SignedIn| {
            let id_token = user.get::<IdToken>().unwrap();
            format!("{} by a token of {}", user.identity.subject, id_token.issuer())
        });
    let app: Router = Router::new().nest("/auth", routes);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Site { url, op, http: reqwest_client(|defaults| defaults).unwrap(), ended, failures }
}

impl Site {
    fn logout_token(&self, patch: &Value) -> String {
        let mut claims = json!({
            "sub": null, "nonce": null, "sid": "s-1", "jti": "j-1", "events": {EVENT: {}},
        });
        claims.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        self.op.id_token(claims)
    }

    async fn post(&self, path: &str, kind: &str, body: String) -> (u16, String) {
        let request = self.http.post(format!("{}/auth/openid/{path}", self.url));
        let reply = request.header("content-type", kind).body(body).send().await.unwrap();
        assert_eq!(reply.headers()["cache-control"], "no-store");
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    async fn log_out(&self, token: &str) -> (u16, String) {
        let kind = "application/x-www-form-urlencoded";
        self.post("backchannel-logout", kind, format!("logout_token={token}")).await
    }
}

#[tokio::test]
async fn bc_01_a_logout_token_ends_a_session_once() {
    let site = site().await;
    let token = site.logout_token(&json!({}));
    assert_eq!(site.log_out(&token).await, (200, String::new()));
    let (status, body) = site.log_out(&token).await;
    assert_eq!(status, 400);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["error"], "invalid_request");
    assert_eq!(*site.ended.lock().unwrap(), ["s-1"]);
}

#[tokio::test]
async fn bc_01_a_logout_token_is_not_used_up_by_a_handler_that_panics() {
    let site = site().await;
    let token = site.logout_token(&json!({"sid": "panics once"}));
    assert_eq!(site.log_out(&token).await.0, 400);
    assert_eq!(site.log_out(&token).await, (200, String::new()));
    assert_eq!(*site.ended.lock().unwrap(), ["panics once"]);
}

#[tokio::test]
async fn bc_01_whatever_is_no_logout_token_ends_nothing() {
    let site = site().await;
    for patch in [
        json!({"events": null}),
        json!({"events": {EVENT: "x"}}),
        json!({"nonce": "n"}),
        json!({"sid": null}),
        json!({"aud": "other"}),
        json!({"iss": "https://evil.example"}),
        json!({"jti": null}),
    ] {
        assert_eq!(site.log_out(&site.logout_token(&patch)).await.0, 400, "{patch}");
    }
    let token = site.logout_token(&json!({"jti": "j-2"}));
    for (kind, body) in [
        ("application/json", json!({"logout_token": token}).to_string()),
        ("application/x-www-form-urlencoded", String::new()),
        ("application/x-www-form-urlencoded", format!("logout_token={token}&logout_token={token}")),
    ] {
        assert_eq!(site.post("backchannel-logout", kind, body).await.0, 400);
    }
    let url = format!("{}/auth/openid/backchannel-logout?logout_token={token}", site.url);
    assert_eq!(site.http.get(url).send().await.unwrap().status(), 405);
    assert!(site.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_session_that_cannot_be_ended_is_tried_again_and_says_nothing_of_the_inside() {
    let events = Events::of("oauth_web");
    let _guard = events.listen();
    let site = site().await;
    let token = site.logout_token(&json!({"sid": "stuck"}));
    for _ in 0..2 {
        let (status, body) = site.log_out(&token).await;
        assert_eq!(status, 400);
        assert!(body.contains("could not be ended") && !body.contains("db-7"), "{body}");
        // What the token is not to blame for may be tried again.
        assert!(body.contains("server_error"), "{body}");
    }
    let of_application = "the session could not be ended: the database is down at db-7";
    assert_eq!(*site.failures.lock().unwrap(), [of_application; 2]);
    for line in events.lines() {
        assert!(line.starts_with("ERROR") && line.contains("the database is down at db-7"), "{line}");
    }
    assert_eq!(events.lines().len(), 2);
}

#[tokio::test]
async fn a_logout_token_that_nobody_can_check_is_not_called_invalid() {
    let site = site().await;
    let token = site.logout_token(&json!({}));
    site.op.state().down = vec![Endpoint::Keys];
    let (status, body) = site.log_out(&token).await;
    assert_eq!(status, 400);
    assert!(body.contains("server_error") && body.contains("could not be verified"), "{body}");
}

#[tokio::test]
async fn a_failed_logout_reaches_the_applications_own_error_page_and_log() {
    let events = Events::of("oauth_web");
    let _guard = events.listen();
    let site = site().await;
    let token = site.logout_token(&json!({"aud": "other"}));
    let (status, body) = site.log_out(&token).await;
    assert!(status == 400 && body.contains("invalid_request"), "{body}");
    let front = site.http.get(format!("{}/auth/nobody/frontchannel-logout?sid=s", site.url));
    assert_eq!(front.send().await.unwrap().text().await.unwrap(), "so sorry");
    let failures = site.failures.lock().unwrap().clone();
    assert!(
        failures[0].starts_with("the logout token is not valid: ") && failures.len() == 2,
        "{failures:?}"
    );
    let lines = events.lines();
    for (line, route) in lines.iter().zip(["backchannel-logout", "frontchannel-logout"]) {
        assert!(line.starts_with("WARN") && line.contains(route) && !line.contains(&token), "{line}");
    }
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn fc_02_the_front_channel_may_be_framed_and_is_not_kept() {
    let site = site().await;
    for (query, ends) in [("iss=https://op.example&sid=s-1", "true"), ("iss=https://op.example", "false")] {
        let url = format!("{}/auth/openid/frontchannel-logout?{query}", site.url);
        let reply = site.http.get(url).send().await.unwrap();
        assert_eq!(reply.headers()["cache-control"], "no-store");
        assert!(!reply.headers().contains_key("x-frame-options"));
        assert_eq!(reply.headers()["content-security-policy"], "default-src 'none'; base-uri 'none'");
        assert_eq!(reply.text().await.unwrap(), ends);
    }
}

#[tokio::test]
async fn az_21_a_portal_begins_a_login_of_its_own_issuer_only() {
    let site = site().await;
    let ask = async |query: &str| {
        site.http.get(format!("{}/auth/openid/initiate?{query}", site.url)).send().await.unwrap()
    };
    let reply = ask("iss=https://op.example&login_hint=ada&target_link_uri=/inbox").await;
    assert_eq!(
        (reply.status().as_u16(), &reply.headers()["x-frame-options"]),
        (303, &"DENY".parse().unwrap())
    );
    let query = query_of(reply.headers()["location"].to_str().unwrap());
    let value = |name: &str| query.iter().find(|(other, _)| other == name).map(|(_, value)| &**value);
    assert_eq!(value("login_hint"), Some("ada"));
    assert!(value("state").is_some_and(|state| state.len() == 43));
    for bad in ["", "iss=https://evil.example", "iss=https://op.example/"] {
        assert_eq!(ask(bad).await.status(), 404, "{bad}");
    }
    let evil = ask("iss=https://op.example&target_link_uri=https://evil.example/").await;
    assert_eq!(evil.status(), 400);
    assert_eq!(site.op.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn the_verified_id_token_reaches_the_handler() {
    let site = site().await;
    let reply = site.http.get(format!("{}/auth/openid/login", site.url)).send().await.unwrap();
    let cookie = reply.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let location = reply.headers()["location"].to_str().unwrap();
    site.op.visit(location);
    let query = query_of(location);
    let (_, state) = query.iter().find(|(name, _)| name == "state").unwrap();
    let url = format!("{}/auth/openid/callback?code=c&state={state}", site.url);
    let page = site.http.get(url).header("cookie", cookie).send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.text().await.unwrap()), {
        let subject = site.op.claims()["sub"].as_str().unwrap().to_owned();
        (200, format!("{subject} by a token of https://op.example"))
    });
}

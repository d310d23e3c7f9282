//! The request, the callback, the tokens.

use oauth_core::{
    Callback, ErrorKind, HttpClient, LoginError, Provider, async_trait, bytes::Bytes, default_http_client,
    http::Request,
};
use oauth_mcp::{Access, McpError, PendingLogin, Revision, ServerUrl, Step};
use oauth_native::{LoopbackBrowser, Method, OpenError, Opener, SignInOptions};
use serde_json::json;

use super::world::*;

const TOKEN: &str = "POST https://as.example/token";

fn callback(pending: &PendingLogin, more: &str) -> Callback {
    Callback::from_query(&format!("code=c&state={}{more}", pending.state()))
}

#[tokio::test]
async fn mc_31_the_resource_is_the_same_text_on_every_request() {
    // As the metadata has it, which is not how a URL library would print it.
    for resource in ["https://mcp.example/mcp", "https://mcp.example", "https://mcp.example/"] {
        let world = usual();
        world.json(&format!("GET {PRM}"), json!({ "resource": resource, "authorization_servers": [AS] }));
        let authorizer = authorizer(&world);
        let pending = begun(&authorizer).await.unwrap();
        assert_eq!(parameter(pending.url(), "resource").as_deref(), Some(resource));
        let callback = callback(&pending, "");
        let Step::Done(done) = authorizer.finish(*pending, callback).await.unwrap() else { panic!() };
        assert_eq!(world.last(TOKEN).field("resource").as_deref(), Some(resource));
        done.client.refresh(&done.token, None).await.unwrap();
        let refresh = world.last(TOKEN);
        assert_eq!(refresh.field("grant_type").as_deref(), Some("refresh_token"));
        assert_eq!(refresh.field("resource").as_deref(), Some(resource));
        // MC-44: what was granted stays.
        assert_eq!(refresh.field("scope"), None);
    }
}

#[tokio::test]
async fn a_user_can_sign_in_anew_for_other_scopes_or_by_another_client() {
    let world = usual();
    let access = |authorizer| {
        let store = oauth_tokens::MemoryStore::new();
        let sealer = oauth_core::Sealer::new(oauth_core::SealingKey::from_bytes([7; 32]));
        let authorizer: oauth_mcp::Authorizer = authorizer;
        let tokens = authorizer.token_manager(store, sealer).build().unwrap();
        Access::new(authorizer, tokens, server(), "ada")
    };
    let access = access(authorizer(&world));
    let robot = Robot::default();
    access.authorize(&robot).await.unwrap();
    // There is a token, so nothing happens.
    access.authorize(&robot).await.unwrap();
    assert_eq!(robot.times(), 1);
    access.authorize_anew(&robot).await.unwrap();
    assert_eq!(robot.times(), 2);
    // A user who does not come back keeps the token that there was.
    let before = access.token().await.unwrap().unwrap();
    let declined = Robot { more: "&error=access_denied".to_owned(), ..Robot::default() };
    assert!(access.authorize_anew(&declined).await.is_err());
    assert_eq!(access.token().await.unwrap().unwrap().access_token(), before.access_token());
}

#[tokio::test]
async fn mc_33_the_resource_is_left_out_at_one_issuer_on_all_requests() {
    let world = usual();
    let authorizer = authorizer(&world).without_resource_at(AS);
    let pending = begun(&authorizer).await.unwrap();
    assert_eq!(parameter(pending.url(), "resource"), None);
    let callback = callback(&pending, "");
    let Step::Done(done) = authorizer.finish(*pending, callback).await.unwrap() else { panic!() };
    done.client.refresh(&done.token, None).await.unwrap();
    assert_eq!(world.all(TOKEN).len(), 2);
    assert!(world.all(TOKEN).iter().all(|asked| asked.field("resource").is_none()));
    // Nor does the first revision know it.
    let old = super::world::authorizer(&world).with_revision(Revision::V2025_03_26);
    assert_eq!(parameter(begun(&old).await.unwrap().url(), "resource"), None);
}

#[tokio::test]
async fn mc_34_scopes_come_from_the_challenge_then_the_metadata_then_nowhere() {
    let world = usual();
    let with_scopes = json!({ "resource": MCP, "authorization_servers": [AS], "scopes_supported": ["a", "b", "a", "offline_access"] });
    let scope_of = async |header: &str, authorizer: oauth_mcp::Authorizer| {
        let target = authorizer.discover(&server(), Some(&parsed(header))).await.unwrap();
        let Step::OpenUrl(pending) = authorizer.begin(&target, REDIRECT, &[]).await.unwrap() else {
            panic!()
        };
        parameter(pending.url(), "scope")
    };
    world.authorization_server_with(AS, json!({ "scopes_supported": ["x", "y"] }));
    let challenged = challenge(r#"scope="read write""#);
    assert_eq!(scope_of(&challenged, authorizer(&world)).await.as_deref(), Some("read write"));
    // What the authorization server has is not what this server needs.
    assert_eq!(scope_of(&challenge(""), authorizer(&world)).await, None);
    world.json(&format!("GET {PRM}"), with_scopes);
    assert_eq!(scope_of(&challenged, authorizer(&world)).await.as_deref(), Some("read write"));
    assert_eq!(scope_of(&challenge(""), authorizer(&world)).await.as_deref(), Some("a b"));
    world.json(
        &format!("GET {PRM}"),
        json!({ "resource": MCP, "authorization_servers": [AS], "scopes_supported": [] }),
    );
    let defaults = authorizer(&world).with_default_scopes(["api/.default"]);
    assert_eq!(scope_of(&challenge(""), defaults).await.as_deref(), Some("api/.default"));
}

#[tokio::test]
async fn mc_35_offline_access_is_asked_for_where_the_authorization_server_has_it() {
    let world = usual();
    world.authorization_server_with(AS, json!({ "scopes_supported": ["openid", "offline_access"] }));
    let pending = begun(&authorizer(&world)).await.unwrap();
    assert_eq!(parameter(pending.url(), "scope").as_deref(), Some("read offline_access"));
    assert_eq!(parameter(pending.url(), "prompt"), None);
    let pending = begun(&authorizer(&world).without_refresh_tokens()).await.unwrap();
    assert_eq!(parameter(pending.url(), "scope").as_deref(), Some("read"));
    // It does not make a list of its own.
    let authorizer = authorizer(&world);
    let target = authorizer.discover(&server(), Some(&parsed(&challenge("")))).await.unwrap();
    assert_eq!(authorizer.scopes(&target, &[]), None);
    // OpenID Connect grants it by consent.
    let header = challenge(r#"scope="openid read""#);
    let target = authorizer.discover(&server(), Some(&parsed(&header))).await.unwrap();
    let Step::OpenUrl(pending) = authorizer.begin(&target, REDIRECT, &[]).await.unwrap() else { panic!() };
    assert_eq!(parameter(pending.url(), "prompt").as_deref(), Some("consent"));
}

#[tokio::test]
async fn mc_39_iss_is_checked_before_anything_of_the_callback_is_used() {
    let promised = json!({ "authorization_response_iss_parameter_supported": true });
    for (members, more, expected) in [
        (promised.clone(), "&iss=https%3A%2F%2Fas.example", None),
        (promised.clone(), "", Some(LoginError::MissingIssuer)),
        (promised.clone(), "&iss=https%3A%2F%2Fevil.example", Some(LoginError::IssuerMismatch)),
        (promised.clone(), "&iss=https%3A%2F%2Fas.example%2F", Some(LoginError::IssuerMismatch)),
        (json!({}), "", None),
        (json!({}), "&iss=https%3A%2F%2Fas.example", None),
        (json!({}), "&iss=https%3A%2F%2FAS.example", Some(LoginError::IssuerMismatch)),
    ] {
        let world = World::default();
        world.authorization_server_with(AS, members);
        world.mcp_server(AS);
        let authorizer = authorizer(&world);
        let pending = begun(&authorizer).await.unwrap();
        let answer = callback(&pending, more);
        let outcome = authorizer.finish(*pending, answer).await;
        match expected {
            None => assert!(matches!(outcome, Ok(Step::Done(_))), "{more}: {outcome:?}"),
            Some(expected) => {
                let error = outcome.unwrap_err();
                let kind = error.oauth().map(oauth_core::Error::kind);
                assert!(
                    matches!(kind, Some(ErrorKind::Login(found)) if *found == expected),
                    "{more}: {error}"
                );
                assert!(world.all(TOKEN).is_empty());
            }
        }
    }
}

#[tokio::test]
async fn mc_39_the_error_of_another_server_is_not_shown() {
    let world = World::default();
    world.authorization_server_with(AS, json!({ "authorization_response_iss_parameter_supported": true }));
    world.mcp_server(AS);
    let authorizer = authorizer(&world);
    for iss in ["", "&iss=https%3A%2F%2Fevil.example"] {
        let pending = begun(&authorizer).await.unwrap();
        let query = format!("error=access_denied&error_description=call+0900&state={}{iss}", pending.state());
        let error = authorizer.finish(*pending, Callback::from_query(&query)).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("0900") && !shown.contains("access_denied"), "{shown}");
    }
}

#[tokio::test]
async fn mc_40_a_token_is_sent_to_its_own_server_only() {
    let world = usual();
    let one = access(authorizer(&world));
    one.authorize(&Robot::default()).await.unwrap();
    for elsewhere in [
        "https://mcp.example/other",
        "https://mcp.example/mcpx",
        "https://evil.example/mcp",
        "http://mcp.example/mcp",
    ] {
        let request = http::Request::post(elsewhere).body(bytes::Bytes::new()).unwrap();
        let error = one.send(&request, &Robot::default()).await.unwrap_err();
        assert!(matches!(error, McpError::UnsafeUrl { .. }), "{elsewhere}: {error}");
        assert!(one.headers(http::Method::GET, elsewhere).await.is_err(), "{elsewhere}");
    }
    // Another server of the same authorization server gets another token.
    let other = ServerUrl::parse("https://second.example/mcp").unwrap();
    let two = Access::new(authorizer(&world), one.tokens().clone(), other, "");
    assert!(two.token().await.unwrap().is_none());
    let headers = one.headers(http::Method::POST, "https://mcp.example/mcp").await.unwrap();
    assert_eq!(headers["authorization"], "Bearer as.example-token-1");
}

#[tokio::test]
async fn mc_40_the_token_of_the_old_authorization_server_is_not_sent_to_a_changed_server() {
    let world = usual();
    let access = access(authorizer(&world));
    let robot = Robot::default();
    access.send(&post(), &robot).await.unwrap();
    world.authorization_server("https://second.example");
    world.mcp_server("https://second.example");
    world.forget();
    let reply = access.send(&post(), &robot).await.unwrap();
    assert_eq!((reply.status().as_u16(), robot.times()), (200, 2));
    // Neither the old client nor the old refresh token is seen anywhere.
    assert!(!world.asked().iter().any(|asked| asked.contains("as.example")), "{:?}", world.asked());
    assert!(robot.last().contains("client_id=client-of-https%3A%2F%2Fsecond.example"));
    let sent = world.all(&format!("POST {MCP}"));
    assert_eq!(sent.last().unwrap().bearer(), Some("second.example-token-1"));
}

#[tokio::test]
async fn mc_42_fifty_requests_lead_to_one_sign_in_and_one_refresh() {
    let world = usual();
    let access = access(authorizer(&world));
    let robot = std::sync::Arc::new(Robot::default());
    let storm = async || {
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (access, robot) = (access.clone(), robot.clone());
                tokio::spawn(async move { access.send(&post(), &*robot).await.unwrap().status().as_u16() })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), 200);
        }
    };
    storm().await;
    assert_eq!((robot.times(), world.all(TOKEN).len()), (1, 1));
    // The token dies; the refresh token lives.
    world.on(&format!("POST {MCP}"), |asked| match asked.bearer() {
        Some("as.example-token-2") => reply(200, "", json!({})),
        _ => reply(401, &challenge(r#"error="invalid_token""#), json!({})),
    });
    // A token that is only seconds old is not refreshed after a 401, so the user is asked; once for all.
    storm().await;
    assert!(robot.times() <= 2, "{}", robot.times());
    assert_eq!(world.all(TOKEN).len(), 2);
}

#[tokio::test]
async fn mc_37_a_server_that_refuses_a_fresh_token_is_not_asked_again_and_again() {
    let world = usual();
    world.on(&format!("POST {MCP}"), |_| reply(401, &challenge(""), json!({})));
    let access = access(authorizer(&world));
    let robot = Robot::default();
    let error = access.send(&post(), &robot).await.unwrap_err();
    assert!(matches!(error, McpError::StillUnauthorized), "{error}");
    assert_eq!(robot.times(), 1);
    // It is remembered.
    assert!(access.send(&post(), &robot).await.is_err());
    assert_eq!(robot.times(), 1);
}

#[tokio::test]
async fn nt_16_a_sign_in_ends_in_a_program_that_was_started_anew() {
    let world = usual();
    let client = oauth_mcp::KnownClient::new(AS, "mine", oauth_core::Credentials::NONE);
    let authorizer = || authorizer(&world).with_client(client.clone());
    let pending = begun(&authorizer()).await.unwrap();
    let kept = serde_json::to_string(&*pending).unwrap();
    assert!(!format!("{pending:?}").contains(pending.state()));
    let pending: PendingLogin = serde_json::from_str(&kept).unwrap();
    let callback = callback(&pending, "");
    let access = access(authorizer());
    assert!(matches!(access.finish(pending, callback).await.unwrap(), Step::Done(_)));
    assert_eq!(access.token().await.unwrap().unwrap().access_token(), "as.example-token-1");
}

#[tokio::test]
async fn rv_03_signing_out_revokes_and_forgets() {
    let world = World::default();
    world.authorization_server_with(AS, json!({ "revocation_endpoint": "https://as.example/revoke" }));
    world.mcp_server(AS);
    for status in [200, 503] {
        world.status("POST https://as.example/revoke", status);
        let access = access(authorizer(&world));
        access.authorize(&Robot::default()).await.unwrap();
        assert_eq!(access.sign_out().await.is_ok(), status == 200);
        assert!(access.token().await.unwrap().is_none());
    }
    assert!(world.last("POST https://as.example/revoke").field("token").unwrap().contains("refresh"));
}

#[tokio::test]
async fn a_server_that_asks_for_nothing_is_said_so() {
    let world = usual();
    world.json(&format!("POST {MCP}"), json!({}));
    let error = access(authorizer(&world)).authorize(&Robot::default()).await.unwrap_err();
    assert!(matches!(error, McpError::NotChallenged { status: 200 }), "{error}");
    // MC-01: nothing else was asked.
    assert!(world.asked().iter().all(|asked| *asked == format!("POST {MCP}")));
}

/// The user's browser: it comes back with a code at once.
#[derive(Debug)]
struct ComesBack;

#[async_trait]
impl Opener for ComesBack {
    async fn open(&self, url: &str) -> Result<(), OpenError> {
        let redirect = parameter(url, "redirect_uri").unwrap();
        let state = parameter(url, "state").unwrap();
        let request = Request::get(format!("{redirect}?code=c&state={state}")).body(Bytes::new()).unwrap();
        // Nobody looks at the page.
        tokio::spawn(async move { default_http_client().unwrap().send(request).await });
        Ok(())
    }
}

#[tokio::test]
async fn nt_01_the_browser_of_this_machine_signs_in_at_a_server_that_nobody_has_seen() {
    let world = usual();
    let options = SignInOptions::new().opener(ComesBack).method(Method::Loopback);
    let browser = LoopbackBrowser::new(options).await.unwrap();
    let redirect_uri = browser.redirect_uri().to_owned();
    assert!(redirect_uri.starts_with("http://127.0.0.1:"), "{redirect_uri}");
    let access = Access::in_memory(authorizer(&world), server()).unwrap();
    let token = access.authorize(&browser).await.unwrap();
    assert!(!token.access_token().is_empty());
    assert_eq!(world.last(TOKEN).field("redirect_uri"), Some(redirect_uri));
}

/// A browser that keeps the page that it ends at.
#[derive(Debug)]
struct Shows(tokio::sync::mpsc::UnboundedSender<String>);

#[async_trait]
impl Opener for Shows {
    async fn open(&self, url: &str) -> Result<(), OpenError> {
        let redirect = parameter(url, "redirect_uri").unwrap();
        let state = parameter(url, "state").unwrap();
        let request = Request::get(format!("{redirect}?code=c&state={state}")).body(Bytes::new()).unwrap();
        let reply = default_http_client().unwrap().send(request).await;
        let page = reply.map(|reply| String::from_utf8_lossy(reply.body()).into_owned()).unwrap_or_default();
        self.0.send(page).map_err(|_| OpenError::new("the test is over"))
    }
}

#[tokio::test]
async fn nt_07_the_page_does_not_say_that_a_sign_in_succeeded_before_it_has() {
    let world = usual();
    let (sender, mut pages) = tokio::sync::mpsc::unbounded_channel();
    let options = SignInOptions::new().opener(Shows(sender)).method(Method::Loopback);
    let browser = LoopbackBrowser::new(options).await.unwrap();
    let access = Access::in_memory(authorizer(&world), server()).unwrap();
    access.authorize(&browser).await.unwrap();
    let page = pages.recv().await.unwrap();
    assert!(page.contains("which says whether") && !page.contains("You are signed in"), "{page}");
    let no_path = SignInOptions::new().path("callback");
    assert!(LoopbackBrowser::new(no_path).await.is_err());
}

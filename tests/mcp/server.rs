//! The server's side.

use axum::{Extension, Router, routing::post};
use http::{HeaderMap, Uri};
use oauth_core::{OAuth2, Provider, async_trait};
use oauth_mcp::{
    Access, Challenge, McpError, ServerUrl,
    server::{
        Guard, Introspection, ProtectedResource, Refusal, TokenInfo, TokenVerifier, VerifyError,
        axum::protect,
    },
};
use serde_json::{Value, json};

use super::world::*;

/// Reads tokens that are JSON.
#[derive(Debug)]
struct Open;

#[async_trait]
impl TokenVerifier for Open {
    async fn verify(&self, token: &str) -> Result<TokenInfo, VerifyError> {
        let claims = match token {
            "good" => json!({ "aud": MCP, "scope": "read", "sub": "alice", "iss": AS }),
            "list" => {
                json!({ "aud": ["x", MCP], "scp": ["read", "write"], "exp": 4_000_000_000.5, "iss": AS })
            }
            "other" => json!({ "aud": "https://other.example/mcp", "scope": "read" }),
            "none" => json!({ "scope": "read" }),
            "old" => json!({ "aud": MCP, "scope": "read", "exp": 1 }),
            "old-text" => json!({ "aud": MCP, "scope": "read", "exp": "1" }),
            "not-a-number" => json!({ "aud": MCP, "scope": "read", "exp": "NaN" }),
            "no-date" => json!({ "aud": MCP, "scope": "read", "exp": "soon" }),
            "no-number" => json!({ "aud": MCP, "scope": "read", "exp": [4_000_000_000_u64] }),
            "text" => json!({ "aud": MCP, "scope": "read", "exp": "4000000000" }),
            "last" => json!({ "aud": MCP, "scope": "read", "exp": 253_402_300_799_u64 }),
            "endless" => json!({ "aud": MCP, "scope": "read", "exp": 1e300 }),
            "bound" => json!({ "aud": MCP, "scope": "read", "cnf": { "jkt": "x" } }),
            "narrow" => json!({ "aud": MCP, "scope": "write" }),
            "down" => return Err(VerifyError::Unavailable("no answer".to_owned())),
            _ => return Err(VerifyError::Invalid("unknown".to_owned())),
        };
        let Value::Object(claims) = claims else { panic!() };
        Ok(TokenInfo::of_claims(claims))
    }
}

fn guard() -> Guard {
    let resource = ProtectedResource::new(MCP, [AS]).unwrap().with_scopes(["read"]);
    Guard::new(resource, Open).requiring(["read"])
}

async fn check(guard: &Guard, authorization: &[&str], uri: &str) -> Result<TokenInfo, Refusal> {
    let mut headers = HeaderMap::new();
    for value in authorization {
        headers.append("authorization", value.parse().unwrap());
    }
    guard.check(&headers, &uri.parse::<Uri>().unwrap()).await
}

#[tokio::test]
async fn a_token_is_good_for_its_own_audience_scope_and_time() {
    let guard = guard();
    for (token, expected) in [
        ("good", Ok(())),
        ("list", Ok(())),
        ("other", Err(Refusal::InvalidToken)),
        ("none", Err(Refusal::InvalidToken)),
        ("old", Err(Refusal::InvalidToken)),
        // An expiry that cannot be read is no reason to take a token for ever.
        ("old-text", Err(Refusal::InvalidToken)),
        ("not-a-number", Err(Refusal::InvalidToken)),
        ("no-date", Err(Refusal::InvalidToken)),
        ("no-number", Err(Refusal::InvalidToken)),
        ("text", Ok(())),
        // One that ends with the calendar leaves no room for the clocks' difference after it.
        ("last", Ok(())),
        ("endless", Ok(())),
        ("bound", Err(Refusal::InvalidToken)),
        ("unknown", Err(Refusal::InvalidToken)),
        ("narrow", Err(Refusal::InsufficientScope(vec!["read".to_owned()]))),
        ("down", Err(Refusal::Unavailable)),
    ] {
        let found = check(&guard, &[&format!("Bearer {token}")], "/mcp").await.map(drop);
        assert_eq!(found, expected, "{token}");
    }
    let strict = guard.only_issuer("https://another.example");
    assert_eq!(check(&strict, &["Bearer good"], "/mcp").await.unwrap_err(), Refusal::InvalidToken);
}

#[tokio::test]
async fn br_01_a_token_comes_in_the_header_and_nowhere_else() {
    let guard = guard();
    for (authorization, uri, expected) in [
        (&[][..], "/mcp", Refusal::NoToken),
        (&["Basic eDp5"], "/mcp", Refusal::NoToken),
        (&["Bearer"], "/mcp", Refusal::NoToken),
        (&[], "/mcp?access_token=good", Refusal::InvalidRequest),
        (&["Bearer good"], "/mcp?a=1&access_token=good", Refusal::InvalidRequest),
        (&["Bearer good", "Bearer good"], "/mcp", Refusal::InvalidRequest),
        (&["Bearer good good"], "/mcp", Refusal::InvalidRequest),
        (&["Bearer g\"ood"], "/mcp", Refusal::InvalidRequest),
    ] {
        assert_eq!(check(&guard, authorization, uri).await.unwrap_err(), expected, "{authorization:?} {uri}");
    }
    assert!(check(&guard, &["bearer good"], "/mcp").await.is_ok());
}

#[tokio::test]
async fn a_challenge_says_what_a_client_needs() {
    let guard = guard();
    for (refusal, status, error, scope) in [
        (Refusal::NoToken, 401, None, "read"),
        (Refusal::InvalidToken, 401, Some("invalid_token"), "read"),
        (Refusal::InsufficientScope(vec!["a".into(), "b".into()]), 403, Some("insufficient_scope"), "a b"),
        (Refusal::InvalidRequest, 400, Some("invalid_request"), "read"),
    ] {
        let reply = guard.reply(&refusal);
        assert_eq!(reply.status().as_u16(), status);
        let challenge = Challenge::of_reply(reply.headers()).unwrap();
        assert_eq!(challenge.resource_metadata(), Some(PRM));
        assert_eq!((challenge.error(), challenge.get("scope")), (error, Some(scope)));
    }
    let reply = guard.reply(&Refusal::Unavailable);
    assert_eq!((reply.status().as_u16(), reply.headers().get("www-authenticate")), (503, None));
}

#[test]
fn pm_01_the_document_is_where_clients_look_for_it() {
    for (resource, path) in [
        ("https://h.example", "/.well-known/oauth-protected-resource"),
        ("https://h.example/a/b", "/.well-known/oauth-protected-resource/a/b"),
    ] {
        let made = ProtectedResource::new(resource, [AS]).unwrap();
        assert_eq!((made.metadata_path(), made.resource()), (path, resource));
        let document: Value = serde_json::from_slice(made.metadata_reply().body()).unwrap();
        assert_eq!(document["resource"], resource);
        assert_eq!(document["authorization_servers"], json!([AS]));
        // What a client does with it.
        let server = ServerUrl::parse(resource).unwrap();
        assert_eq!(server.metadata_candidates()[0], (made.metadata_url().to_owned(), resource.to_owned()));
    }
    for (resource, issuers) in [
        ("http://h.example", &[AS][..]),
        ("https://h.example/#x", &[AS]),
        ("h.example", &[AS]),
        ("https://h.example", &["http://as.example"]),
        ("https://h.example", &[]),
    ] {
        assert!(ProtectedResource::new(resource, issuers.iter().copied()).is_err(), "{resource} {issuers:?}");
    }
}

#[tokio::test]
async fn rv_04_introspection_vouches_for_active_tokens_only() {
    let world = World::default();
    let verifier = || {
        let client =
            OAuth2::new("server", "secret", "https://as.example/authorize", "https://as.example/token")
                .with_introspection_endpoint("https://as.example/introspect")
                .with_http_client(world.clone());
        Introspection::new(client)
    };
    for (answer, expected) in [
        (json!({ "active": true, "aud": MCP, "scope": "read write", "client_id": "c" }), "good"),
        (json!({ "active": false, "aud": MCP }), "invalid"),
        (json!({ "active": "true" }), "unavailable"),
        (json!({}), "unavailable"),
        (json!({ "active": true, "aud": MCP, "exp": 1 }), "invalid"),
    ] {
        world.json("POST https://as.example/introspect", answer.clone());
        let found = match verifier().verify("t").await {
            Ok(info) => {
                assert_eq!((info.audience, info.scopes.len()), (vec![MCP.to_owned()], 2));
                "good"
            }
            Err(VerifyError::Invalid(_)) => "invalid",
            Err(_) => "unavailable",
        };
        assert_eq!(found, expected, "{answer}");
    }
}

#[tokio::test]
async fn a_token_that_is_no_jwt_is_invalid_and_no_outage() {
    use oauth_core::Provider;

    let world = World::default();
    world.json(
        "GET https://as.example/.well-known/openid-configuration",
        metadata(AS, json!({ "jwks_uri": "https://as.example/jwks" })),
    );
    world.json("GET https://as.example/jwks", json!({ "keys": [] }));
    let issuer = oauth_openid::OpenID::lazy("server", "", AS).unwrap().with_http_client(world.clone());
    let verifier = oauth_fapi::AccessTokenVerifier::new(std::sync::Arc::new(issuer), [MCP]);
    let resource = ProtectedResource::new(MCP, [AS]).unwrap();
    let guard = Guard::new(resource.clone(), verifier);
    assert_eq!(check(&guard, &["Bearer opaque"], "/mcp").await.unwrap_err(), Refusal::InvalidToken);
    let nobody = oauth_openid::OpenID::lazy("server", "", AS).unwrap().with_http_client(World::default());
    let verifier = oauth_fapi::AccessTokenVerifier::new(std::sync::Arc::new(nobody), [MCP]);
    let token = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln";
    let found =
        check(&Guard::new(resource, verifier), &[&format!("Bearer {token}")], "/mcp").await.unwrap_err();
    assert_eq!(found, Refusal::Unavailable);
}

/// The client and the server of this crate, over real connections.
#[tokio::test]
async fn a_client_signs_in_to_a_server_of_this_crate() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let resource = format!("{origin}/mcp");
    #[derive(Debug)]
    struct Audience(String);

    #[async_trait]
    impl TokenVerifier for Audience {
        async fn verify(&self, token: &str) -> Result<TokenInfo, VerifyError> {
            let scope = if token.ends_with("-1") { "read" } else { "read write" };
            let Value::Object(claims) = json!({ "aud": self.0, "sub": "alice", "scope": scope }) else {
                panic!()
            };
            Ok(TokenInfo::of_claims(claims))
        }
    }

    let guard = Guard::new(
        ProtectedResource::new(&resource, [origin.as_str()]).unwrap().with_scopes(["read"]),
        Audience(resource.clone()),
    );
    let inner = guard.clone();
    let handler = move |Extension(info): Extension<TokenInfo>, headers: HeaderMap| async move {
        assert!(!headers.contains_key("authorization"), "no handler can send the token on");
        match inner.require(&info, ["write"]) {
            Ok(()) => axum::response::IntoResponse::into_response(info.subject.unwrap_or_default()),
            Err(refusal) => oauth_mcp::server::axum::refused(&inner, &refusal),
        }
    };
    let document = metadata(&origin, json!({ "token_endpoint_auth_methods_supported": ["none"] }));
    let issued = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let router = protect(Router::new().route("/mcp", post(handler)), guard)
        .route("/.well-known/oauth-authorization-server", axum::routing::get(|| async { axum::Json(document) }))
        .route("/register", post(|| async { (http::StatusCode::CREATED, axum::Json(json!({ "client_id": "c" }))) }))
        .route(
            "/token",
            post(move || async move {
                let number = issued.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                axum::Json(json!({ "access_token": format!("t-{number}"), "token_type": "Bearer", "expires_in": 60 }))
            }),
        );
    tokio::spawn(async { axum::serve(listener, router).await });

    let server = ServerUrl::parse(&resource).unwrap();
    let access = Access::in_memory(oauth_mcp::Authorizer::new("Tests"), server).unwrap();
    let robot = Robot::default();
    let request = http::Request::post(&resource).body(bytes::Bytes::new()).unwrap();
    let reply = access.send(&request, &robot).await.unwrap();
    assert_eq!((reply.status().as_u16(), &reply.body()[..]), (200, &b"alice"[..]));
    assert_eq!(robot.times(), 2);
    assert_eq!(parameter(&robot.last(), "scope").as_deref(), Some("read write"));
    // A public server's metadata may not lead here.
    let world = usual();
    let prm = json!({ "resource": MCP, "authorization_servers": [origin] });
    world.json(&format!("GET {PRM}"), prm);
    let error = authorizer(&world).discover(&super::world::server(), None).await.unwrap_err();
    assert!(matches!(error, McpError::UnsafeUrl { .. }), "{error}");
}

//! URLs that a stranger chose.

use http::Response;
use oauth_core::{ErrorKind, HttpErrorKind};
use oauth_mcp::{Access, Authorizer, McpError, ServerUrl};
use serde_json::json;

use super::world::*;

const BAD: &[&str] = &[
    "http://as.example",
    "http://127.0.0.1:9000",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://u:p@as.example",
    "https://as.example/#x",
    "//as.example",
    "as.example",
    "https://as.example\n",
    " https://as.example",
    "https://as.example\\x",
    "",
];

#[tokio::test]
async fn mc_15_urls_in_the_servers_metadata_are_https_without_user_and_fragment() {
    for bad in BAD.iter().copied().filter(|bad| !bad.is_empty()).chain(["https://as.example?q"]) {
        let world = usual();
        world.json(&format!("GET {PRM}"), json!({ "resource": MCP, "authorization_servers": [bad] }));
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(matches!(error, McpError::UnsafeUrl { what: "issuer", .. }), "{bad}: {error}");
        assert_eq!(world.asked().len(), 1, "{bad}");
        let header = format!(r#"Bearer resource_metadata="{}""#, bad.replace('\\', r"\\"));
        let outcome = authorizer(&world).discover(&server(), Some(&parsed(&header))).await;
        if bad != "https://as.example?q" {
            assert!(matches!(outcome, Err(McpError::UnsafeUrl { .. })), "{bad}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn mc_15_urls_in_the_authorization_servers_metadata_are_checked_before_use() {
    let members =
        ["authorization_endpoint", "token_endpoint", "revocation_endpoint", "registration_endpoint"];
    for member in members {
        for bad in BAD.iter().filter(|bad| !bad.is_empty()) {
            let world = World::default();
            world.mcp_server(AS);
            world.authorization_server_with(AS, json!({ member: bad }));
            let error = begun(&authorizer(&world)).await.unwrap_err();
            assert!(matches!(error, McpError::UnsafeUrl { .. }), "{member} {bad}: {error}");
            assert!(!world.asked().iter().any(|asked| asked.starts_with("POST")), "{member} {bad}");
        }
    }
}

#[tokio::test]
async fn mc_15_plain_http_is_for_loopback_servers_alone() {
    let local = "http://127.0.0.1:9000";
    let world = World::default();
    world.authorization_server_with("http://localhost:9100", json!({}));
    world.json(
        &format!("GET {local}/.well-known/oauth-protected-resource"),
        json!({ "resource": local, "authorization_servers": ["http://localhost:9100"] }),
    );
    let server = ServerUrl::parse(local).unwrap();
    let target = authorizer(&world).discover(&server, None).await.unwrap();
    assert_eq!(target.issuer(), "http://localhost:9100");
}

#[tokio::test]
async fn mc_17_a_public_server_leads_to_no_private_address() {
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00::1]",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "0.0.0.0",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "intranet",
        "metadata.google.internal",
    ] {
        let world = usual();
        let issuer = format!("https://{host}");
        world.json(&format!("GET {PRM}"), json!({ "resource": MCP, "authorization_servers": [issuer] }));
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(error.is_not_public(), "{host}: {error}");
        assert_eq!(world.asked().len(), 1, "{host}");
        // A tool on a desktop may be told to go there.
        let error = authorizer(&world).reaching_any_address().discover(&server(), None).await.unwrap_err();
        assert!(!error.is_not_public(), "{host}: {error}");
    }
}

#[tokio::test]
async fn mc_17_a_private_server_may_lead_to_its_own_kind_of_address() {
    for (mcp, issuer, is_reached) in [
        ("https://10.0.0.5/mcp", "https://10.0.0.7", true),
        ("https://10.0.0.5/mcp", "https://as.example", true),
        ("https://10.0.0.5/mcp", "https://127.0.0.1", false),
        ("https://10.0.0.5/mcp", "https://169.254.169.254", false),
        ("https://127.0.0.1/mcp", "https://localhost", true),
        ("https://127.0.0.1/mcp", "https://10.0.0.7", false),
        ("https://169.254.169.254/mcp", "https://169.254.169.254", false),
    ] {
        let world = World::default();
        let server = ServerUrl::parse(mcp).unwrap();
        let place = server.metadata_candidates()[0].0.clone();
        world.json(&format!("GET {place}"), json!({ "resource": mcp, "authorization_servers": [issuer] }));
        world.authorization_server(issuer);
        let outcome = authorizer(&world).discover(&server, None).await;
        assert_eq!(outcome.is_ok(), is_reached, "{mcp} {issuer}: {outcome:?}");
    }
}

#[tokio::test]
async fn mc_17_a_name_that_resolves_to_a_private_address_is_not_connected_to() {
    #[derive(Debug)]
    struct Rebinding;

    #[oauth_core::async_trait]
    impl oauth_core::Resolver for Rebinding {
        async fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
            Ok(vec!["169.254.169.254".parse().unwrap()])
        }
    }

    let filter = oauth_core::PublicHosts::new().behind_proxy().resolved_by(Rebinding);
    let authorizer = Authorizer::new("Tests").with_http_client(filter);
    let error = authorizer.discover(&server(), None).await.unwrap_err();
    assert!(error.is_not_public(), "{error}");
}

#[tokio::test]
async fn mc_18_no_redirect_is_followed() {
    let moved = |status: u16| {
        move |_: &Asked| {
            let reply = Response::builder().status(status).header("location", "https://as.example/elsewhere");
            reply.body(bytes::Bytes::new()).unwrap()
        }
    };
    for status in [301, 302, 307, 308] {
        let world = usual();
        world.on(&format!("GET {PRM}"), moved(status));
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(matches!(error, McpError::Redirected { .. }), "{error}");
        let world = usual();
        world.on(&format!("GET {AS}/.well-known/oauth-authorization-server"), moved(status));
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(matches!(error, McpError::Redirected { .. }), "{error}");
        for endpoint in ["register", "token"] {
            let world = usual();
            world.on(&format!("POST {AS}/{endpoint}"), moved(status));
            let error = access(authorizer(&world)).authorize(&Robot::default()).await.unwrap_err();
            assert_eq!(
                error.oauth().and_then(oauth_core::Error::status).unwrap().as_u16(),
                status,
                "{error}"
            );
            assert!(!world.asked().iter().any(|asked| asked.contains("elsewhere")));
        }
    }
}

#[tokio::test]
async fn mc_19_the_token_follows_a_redirect_inside_the_origin_only() {
    let world = usual();
    let access = access(authorizer(&world));
    let robot = Robot::default();
    access.authorize(&robot).await.unwrap();
    for (location, is_followed) in
        [("/mcp/", true), ("https://evil.example/mcp", false), ("http://mcp.example/mcp/", false)]
    {
        world.on(&format!("POST {MCP}"), move |_| {
            Response::builder().status(308).header("location", location).body(bytes::Bytes::new()).unwrap()
        });
        world.json("POST https://mcp.example/mcp/", json!({}));
        world.forget();
        let reply = access.send(&post(), &robot).await.unwrap();
        assert_eq!(reply.status().as_u16(), if is_followed { 200 } else { 308 });
        assert_eq!(world.asked().len(), if is_followed { 2 } else { 1 }, "{location}");
        if is_followed {
            assert_eq!(world.last("POST https://mcp.example/mcp/").bearer(), Some("as.example-token-1"));
        }
    }
    // Nor is a circle walked for ever.
    world.on(&format!("POST {MCP}"), |_| {
        Response::builder().status(307).header("location", MCP).body(bytes::Bytes::new()).unwrap()
    });
    assert!(matches!(access.send(&post(), &robot).await, Err(McpError::Redirected { .. })));
}

#[tokio::test]
async fn mc_20_a_document_that_is_too_large_is_not_read() {
    let world = usual();
    world.on(&format!("GET {PRM}"), |_| Response::new(bytes::Bytes::from(vec![b' '; 2 << 20])));
    let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
    let kind = error.oauth().map(oauth_core::Error::kind);
    assert!(
        matches!(kind, Some(ErrorKind::Transport(error)) if error.kind() == HttpErrorKind::TooLarge),
        "{error}"
    );
}

#[tokio::test]
async fn mc_20_what_a_server_says_is_one_line_without_escape_codes() {
    let world = usual();
    let evil = "https://mcp.example/\u{1b}[31m\nrefund";
    world.json(&format!("GET {PRM}"), json!({ "resource": evil, "authorization_servers": [AS] }));
    let mismatch = authorizer(&world).discover(&server(), None).await.unwrap_err().to_string();
    world.json(&format!("GET {PRM}"), json!({ "resource": MCP, "authorization_servers": [evil] }));
    let issuer = authorizer(&world).discover(&server(), None).await.unwrap_err().to_string();
    world.mcp_server(AS);
    world.on(&format!("POST {MCP}"), |asked| match asked.bearer() {
        None => reply(401, "", json!({})),
        Some(_) => reply(403, "Bearer error_description=\"a\tb\"", json!({})),
    });
    let refused =
        Access::in_memory(authorizer(&world), server()).unwrap().send(&post(), &Robot::default()).await;
    for text in [mismatch, issuer, refused.unwrap_err().to_string()] {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

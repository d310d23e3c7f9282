//! From a challenge to the authorization server.

use oauth_core::ErrorClass;
use oauth_mcp::{McpError, NameRules, Revision};
use serde_json::json;

use super::world::*;

const ROOT_PRM: &str = "https://mcp.example/.well-known/oauth-protected-resource";

#[tokio::test]
async fn mc_03_the_root_is_not_asked_when_the_header_gave_a_place() {
    let world = usual();
    let challenge = parsed(&challenge(""));
    let target = authorizer(&world).discover(&server(), Some(&challenge)).await.unwrap();
    assert_eq!((target.issuer(), target.resource()), (AS, MCP));
    assert_eq!(world.asked()[0], format!("GET {PRM}"));
    assert!(!world.asked().contains(&format!("GET {ROOT_PRM}")));
}

#[tokio::test]
async fn mc_03_the_next_place_is_asked_when_one_has_no_document() {
    let world = usual();
    world.json(
        &format!("GET {ROOT_PRM}"),
        json!({ "resource": "https://mcp.example", "authorization_servers": [AS] }),
    );
    for (status, body) in
        [(404, json!(null)), (200, json!("no object")), (200, json!({ "no": "resource" })), (401, json!({}))]
    {
        world.on(&format!("GET {PRM}"), move |_| reply(status, "", body.clone()));
        let target = authorizer(&world).discover(&server(), None).await.unwrap();
        assert_eq!(target.resource(), "https://mcp.example");
    }
}

#[tokio::test]
async fn mc_04_an_outage_is_not_read_as_no_metadata() {
    for status in [503, 500, 429, 599] {
        let world = usual();
        world.status(&format!("GET {PRM}"), status);
        for header in [Some(parsed(&challenge(""))), None] {
            world.forget();
            let authorizer = authorizer(&world).with_legacy_fallback();
            let error = authorizer.discover(&server(), header.as_ref()).await.unwrap_err();
            assert!(matches!(error.class(), ErrorClass::Transient { .. }), "{status}: {error}");
            assert_eq!(world.asked().len(), 1, "{status}");
        }
    }
    // The same at the authorization server.
    let world = usual();
    world.status(&format!("GET {AS}/.well-known/oauth-authorization-server"), 503);
    let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
    assert!(matches!(error, McpError::ServerMetadata { .. }), "{error}");
    assert!(matches!(error.class(), ErrorClass::Transient { .. }));
}

#[tokio::test]
async fn mc_04_a_place_in_the_header_without_a_document_is_an_error() {
    let world = usual();
    world.status(&format!("GET {PRM}"), 404);
    world.json(
        &format!("GET {ROOT_PRM}"),
        json!({ "resource": "https://mcp.example", "authorization_servers": [AS] }),
    );
    let challenge = parsed(&challenge(""));
    let authorizer = authorizer(&world).with_legacy_fallback();
    let error = authorizer.discover(&server(), Some(&challenge)).await.unwrap_err();
    assert!(matches!(error, McpError::NoResourceMetadata(_)), "{error}");
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn mc_05_a_document_about_another_resource_ends_the_flow() {
    let world = usual();
    for found in ["https://evil.example/mcp", "https://mcp.example/other", "http://mcp.example/mcp"] {
        world.json(&format!("GET {PRM}"), json!({ "resource": found, "authorization_servers": [AS] }));
        world.forget();
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(matches!(error, McpError::ResourceMismatch { .. }), "{found}: {error}");
        assert_eq!(world.asked(), [format!("GET {PRM}")]);
    }
    // The root's document is about the origin.
    world.status(&format!("GET {PRM}"), 404);
    world.json(&format!("GET {ROOT_PRM}"), json!({ "resource": MCP, "authorization_servers": [AS] }));
    let strict = authorizer(&world).with_name_rules(NameRules::Exact);
    assert!(matches!(strict.discover(&server(), None).await, Err(McpError::ResourceMismatch { .. })));
}

#[tokio::test]
async fn mc_06_an_ancestor_is_refused_where_names_are_exact() {
    let world = usual();
    world.json(
        &format!("GET {PRM}"),
        json!({ "resource": "https://mcp.example/", "authorization_servers": [AS] }),
    );
    let target = authorizer(&world).discover(&server(), None).await.unwrap();
    // As the server wrote it, slash and all.
    assert_eq!(target.resource(), "https://mcp.example/");
    let strict = authorizer(&world).with_name_rules(NameRules::Exact);
    assert!(matches!(strict.discover(&server(), None).await, Err(McpError::ResourceMismatch { .. })));
}

#[tokio::test]
async fn mc_07_a_server_without_authorization_servers_is_refused() {
    let world = usual();
    for servers in [json!([]), json!(null), json!("https://as.example"), json!([7, ""])] {
        world.json(&format!("GET {PRM}"), json!({ "resource": MCP, "authorization_servers": servers }));
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(matches!(error, McpError::NoAuthorizationServer { .. }), "{servers}: {error}");
    }
}

#[tokio::test]
async fn mc_07_of_several_servers_one_is_chosen_and_stays_chosen() {
    let world = usual();
    world.authorization_server("https://second.example");
    let servers = json!([AS, "https://second.example"]);
    world.json(&format!("GET {PRM}"), json!({ "resource": MCP, "authorization_servers": servers }));
    let first = authorizer(&world).discover(&server(), None).await.unwrap();
    assert_eq!(first.issuer(), AS);
    let chosen = authorizer(&world).choosing_server(|_| Some("https://second.example".to_owned()));
    assert_eq!(chosen.discover(&server(), None).await.unwrap().issuer(), "https://second.example");
    let known = oauth_mcp::KnownClient::new("https://second.example", "id", "secret");
    let known = authorizer(&world).with_client(known);
    assert_eq!(known.discover(&server(), None).await.unwrap().issuer(), "https://second.example");
    let wrong = authorizer(&world).choosing_server(|_| Some("https://third.example".to_owned()));
    let error = wrong.discover(&server(), None).await.unwrap_err();
    assert!(matches!(error, McpError::NotAnAuthorizationServer { .. }), "{error}");
    // A dead first one is an error, not a reason to go to the second.
    world.status(&format!("GET {AS}/.well-known/oauth-authorization-server"), 404);
    world.forget();
    let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
    assert!(matches!(error, McpError::NoServerMetadata { .. }), "{error}");
    assert!(!world.asked().iter().any(|asked| asked.contains("second.example")));
}

#[tokio::test]
async fn mc_09_another_issuers_document_ends_the_search() {
    let world = usual();
    for found in
        ["https://evil.example", "https://AS.example", "https://as.example:443", "https://as.example/x", ""]
    {
        let place = format!("GET {AS}/.well-known/oauth-authorization-server");
        world.json(&place, metadata(AS, json!({ "issuer": found })));
        world.json(&format!("GET {AS}/.well-known/openid-configuration"), metadata(AS, json!({})));
        world.forget();
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(matches!(error, McpError::IssuerMismatch { .. }), "{found}: {error}");
        assert_eq!(world.asked().last(), Some(&place));
    }
}

#[tokio::test]
async fn mc_10_one_slash_behind_a_root_is_forgiven_under_mcps_rules() {
    for (listed, document) in
        [("https://as.example/", "https://as.example"), ("https://as.example", "https://as.example/")]
    {
        let world = World::default();
        world.mcp_server(listed);
        world.authorization_server_with("https://as.example", json!({ "issuer": document }));
        let target = authorizer(&world).discover(&server(), None).await.unwrap();
        // From here on the document's string is the issuer.
        assert_eq!(target.issuer(), document);
        let strict = authorizer(&world).with_name_rules(NameRules::Exact);
        assert!(matches!(strict.discover(&server(), None).await, Err(McpError::IssuerMismatch { .. })));
    }
}

#[tokio::test]
async fn mc_10_a_slash_behind_a_path_is_not_forgiven() {
    for (listed, document) in
        [("https://as.example/p", "https://as.example/p/"), ("https://as.example/p/", "https://as.example/p")]
    {
        let world = World::default();
        world.mcp_server(listed);
        let place = "GET https://as.example/.well-known/oauth-authorization-server/p";
        world.json(place, metadata(AS, json!({ "issuer": document })));
        let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
        assert!(matches!(error, McpError::IssuerMismatch { .. }), "{listed}: {error}");
    }
}

#[tokio::test]
async fn mc_11_the_old_endpoints_are_behind_a_switch_and_after_404_alone() {
    let world = World::default();
    let error = authorizer(&world).discover(&server(), None).await.unwrap_err();
    assert!(matches!(error, McpError::NoResourceMetadata(_)), "{error}");
    let legacy = authorizer(&world).with_legacy_fallback();
    let target = legacy.discover(&server(), None).await.unwrap();
    assert!(target.is_legacy());
    assert_eq!(target.issuer(), "https://mcp.example");
    assert_eq!(target.server_metadata().text("token_endpoint"), Some("https://mcp.example/token"));
    let asked = world.last("GET https://mcp.example/.well-known/oauth-authorization-server");
    assert_eq!(asked.headers["mcp-protocol-version"], "2025-03-26");
    // Something is there, though it is not for us.
    world.status(&format!("GET {ROOT_PRM}"), 403);
    assert!(matches!(legacy.discover(&server(), None).await, Err(McpError::NoResourceMetadata(_))));
    // The preset of that revision does not look for what did not exist then.
    world.forget();
    let old = authorizer(&world).with_revision(Revision::V2025_03_26);
    assert!(old.discover(&server(), None).await.unwrap().is_legacy());
    assert_eq!(world.asked(), ["GET https://mcp.example/.well-known/oauth-authorization-server"]);
}

#[tokio::test]
async fn mc_11_the_metadata_of_the_old_revision_is_that_of_the_bare_origin() {
    let world = World::default();
    world.json(
        "GET https://mcp.example/.well-known/oauth-authorization-server",
        metadata("https://mcp.example", json!({ "issuer": "https://evil.example" })),
    );
    let legacy = authorizer(&world).with_legacy_fallback();
    assert!(matches!(legacy.discover(&server(), None).await, Err(McpError::IssuerMismatch { .. })));
}

#[tokio::test]
async fn mc_12_a_server_that_does_not_list_s256_is_refused_before_any_redirect() {
    let place = format!("GET {AS}/.well-known/oauth-authorization-server");
    for (methods, may_be_allowed) in [(json!(null), true), (json!([]), true), (json!(["plain"]), false)] {
        let world = usual();
        world.json(&place, metadata(AS, json!({ "code_challenge_methods_supported": methods })));
        let error = begun(&authorizer(&world)).await.unwrap_err();
        assert!(matches!(error, McpError::NoPkce { .. }), "{methods}: {error}");
        assert!(!world.asked().contains(&format!("POST {AS}/register")));
        // The allowance is for one issuer, and for silence only.
        let elsewhere = authorizer(&world).allowing_unlisted_pkce("https://other.example");
        assert!(begun(&elsewhere).await.is_err());
        let allowed = begun(&authorizer(&world).allowing_unlisted_pkce(AS)).await;
        assert_eq!(allowed.is_ok(), may_be_allowed, "{methods}");
        if let Ok(pending) = allowed {
            assert_eq!(parameter(pending.url(), "code_challenge_method").as_deref(), Some("S256"));
        }
        let old = begun(&authorizer(&world).with_revision(Revision::V2025_06_18)).await;
        assert_eq!(old.is_ok(), may_be_allowed, "{methods}");
    }
}

#[tokio::test]
async fn mc_14_the_servers_metadata_is_read_anew_and_its_authorization_servers_is_kept() {
    let world = usual();
    let authorizer = authorizer(&world);
    for _ in 0..3 {
        authorizer.discover(&server(), None).await.unwrap();
    }
    assert_eq!(world.all(&format!("GET {PRM}")).len(), 3);
    assert_eq!(world.all(&format!("GET {AS}/.well-known/oauth-authorization-server")).len(), 1);
}

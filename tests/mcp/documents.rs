//! What is read before anything is sent: challenges, URLs, names, client ID metadata documents.

use http::HeaderMap;
use oauth_mcp::{
    Challenge, ClientIdUrl, McpError, MetadataDocument, NameRules, Revision, ServerUrl, metadata_urls,
};
use serde_json::json;

#[test]
fn mc_02_the_challenge_with_metadata_wins_wherever_it_is() {
    for headers in [
        vec![r#"Basic realm="x, y", Bearer scope="a b", resource_metadata="https://m/p""#],
        vec![r#"Bearer resource_metadata="https://m/p", scope="a b""#],
        vec![
            r#"Basic realm="x""#,
            r#"Bearer realm="no""#,
            r#"bearer scope="a b", resource_metadata="https://m/p""#,
        ],
        vec![
            r#"Bearer error="invalid_token", DPoP algs="ES256", scope="a b", resource_metadata="https://m/p""#,
        ],
        vec![r#"BEARER   scope = "a b" ,  resource_metadata = "https:\/\/m\/p""#],
        vec![r#"Bearer scope="a b", resource_metadata=https://m/p"#],
        vec![
            r#"Negotiate YWJj==, Bearer scope="a b", resource_metadata="https://m/p", resource_metadata="https://evil""#,
        ],
    ] {
        let mut map = HeaderMap::new();
        for header in &headers {
            map.append("www-authenticate", header.parse().unwrap());
        }
        let found = Challenge::of_reply(&map).unwrap_or_else(|| panic!("{headers:?}"));
        assert_eq!(found.resource_metadata(), Some("https://m/p"), "{headers:?}");
        assert_eq!(found.scopes(), Some(vec!["a", "b"]), "{headers:?}");
    }
    // Without metadata the first one counts, and other schemes do not.
    let mut map = HeaderMap::new();
    map.append("www-authenticate", "Basic realm=\"x\"".parse().unwrap());
    assert_eq!(Challenge::of_reply(&map), None);
    map.append("www-authenticate", "Bearer error=\"invalid_token\"".parse().unwrap());
    assert_eq!(Challenge::of_reply(&map).unwrap().error(), Some("invalid_token"));
}

#[test]
fn br_02_no_challenge_makes_the_parser_panic() {
    for text in [
        "",
        ",",
        "=",
        "\"",
        "Bearer",
        "Bearer ",
        "Bearer =",
        "Bearer a=\"",
        "Bearer a=\"\\",
        "ü=é",
        "\\",
        "a\"b",
    ] {
        let _ = Challenge::parse(text);
    }
    let mut map = HeaderMap::new();
    map.append("www-authenticate", http::HeaderValue::from_bytes(b"Bearer scope=\"\xff\xfe\"").unwrap());
    assert!(Challenge::of_reply(&map).is_some());
}

#[test]
fn mc_32_the_canonical_url_of_a_server_has_nothing_to_spare() {
    for (given, canonical) in [
        ("HTTPS://H:443", "https://h"),
        ("https://H.Example/", "https://h.example"),
        ("https://h/Mcp", "https://h/Mcp"),
        ("https://h/mcp/", "https://h/mcp/"),
        ("https://h:8443/mcp#x", "https://h:8443/mcp"),
        ("https://h/mcp?k=v", "https://h/mcp"),
        ("http://localhost:80/mcp", "http://localhost/mcp"),
    ] {
        assert_eq!(ServerUrl::parse(given).unwrap().resource(), canonical, "{given}");
    }
    let with_query = ServerUrl::parse("https://h/mcp?tenant=1").unwrap().with_query();
    assert_eq!(with_query.resource(), "https://h/mcp?tenant=1");
    for bad in ["/mcp", "mcp.example", "ftp://h/", "https://", "https://user:p@h/", "javascript:alert(1)", ""]
    {
        assert!(matches!(ServerUrl::parse(bad), Err(McpError::ServerUrl { .. })), "{bad}");
    }
    // Plain http is for this machine and for addresses of private networks.
    for near in ["http://127.0.0.1:1/mcp", "http://[::1]/mcp", "http://localhost/mcp", "http://10.0.0.7/mcp"]
    {
        assert!(ServerUrl::parse(near).is_ok(), "{near}");
    }
    for far in ["http://mcp.example/mcp", "http://93.184.216.34/mcp", "http://169.254.169.254/mcp"] {
        let error = ServerUrl::parse(far).unwrap_err();
        assert!(error.to_string().contains("dangerously_over_plain_http"), "{error}");
        assert!(ServerUrl::dangerously_over_plain_http(far).is_ok(), "{far}");
    }
    // An error shows no secret.
    let error = ServerUrl::parse("https://user:hunter2@h/?key=hunter2").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn mc_03_metadata_is_looked_for_with_the_path_and_then_at_the_root() {
    let places = |url: &str| ServerUrl::parse(url).unwrap().metadata_candidates();
    let root = "https://h/.well-known/oauth-protected-resource";
    assert_eq!(
        places("https://h/a/b"),
        [(format!("{root}/a/b"), "https://h/a/b".to_owned()), (root.to_owned(), "https://h".to_owned())]
    );
    assert_eq!(places("https://h/"), [(root.to_owned(), "https://h".to_owned())]);
}

#[test]
fn mc_06_a_resource_may_be_an_ancestor_under_mcps_rules_alone() {
    let server = ServerUrl::parse("https://h/a/b").unwrap();
    let expected = server.resource();
    for (found, is_ancestor) in [
        ("https://h/a", true),
        ("https://h/a/", true),
        ("https://h", true),
        ("https://h/", true),
        ("https://h/a?q=1", true),
        ("https://h/ab", false),
        ("https://h/a/b/", false),
        ("https://h/a/b/c", false),
        ("https://other/a", false),
        ("http://h/a", false),
        ("https://h:8443/a", false),
        ("https://x@h/a", false),
        ("https://h/a#f", false),
        ("h/a", false),
    ] {
        assert_eq!(server.accepts_resource(found, &expected, NameRules::Mcp), is_ancestor, "{found}");
        assert!(!server.accepts_resource(found, &expected, NameRules::Exact), "{found}");
    }
    assert!(server.accepts_resource("https://h/a/b", &expected, NameRules::Exact));
    let server = ServerUrl::parse("https://h/ab").unwrap();
    assert!(!server.accepts_resource("https://h/a", "https://h/ab", NameRules::Mcp));
}

#[test]
fn mc_08_the_places_of_an_issuers_metadata_have_an_order() {
    let newest = Revision::V2026_07_28;
    assert_eq!(
        metadata_urls("https://h/t", newest),
        [
            "https://h/.well-known/oauth-authorization-server/t",
            "https://h/.well-known/openid-configuration/t",
            "https://h/t/.well-known/openid-configuration",
        ]
    );
    for root in ["https://h", "https://h/"] {
        assert_eq!(
            metadata_urls(root, newest),
            [
                "https://h/.well-known/oauth-authorization-server",
                "https://h/.well-known/openid-configuration"
            ]
        );
    }
    assert_eq!(metadata_urls("https://h/t", Revision::V2025_06_18).len(), 1);
}

#[test]
fn mc_27_a_client_id_url_is_https_with_a_plain_path() {
    for good in [
        "https://x.example/c",
        "https://x.example:8443/a/c.json",
        "https://x.example/c?v=1",
        "https://x/c%20d",
    ] {
        assert_eq!(ClientIdUrl::parse(good).unwrap().as_str(), good);
    }
    for bad in [
        "https://x.example",
        "https://x.example/",
        "https://x/a/../b",
        "https://x/a/%2e%2E/b",
        "https://x/./c",
        "https://x/c#f",
        "http://x/c",
        "HTTPS://x/c",
        "https://u:p@x/c",
        "https://@x/c",
        "https://x\\c/d",
        "https://x/c d",
        "https:///c",
        "x",
    ] {
        assert!(matches!(ClientIdUrl::parse(bad), Err(McpError::MetadataDocument(_))), "{bad}");
    }
}

#[test]
fn mc_28_a_metadata_document_has_what_servers_want_and_no_secret() {
    let url = ClientIdUrl::parse("https://x.example/client.json").unwrap();
    let good = MetadataDocument::new(&url, "Agent", ["http://127.0.0.1/callback", "http://[::1]/callback"]);
    let json: serde_json::Value = serde_json::from_str(&good.to_json().unwrap()).unwrap();
    assert_eq!(json["client_id"], "https://x.example/client.json");
    assert_eq!(json["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(json["token_endpoint_auth_method"], "none");
    let keyed = good.clone().set("token_endpoint_auth_method", "private_key_jwt");
    assert!(keyed.clone().set("jwks_uri", "https://x.example/jwks").to_json().is_ok());
    for bad in [
        keyed.clone(),
        keyed.set("jwks", json!({ "keys": [{ "kty": "EC", "d": "secret" }] })),
        good.clone().set("client_secret", "s"),
        good.clone().set("token_endpoint_auth_method", "client_secret_post"),
        good.clone().set("grant_types", ["authorization_code"]),
        good.clone().set("client_id", "https://other.example/c"),
        good.clone().set("client_name", " "),
        good.clone().set("client_uri", "x".repeat(6000)),
        good.clone().set("redirect_uris", ["/callback"]),
        MetadataDocument::new(&url, "Agent", Vec::<String>::new()),
    ] {
        assert!(matches!(bad.to_json(), Err(McpError::MetadataDocument(_))), "{bad:?}");
    }
}

//! Grants without a browser.

use oauth_core::{Credentials, OAuth2, Provider, Secret};
use oauth_mcp::{Enterprise, Grant, KnownClient, McpError, SubjectKind, WorkloadIdentity};
use serde_json::{Value, json};

use super::world::*;

const TOKEN: &str = "POST https://as.example/token";
const IDP: &str = "POST https://idp.example/token";

fn as_machine(world: &World, grant: Grant) -> oauth_mcp::Access {
    let client = KnownClient::new(AS, "machine id", "machine-secret");
    access(authorizer(world).with_client(client).with_grant(grant))
}

/// Nobody is asked anything.
async fn sent(access: &oauth_mcp::Access) -> Result<u16, McpError> {
    let robot = Robot::default();
    let outcome = access.send(&post(), &robot).await;
    assert_eq!(robot.times(), 0, "no browser is opened");
    outcome.map(|reply| reply.status().as_u16())
}

#[tokio::test]
async fn mc_45_a_machine_gets_its_token_by_client_credentials() {
    let world = World::default();
    world.authorization_server_with(
        AS,
        json!({ "scopes_supported": ["offline_access"], "code_challenge_methods_supported": null }),
    );
    world.mcp_server(AS);
    let access = as_machine(&world, Grant::ClientCredentials);
    assert_eq!(sent(&access).await.unwrap(), 200);
    let asked = world.last(TOKEN);
    assert_eq!(asked.field("grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(asked.field("resource").as_deref(), Some(MCP));
    assert_eq!(asked.field("scope").as_deref(), Some("read"));
    assert!(asked.headers.contains_key("authorization"));
    assert!(world.all("POST https://as.example/register").is_empty());
    assert_eq!(sent(&access).await.unwrap(), 200);
    assert_eq!(world.all(TOKEN).len(), 1);
}

#[tokio::test]
async fn mc_45_a_machine_that_cannot_authenticate_sends_nothing() {
    let world = World::default();
    world.authorization_server_with(
        AS,
        json!({ "token_endpoint_auth_methods_supported": ["private_key_jwt"] }),
    );
    world.mcp_server(AS);
    let error = sent(&as_machine(&world, Grant::ClientCredentials)).await.unwrap_err();
    assert!(matches!(error, McpError::NoClientAuthentication { .. }), "{error}");
    assert!(world.all(TOKEN).is_empty());
    // Nor does one whose client is another server's.
    let world = usual();
    let client = KnownClient::new("https://other.example", "machine", "secret");
    let other = access(authorizer(&world).with_client(client).with_grant(Grant::ClientCredentials));
    assert!(matches!(sent(&other).await, Err(McpError::ClientOfOtherIssuer { .. })));
    assert!(world.all(TOKEN).is_empty());
}

#[tokio::test]
async fn mc_38_a_machine_steps_up_once() {
    let world = usual();
    world.on(&format!("POST {MCP}"), |asked| match asked.bearer() {
        None => reply(401, &challenge(r#"scope="read""#), json!({})),
        Some(_) => reply(403, &challenge(r#"error="insufficient_scope", scope="write""#), json!({})),
    });
    let access = as_machine(&world, Grant::ClientCredentials);
    let error = sent(&access).await.unwrap_err();
    assert!(matches!(error, McpError::StepUpLimit { .. }), "{error}");
    assert_eq!(world.all(TOKEN).len(), 2);
    assert_eq!(world.last(TOKEN).field("scope").as_deref(), Some("read write"));
}

fn enterprise(world: &World) -> Grant {
    let idp =
        OAuth2::new("idp-client", "idp-secret", "https://idp.example/authorize", "https://idp.example/token")
            .with_http_client(world.clone());
    let subjects = |_: &str| Ok((SubjectKind::IdToken, Secret::from("the-id-token")));
    Grant::EnterpriseManaged(Enterprise::new(idp, subjects))
}

fn id_jag() -> Value {
    json!({
        "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag", "token_type": "N_A",
        "access_token": "the-id-jag", "expires_in": 300,
    })
}

#[tokio::test]
async fn mc_47_and_49_an_organization_lets_its_user_in() {
    let world = usual();
    world.json(IDP, id_jag());
    assert_eq!(sent(&as_machine(&world, enterprise(&world))).await.unwrap(), 200);
    let exchange = world.last(IDP);
    for (name, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id-jag"),
        ("audience", AS),
        ("resource", MCP),
        ("scope", "read"),
        ("subject_token", "the-id-token"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
        ("client_id", "idp-client"),
    ] {
        assert_eq!(exchange.field(name).as_deref(), Some(value), "{name}");
    }
    let redeemed = world.last(TOKEN);
    assert_eq!(redeemed.field("grant_type").as_deref(), Some("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    assert_eq!(redeemed.field("assertion").as_deref(), Some("the-id-jag"));
    assert_eq!(redeemed.field("resource").as_deref(), Some(MCP));
    // The client of the MCP server's authorization server, percent-encoded.
    assert_eq!(redeemed.headers["authorization"], "Basic bWFjaGluZStpZDptYWNoaW5lLXNlY3JldA==");
}

#[tokio::test]
async fn mc_48_only_an_id_jag_is_redeemed() {
    for bad in [
        json!({ "issued_token_type": "urn:ietf:params:oauth:token-type:access_token" }),
        json!({ "issued_token_type": null }),
        json!({ "token_type": "Bearer" }),
        json!({ "access_token": "" }),
    ] {
        let world = usual();
        let mut answer = id_jag();
        answer.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        world.json(IDP, answer);
        assert!(sent(&as_machine(&world, enterprise(&world))).await.is_err(), "{bad}");
        assert!(world.all(TOKEN).is_empty(), "{bad}");
    }
}

#[tokio::test]
async fn mc_48_an_assertion_shows_itself_to_nobody() {
    let world = usual();
    world.json(IDP, id_jag());
    let Grant::EnterpriseManaged(enterprise) = enterprise(&world) else { panic!() };
    let assertion = enterprise.identity_assertion("", AS, MCP, &[]).await.unwrap();
    assert_eq!(assertion.expose(), "the-id-jag");
    assert!(!format!("{assertion:?} {enterprise:?}").contains("the-id"));
}

#[tokio::test]
async fn mc_50_an_assertion_is_kept_while_it_lives_and_a_refusal_is_policy() {
    let world = usual();
    world.json(IDP, id_jag());
    let access = as_machine(&world, enterprise(&world));
    sent(&access).await.unwrap();
    let key = access.token_key().await.unwrap().unwrap();
    access.tokens().delete(&key).await.unwrap();
    access.tokens().get(&key).await.unwrap();
    assert_eq!((world.all(TOKEN).len(), world.all(IDP).len()), (2, 1));
    for code in ["invalid_grant", "access_denied"] {
        let world = usual();
        world.on(IDP, move |_| reply(400, "", json!({ "error": code })));
        let error = sent(&as_machine(&world, enterprise(&world))).await.unwrap_err();
        assert!(matches!(error, McpError::RefusedByPolicy(_)), "{code}: {error}");
        assert!(!format!("{error:?}").contains("the-id-token"));
        assert!(!world.asked().iter().any(|asked| asked.contains("authorize")));
    }
}

#[tokio::test]
async fn mc_52_a_workload_is_vouched_for_and_a_refusal_ends_it() {
    let world = usual();
    let grant = || Grant::WorkloadIdentity(WorkloadIdentity::new(|_: &_| Ok("platform-jwt".to_owned())));
    let client = KnownClient::new(AS, "workload", Credentials::NONE);
    let with = |world: &World| access(authorizer(world).with_client(client.clone()).with_grant(grant()));
    assert_eq!(sent(&with(&world)).await.unwrap(), 200);
    assert_eq!(world.last(TOKEN).field("assertion").as_deref(), Some("platform-jwt"));
    for code in ["invalid_grant", "invalid_scope", "unauthorized_client"] {
        let world = usual();
        world.on(TOKEN, move |_| reply(400, "", json!({ "error": code })));
        assert!(sent(&with(&world)).await.is_err(), "{code}");
        assert_eq!(world.all(TOKEN).len(), 1, "{code}");
    }
}

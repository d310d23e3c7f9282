//! A token that lacks a scope.

use oauth_mcp::McpError;
use serde_json::json;

use super::world::*;

fn wanting(world: &World, scopes: &'static str) {
    world.on(&format!("POST {MCP}"), move |asked| match asked.bearer() {
        None => reply(401, &challenge(r#"scope="read""#), json!({})),
        Some(token) if token.ends_with("-1") => {
            reply(403, &challenge(&format!(r#"error="insufficient_scope", scope="{scopes}""#)), json!({}))
        }
        Some(_) => reply(200, "", json!({})),
    });
}

#[tokio::test]
async fn mc_36_a_step_up_asks_for_the_union_of_old_and_new() {
    let world = usual();
    wanting(&world, "write read");
    let access = access(authorizer(&world));
    let robot = Robot::default();
    let reply = access.send(&post(), &robot).await.unwrap();
    assert_eq!((reply.status().as_u16(), robot.times()), (200, 2));
    assert_eq!(parameter(&robot.last(), "scope").as_deref(), Some("read write"));
    // The same server and the same client, without another look for either.
    assert_eq!(world.all("POST https://as.example/register").len(), 1);
    assert_eq!(world.all(&format!("GET {PRM}")).len(), 1);
}

#[tokio::test]
async fn mc_36_the_old_token_is_kept_until_there_is_a_new_one() {
    let world = usual();
    let access = access(authorizer(&world));
    let robot = Robot::default();
    access.authorize(&robot).await.unwrap();
    wanting(&world, "write");
    // The user says no.
    let refusing = Robot { more: "&error=access_denied".to_owned(), ..Robot::default() };
    assert!(access.send(&post(), &refusing).await.is_err());
    assert_eq!(access.token().await.unwrap().unwrap().access_token(), "as.example-token-1");
}

#[tokio::test]
async fn mc_37_two_step_ups_for_the_same_scopes_are_enough() {
    let world = usual();
    world.on(&format!("POST {MCP}"), |asked| match asked.bearer() {
        None => reply(401, &challenge(r#"scope="read""#), json!({})),
        Some(_) => reply(403, &challenge(r#"error="insufficient_scope", scope="write""#), json!({})),
    });
    let access = access(authorizer(&world));
    let robot = Robot::default();
    let error = access.send(&post(), &robot).await.unwrap_err();
    assert!(matches!(error, McpError::StepUpLimit { times: 2, .. }), "{error}");
    assert_eq!(robot.times(), 3);
    // It is remembered for a while.
    assert!(matches!(access.send(&post(), &robot).await, Err(McpError::StepUpLimit { .. })));
    assert_eq!(robot.times(), 3);
}

#[tokio::test]
async fn mc_37_a_server_that_always_wants_something_else_is_given_up() {
    let world = usual();
    let asked = std::sync::Mutex::new(0);
    world.on(&format!("POST {MCP}"), move |request| match request.bearer() {
        None => reply(401, &challenge(r#"scope="read""#), json!({})),
        Some(_) => {
            *asked.lock().unwrap() += 1;
            let scope = format!(r#"error="insufficient_scope", scope="s{}""#, asked.lock().unwrap());
            reply(403, &challenge(&scope), json!({}))
        }
    });
    let robot = Robot::default();
    assert!(access(authorizer(&world)).send(&post(), &robot).await.is_err());
    assert!(robot.times() <= 8, "{}", robot.times());
}

#[tokio::test]
async fn mc_37_a_server_that_accepts_each_token_once_is_given_up() {
    let world = usual();
    let issued = std::sync::Mutex::new(0);
    world.on(&format!("POST {AS}/token"), move |_| {
        *issued.lock().unwrap() += 1;
        let token = format!("token-{}", issued.lock().unwrap());
        reply(200, "", json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }))
    });
    let accepted = std::sync::Mutex::new(std::collections::BTreeSet::new());
    world.on(&format!("POST {MCP}"), move |asked| match asked.bearer() {
        Some(token) if accepted.lock().unwrap().insert(token.to_owned()) => reply(200, "", json!({})),
        Some(_) => reply(401, &challenge(r#"error="invalid_token""#), json!({})),
        None => reply(401, &challenge(r#"scope="read""#), json!({})),
    });
    let (access, robot) = (access(authorizer(&world)), Robot::default());
    let mut last = None;
    for _ in 0..20 {
        last = access.send(&post(), &robot).await.err();
    }
    assert!(matches!(last, Some(McpError::StillUnauthorized)), "{last:?}");
    assert!(robot.times() <= 6, "{}", robot.times());
    // Who signs out and comes back has asked for it.
    access.sign_out().await.unwrap();
    assert!(access.send(&post(), &robot).await.is_ok());
}

#[tokio::test]
async fn a_403_for_another_reason_is_an_error_and_no_sign_in() {
    for header in [
        "",
        r#"Bearer error="access_denied", error_description="not you""#,
        r#"Bearer error="insufficient_scope""#,
    ] {
        let world = usual();
        world.on(&format!("POST {MCP}"), move |asked| match asked.bearer() {
            None => reply(401, &challenge(""), json!({})),
            Some(_) => reply(403, header, json!({})),
        });
        let robot = Robot::default();
        let error = access(authorizer(&world)).send(&post(), &robot).await.unwrap_err();
        assert!(matches!(error, McpError::Forbidden { .. }), "{header}: {error}");
        assert_eq!(robot.times(), 1);
    }
}

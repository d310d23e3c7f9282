//! What Slack does differently.

use oauth_clients::{
    Callback, ClientSecret, ErrorClass, LoginOptions, OAuth2Token, Provider,
    slack::{SlackAppAuthorizeParams, SlackAppOAuth2, SlackOAuth2},
};
use oauth_emulator::{Consent, Emulator};
use serde_json::{Value, json};

use super::{json_replies, value};
use crate::support::query_of;

fn slack() -> SlackOAuth2 {
    SlackOAuth2::new("id", "secret")
}

#[tokio::test]
async fn slack_refuses_under_a_status_of_success() {
    for (code, class) in [
        ("invalid_code", ErrorClass::Reauthorize),
        ("code_already_used", ErrorClass::Reauthorize),
        ("invalid_refresh_token", ErrorClass::Reauthorize),
        ("bad_client_secret", ErrorClass::Configuration),
        ("invalid_client_id", ErrorClass::Configuration),
        ("bad_redirect_uri", ErrorClass::Configuration),
        ("ratelimited", ErrorClass::Transient { retry_after: None }),
        ("internal_error", ErrorClass::Transient { retry_after: None }),
        ("team_added_to_org", ErrorClass::Transient { retry_after: None }),
        ("org_login_required", ErrorClass::Transient { retry_after: None }),
    ] {
        let slack = slack().with_http_client(json_replies([json!({"ok": false, "error": code})]));
        let error = slack.refresh_token("RT", None).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}: {error:?}");
    }
    for code in ["invalid_auth", "token_revoked", "token_expired", "account_inactive", "missing_scope"] {
        let slack = slack().with_http_client(json_replies([json!({"ok": false, "error": code})]));
        let error = slack.get_profile("AT").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{code}: {error:?}");
    }
}

#[tokio::test]
async fn slack_revokes_by_the_token_itself() {
    let http =
        json_replies([json!({"ok": true, "revoked": true}), json!({"ok": false, "error": "invalid_auth"})]);
    let slack = slack().with_http_client(http.clone());
    slack.revoke_token("AT", Some("access_token")).await.unwrap();
    assert!(slack.revoke_token("AT", Some("access_token")).await.is_err());
    let sent = &http.requests()[0];
    assert_eq!(
        (sent.url.as_str(), sent.header("authorization")),
        ("https://slack.com/api/auth.revoke", Some("Bearer AT"))
    );
    assert!(!sent.body.contains("secret"), "{}", sent.body);
}

#[tokio::test]
async fn slack_knows_pkce_only_where_it_is_switched_on() {
    let started = slack().start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(!started.url.contains("code_challenge") && started.url.contains("nonce="), "{}", started.url);
    let public = SlackOAuth2::new("id", ClientSecret::NONE).with_pkce();
    let started = public.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    assert!(started.url.contains("code_challenge_method=S256"), "{}", started.url);
}

#[tokio::test]
async fn slack_confirms_the_workspace_in_the_id_token() {
    let emulator = Emulator::start().await.unwrap();
    let app = oauth_emulator::App::default_of("slack");
    for (team, is_theirs) in [("T0EMULATOR", true), ("T0ANOTHER", false)] {
        let slack = SlackOAuth2::new(app.client_id.clone(), app.client_secret.clone().unwrap());
        let slack = slack.with_team(team).unwrap().with_http_client(emulator.http_client().unwrap());
        let started = slack.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
        assert_eq!(value(&query_of(&started.url), "team"), Some(team));
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        let outcome = slack.finish_login(started.attempt, callback).await;
        assert_eq!(outcome.is_ok(), is_theirs, "{outcome:?}");
    }
    assert!(slack().with_team("T1/../x").is_err());
}

async fn installed(reply: Value) -> (OAuth2Token, SlackAppOAuth2) {
    let http = json_replies([reply]);
    let app = SlackAppOAuth2::new("id", "secret").with_scopes(["chat:write", "channels:read"]);
    let app = app.with_http_client(http);
    let params = SlackAppAuthorizeParams { user_scope: Some("users:read".into()), ..Default::default() };
    let options = LoginOptions::new().extras_params(&params);
    let started = app.start_login("https://app.example/cb", options).await.unwrap();
    let query = query_of(&started.url);
    assert_eq!(value(&query, "scope"), Some("chat:write,channels:read"));
    assert_eq!(value(&query, "user_scope"), Some("users:read"));
    assert!(started.url.starts_with("https://slack.com/oauth/v2/authorize?"));
    let callback = Callback::from_query(&format!("code=c&state={}", started.attempt.state()));
    (app.finish_login(started.attempt, callback).await.unwrap().token, app)
}

#[tokio::test]
async fn slack_installs_an_app_with_the_tokens_of_bot_and_user() {
    let (token, app) = installed(json!({
        "ok": true, "access_token": "xoxb", "token_type": "bot", "expires_in": 43200, "refresh_token": "xoxe",
        "team": {"id": "T1"}, "authed_user": {"id": "U1", "access_token": "xoxp", "token_type": "user"},
    }))
    .await;
    assert_eq!((token.access_token(), token.refresh_token()), ("xoxb", Some("xoxe")));
    // Whose it is is no other way to use it.
    assert_eq!((token.bearer().unwrap(), token.get("slack_token_type")), ("xoxb", Some(json!("bot"))));
    assert!(token.expires_at().is_some());
    let identity = app.get_identity(&token).await.unwrap();
    assert_eq!(identity.key(), ("https://slack.com", "U1"));
    assert_eq!(identity.profile["team"]["id"], "T1");
    assert!(!identity.profile.to_string().contains("xox"), "{}", identity.profile);
}

#[tokio::test]
async fn slack_installs_an_app_with_user_scopes_alone() {
    let (token, app) = installed(json!({
        "ok": true, "team": {"id": "T1"}, "authed_user": {"id": "U1", "access_token": "xoxp", "token_type": "user"},
    }))
    .await;
    assert_eq!((token.bearer().unwrap(), token.get("slack_token_type")), ("xoxp", Some(json!("user"))));
    assert_eq!(app.get_identity(&token).await.unwrap().subject, "U1");
}

#[tokio::test]
async fn slack_tokens_of_a_bot_stay_bearer_tokens_when_they_are_refreshed() {
    let new = json!({
        "ok": true, "access_token": "xoxb-2", "token_type": "bot", "expires_in": 43200, "refresh_token": "xoxe-2",
    });
    let http = json_replies([new]);
    let app = SlackAppOAuth2::new("id", "secret").with_http_client(http.clone());
    let old: OAuth2Token =
        serde_json::from_value(json!({"access_token": "xoxb", "refresh_token": "xoxe"})).unwrap();
    let new = app.refresh(&old, None).await.unwrap();
    assert_eq!((new.bearer().unwrap(), new.refresh_token()), ("xoxb-2", Some("xoxe-2")));
    assert_eq!(new.get("slack_token_type"), Some(json!("bot")));
    assert!(new.expires_at().is_some());
    assert_eq!(value(&http.request().form(), "refresh_token"), Some("xoxe"));
}

#[tokio::test]
async fn slack_has_no_token_without_an_installation() {
    let http = json_replies([
        json!({"ok": true, "team": {"id": "T1"}}),
        json!({"ok": false, "error": "invalid_code"}),
    ]);
    let app = SlackAppOAuth2::new("id", "secret").with_http_client(http);
    let error = app.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Protocol);
    let error = app.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize);
    let error = app.get_identity(&OAuth2Token::new("xoxb")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Protocol);
}

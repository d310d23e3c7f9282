use oauth_clients::{
    Callback, Error, ErrorClass, ErrorKind, Login, LoginError, LoginOptions, OAuth2Token, Provider,
    zoho::ZohoOAuth2,
};
use serde_json::{Value, json};

use super::{json_replies, url_of, value};
use crate::support::{Script, reply};

/// A login whose callback has these parameters beside code and state.
async fn log_in(zoho: &ZohoOAuth2, more: &str) -> Result<Login, Error> {
    let login = zoho.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let state = crate::support::query_of(&login.url).into_iter().find(|(name, _)| name == "state").unwrap().1;
    zoho.finish_login(login.attempt, Callback::from_query(&format!("code=c&state={state}{more}"))).await
}

fn tokens() -> Value {
    json!({"access_token": "AT", "refresh_token": "RT", "api_domain": "https://www.zohoapis.eu", "expires_in": 3600})
}

#[tokio::test]
async fn zoho_redeems_a_code_at_the_users_data_centre() {
    for (more, host) in [
        ("&location=eu&accounts-server=https%3A%2F%2Faccounts.zoho.eu", "accounts.zoho.eu"),
        ("&accounts-server=https%3A%2F%2Faccounts.zoho.com.au%2F", "accounts.zoho.com.au"),
        ("&location=ca&accounts-server=https://accounts.zohocloud.ca", "accounts.zohocloud.ca"),
        ("&location=in", "accounts.zoho.in"),
        ("", "accounts.zoho.com"),
    ] {
        let http = json_replies([tokens()]);
        let zoho = ZohoOAuth2::new("id", "secret").with_http_client(http.clone());
        log_in(&zoho, more).await.unwrap();
        let sent = http.request();
        assert_eq!(sent.url, format!("https://{host}/oauth/v2/token"), "{more}");
        assert_eq!(value(&sent.form(), "client_secret"), Some("secret"));
        assert_eq!(value(&sent.form(), "accounts-server"), None);
    }
}

#[tokio::test]
async fn zoho_gives_the_secret_to_no_server_that_is_not_zohos() {
    for more in [
        "&accounts-server=https%3A%2F%2Fevil.example",
        "&accounts-server=http%3A%2F%2Faccounts.zoho.eu",
        "&accounts-server=https%3A%2F%2Faccounts.zoho.eu.evil.example",
        "&accounts-server=https%3A%2F%2Faccounts.zoho.eu%40evil.example",
        "&accounts-server=https%3A%2F%2Fevil.example%2Faccounts.zoho.eu",
        "&accounts-server=",
        "&location=evil.example%2F%23",
    ] {
        let http = json_replies([]);
        let zoho = ZohoOAuth2::new("id", "secret").with_http_client(http.clone());
        let error = log_in(&zoho, more).await.unwrap_err();
        let refused = matches!(error.kind(), ErrorKind::Login(LoginError::ProviderCheck(_)));
        assert!(refused, "{more}: {error:?}");
        let extra = [("accounts-server", "https://evil.example")];
        assert!(zoho.get_access_token("c", "https://app.example/cb", None, &extra).await.is_err());
        assert!(http.requests().is_empty(), "{more}");
    }
}

#[tokio::test]
async fn zoho_uses_a_token_where_it_is_from() {
    let profile = json!({"ZUID": 7, "Email": "a@b.example", "First_Name": "Ada", "Last_Name": "L."});
    let http = json_replies([
        json!({"access_token": "AT2", "api_domain": "https://www.zohoapis.eu"}),
        json!({"access_token": "AT3", "api_domain": "https://www.zohoapis.eu"}),
        profile.clone(),
        json!({"status": "success"}),
        profile,
    ]);
    let zoho = ZohoOAuth2::new("id", "secret").with_http_client(http.clone());
    let token: OAuth2Token = serde_json::from_value(tokens()).unwrap();
    let new = zoho.refresh(&token, None).await.unwrap();
    assert_eq!((new.access_token(), new.refresh_token()), ("AT2", Some("RT")));
    let narrower = zoho.refresh_with(&token, Some(&["ZohoMail.READ"]), &[("audience", "a")]).await.unwrap();
    assert_eq!(narrower.access_token(), "AT3");
    let identity = zoho.get_identity(&new).await.unwrap();
    assert_eq!((&*identity.issuer, &*identity.subject), ("https://accounts.zoho.eu", "7"));
    assert_eq!(identity.name.as_deref(), Some("Ada L."));
    zoho.revoke(&new).await.unwrap();
    let mut foreign = tokens();
    foreign["api_domain"] = json!("https://evil.example");
    let foreign = serde_json::from_value(foreign).unwrap();
    assert_eq!(zoho.get_identity(&foreign).await.unwrap().issuer, "https://accounts.zoho.com");
    let sent = http.requests();
    let urls: Vec<_> = sent.iter().map(|sent| &*sent.url).collect();
    assert_eq!(
        urls,
        [
            "https://accounts.zoho.eu/oauth/v2/token",
            "https://accounts.zoho.eu/oauth/v2/token",
            "https://accounts.zoho.eu/oauth/user/info",
            "https://accounts.zoho.eu/oauth/v2/token/revoke",
            "https://accounts.zoho.com/oauth/user/info",
        ]
    );
    assert_eq!(value(&sent[3].query, "token"), Some("RT"));
    assert!(!sent[3].body.contains("secret"));
}

#[tokio::test]
async fn zoho_tokens_of_a_sandbox_are_of_its_data_centre() {
    for (domain, host) in [
        ("https://sandbox.zohoapis.eu", "accounts.zoho.eu"),
        ("https://developer.zohoapis.com.au", "accounts.zoho.com.au"),
        ("https://www.zohoapis.com", "accounts.zoho.com"),
        ("https://zohoapis.eu.evil.example", "accounts.zoho.com"),
    ] {
        let http = json_replies([tokens()]);
        let zoho = ZohoOAuth2::new("id", "secret").with_http_client(http.clone());
        let mut token = tokens();
        token["api_domain"] = json!(domain);
        let token: OAuth2Token = serde_json::from_value(token).unwrap();
        zoho.refresh(&token, None).await.unwrap();
        assert_eq!(http.request().url, format!("https://{host}/oauth/v2/token"), "{domain}");
    }
}

#[tokio::test]
async fn zoho_endpoints_that_were_moved_stay_where_they_are() {
    let http = json_replies([tokens()]);
    let zoho = ZohoOAuth2::new("id", "secret").with_endpoints(|all| all.at("https://proxy.example"));
    let zoho = zoho.with_http_client(http.clone());
    log_in(&zoho, "&accounts-server=https%3A%2F%2Faccounts.zoho.eu").await.unwrap();
    assert_eq!(http.request().url, "https://proxy.example/oauth/v2/token");
    let eu = ZohoOAuth2::new("id", "secret").with_accounts_host("accounts.zoho.eu").unwrap();
    assert!(url_of(&eu).await.starts_with("https://accounts.zoho.eu/oauth/v2/auth?"));
    assert!(ZohoOAuth2::new("id", "secret").with_accounts_host("evil.example").is_err());
}

#[tokio::test]
async fn zoho_says_in_its_own_words_what_is_wrong() {
    let transient = ErrorClass::Transient { retry_after: None };
    let denied = r#"{"error_description":"too many requests","error":"Access Denied","status":"failure"}"#;
    for (status, body, class) in [
        (200, r#"{"error":"invalid_code"}"#, ErrorClass::Reauthorize),
        (400, denied, transient),
        (200, r#"{"error":"invalid_client_secret"}"#, ErrorClass::Configuration),
    ] {
        let http = Script::new([reply(status, "application/json", body)]);
        let zoho = ZohoOAuth2::new("id", "secret").with_http_client(http);
        let error = zoho.refresh_token("RT", None).await.unwrap_err();
        assert_eq!(error.class(), class, "{body}: {error:?}");
    }
    let body = r#"{"response":"error","cause":"INVALID_OAUTHTOKEN"}"#;
    let http = Script::new([reply(200, "application/json", body)]);
    let zoho = ZohoOAuth2::new("id", "secret").with_http_client(http);
    let error = zoho.get_identity(&OAuth2Token::new("AT")).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Reauthorize, "{error:?}");
}

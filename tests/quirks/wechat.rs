use oauth_clients::{
    AuthorizationRequest, ClientSecret, Configure, DatedSecret, ErrorClass, OAuth2Token, Provider,
    ProviderConfig, wechat::WeChatOAuth2,
};
use oauth_emulator::{Consent, Emulator, User};
use serde_json::json;

use super::{json_replies, owned, value};
use crate::support::{Script, query_of, reply};

fn token() -> OAuth2Token {
    serde_json::from_value(json!({"access_token": "AT", "refresh_token": "RT", "openid": "O"})).unwrap()
}

#[tokio::test]
async fn wechat_wants_its_parameters_in_order_and_a_fragment() {
    let names = |query: &[(String, String)]| query.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    for (wechat, page, scope) in [
        (WeChatOAuth2::new("id", "s"), "qrconnect", "snsapi_login"),
        (WeChatOAuth2::official_account("id", "s"), "oauth2/authorize", "snsapi_userinfo"),
    ] {
        let started = wechat.start_login("https://app.example/cb", Default::default()).await.unwrap();
        let (url, fragment) = started.url.split_once('#').unwrap();
        assert!(url.starts_with(&format!("https://open.weixin.qq.com/connect/{page}?appid=id&")), "{url}");
        assert_eq!(fragment, "wechat_redirect");
        let query = query_of(url);
        assert_eq!(names(&query), ["appid", "redirect_uri", "response_type", "scope", "state"]);
        assert_eq!(value(&query, "scope"), Some(scope));
    }
    let config: ProviderConfig =
        serde_json::from_value(json!({"client_id": "id", "client_secret": "s", "official_account": "true"}))
            .unwrap();
    let nobody = WeChatOAuth2::new("", "s")
        .get_authorization_url(AuthorizationRequest::new("https://a.example/cb"))
        .await;
    assert_eq!(nobody.unwrap_err().class(), ErrorClass::Configuration);
    let inside = WeChatOAuth2::from_config(&config).unwrap();
    assert!(inside.oauth2().endpoints().authorization().ends_with("/oauth2/authorize"));
}

#[tokio::test]
async fn wechat_takes_everything_in_the_query_and_no_secret_for_a_refresh() {
    let reply = json!({"access_token": "AT", "expires_in": 7200, "refresh_token": "RT", "openid": "O", "scope": "snsapi_login"});
    let http = json_replies([reply.clone(), reply]);
    let wechat = WeChatOAuth2::new("id", "s").with_http_client(http.clone());
    wechat.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    wechat.refresh_token("RT", None).await.unwrap();
    let sent = http.requests();
    let mut exchange = sent[0].query.clone();
    exchange.sort();
    let expected = [("appid", "id"), ("code", "c"), ("grant_type", "authorization_code"), ("secret", "s")];
    assert_eq!(
        (&*sent[0].method, &*sent[0].url),
        ("GET", "https://api.weixin.qq.com/sns/oauth2/access_token")
    );
    assert_eq!((exchange, &*sent[0].body), (owned(&expected), ""));
    let mut refresh = sent[1].query.clone();
    refresh.sort();
    let expected = [("appid", "id"), ("grant_type", "refresh_token"), ("refresh_token", "RT")];
    assert_eq!(
        (&*sent[1].method, &*sent[1].url),
        ("GET", "https://api.weixin.qq.com/sns/oauth2/refresh_token")
    );
    assert_eq!(refresh, owned(&expected));
}

#[tokio::test]
async fn wechat_knows_users_by_unionid_where_there_is_one() {
    for (profile, subject) in [
        (json!({"openid": "O", "unionid": "U", "nickname": "张三"}), "U"),
        (json!({"openid": "O", "nickname": "张三"}), "O"),
        // What no account may be known by.
        (json!({"openid": "O", "unionid": " U\n", "nickname": "张三"}), "O"),
    ] {
        let http = json_replies([profile]);
        let wechat = WeChatOAuth2::new("id", "s").with_http_client(http.clone());
        let identity = wechat.get_identity(&token()).await.unwrap();
        assert_eq!((&*identity.subject, identity.name.as_deref()), (subject, Some("张三")));
        let query = http.request().query;
        assert_eq!((value(&query, "access_token"), value(&query, "openid")), (Some("AT"), Some("O")));
    }
    // A bare access token does not say whose it is.
    WeChatOAuth2::new("id", "s").get_id_email("AT").await.unwrap_err();
}

#[tokio::test]
async fn wechat_fails_by_number_under_success() {
    let transient = ErrorClass::Transient { retry_after: None };
    for (code, class) in [
        (40029, ErrorClass::Reauthorize),
        (40163, ErrorClass::Reauthorize),
        (40001, ErrorClass::Configuration),
        (40125, ErrorClass::Configuration),
        (40013, ErrorClass::Configuration),
        (-1, transient),
        (45011, transient),
    ] {
        let http = json_replies([json!({"errcode": code, "errmsg": "m"})]);
        let wechat = WeChatOAuth2::new("id", "s").with_http_client(http);
        let error = wechat.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.class(), class, "{code}: {error}");
    }
    for code in [40030, 42002, 42007] {
        let http = json_replies([json!({"errcode": code, "errmsg": "m"})]);
        let wechat = WeChatOAuth2::new("id", "s").with_http_client(http);
        assert_eq!(
            wechat.refresh_token("RT", None).await.unwrap_err().class(),
            ErrorClass::Reauthorize,
            "{code}"
        );
    }
    for (code, class) in
        [(40001, ErrorClass::Reauthorize), (42001, ErrorClass::Reauthorize), (45009, transient)]
    {
        let http = json_replies([json!({"errcode": code, "errmsg": "m"})]);
        let wechat = WeChatOAuth2::new("id", "s").with_http_client(http);
        assert_eq!(wechat.get_identity(&token()).await.unwrap_err().class(), class, "{code}");
    }
}

#[tokio::test]
async fn wechat_profiles_need_the_openid_of_the_login() {
    let emulator = Emulator::start().await.unwrap();
    let wechat = oauth_demo::client(&emulator, "wechat").await.unwrap();
    let started = wechat.start_login("https://app.example/cb", Default::default()).await.unwrap();
    let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
    let token = wechat.finish_login(started.attempt, callback).await.unwrap().token;
    assert_eq!(wechat.get_identity(&token).await.unwrap().subject, User::default().id);
}

#[tokio::test]
async fn wechats_numbers_for_a_wrong_secret_bring_the_other_one() {
    for code in [40001, 40125] {
        let http = Script::new([
            reply(200, "text/plain", json!({"errcode": code, "errmsg": "m"}).to_string()),
            reply(200, "text/plain", json!({"access_token": "AT", "openid": "o"}).to_string()),
        ]);
        let secret = ClientSecret::rotating([DatedSecret::new("NEW"), DatedSecret::new("OLD")]);
        let wechat = WeChatOAuth2::new("id", secret).with_http_client(http.clone());
        wechat.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
        let secrets: Vec<_> =
            http.requests().iter().map(|sent| value(&sent.query, "secret").map(str::to_owned)).collect();
        assert_eq!(secrets, [Some("NEW".to_owned()), Some("OLD".to_owned())]);
    }
    // A spent code is no reason to send it again.
    let http = Script::json(200, &json!({"errcode": 40029, "errmsg": "m"}));
    let secret = ClientSecret::rotating([DatedSecret::new("NEW"), DatedSecret::new("OLD")]);
    let wechat = WeChatOAuth2::new("id", secret).with_http_client(http.clone());
    wechat.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(http.requests().len(), 1);
}

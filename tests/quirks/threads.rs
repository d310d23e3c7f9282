//! What Threads does differently.

use oauth_clients::{
    Callback, ClientSecret, ErrorClass, LoginOptions, OAuth2Token, Provider, threads::ThreadsOAuth2,
};
use serde_json::json;

use super::{json_replies, value};
use crate::support::{Script, owned, reply};

fn threads() -> ThreadsOAuth2 {
    ThreadsOAuth2::new("id", "s3cr3t")
}

#[tokio::test]
async fn threads_ends_a_login_with_a_token_of_sixty_days() {
    let short = json!({"access_token": "SHORT", "user_id": 17_841_405_793_187_218_u64});
    let long = json!({"access_token": "LONG", "token_type": "bearer", "expires_in": 5_184_000});
    let renewed = json!({"access_token": "LONGER", "token_type": "bearer", "expires_in": 5_184_000});
    let http = json_replies([short, long, renewed]);
    let threads = threads().with_http_client(http.clone());
    let started = threads.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
    let callback = Callback::from_query(&format!("code=c%23_&state={}", started.attempt.state()));
    let token = threads.finish_login(started.attempt, callback).await.unwrap().token;
    assert_eq!((token.access_token(), token.refresh_token()), ("LONG", Some("LONG")));
    let token = threads.refresh(&token, None).await.unwrap();
    assert_eq!((token.access_token(), token.refresh_token()), ("LONGER", Some("LONGER")));

    let sent = http.requests();
    assert_eq!(value(&sent[0].form(), "code"), Some("c"));
    assert_eq!((sent[1].method.as_str(), &*sent[1].url), ("GET", "https://graph.threads.net/access_token"));
    let expected =
        [("grant_type", "th_exchange_token"), ("client_secret", "s3cr3t"), ("access_token", "SHORT")];
    assert_eq!(sent[1].query, owned(&expected));
    assert_eq!(&*sent[2].url, "https://graph.threads.net/refresh_access_token");
    assert_eq!(sent[2].query, owned(&[("grant_type", "th_refresh_token"), ("access_token", "LONG")]));
}

#[tokio::test]
async fn threads_does_not_lose_the_token_for_which_it_spent_the_code() {
    let http = Script::new([
        reply(200, "application/json", json!({"access_token": "SHORT"}).to_string()),
        reply(503, "text/html", "down"),
    ]);
    let threads = threads().with_http_client(http);
    let error = threads.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient { retry_after: None });
    assert_eq!(error.tokens().unwrap().access_token(), "SHORT");
    let public = ThreadsOAuth2::new("id", ClientSecret::NONE);
    let error = public.get_long_lived_access_token("SHORT").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn threads_is_asked_for_the_members_of_a_profile() {
    let http = json_replies([json!({"id": "7", "username": "ada"})]);
    let threads = threads().with_http_client(http.clone());
    let identity = threads.get_identity(&OAuth2Token::new("AT")).await.unwrap();
    assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("7", Some("ada")));
    assert!(value(&http.request().query, "fields").unwrap().contains("threads_profile_picture_url"));
}

#[tokio::test]
async fn threads_says_what_is_wrong_in_sentences_and_numbers() {
    for (sentence, class) in [
        ("This authorization code has been used", ErrorClass::Reauthorize),
        ("This authorization code has expired", ErrorClass::Reauthorize),
        ("Error validating client secret.", ErrorClass::Configuration),
        (
            "Error validating verification code. Please make sure your redirect_uri is identical",
            ErrorClass::Configuration,
        ),
    ] {
        let body = json!({"error_type": "OAuthException", "code": 400, "error_message": sentence});
        let threads = threads().with_http_client(Script::json(400, &body));
        let error = threads.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.class(), class, "{sentence}: {error:?}");
    }
    for (code, class) in [(190, ErrorClass::Reauthorize), (4, ErrorClass::Transient { retry_after: None })] {
        let body = json!({"error": {"message": "m", "type": "OAuthException", "code": code}});
        let threads = threads().with_http_client(Script::json(400, &body));
        assert_eq!(threads.get_profile("LONG").await.unwrap_err().class(), class, "{code}");
    }
}

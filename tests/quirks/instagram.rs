//! What Instagram does differently.

use oauth_clients::{
    Callback, ClientSecret, ErrorClass, LoginOptions, OAuth2Token, Provider, instagram::InstagramOAuth2,
};
use serde_json::{Value, json};

use super::{json_replies, value};
use crate::support::{Script, owned, reply};

fn instagram() -> InstagramOAuth2 {
    InstagramOAuth2::new("id", "s3cr3t")
}

#[tokio::test]
async fn instagram_ends_a_login_with_a_token_of_sixty_days() {
    let flat = json!({"access_token": "SHORT", "user_id": 17_841_400_000_000_000_u64});
    for first in [flat.clone(), json!({"data": [flat]})] {
        let long = json!({"access_token": "LONG", "token_type": "bearer", "expires_in": 5_184_000});
        let renewed = json!({"access_token": "LONGER", "token_type": "bearer", "expires_in": 5_184_000});
        let http = json_replies([first, long, renewed]);
        let instagram = instagram().with_http_client(http.clone());
        let started = instagram.start_login("https://app.example/cb", LoginOptions::new()).await.unwrap();
        let callback = Callback::from_query(&format!("code=c%23_&state={}", started.attempt.state()));
        let token = instagram.finish_login(started.attempt, callback).await.unwrap().token;
        assert_eq!((token.access_token(), token.refresh_token()), ("LONG", Some("LONG")));
        assert!(token.expires_at().is_some());
        let token = instagram.refresh(&token, None).await.unwrap();
        assert_eq!((token.access_token(), token.refresh_token()), ("LONGER", Some("LONGER")));

        let sent = http.requests();
        assert_eq!(value(&sent[0].form(), "code"), Some("c"));
        assert_eq!(
            (sent[1].method.as_str(), &*sent[1].url),
            ("GET", "https://graph.instagram.com/access_token")
        );
        let expected =
            [("grant_type", "ig_exchange_token"), ("client_secret", "s3cr3t"), ("access_token", "SHORT")];
        assert_eq!(sent[1].query, owned(&expected));
        assert_eq!(
            (sent[2].method.as_str(), &*sent[2].url),
            ("GET", "https://graph.instagram.com/refresh_access_token")
        );
        assert_eq!(sent[2].query, owned(&[("grant_type", "ig_refresh_token"), ("access_token", "LONG")]));
    }
}

#[tokio::test]
async fn instagram_does_not_lose_the_token_for_which_it_spent_the_code() {
    let http = Script::new([
        reply(200, "application/json", json!({"access_token": "SHORT"}).to_string()),
        reply(503, "text/html", "down"),
    ]);
    let instagram = instagram().with_http_client(http);
    let error = instagram.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient { retry_after: None });
    assert_eq!(error.tokens().unwrap().access_token(), "SHORT");
    assert!(!format!("{error} {error:?}").contains("SHORT"), "{error:?}");
    let public = InstagramOAuth2::new("id", ClientSecret::NONE);
    let error = public.get_long_lived_access_token("SHORT").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);
}

#[tokio::test]
async fn instagram_has_profiles_in_a_list_and_flat_ones() {
    let flat = json!({"id": "7", "user_id": "8", "username": "ada"});
    for profile in [flat.clone(), json!({"data": [flat]})] {
        let http = json_replies([profile]);
        let instagram = instagram().with_http_client(http.clone());
        let identity = instagram.get_identity(&OAuth2Token::new("AT")).await.unwrap();
        assert_eq!((identity.subject.as_str(), identity.name.as_deref()), ("7", Some("ada")));
        assert!(value(&http.request().query, "fields").unwrap().contains("profile_picture_url"));
    }
}

#[tokio::test]
async fn instagram_says_what_is_wrong_in_sentences_and_numbers() {
    for (sentence, class) in [
        ("Matching code was not found or was already used", ErrorClass::Reauthorize),
        ("Error validating client secret.", ErrorClass::Configuration),
        ("Invalid platform app", ErrorClass::Configuration),
        (
            "Error validating verification code. Please make sure your redirect_uri is identical",
            ErrorClass::Configuration,
        ),
    ] {
        let body = json!({"error_type": "OAuthException", "code": 400, "error_message": sentence});
        let instagram = instagram().with_http_client(Script::json(400, &body));
        let error = instagram.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.class(), class, "{sentence}: {error:?}");
    }
    for (code, class) in [(190, ErrorClass::Reauthorize), (4, ErrorClass::Transient { retry_after: None })] {
        let body: Value = json!({"error": {"message": "m", "type": "OAuthException", "code": code}});
        for refreshes in [false, true] {
            let instagram = instagram().with_http_client(Script::json(400, &body));
            let error = match refreshes {
                true => instagram.refresh_token("LONG", None).await.unwrap_err(),
                false => instagram.get_profile("LONG").await.unwrap_err(),
            };
            assert_eq!(error.class(), class, "{code}: {error:?}");
        }
    }
}

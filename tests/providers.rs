//! Every provider at the emulator: the sign-in, what can go wrong in it, and that nothing is sent that the provider would
//! refuse. The emulator's facts come from its own table, not from the crates under test.

use std::{sync::Arc, time::Duration};

use oauth_clients::{
    ClientAuth, EmailVerification, Error, ErrorClass, ErrorKind, Login, LoginError, LoginOptions,
    OAuth2Token, Operation, Provider, Sealer, SealingKey,
};
use oauth_demo::{client, names};
use oauth_emulator::{App, Consent, Emulator, Fault};
use oauth_tokens::{MemoryStore, Revoked, TokenKey, TokenManager};

use crate::support::subject;

const REDIRECT_URI: &str = "https://app.example/%7Ecallback/";

async fn emulator() -> Emulator {
    Emulator::builder()
        .app("github", App { refresh_tokens: Some(true), ..App::default_of("github") })
        .app("linkedin", App { refresh_tokens: Some(true), ..App::default_of("linkedin") })
        .start()
        .await
        .unwrap()
}

async fn sign_in(emulator: &Emulator, provider: &dyn Provider, consent: Consent) -> Result<Login, Error> {
    let started = provider.start_login(REDIRECT_URI, LoginOptions::new()).await?;
    let arrival = emulator.browse(&started.url, consent).await.unwrap();
    assert!(arrival.clone().into_url().starts_with(REDIRECT_URI), "{arrival:?}");
    let callback = arrival.callback();
    provider.finish_login(started.attempt, callback).await
}

async fn has_profile(provider: &dyn Provider) -> bool {
    provider.oauth2().ready().await.unwrap().endpoints().profile.is_some()
}

/// The address that `get_id_email` hands out, or would if there were a profile to read with the access token alone.
async fn address(provider: &dyn Provider, token: &OAuth2Token) -> Option<String> {
    match has_profile(provider).await {
        true => provider.get_id_email(token.access_token()).await.unwrap().1,
        false => provider.get_identity(token).await.unwrap().into_id_email().1,
    }
}

#[tokio::test]
async fn a_user_signs_in_with_every_provider() {
    let emulator = emulator().await;
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        let login =
            sign_in(&emulator, &*provider, Consent::Allow).await.unwrap_or_else(|error| panic!("{error}"));
        let identity = provider.get_identity(&login.token).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(identity.subject, subject(name), "{name}");
        // FranceConnect's name needs the scope given_name; of a generic server nobody knows where the name stands.
        let names = provider.oauth2().spec().name_at.is_some() && name != "franceconnect";
        assert_eq!(identity.name.is_some(), names, "{name}");
        let email = address(&*provider, &login.token).await;
        let expected = provider.oauth2().spec().email_at.map(|_| "ada@example.com".to_owned());
        assert_eq!(email, expected, "{name}");

        // A token is stored and comes back as it was.
        let stored = serde_json::to_string(&login.token).unwrap();
        assert_eq!(serde_json::from_str::<OAuth2Token>(&stored).unwrap(), login.token, "{name}");

        if let Some(refresh_token) = login.token.refresh_token() {
            let new =
                provider.refresh_token(refresh_token, None).await.unwrap_or_else(|error| panic!("{error}"));
            assert_ne!(new.access_token(), login.token.access_token(), "{name}");
            assert!(new.refresh_token().is_some(), "{name}");
            let identity = provider.get_identity(&new).await.unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(identity.subject, subject(name), "{name}");
        }
    }
}

/// RFC 6749 section 2.3.1, RFC 9700 section 4.3.2: a URL is in logs, histories and `Referer` headers.
#[tokio::test]
async fn tk_07_no_secret_stands_in_any_url() {
    let emulator = emulator().await;
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        emulator.clear_requests();
        let started = provider.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        let arrival = emulator.browse(&started.url, Consent::Allow).await.unwrap();
        let browsed = emulator.requests().len();
        let (attempt, callback) = (started.attempt, arrival.callback());
        let mut secrets = vec![callback.get("code").unwrap().to_owned()];
        secrets.extend(attempt.code_verifier().map(|verifier| verifier.expose().to_owned()));
        let mut token = provider.finish_login(attempt, callback).await.unwrap().token;
        provider.get_identity(&token).await.unwrap();
        let of = |token: &OAuth2Token| {
            let all = [Some(token.access_token()), token.refresh_token(), token.id_token()];
            all.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        secrets.extend(of(&token));
        if token.refresh_token().is_some() {
            token = provider.refresh(&token, None).await.unwrap();
            secrets.extend(of(&token));
        }
        // Not every provider can, or wants to.
        let _ = provider.revoke_token(token.access_token(), Some("access_token")).await;
        secrets.extend(
            provider
                .oauth2()
                .reveal_client_secret(Operation::REVOKE_TOKEN)
                .await
                .unwrap()
                .map(|secret| secret.expose().to_owned()),
        );
        let sent = emulator.requests().split_off(browsed);
        assert!(sent.len() > 1, "{name}");
        for request in &sent {
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                let in_query = request.query.iter().any(|(_, value)| value.contains(&**secret));
                assert!(!in_query && !request.url.contains(&**secret), "{name}: {}", request.url);
            }
            assert!(request.method != "GET" || request.body.is_empty(), "{name}: {}", request.url);
        }
    }
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_the_caller_is_told_to_sign_in_again() {
    let emulator = emulator().await;
    let mut revoked = Vec::new();
    let mut refresh_tokens_only = Vec::new();
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        let token = sign_in(&emulator, &*provider, Consent::Allow).await.unwrap().token;
        match provider.revoke_token(token.access_token(), None).await {
            Ok(()) => revoked.push(name),
            Err(error) if error.oauth_error().is_some_and(|it| it.code == "unsupported_token_type") => {
                refresh_tokens_only.push(name);
                continue;
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
                continue;
            }
        }
        // Without a profile to ask for, the refresh token shows that the authorization has ended.
        let error = match has_profile(&*provider).await {
            true => provider.get_profile(token.access_token()).await.unwrap_err(),
            false => provider.refresh_token(token.refresh_token().unwrap(), None).await.unwrap_err(),
        };
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{error:?}");
        assert_eq!(error.provider(), name);
    }
    for name in [
        "apple",
        "authentik",
        "discord",
        "facebook",
        "github",
        "gitlab",
        "google",
        "kakao",
        "keycloak",
        "line",
        "logto",
        "naver",
        "oauth2",
        "okta",
        "onelogin",
        "openid",
        "ping-id",
        "reddit",
        "salesforce",
        "twitch",
        "yahoo",
        "zitadel",
    ] {
        assert!(revoked.contains(&name), "{name}");
    }
    assert_eq!(refresh_tokens_only, ["amazon-cognito", "auth0"]);
}

/// RFC 7009 section 2.1: who revokes a login must not hear that it is revoked while its tokens live.
#[tokio::test]
async fn rv_03_what_a_token_manager_calls_revoked_is_dead_at_every_provider() {
    let emulator = emulator().await;
    let mut in_the_store_only = Vec::new();
    for name in names() {
        let provider: Arc<dyn Provider> = client(&emulator, name).await.unwrap();
        let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::from_bytes([7; 32])));
        let manager = manager.provider(provider.clone()).build().unwrap();
        let token = sign_in(&emulator, &*provider, Consent::Allow).await.unwrap().token;
        let key = TokenKey::new(name, "user-17");
        // Where only the access token can be revoked, one that has expired is refreshed first.
        let mut stored = serde_json::to_value(&token).unwrap();
        if token.refresh_token().is_some() {
            stored["expires_at"] = 1.into();
        }
        manager.put(&key, &serde_json::from_value(stored).unwrap()).await.unwrap();
        emulator.clear_requests();
        match manager.revoke(&key).await {
            Ok(Revoked::AtTheProvider) => {}
            Ok(Revoked::InTheStoreOnly) => {
                in_the_store_only.push(name);
                continue;
            }
            // There is no refresh token to revoke, because the scope for one was not asked for.
            Err(oauth_tokens::Error::RevokeFailed { .. }) if name == "auth0" => continue,
            outcome => panic!("{name}: {outcome:?}"),
        }
        let sent = emulator.requests();
        let (last, refreshes) = sent.split_last().unwrap();
        let by_access_token = ["github", "kakao", "line", "naver", "twitch"].contains(&name);
        assert_eq!(
            refreshes.iter().filter(|sent| sent.method == "POST").count(),
            usize::from(by_access_token)
        );
        let with_refresh_token = token.refresh_token().is_some_and(|refresh_token| {
            format!("{:?} {}", last.headers, String::from_utf8_lossy(&last.body)).contains(refresh_token)
        });
        assert_eq!(with_refresh_token, token.refresh_token().is_some() && !by_access_token, "{name}");
        if has_profile(&*provider).await {
            // Of those that were refreshed, it is the new one that was revoked, and not every provider ends the old one.
            let outcome = provider.get_profile(token.access_token()).await;
            assert!(outcome.is_err() || by_access_token, "{name}");
        }
        if by_access_token {
            let token = sign_in(&emulator, &*provider, Consent::Allow).await.unwrap().token;
            manager.put(&key, &token).await.unwrap();
            assert_eq!(manager.revoke(&key).await.unwrap(), Revoked::AtTheProvider, "{name}");
            assert!(provider.get_profile(token.access_token()).await.is_err(), "{name}");
        }
        if let Some(refresh_token) = token.refresh_token()
            && !["github", "line", "twitch"].contains(&name)
        {
            provider.refresh_token(refresh_token, None).await.unwrap_err();
        }
    }
    let expected = ["franceconnect", "linkedin", "login-gov", "microsoft", "shopify", "workos"];
    assert_eq!(in_the_store_only, expected);
}

#[tokio::test]
async fn a_user_who_denies_is_not_signed_in() {
    let emulator = emulator().await;
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        emulator.clear_requests();
        let error = sign_in(&emulator, &*provider, Consent::Deny).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Login(LoginError::Refused(_))), "{error:?}");
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{error}");
        assert_eq!(error.provider(), name);
        assert!(emulator.requests().iter().all(|request| request.field("grant_type").is_none()), "{name}");
    }
}

#[tokio::test]
async fn a_fault_of_the_provider_has_the_right_class_everywhere() {
    let emulator = emulator().await;
    let transient =
        |seconds: Option<u64>| ErrorClass::Transient { retry_after: seconds.map(Duration::from_secs) };
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        for (fault, class) in [
            (Fault::ServerError, transient(None)),
            (Fault::HtmlErrorPage, transient(None)),
            (Fault::TooManyRequests { retry_after: Duration::from_secs(7) }, transient(Some(7))),
            (Fault::ResetMidBody, transient(None)),
            (Fault::EmptyBody, ErrorClass::Protocol),
            (Fault::TruncatedJson, ErrorClass::Protocol),
            (Fault::InvalidUtf8, ErrorClass::Protocol),
            (Fault::Redirect, ErrorClass::Protocol),
            (Fault::WrongState, ErrorClass::Reauthorize),
        ] {
            emulator.fault(name, fault.clone()).unwrap();
            let error = sign_in(&emulator, &*provider, Consent::Allow).await.unwrap_err();
            assert_eq!(error.class(), class, "{name}, {fault:?}: {error:?}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("client-secret"), "{shown}");
            emulator.clear_faults();
        }
    }
}

#[tokio::test]
async fn a_code_that_is_spent_or_too_old_means_to_sign_in_again() {
    let emulator = emulator().await;
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        emulator.fault(name, Fault::ExpiredCode).unwrap();
        let error = sign_in(&emulator, &*provider, Consent::Allow).await.unwrap_err();
        emulator.clear_faults();
        assert!(error.oauth_error().is_some(), "{name}: {error:?}");
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{name}: {error:?}");

        let started = provider.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        provider.finish_login(started.attempt.clone(), callback.clone()).await.unwrap();
        let error = provider.finish_login(started.attempt, callback).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_dead_refresh_token_means_to_sign_in_again() {
    let emulator = emulator().await;
    let mut refreshing = Vec::new();
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        if provider.oauth2().ready().await.unwrap().endpoints().refresh.is_none() {
            continue;
        }
        refreshing.push(name);
        let error = provider.refresh_token("dead", None).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Reauthorize, "{name}: {error:?}");
    }
    for name in ["github", "linkedin", "naver", "reddit", "shopify", "twitch", "yahoo"] {
        assert!(refreshing.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn an_address_that_the_provider_marks_as_unverified_is_not_handed_out() {
    let emulator = emulator().await;
    let mut vouching = Vec::new();
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        emulator.fault(name, Fault::UnverifiedEmail).unwrap();
        let token = sign_in(&emulator, &*provider, Consent::Allow).await.unwrap().token;
        let identity = provider.get_identity(&token).await.unwrap();
        let email = address(&*provider, &token).await;
        match identity.email.map(|email| email.verification) {
            Some(EmailVerification::Unverified) => {
                assert_eq!(email, None, "{name}");
                vouching.push(name);
            }
            Some(EmailVerification::Unknown) => assert!(email.is_some(), "{name}"),
            Some(EmailVerification::Verified) => panic!("{name} vouches for an address that is not verified"),
            None => assert_eq!(provider.oauth2().spec().email_at, None, "{name}"),
        }
        emulator.fault(name, Fault::NoEmail).unwrap();
        let fallback = (name == "microsoft").then(|| "ada@contoso.onmicrosoft.example".to_owned());
        let token = sign_in(&emulator, &*provider, Consent::Allow).await.unwrap().token;
        assert_eq!(address(&*provider, &token).await, fallback, "{name}");
        emulator.clear_faults();
    }
    for name in [
        "amazon-cognito",
        "apple",
        "auth0",
        "authentik",
        "discord",
        "github",
        "gitlab",
        "google",
        "kakao",
        "keycloak",
        "linkedin",
        "login-gov",
        "logto",
        "okta",
        "openid",
        "salesforce",
        "twitch",
        "yahoo",
        "zitadel",
    ] {
        assert!(vouching.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_a_matter_of_configuration() {
    let emulator = emulator().await;
    for name in names() {
        let provider = client(&emulator, name).await.unwrap();
        let started = provider.start_login(REDIRECT_URI, LoginOptions::new()).await.unwrap();
        let callback = emulator.browse(&started.url, Consent::Allow).await.unwrap().callback();
        let spec = *provider.oauth2().spec();
        if spec.client_auth == ClientAuth::None {
            // Login.gov has no secrets.
            continue;
        }
        let mut wrong =
            oauth_clients::OAuth2::from_spec(&spec, provider.oauth2().client_id(), "not-the-secret")
                .with_http_client(emulator.http_client().unwrap());
        wrong.set_endpoints(provider.oauth2().endpoints().clone());
        let code = callback.get("code").unwrap();
        let verifier = started.attempt.code_verifier();
        let error = wrong.get_access_token(code, REDIRECT_URI, verifier, &[]).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("not-the-secret"), "{error:?}");
        // Facebook has no code for it: its error 101 stands for any failure to validate the application. Twitch has a message,
        // which its own client reads.
        if !["facebook", "twitch"].contains(&name) {
            assert_eq!(error.class(), ErrorClass::Configuration, "{name}: {error:?}");
        }
    }
}

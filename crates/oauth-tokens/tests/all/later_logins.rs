//! Logins after the first, at providers that send a refresh token once.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{
    Identity, OAuth2, OAuth2Token, Provider, WantedScopes,
    bytes::Bytes,
    serde_json::{self, Value, json},
};
use oauth_tokens::{
    AccessTokenRequest, DeadReason, Expected, MemoryStore, NotKept, Put, PutOptions, TokenError,
    TokenManager, TokenStore, testkit::RotatingServer,
};

use crate::support::{Hands, Shaky, builder, expired, key, sealer, stored};

fn id_token(issuer: &str, subject: &str) -> String {
    let claims = json!({ "iss": issuer, "sub": subject, "aud": "client" });
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The token with these members; `null` removes one.
fn with(token: &OAuth2Token, members: Value) -> OAuth2Token {
    let mut fields = serde_json::to_value(token).unwrap();
    let object = fields.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        object.insert(name.clone(), value.clone());
    }
    object.retain(|_, value| !value.is_null());
    serde_json::from_value(fields).unwrap()
}

pub(crate) fn of_ada(token: &OAuth2Token) -> OAuth2Token {
    with(token, json!({ "id_token": id_token("https://as.example", "ada"), "scope": "email" }))
}

/// Another login of the same user, without a refresh token.
pub(crate) fn again(server: &RotatingServer) -> OAuth2Token {
    with(&of_ada(&server.sign_in().unwrap()), json!({ "refresh_token": null }))
}

#[tokio::test]
async fn a_year_of_logins_at_a_provider_that_sends_one_refresh_token_keeps_it() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let first = with(&of_ada(&server.sign_in().unwrap()), json!({ "scope": "email calendar" }));
    assert_eq!(manager.put(&key(), &first).await.unwrap(), Put::WithOwnRefreshToken);
    for day in 1..=365 {
        let login = again(&server);
        assert_eq!(manager.put(&key(), &login).await.unwrap(), Put::WithStoredRefreshToken, "day {day}");
        assert_eq!(manager.get_token(&key()).await.unwrap().access_token(), login.access_token());
        if day % 50 == 0 {
            manager.put(&key(), &expired(&login)).await.unwrap();
            let token = manager.get_token(&key()).await.unwrap();
            assert!(server.knows(token.access_token()) && server.accepts(token.refresh_token().unwrap()));
        }
    }
    let stored = stored(&manager, &key()).await;
    assert_eq!(stored.refresh_scopes.unwrap(), ["email", "calendar"], "what the refresh token is good for");
    assert_eq!(server.ended_grants(), 0);
}

/// Two processes whose clocks are set forward and back by minutes each day, and a store with a clock of its own. Each day a login without
/// a refresh token, at one process or the other, and refreshes at both.
#[tokio::test]
async fn a_year_of_daily_logins_loses_nothing_while_clocks_move_by_minutes() {
    const MINUTE: i64 = 60;
    let (server, store, clock_of_store) = (RotatingServer::new(), Shaky::default(), Hands::new());
    store.set_clock(&clock_of_store);
    let clocks = [Hands::new(), Hands::new()];
    let processes = clocks.clone().map(|clock| builder(store.clone(), &server).clock(clock).build().unwrap());
    let all_clocks = [&clocks[0], &clocks[1], &clock_of_store];
    let later = |seconds: i64| all_clocks.map(|clock| clock.move_by(seconds));
    processes[0].put(&key(), &of_ada(&server.sign_in().unwrap())).await.unwrap();
    for day in 1..=365_i64 {
        // Between seven minutes behind and seven ahead, for this day.
        let off_by = [(day * 4) % 15 - 7, (day * 11) % 15 - 7].map(|minutes| minutes * MINUTE);
        for (clock, off_by) in clocks.iter().zip(off_by) {
            clock.move_by(off_by);
        }
        let of_login = &processes[usize::from(day % 3 == 0)];
        let put = of_login.put(&key(), &again(&server)).await.unwrap();
        assert_eq!(put, Put::WithStoredRefreshToken, "day {day}");
        // While the token of the login is live, when it is due, and at night.
        for wait in [30 * MINUTE, 40 * MINUTE, 10 * 60 * MINUTE] {
            later(wait);
            for process in &processes {
                let token =
                    process.get_token(&key()).await.unwrap_or_else(|error| panic!("day {day}: {error}"));
                assert!(server.knows(token.access_token()), "day {day}");
            }
        }
        let kept = stored(&processes[0], &key()).await.token.unwrap();
        assert!(server.accepts(kept.refresh_token().unwrap()), "day {day}");
        later(24 * 60 * MINUTE - 70 * MINUTE - 10 * 60 * MINUTE);
        for (clock, off_by) in clocks.iter().zip(off_by) {
            clock.move_by(-off_by);
        }
    }
    assert_eq!(server.ended_grants(), 0);
    assert!(server.token_requests() >= 2 * 365, "{}", server.token_requests());
}

#[tokio::test]
async fn a_refresh_token_is_kept_for_the_same_user_and_client_only() {
    let server = RotatingServer::new();
    let other_issuer = json!({ "id_token": id_token("https://other.example", "ada") });
    let cases = [
        (json!({ "id_token": null }), Put::WithoutRefreshToken(NotKept::UnknownUser)),
        (json!({ "id_token": "garbage" }), Put::WithoutRefreshToken(NotKept::UnknownUser)),
        (
            json!({ "id_token": id_token("https://as.example", "bob") }),
            Put::WithoutRefreshToken(NotKept::OtherUser),
        ),
        (other_issuer, Put::WithoutRefreshToken(NotKept::OtherUser)),
        (json!({ "id_token": id_token("as.example", "ada") }), Put::WithStoredRefreshToken),
    ];
    for (members, expected) in cases {
        let manager = builder(MemoryStore::new(), &server).build().unwrap();
        manager.put(&key(), &of_ada(&server.sign_in().unwrap())).await.unwrap();
        let put = manager.put(&key(), &with(&again(&server), members.clone())).await.unwrap();
        assert_eq!(put, expected, "{members}");
        let kept = stored(&manager, &key()).await.token.unwrap().refresh_token().is_some();
        assert_eq!(kept, expected == Put::WithStoredRefreshToken, "{members}");
    }

    let store = MemoryStore::new();
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &of_ada(&server.sign_in().unwrap())).await.unwrap();
    let client = OAuth2::new("another", "secret", "https://as.example/authorize", "https://as.example/token")
        .with_http_client(server.clone())
        .with_name("testkit");
    let other = TokenManager::builder(store, sealer()).provider(Arc::new(client)).build().unwrap();
    let put = other.put(&key(), &again(&server)).await.unwrap();
    assert_eq!(put, Put::WithoutRefreshToken(NotKept::OtherClient));
    let put = other.put(&key(), &again(&server)).await.unwrap();
    assert_eq!(put, Put::WithoutRefreshToken(NotKept::NothingStored));
}

#[tokio::test]
async fn the_application_can_name_the_user_and_can_decline() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    let bare = || with(&again(&server), json!({ "id_token": null }));
    let ada = PutOptions::new().with_identity(&Identity::new("github", "ada", Value::Null));
    let bob = PutOptions::new().with_identity(&Identity::new("github", "bob", Value::Null));
    let first = server.sign_in().unwrap();
    assert_eq!(manager.put_with(&key(), &first, ada.clone()).await.unwrap(), Put::WithOwnRefreshToken);
    // Who it is survives a refresh.
    manager.put_with(&key(), &expired(&bare()), ada.clone()).await.unwrap();
    manager.get_token(&key()).await.unwrap();
    assert_eq!(manager.put_with(&key(), &bare(), ada.clone()).await.unwrap(), Put::WithStoredRefreshToken);
    let declined = ada.clone().without_stored_refresh_token();
    for (options, reason) in [(bob, NotKept::OtherUser), (declined, NotKept::Declined)] {
        manager.put_with(&key(), &server.sign_in().unwrap(), ada.clone()).await.unwrap();
        let put = manager.put_with(&key(), &bare(), options).await.unwrap();
        assert_eq!(put, Put::WithoutRefreshToken(reason));
        assert_eq!(stored(&manager, &key()).await.token.unwrap().refresh_token(), None);
    }
}

#[tokio::test]
async fn a_login_over_what_cannot_be_read_says_that_it_has_kept_nothing() {
    let (server, store) = (RotatingServer::new(), MemoryStore::new());
    let manager = builder(store.clone(), &server).build().unwrap();
    let own = of_ada(&server.sign_in().unwrap());
    for (login, expected) in
        [(again(&server), Put::WithoutRefreshToken(NotKept::Unreadable)), (own, Put::WithOwnRefreshToken)]
    {
        manager.put(&key(), &of_ada(&server.sign_in().unwrap())).await.unwrap();
        store.save(&key(), Bytes::from_static(b"spoilt"), Expected::Any, None).await.unwrap();
        assert_eq!(manager.put(&key(), &login).await.unwrap(), expected);
        assert_eq!(stored(&manager, &key()).await.token.as_ref(), Some(&login));
    }
}

#[tokio::test]
async fn the_refresh_token_of_a_dead_grant_is_not_kept() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    manager
        .put(&key(), &with(&of_ada(&server.sign_in_expired().unwrap()), json!({ "refresh_token": "RT" })))
        .await
        .unwrap();
    let error = manager.get_token(&key()).await.unwrap_err();
    let TokenError::Dead { grant, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(grant.reason, DeadReason::Refused { .. }));
    let login = again(&server);
    let put = manager.put(&key(), &login).await.unwrap();
    assert_eq!(put, Put::WithoutRefreshToken(NotKept::Dead));
    assert_eq!(*manager.get_token(&key()).await.unwrap(), login);
}

#[tokio::test]
async fn a_login_during_a_refresh_does_not_keep_the_spent_refresh_token() {
    let hour = Duration::from_secs(3600);
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(200), hour);
    let store = MemoryStore::new();
    let refreshing = builder(store.clone(), &server).build().unwrap();
    let other = builder(store, &server).build().unwrap();
    for manager in [&refreshing, &other] {
        let before = server.token_requests();
        let first = expired(&of_ada(&server.sign_in().unwrap()));
        refreshing.put(&key(), &first).await.unwrap();
        let task = tokio::spawn({
            let manager = refreshing.clone();
            async move { manager.get_token(&key()).await }
        });
        while server.token_requests() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(manager.put(&key(), &again(&server)).await.unwrap(), Put::WithStoredRefreshToken);
        task.await.unwrap().unwrap();
        let token = stored(manager, &key()).await.token.unwrap();
        assert_ne!(token.refresh_token(), first.refresh_token());
        assert!(server.accepts(token.refresh_token().unwrap()), "the successor is stored");
        manager.put(&key(), &expired(&again(&server))).await.unwrap();
        assert!(server.knows(manager.get_token(&key()).await.unwrap().access_token()));
    }
    assert_eq!(server.ended_grants(), 0);
}

/// A later login comes while `ask` redeems the stored refresh token. Returns what is stored afterwards, and the login.
async fn login_during<F>(ask: impl Fn(TokenManager) -> F) -> (RotatingServer, TokenManager, OAuth2Token)
where
    F: Future<Output = ()> + Send + 'static,
{
    let hour = Duration::from_secs(3600);
    let server = RotatingServer::with(Duration::ZERO, Duration::from_millis(200), hour);
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    manager.put(&key(), &expired(&of_ada(&server.sign_in().unwrap()))).await.unwrap();
    let task = tokio::spawn(ask(manager.clone()));
    while server.token_requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let later = with(&again(&server), json!({ "scope": "email calendar" }));
    let wanted = PutOptions::new().with_scopes(WantedScopes::required(["calendar"]));
    assert_eq!(manager.put_with(&key(), &later, wanted).await.unwrap(), Put::WithStoredRefreshToken);
    task.await.unwrap();
    (server, manager, later)
}

#[tokio::test]
async fn a_login_during_a_refresh_keeps_its_own_access_token() {
    let (server, manager, later) = login_during(|manager| async move {
        manager.get(&key()).await.unwrap();
    })
    .await;
    let stored = stored(&manager, &key()).await;
    let token = stored.token.unwrap();
    assert_eq!(token.access_token(), later.access_token(), "it has what the user granted last");
    assert!(server.accepts(token.refresh_token().unwrap()), "beside the successor");
    assert!(stored.scopes.unwrap().is_sufficient());
    assert_eq!(manager.get(&key()).await.unwrap().access_token(), later.access_token());
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0));
}

#[tokio::test]
async fn a_login_while_a_further_token_is_obtained_keeps_its_own_access_token() {
    let mail = AccessTokenRequest::new().with_scopes(["mail.read"]);
    let asked = mail.clone();
    let (server, manager, later) = login_during(move |manager| {
        let asked = asked.clone();
        async move {
            manager.get_for(&key(), &asked).await.unwrap();
        }
    })
    .await;
    let token = stored(&manager, &key()).await.token.unwrap();
    assert_eq!(token.access_token(), later.access_token(), "it has what the user granted last");
    assert!(server.accepts(token.refresh_token().unwrap()), "beside the successor");
    let for_mail = manager.get_for(&key(), &mail).await.unwrap();
    assert_eq!(for_mail.scopes().unwrap(), ["mail.read"]);
    assert_eq!((server.token_requests(), server.ended_grants()), (1, 0), "and the further token is there");
}

#[tokio::test(start_paused = true)]
async fn a_login_keeps_the_refresh_token_that_the_store_has_not_taken_yet() {
    let (server, store) = (RotatingServer::new(), Shaky::default());
    let manager = builder(store.clone(), &server).build().unwrap();
    manager.put(&key(), &expired(&of_ada(&server.sign_in().unwrap()))).await.unwrap();
    // The mark, and then nothing.
    store.take_no_more_saves_after(1);
    let error = manager.get_token(&key()).await.unwrap_err();
    let TokenError::NotSaved { token, .. } = &error else { panic!("{error:?}") };
    // The ID token is that of the first login, because the refresh brought none.
    store.takes_saves_again();
    assert_eq!(manager.put(&key(), &again(&server)).await.unwrap(), Put::WithStoredRefreshToken);
    let kept = stored(&manager, &key()).await.token.unwrap();
    assert_eq!(kept.refresh_token(), token.refresh_token());
    assert!(manager.close().await.is_empty());
}

#[tokio::test]
async fn what_was_granted_is_told_apart_after_each_refresh() {
    let server = RotatingServer::new();
    let missing: Arc<std::sync::Mutex<Vec<Vec<String>>>> = Arc::default();
    let told = Arc::clone(&missing);
    let observer = move |event: &oauth_tokens::Event| {
        if let oauth_tokens::Outcome::Refreshed { missing_scopes, .. } = &event.outcome {
            told.lock().unwrap().push(missing_scopes.clone());
        }
    };
    let manager = builder(MemoryStore::new(), &server).observer(observer).build().unwrap();
    let wanted = WantedScopes::required(["email", "calendar"]).with_optional(["contacts", "files"]);
    let login = with(&server.sign_in_expired().unwrap(), json!({ "scope": "email calendar contacts" }));
    manager.put_with(&key(), &login, PutOptions::new().with_scopes(wanted.clone())).await.unwrap();
    let check = stored(&manager, &key()).await.scopes.unwrap();
    assert!(check.is_sufficient());
    assert_eq!(check.granted, ["email", "calendar", "contacts"]);
    assert_eq!(check.missing_optional, ["files"]);

    // The user takes one back; after that, a refresh that names no scopes changes nothing.
    let narrower = r#"{"access_token": "narrow", "token_type": "Bearer", "expires_in": 1, "scope": "email"}"#;
    server.fail_next(oauth_tokens::testkit::ServerFault::Reply(200, narrower, None));
    manager.get_token(&key()).await.unwrap();
    let check = stored(&manager, &key()).await.scopes.unwrap();
    assert!(!check.is_sufficient());
    assert_eq!((check.missing_required, check.missing_optional.len()), (vec!["calendar".to_owned()], 2));
    tokio::time::sleep(Duration::from_secs(2)).await;
    manager.get_token(&key()).await.unwrap();
    assert_eq!(stored(&manager, &key()).await.scopes.unwrap().missing_required, ["calendar"]);
    assert_eq!(*missing.lock().unwrap(), [vec!["calendar".to_owned()], vec!["calendar".to_owned()]]);

    // A later login need not say it again.
    manager.put(&key(), &with(&server.sign_in().unwrap(), json!({ "scope": "calendar" }))).await.unwrap();
    assert_eq!(stored(&manager, &key()).await.scopes.unwrap().missing_required, ["email"]);
}

#[tokio::test]
async fn incremental_authorization_keeps_the_older_scopes() {
    let server = RotatingServer::new();
    let manager = builder(MemoryStore::new(), &server).build().unwrap();
    assert_eq!(manager.scopes_to_request(&key(), ["email"]).await.unwrap(), ["email"]);
    let first = with(&of_ada(&server.sign_in().unwrap()), json!({ "scope": "email calendar" }));
    manager.put(&key(), &first).await.unwrap();
    let more = manager.scopes_to_request(&key(), ["files", "email"]).await.unwrap();
    assert_eq!(more, ["email", "calendar", "files"]);

    // A login for the new one alone hides what was granted before from nobody who asks.
    let second = with(&of_ada(&server.sign_in_expired().unwrap()), json!({ "scope": "files" }));
    manager.put(&key(), &second).await.unwrap();
    let all = ["files", "email", "calendar", "contacts"];
    assert_eq!(manager.scopes_to_request(&key(), ["contacts"]).await.unwrap(), all);
    manager.get_token(&key()).await.unwrap();
    assert_eq!(manager.scopes_to_request(&key(), ["contacts"]).await.unwrap(), all, "after a refresh too");

    // Another user has granted nothing of it.
    let of_bob = with(
        &server.sign_in().unwrap(),
        json!({ "id_token": id_token("https://as.example", "bob"), "scope": "email" }),
    );
    manager.put(&key(), &of_bob).await.unwrap();
    assert_eq!(manager.scopes_to_request(&key(), ["files"]).await.unwrap(), ["email", "files"]);
}

//! LO, BC, FC: signing out (OpenID Connect RP-Initiated, Back-Channel and Front-Channel Logout 1.0).

use std::time::Duration;

use bytes::Bytes;
use oauth_clients::{
    ErrorClass, ErrorKind, JwtCheck, JwtUse, LoginError, LoginOptions, MemoryCache, OAuth2, Provider,
    SharedCache, SharedCacheError, async_trait,
    openid::{
        Expectations, FrontChannelLogout, IdToken, Issuers, LogoutRequest, LogoutToken, OpenID,
        OpenIDConnect, OpenIDProvider, Tenants,
    },
};
use serde_json::{Value, json};

use super::op::{CLIENT_ID, CLIENT_SECRET, Endpoint, ISSUER, Key, Op, SUBJECT, Signing, merge};
use crate::support::query_of;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const RETURN_TO: &str = "https://app.example/signed-out";

fn value(url: &str, name: &str) -> Option<String> {
    let values: Vec<_> = query_of(url).into_iter().filter(|(other, _)| other == name).collect();
    assert!(values.len() <= 1, "{name} twice in {url}");
    values.into_iter().next().map(|(_, value)| value)
}

#[tokio::test]
async fn lo_01_a_logout_goes_to_the_endpoint_of_the_metadata_with_a_hint_and_a_state() {
    let op = Op::new();
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    let request = LogoutRequest::new().id_token_hint(id_token.raw()).return_to(RETURN_TO).ui_locales(["fr"]);
    let started = client.start_logout(request.clone()).await.unwrap();
    assert!(started.url.starts_with("https://op.example/logout?tenant=1&"), "{}", started.url);
    assert_eq!(value(&started.url, "id_token_hint").as_deref(), Some(id_token.raw()));
    // Servers on Authlib take the address to return to from a client that is named beside the hint only.
    assert_eq!(value(&started.url, "client_id").as_deref(), Some(CLIENT_ID));
    assert_eq!(value(&started.url, "post_logout_redirect_uri").as_deref(), Some(RETURN_TO));
    assert_eq!(value(&started.url, "state").as_deref(), Some(started.attempt.state()));
    assert_eq!(value(&started.url, "ui_locales").as_deref(), Some("fr"));
    assert!(started.attempt.state().len() >= 43);
    let other = client.start_logout(request).await.unwrap();
    assert_ne!(other.attempt.state(), started.attempt.state());
    // Without a hint, the provider must know which client asks.
    let started = client.start_logout(LogoutRequest::new().return_to(RETURN_TO)).await.unwrap();
    assert_eq!(value(&started.url, "client_id").as_deref(), Some(CLIENT_ID));
    assert_eq!(value(&started.url, "id_token_hint"), None);
    // Nothing of this makes a request.
    assert_eq!((op.counts(), op.count(Endpoint::Other)), ([1, 1, 1, 0], 0));

    for absent in [json!(null), json!(7), json!("")] {
        let op = Op::bent(|state| state.metadata["end_session_endpoint"] = absent);
        let error = op.client().start_logout(LogoutRequest::new()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}");
    }
    for bad in ["http://op.example/logout", "javascript:alert(1)", "https://op.example/logout#f"] {
        let op = Op::bent(|state| state.metadata["end_session_endpoint"] = bad.into());
        let error = op.client().start_logout(LogoutRequest::new()).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{bad}");
    }
    let plain = OAuth2::new("id", "s", "https://as.example/a", "https://as.example/t");
    assert!(OpenIDConnect::of(&plain).is_none(), "it does not speak OpenID Connect");
}

#[tokio::test]
async fn lo_02_a_return_with_another_state_or_none_is_not_trusted() {
    let op = Op::new();
    let started = op.client().start_logout(LogoutRequest::new().return_to(RETURN_TO)).await.unwrap();
    let attempt = started.attempt;
    let state = attempt.state().to_owned();
    assert_eq!(attempt.check_return(&format!("state={state}&x=1")), Ok(()));
    for query in ["", "state=", "x=1", "State=1", "%", "&&&", "=", "state"] {
        assert_eq!(attempt.check_return(query), Err(LoginError::MissingState), "{query}");
    }
    for query in [
        "state=other".to_owned(),
        format!("state={state}x"),
        format!("state={}", &state[1..]),
        format!("state=other&state={state}"),
        format!("state={state}&state=other"),
    ] {
        assert!(attempt.check_return(&query).is_err(), "{query}");
    }
}

#[tokio::test]
async fn lo_03_a_provider_that_is_down_keeps_nobody_signed_in_and_the_token_out_of_logs() {
    let op = Op::new();
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    // Down since, and the kept metadata is stale: there is a URL all the same.
    op.bend(|state| state.down = vec![Endpoint::Discovery, Endpoint::Keys, Endpoint::Other]);
    op.clock.advance(Duration::from_secs(2 * 3600));
    let request = LogoutRequest::new().id_token_hint(id_token.raw()).return_to(RETURN_TO);
    let started = client.start_logout(request).await.unwrap();
    // As a form, whose URL shows nothing.
    let (to, fields) = started.form();
    assert_eq!(to, "https://op.example/logout?tenant=1");
    let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"]);
    assert_eq!(fields[0].1, id_token.raw());
    // Down from the start: an error, and no panic; the application's own session is its own to end.
    let op = Op::bent(|state| state.down = vec![Endpoint::Discovery]);
    let error = op.client().start_logout(LogoutRequest::new()).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Transient { .. }));
}

#[tokio::test]
async fn lo_04_the_browser_comes_back_to_the_registered_address_and_no_query_moves_it() {
    let op = Op::new();
    let client = op.client();
    for exact in [RETURN_TO, "https://app.example/out?x=1&y=%7E", "https://App.example:443/out/"] {
        let started = client.start_logout(LogoutRequest::new().return_to(exact)).await.unwrap();
        assert_eq!(value(&started.url, "post_logout_redirect_uri").as_deref(), Some(exact));
        // The query of the return decides for nobody where to go.
        let query = format!("state={}&next=https%3A%2F%2Fevil.example", started.attempt.state());
        assert_eq!(started.attempt.check_return(&query), Ok(()));
    }
    for bad in ["/out", "//evil.example", "https://app.example/#f", "javascript:alert(1)", "", "app.example"]
    {
        let error = client.start_logout(LogoutRequest::new().return_to(bad)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{bad}");
    }
}

/// A logout token that is right in every way, with a patch.
fn logout_token(op: &Op, patch: &Value) -> String {
    signed(op, &json!({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"}), patch)
}

fn signed(op: &Op, header: &Value, patch: &Value) -> String {
    let now = op.clock.seconds();
    let mut claims = json!({
        "iss": op.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": "jti-1", "sub": SUBJECT,
        "sid": "s-1", "events": {EVENT: {}},
    });
    merge(&mut claims, patch);
    Signing::With("RS256", Key::Rsa).token(header, &claims)
}

/// By which check a logout token is refused.
async fn refused(client: &OpenID, token: &str) -> Option<JwtCheck> {
    let error = match client.verify_logout_token(token).await {
        Ok(_) => return None,
        Err(error) => error,
    };
    let ErrorKind::Jwt(reason) = error.kind() else { panic!("{error:?}") };
    assert_eq!(reason.token, JwtUse::LogoutToken);
    Some(reason.check)
}

#[tokio::test]
async fn bc_01_a_logout_token_comes_as_the_one_field_of_a_form() {
    let form = "application/x-www-form-urlencoded";
    for content_type in
        [form, "application/X-WWW-Form-Urlencoded", "application/x-www-form-urlencoded; charset=utf-8"]
    {
        let token = LogoutToken::of_request(Some(content_type), "x=1&logout_token=a.b.c").unwrap();
        assert_eq!(token.expose(), "a.b.c");
    }
    for (content_type, body) in [
        (None, "logout_token=a.b.c"),
        (Some(""), "logout_token=a.b.c"),
        (Some("application/json"), r#"{"logout_token":"a.b.c"}"#),
        (Some("text/plain"), "logout_token=a.b.c"),
        (Some("multipart/form-data; boundary=x"), "logout_token=a.b.c"),
        (Some("application/x-www-form-urlencoded-x"), "logout_token=a.b.c"),
        // The query of a GET.
        (None, ""),
        (Some(form), ""),
        (Some(form), "logout_token="),
        (Some(form), "logout_token"),
        (Some(form), "Logout_Token=a.b.c"),
        (Some(form), "id_token=a.b.c"),
        (Some(form), "logout_token=a.b.c&logout_token=a.b.c"),
        (Some(form), r#"{"logout_token":"a.b.c"}"#),
    ] {
        let error = LogoutToken::of_request(content_type, body).unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Presence), "{content_type:?} {body}");
        assert!(!format!("{error} {error:?}").contains("a.b.c"));
    }
}

#[tokio::test]
async fn bc_02_a_logout_token_is_verified_as_an_id_token_is() {
    let op = Op::new();
    let client = op.client();
    let good = client.verify_logout_token(&logout_token(&op, &json!({}))).await.unwrap();
    assert_eq!((good.issuer(), good.subject(), good.session_id()), (ISSUER, Some(SUBJECT), Some("s-1")));
    let now = op.clock.seconds();
    for (patch, expected) in [
        (json!({"iss": "https://evil.example"}), JwtCheck::Issuer),
        (json!({"iss": "https://op.example/"}), JwtCheck::Issuer),
        (json!({"iss": null}), JwtCheck::Issuer),
        (json!({"aud": "other"}), JwtCheck::Audience),
        (json!({"aud": []}), JwtCheck::Audience),
        (json!({"aud": [CLIENT_ID, 1]}), JwtCheck::Audience),
        (json!({"aud": null}), JwtCheck::Audience),
        (json!({"exp": null}), JwtCheck::Expiry),
        (json!({"exp": now - 100}), JwtCheck::Expiry),
        (json!({"exp": "9999999999"}), JwtCheck::Expiry),
        (json!({"iat": null}), JwtCheck::IssuedAt),
        (json!({"iat": now + 100}), JwtCheck::IssuedAt),
        (json!({"iat": now.to_string()}), JwtCheck::IssuedAt),
        (json!({"nbf": now + 600}), JwtCheck::NotBefore),
    ] {
        assert_eq!(refused(&client, &logout_token(&op, &patch)).await, Some(expected), "{patch}");
    }
    let header = |patch: Value| {
        let mut header = json!({"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"});
        merge(&mut header, &patch);
        header
    };
    for (patch, expected) in [
        (json!({"alg": "none"}), JwtCheck::Algorithm),
        (json!({"alg": "HS256"}), JwtCheck::Algorithm),
        (json!({"alg": "RS512"}), JwtCheck::Algorithm),
        (json!({"kid": "other"}), JwtCheck::Key),
        (json!({"crit": ["exp"]}), JwtCheck::Critical),
        (json!({"typ": "at+jwt"}), JwtCheck::Type),
        (json!({"typ": "secevent+jwt"}), JwtCheck::Type),
        (json!({"typ": 1}), JwtCheck::Type),
    ] {
        let token = signed(&op, &header(patch.clone()), &json!({}));
        assert_eq!(refused(&client, &token).await, Some(expected), "{patch}");
    }
    for kind in
        [json!("logout+jwt"), json!("application/logout+jwt"), json!("LOGOUT+JWT"), json!("JWT"), json!(null)]
    {
        let token = signed(&op, &header(json!({ "typ": kind })), &json!({}));
        assert_eq!(refused(&client, &token).await, None, "{kind}");
    }
    let good = logout_token(&op, &json!({}));
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    assert_eq!(refused(&client, &unsigned).await, Some(JwtCheck::Signature));
    let mut cut = good.clone();
    cut.truncate(good.len() - 6);
    assert_eq!(refused(&client, &cut).await, Some(JwtCheck::Signature));
    for text in ["", "a.b", "a.b.c", "a.b.c.d"] {
        assert_eq!(refused(&client, text).await, Some(JwtCheck::Form), "{text}");
    }
    // Of all this, the keys were asked for twice: at first, and once for one that the provider does not have.
    assert_eq!(op.counts(), [1, 2, 0, 0]);
}

#[tokio::test]
async fn bc_03_the_events_hold_that_of_a_logout() {
    let op = Op::new();
    let client = op.client();
    for events in [
        json!(null),
        json!({}),
        json!(EVENT),
        json!([EVENT]),
        json!([{EVENT: {}}]),
        json!(true),
        json!({EVENT: null}),
        json!({EVENT: "x"}),
        json!({EVENT: true}),
        json!({EVENT: []}),
        json!({"http://schemas.openid.net/event/other": {}}),
        json!({"HTTP://schemas.openid.net/event/backchannel-logout": {}}),
        json!({"http://schemas.openid.net/event/backchannel-logout/": {}}),
        json!({"http://schemas.openid.net/event/other": {}, "revoke_offline_access": true}),
    ] {
        let check = refused(&client, &logout_token(&op, &json!({ "events": events }))).await;
        assert_eq!(check, Some(JwtCheck::Events), "{events}");
    }
    // What is beside it is for those who know it, such as Keycloak's `revoke_offline_access`.
    for events in [
        json!({EVENT: {"x": 1}}),
        json!({EVENT: {}, "revoke_offline_access": true}),
        json!({EVENT: {}, "http://schemas.openid.net/event/other": {}}),
    ] {
        let check = refused(&client, &logout_token(&op, &json!({ "events": events }))).await;
        assert_eq!(check, None, "{events}");
    }
}

#[tokio::test]
async fn bc_04_it_names_a_user_or_a_session_and_has_no_nonce() {
    let op = Op::new();
    let client = op.client();
    for (patch, expected) in [
        (json!({"sub": null}), None),
        (json!({"sid": null}), None),
        (json!({"sub": null, "sid": null}), Some(JwtCheck::Session)),
        (json!({"sub": "", "sid": null}), Some(JwtCheck::Session)),
        (json!({"sub": "", "sid": "s-1"}), Some(JwtCheck::Session)),
        (json!({"sub": 1}), Some(JwtCheck::Session)),
        (json!({"sid": ["s-1"]}), Some(JwtCheck::Session)),
        (json!({"nonce": "n"}), Some(JwtCheck::Nonce)),
        (json!({"nonce": ""}), Some(JwtCheck::Nonce)),
        (json!({"nonce": 1}), Some(JwtCheck::Nonce)),
    ] {
        assert_eq!(refused(&client, &logout_token(&op, &patch)).await, expected, "{patch}");
    }
    // null is there as well.
    let claims = json!({
        "iss": ISSUER, "aud": CLIENT_ID, "iat": op.clock.seconds(), "exp": op.clock.seconds() + 60, "jti": "1",
        "sub": SUBJECT, "events": {EVENT: {}}, "nonce": null,
    });
    let token = Signing::With("RS256", Key::Rsa).token(&json!({"alg": "RS256", "kid": "rsa"}), &claims);
    assert_eq!(refused(&client, &token).await, Some(JwtCheck::Nonce));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bc_05_a_logout_token_is_used_once() {
    let op = Op::new();
    let client = op.client();
    for jti in [json!(null), json!(""), json!(1), json!(["1"])] {
        let check = refused(&client, &logout_token(&op, &json!({ "jti": jti }))).await;
        assert_eq!(check, Some(JwtCheck::Replay), "{jti}");
    }
    let used = std::sync::Arc::new(MemoryCache::new());
    let token = client.verify_logout_token(&logout_token(&op, &json!({}))).await.unwrap();
    let all: Vec<_> = (0..16)
        .map(|_| {
            let (used, token) = (used.clone(), token.clone());
            tokio::spawn(async move { token.use_once(&*used).await.unwrap() })
        })
        .collect();
    let mut firsts = 0;
    for one in all {
        firsts += usize::from(one.await.unwrap());
    }
    assert_eq!(firsts, 1);
    // Another one with the same jti is the same; one of another id or issuer is not.
    let again = client.verify_logout_token(&logout_token(&op, &json!({"sid": "s-2"}))).await.unwrap();
    assert!(!again.use_once(&*used).await.unwrap());
    let new = client.verify_logout_token(&logout_token(&op, &json!({"jti": "jti-2"}))).await.unwrap();
    assert!(new.use_once(&*used).await.unwrap());
    let other = Op::at("https://other.example");
    let elsewhere = other.client().verify_logout_token(&logout_token(&other, &json!({}))).await.unwrap();
    assert!(elsewhere.use_once(&*used).await.unwrap());
}

#[tokio::test]
async fn bc_05_a_logout_token_is_remembered_for_as_long_as_it_would_pass() {
    let op = Op::new();
    let client = op.client();
    for age in [-50, 0, 300, 600] {
        let token =
            logout_token(&op, &json!({"iat": op.clock.seconds() - age, "exp": op.clock.seconds() + 86_400}));
        let used = Lifetimes::default();
        assert!(client.verify_logout_token(&token).await.unwrap().use_once(&used).await.unwrap());
        let lifetime = used.0.lock().unwrap().pop().unwrap();
        op.clock.advance(lifetime);
        assert_eq!(
            refused(&client, &token).await,
            Some(JwtCheck::IssuedAt),
            "{age}: forgotten after {lifetime:?}"
        );
    }
}

/// Notes how long it is to keep what it is told.
#[derive(Debug, Default)]
struct Lifetimes(std::sync::Mutex<Vec<Duration>>);

#[async_trait]
impl SharedCache for Lifetimes {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, SharedCacheError> {
        Ok(None)
    }

    async fn put(&self, _: &str, _: Bytes, _: Duration) -> Result<(), SharedCacheError> {
        Ok(())
    }

    async fn put_new(&self, _: &str, _: Bytes, lifetime: Duration) -> Result<bool, SharedCacheError> {
        self.0.lock().unwrap().push(lifetime);
        Ok(true)
    }

    async fn take(&self, _: &str) -> Result<Option<Bytes>, SharedCacheError> {
        Ok(None)
    }
}

#[tokio::test]
async fn bc_06_a_session_ends_at_its_own_issuer_only() {
    let (op, other) = (Op::new(), Op::at("https://other.example"));
    let of = |patch: Value| {
        let (client, token) = (op.client(), logout_token(&op, &patch));
        async move { client.verify_logout_token(&token).await.unwrap() }
    };
    let both = of(json!({})).await;
    let session = of(json!({"sub": null})).await;
    let user = of(json!({"sid": null})).await;
    for (token, issuer, subject, id, ends) in [
        (&both, ISSUER, SUBJECT, Some("s-1"), true),
        (&both, ISSUER, SUBJECT, Some("s-2"), false),
        (&both, ISSUER, SUBJECT, None, false),
        (&both, ISSUER, "user-2", Some("s-1"), false),
        (&both, "https://other.example", SUBJECT, Some("s-1"), false),
        (&session, ISSUER, "user-2", Some("s-1"), true),
        (&session, ISSUER, SUBJECT, Some("s-2"), false),
        (&session, ISSUER, SUBJECT, None, false),
        (&session, "https://other.example", SUBJECT, Some("s-1"), false),
        (&user, ISSUER, SUBJECT, Some("s-1"), true),
        (&user, ISSUER, SUBJECT, Some("s-2"), true),
        (&user, ISSUER, SUBJECT, None, true),
        (&user, ISSUER, "user-2", Some("s-1"), false),
        (&user, "https://other.example", SUBJECT, Some("s-1"), false),
    ] {
        assert_eq!(token.ends(issuer, subject, id), ends, "{token:?} {issuer} {subject} {id:?}");
    }
    // Nor does one provider's token pass at the client of another.
    assert_eq!(refused(&other.client(), &logout_token(&op, &json!({}))).await, Some(JwtCheck::Issuer));
}

/// The account of a login and of a logout are found by one key.
#[tokio::test]
async fn bc_06_a_logout_token_names_the_issuer_that_the_identity_has() {
    let names = || vec![ISSUER.to_owned(), "op.example".to_owned()];
    let tenant = "https://op.example/t-1/v2.0";
    let tenants = || Issuers::Tenants {
        template: "https://op.example/{tenantid}/v2.0".to_owned(),
        tenants: Tenants::OneOf(vec!["t-1".to_owned()]),
    };
    for (issuers, chosen, iss, known) in [
        (None, None, ISSUER, ISSUER),
        (None, Some("acme"), ISSUER, "acme"),
        (Some(Issuers::Aliases(names())), None, "op.example", ISSUER),
        (Some(Issuers::Aliases(names())), Some("acme"), "op.example", "acme"),
        (Some(tenants()), Some("acme"), tenant, tenant),
    ] {
        let op = Op::bent(|state| state.claims = json!({"iss": iss, "tid": "t-1"}));
        let mut client = op.client_with(|policy| match issuers {
            Some(issuers) => policy.issuers(issuers),
            None => policy,
        });
        if let Some(chosen) = chosen {
            client = client.with_identity_issuer(chosen);
        }
        let login = op.login(&client, LoginOptions::new()).await.unwrap();
        let identity = IdToken::of(&login).unwrap().identity();
        let token = logout_token(&op, &json!({"iss": iss, "tid": "t-1", "sid": null}));
        let token = client.verify_logout_token(&token).await.unwrap();
        assert_eq!(identity.key(), (known, SUBJECT));
        assert_eq!((token.identity_issuer(), token.subject()), (known, Some(SUBJECT)));
        assert_eq!((token.issuer(), token.provider()), (iss, client.name()));
        for issuer in [iss, known] {
            assert!(token.ends(issuer, SUBJECT, None), "{issuer}");
        }
        assert!(!token.ends("https://other.example", SUBJECT, None));
    }
}

#[tokio::test]
async fn bc_07_an_old_logout_token_is_refused_though_it_has_not_expired() {
    let op = Op::new();
    let client = op.client();
    let now = op.clock.seconds();
    for (patch, expected) in [
        (json!({"iat": now - 500, "exp": now + 86_400}), None),
        (json!({"iat": now - 700, "exp": now + 86_400}), Some(JwtCheck::IssuedAt)),
        (json!({"iat": 0, "exp": 253_402_300_799_u64}), Some(JwtCheck::IssuedAt)),
        (json!({"iat": -1e300}), Some(JwtCheck::IssuedAt)),
        (json!({"exp": 1e300}), Some(JwtCheck::Expiry)),
    ] {
        assert_eq!(refused(&client, &logout_token(&op, &patch)).await, expected, "{patch}");
    }
    // A far expiry makes it live no longer: its age counts.
    let token = logout_token(&op, &json!({"exp": now + 31_536_000}));
    assert_eq!(refused(&client, &token).await, None);
    op.clock.advance(Duration::from_secs(700));
    assert_eq!(refused(&client, &token).await, Some(JwtCheck::IssuedAt));
}

#[tokio::test]
async fn bc_02_a_logout_token_without_an_expiry_passes_by_name_only() {
    let op = Op::new();
    let lenient = op.client_with(|policy| policy.logout_expiry_may_be_missing());
    let without = logout_token(&op, &json!({ "exp": null }));
    assert_eq!(refused(&op.client(), &without).await, Some(JwtCheck::Expiry));
    assert_eq!(refused(&lenient, &without).await, None);
    let now = op.clock.seconds();
    for (patch, check) in [
        (json!({"exp": now - 3600}), JwtCheck::Expiry),
        (json!({"exp": "soon"}), JwtCheck::Expiry),
        // What bounds its life then.
        (json!({"exp": null, "iat": null}), JwtCheck::IssuedAt),
        (json!({"exp": null, "iat": now - 3600}), JwtCheck::IssuedAt),
        (json!({"exp": null, "iat": now + 3600}), JwtCheck::IssuedAt),
    ] {
        assert_eq!(refused(&lenient, &logout_token(&op, &patch)).await, Some(check), "{patch}");
    }
    // An ID token has one all the same.
    op.bend(|state| state.claims = json!({ "exp": null }));
    let error = op.login(&lenient, LoginOptions::new()).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Expiry));
}

#[tokio::test]
async fn bc_09_neither_kind_of_token_passes_for_the_other() {
    let op = Op::new();
    let client = op.client();
    let login = op.login(&client, LoginOptions::new()).await.unwrap();
    assert_eq!(refused(&client, login.token.id_token().unwrap()).await, Some(JwtCheck::Events));
    // An ID token that is made to look like a logout token has its nonce still.
    let disguised = op.id_token(json!({"events": {EVENT: {}}, "sid": "s-1", "jti": "1"}));
    assert_eq!(refused(&client, &disguised).await, Some(JwtCheck::Nonce));

    // A logout token in place of an ID token: by its type, and, where it has none, by what it is.
    for kind in [json!("logout+jwt"), json!("JWT"), json!(null)] {
        let mut header = json!({"alg": "RS256", "kid": "rsa"});
        merge(&mut header, &json!({ "typ": kind }));
        let token = signed(&op, &header, &json!({}));
        let error = client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Type), "{kind}");
        op.bend(|state| state.id_token = Some(token.clone().into()));
        let error = op.login(&client, LoginOptions::new()).await.unwrap_err();
        assert_eq!(error.jwt_check(), Some(JwtCheck::Type), "{kind}");
        let refreshed = client.refresh(&login.token, None).await.unwrap();
        assert_eq!(refreshed.id_token(), login.token.id_token(), "{kind}: the first one stays");
        assert!(refreshed.rejected_id_token().is_some(), "{kind}");
    }
}

#[test]
fn fc_01_a_front_channel_logout_ends_the_session_that_it_names_and_no_other() {
    let of = FrontChannelLogout::from_query;
    let iss = "iss=https%3A%2F%2Fop.example";
    assert!(of(&format!("{iss}&sid=s-1")).is_of(ISSUER, Some("s-1"), true));
    for query in [
        String::new(),
        iss.to_owned(),
        "sid=s-1".to_owned(),
        format!("{iss}&sid="),
        format!("{iss}&sid=s-2"),
        format!("{iss}&sid=S-1"),
        format!("{iss}&sid=s-1&sid=s-1"),
        format!("{iss}&sid=s-1&{iss}"),
        "iss=https%3A%2F%2Fevil.example&sid=s-1".to_owned(),
        "iss=https%3A%2F%2Fop.example%2F&sid=s-1".to_owned(),
        "iss=&sid=s-1".to_owned(),
    ] {
        assert!(!of(&query).is_of(ISSUER, Some("s-1"), true), "{query}");
    }
    // A session without a sid is not the one that is named.
    assert!(!of(&format!("{iss}&sid=s-1")).is_of(ISSUER, None, true));
    // Without `frontchannel_logout_session_required`, a bare request counts; a wrong one does not.
    assert!(of("").is_of(ISSUER, Some("s-1"), false));
    for query in [iss, "sid=s-1", "iss=https%3A%2F%2Fop.example&sid=s-2"] {
        assert!(!of(query).is_of(ISSUER, Some("s-1"), false), "{query}");
    }
}

#[test]
fn fc_02_a_front_channel_logout_may_come_twice() {
    // Nothing is spent by it: the second request means what the first one meant.
    let query = "iss=https%3A%2F%2Fop.example&sid=s-1";
    for _ in 0..2 {
        assert!(FrontChannelLogout::from_query(query).is_of(ISSUER, Some("s-1"), true));
    }
}

#[tokio::test]
async fn what_a_logout_prints_is_no_secret() {
    let op = Op::new();
    let client = op.client();
    let request = LogoutRequest::new().id_token_hint("SECRET.TOKEN.x").return_to(RETURN_TO);
    let started = client.start_logout(request.clone()).await.unwrap();
    let token = client.verify_logout_token(&logout_token(&op, &json!({}))).await.unwrap();
    let shown = format!("{request:?} {started:?} {:?} {token:?}", started.attempt);
    for secret in ["SECRET", started.attempt.state(), CLIENT_SECRET, "jti-1", "eyJ"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn bc_06_each_client_uses_a_logout_token_once() {
    let op = Op::new();
    let used = MemoryCache::new();
    let client = |id: &str| {
        op.discovery().client(id, CLIENT_SECRET).unwrap().with_policy(|policy| policy.clock(op.clock.clone()))
    };
    let token = logout_token(&op, &json!({"aud": [CLIENT_ID, "client-2", "client"], "jti": "1:jti"}));
    for id in [CLIENT_ID, "client-2"] {
        let verified = client(id).verify_logout_token(&token).await.unwrap();
        assert!(verified.use_once(&used).await.unwrap(), "{id}: its sessions end too");
        assert!(!verified.use_once(&used).await.unwrap(), "{id}");
    }
    // What one forgets, the other has used.
    client(CLIENT_ID).verify_logout_token(&token).await.unwrap().forget_use(&used).await.unwrap();
    assert!(!client("client-2").verify_logout_token(&token).await.unwrap().use_once(&used).await.unwrap());
    // No other id and name together make the same text.
    let shifted = logout_token(&op, &json!({"aud": [CLIENT_ID, "client-2:1"], "jti": "jti"}));
    assert!(client("client-2:1").verify_logout_token(&shifted).await.unwrap().use_once(&used).await.unwrap());
}

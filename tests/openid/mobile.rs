//! ID tokens that an application on a device obtained itself, and what the types of this library print.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::{
    ClientSecret, Error, ErrorClass, JwtCheck, LoginOptions, OAuth2, Provider, ResponseType,
    openid::{
        Algorithm, ClientMetadata, Discovery, Expectations, FrontChannelLogout, IdToken, InitiatedLogin,
        Issuers, LogoutRequest, OpenID, OpenIDConnect, OpenIDProvider, OtherAudiences, ProviderMetadata,
        Tenants, VERIFY_ID_TOKEN, VerificationPolicy, new_nonce,
    },
};
use serde_json::{Value, json};

use super::op::{
    ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, CODE, Endpoint, ISSUER, Key, Op, SUBJECT, Signing, left_half,
};

const ANDROID: &str = "android-client";
const IOS: &str = "ios-client";

/// A client of a server that has no secret for this.
fn public(op: &Op) -> OpenID {
    let client = op.discovery().client(CLIENT_ID, ClientSecret::NONE).unwrap();
    client.with_policy(|policy| policy.clock(op.clock.clone()))
}

async fn check(op: &Op, claims: Value, expected: &Expectations) -> Option<JwtCheck> {
    let client = public(op);
    let outcome = client.verify_id_token(&op.id_token(claims), expected).await;
    assert_eq!((op.count(Endpoint::Token), op.count(Endpoint::UserInfo)), (0, 0));
    outcome.err().map(|error: Error| {
        assert_eq!(error.operation(), VERIFY_ID_TOKEN);
        error.jwt_check().unwrap_or_else(|| panic!("{error:?}"))
    })
}

#[tokio::test]
async fn an_apps_own_id_token_is_verified_without_a_secret() {
    let op = Op::new();
    let client = public(&op);
    let id_token =
        client.verify_id_token(&op.id_token(json!({})), &Expectations::new().without_nonce()).await.unwrap();
    assert_eq!((id_token.issuer(), id_token.subject()), (ISSUER, SUBJECT));
    assert_eq!(op.counts(), [1, 1, 0, 0]);
    // Keys are read once for all tokens.
    for _ in 0..10 {
        client.verify_id_token(&op.id_token(json!({})), &Expectations::new().without_nonce()).await.unwrap();
    }
    assert_eq!(op.counts(), [1, 1, 0, 0]);
}

#[tokio::test]
async fn it_may_be_for_any_of_the_applications_own_clients() {
    let expected = Expectations::new().without_nonce().client_ids([ANDROID, IOS]);
    for (claims, refused_by) in [
        (json!({"aud": ANDROID}), None),
        (json!({"aud": IOS}), None),
        (json!({"aud": [IOS]}), None),
        (json!({"aud": [IOS, ANDROID]}), None),
        (json!({"aud": ANDROID, "azp": ANDROID}), None),
        // As Google has it on Android: for the server, asked for by the app.
        (json!({"aud": IOS, "azp": ANDROID}), None),
        (json!({"aud": [IOS, ANDROID], "azp": IOS}), None),
        // The client's own id is not among them unless it is named.
        (json!({"aud": CLIENT_ID}), Some(JwtCheck::Audience)),
        (json!({"aud": "other"}), Some(JwtCheck::Audience)),
        (json!({"aud": [IOS, "other"]}), Some(JwtCheck::Audience)),
        (json!({"aud": [IOS, CLIENT_ID]}), Some(JwtCheck::Audience)),
        (json!({"aud": []}), Some(JwtCheck::Audience)),
        (json!({"aud": null}), Some(JwtCheck::Audience)),
        (json!({"aud": IOS, "azp": "other"}), Some(JwtCheck::AuthorizedParty)),
        (json!({"aud": [IOS, ANDROID], "azp": "other"}), Some(JwtCheck::AuthorizedParty)),
    ] {
        assert_eq!(check(&Op::new(), claims.clone(), &expected).await, refused_by, "{claims}");
    }
    // With no names, it is the client's own.
    let own = Expectations::new().without_nonce().client_ids(Vec::<String>::new());
    assert_eq!(check(&Op::new(), json!({}), &own).await, None);
    assert_eq!(check(&Op::new(), json!({"aud": IOS}), &own).await, Some(JwtCheck::Audience));
    // Nobody has the id of nothing.
    let empty = Expectations::new().without_nonce().client_ids([""]);
    assert_eq!(check(&Op::new(), json!({"aud": IOS}), &empty).await, Some(JwtCheck::Audience));
}

#[tokio::test]
async fn its_nonce_is_the_servers_or_the_hash_of_it() {
    let nonce = new_nonce().unwrap();
    assert!(nonce.len() >= 43 && nonce != new_nonce().unwrap());
    let hash = digest::digest(&digest::SHA256, nonce.as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = URL_SAFE_NO_PAD.encode(hash);
    let plain = Expectations::new().nonce(&*nonce);
    let hashed = Expectations::new().hashed_nonce(&*nonce);
    for (claim, expected, refused_by) in [
        (json!(nonce), &plain, None),
        (json!(hex), &hashed, None),
        (json!(base64), &hashed, None),
        // The hash does not do where the nonce itself is expected, nor the other way round: whoever sees the token sees it.
        (json!(hex), &plain, Some(JwtCheck::Nonce)),
        (json!(nonce), &hashed, Some(JwtCheck::Nonce)),
        (json!(hex.to_uppercase()), &hashed, Some(JwtCheck::Nonce)),
        (json!(format!("{base64}=")), &hashed, Some(JwtCheck::Nonce)),
        (json!("other"), &plain, Some(JwtCheck::Nonce)),
        (json!(""), &plain, Some(JwtCheck::Nonce)),
        (json!(null), &plain, Some(JwtCheck::Nonce)),
        (json!(null), &hashed, Some(JwtCheck::Nonce)),
        (json!([nonce]), &plain, Some(JwtCheck::Nonce)),
    ] {
        assert_eq!(check(&Op::new(), json!({ "nonce": claim }), expected).await, refused_by, "{claim}");
    }
    // An empty nonce expects nothing that a token without one could have.
    let empty = Expectations::new().nonce("");
    assert_eq!(check(&Op::new(), json!({}), &empty).await, Some(JwtCheck::Nonce));
}

#[tokio::test]
async fn a_nonce_is_required_of_it_unless_it_is_waived_by_name() {
    let op = Op::new();
    let token = op.id_token(json!({"nonce": "n"}));
    for expected in [Expectations::new(), Expectations::new().client_ids([CLIENT_ID]).acr(["gold"])] {
        let error = public(&op).verify_id_token(&token, &expected).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration);
        assert!(error.to_string().contains("without_nonce"), "{error}");
    }
    assert_eq!(op.counts(), [0, 0, 0, 0], "what the application forgot costs no request");
    for expected in [
        Expectations::new().without_nonce(),
        Expectations::new().nonce("n"),
        Expectations::new().without_nonce().nonce("n"),
        Expectations::new().nonce("other").without_nonce(),
    ] {
        public(&op).verify_id_token(&token, &expected).await.unwrap();
    }
    // A provider that drops nonces from its logins is no reason to take an application's token without one.
    let lax = public(&op).with_policy(VerificationPolicy::nonce_may_be_missing);
    let without = op.id_token(json!({}));
    let error = lax.verify_id_token(&without, &Expectations::new().nonce("n")).await.unwrap_err();
    assert_eq!(error.jwt_check(), Some(JwtCheck::Nonce));
    lax.verify_id_token(&without, &Expectations::new().without_nonce()).await.unwrap();
    // Everybody knows the nonce of no characters, and its hash.
    let empty: String =
        digest::digest(&digest::SHA256, b"").as_ref().iter().map(|b| format!("{b:02x}")).collect();
    for (claim, expected) in
        [("", Expectations::new().nonce("")), (&*empty, Expectations::new().hashed_nonce(""))]
    {
        assert_eq!(check(&op, json!({"nonce": claim}), &expected).await, Some(JwtCheck::Nonce), "{claim}");
    }
}

#[tokio::test]
async fn jk_17_an_access_token_is_no_id_token_by_its_header() {
    for (kind, refused) in [
        ("at+jwt", true),
        ("at+jwt;v=1", true),
        ("at+jwt ", true),
        ("\tat+jwt", true),
        ("application/at+jwt", true),
        ("Application/AT+JWT; v=1", true),
        ("at+jwt\u{a0}", true),
        ("logout+jwt", true),
        ("logout_token", true),
        ("Logout_Token", true),
        ("access_token", true),
        ("refresh+jwt", true),
        ("Bearer", true),
        ("JWT", false),
        ("application/jwt", false),
        ("id_token", false),
    ] {
        let op = Op::bent(|state| state.header["typ"] = kind.into());
        let expected = Expectations::new().without_nonce();
        let found = check(&op, json!({}), &expected).await;
        assert_eq!(found, refused.then_some(JwtCheck::Type), "{kind:?}");
        // Nor does it pass as the token of a login.
        let outcome = op.login(&op.client(), LoginOptions::new()).await;
        let found = outcome.err().and_then(|error| error.jwt_check());
        assert_eq!(found, refused.then_some(JwtCheck::Type), "{kind:?}");
    }
    // A provider with a word of its own is told by name.
    let op = Op::bent(|state| state.header["typ"] = "acme-id".into());
    let client = op.client_with(|policy| policy.id_token_types(["ACME-ID"]));
    op.login(&client, LoginOptions::new()).await.unwrap();
    assert!(op.login(&op.client(), LoginOptions::new()).await.is_err());
}

#[tokio::test]
async fn jk_17_an_access_token_is_no_id_token_by_its_claims() {
    let expected = Expectations::new().without_nonce();
    for claims in [
        json!({"typ": "Bearer"}),
        json!({"typ": "bearer "}),
        json!({"typ": "Refresh"}),
        json!({"typ": "Offline"}),
        json!({"typ": "Logout"}),
        json!({"typ": ""}),
        json!({"typ": ["ID"]}),
        json!({"token_use": "access"}),
        json!({"token_use": "ACCESS"}),
        json!({"token_use": 1}),
        json!({"token_type": "access_token"}),
        json!({"scope": "openid profile"}),
        json!({"scope": ["openid"]}),
        json!({"scope": ""}),
        json!({"scp": "User.Read"}),
        json!({"scp": ["openid"]}),
        json!({"events": {}}),
    ] {
        assert_eq!(check(&Op::new(), claims.clone(), &expected).await, Some(JwtCheck::Type), "{claims}");
    }
    for claims in [json!({"typ": "ID"}), json!({"typ": "id_token"}), json!({"token_use": "id"})] {
        assert_eq!(check(&Op::new(), claims.clone(), &expected).await, None, "{claims}");
    }
    // A provider whose ID tokens have scopes is told by name; what says "access" stays refused.
    let scopes = expected.clone().scopes_allowed();
    assert_eq!(check(&Op::new(), json!({"scope": "openid"}), &scopes).await, None);
    let access = json!({"scope": "openid", "token_use": "access"});
    assert_eq!(check(&Op::new(), access, &scopes).await, Some(JwtCheck::Type));
}

#[tokio::test]
async fn id_20_the_hash_of_the_access_token_can_be_required() {
    let expected = Expectations::new().without_nonce().access_token("AT").at_hash_required();
    for (claims, refused_by) in [
        (json!({"at_hash": left_half("RS256", "AT")}), None),
        (json!({"at_hash": left_half("RS256", "other")}), Some(JwtCheck::AccessTokenHash)),
        (json!({"at_hash": ""}), Some(JwtCheck::AccessTokenHash)),
        (json!({"at_hash": 1}), Some(JwtCheck::AccessTokenHash)),
        (json!({}), Some(JwtCheck::AccessTokenHash)),
    ] {
        assert_eq!(check(&Op::new(), claims.clone(), &expected).await, refused_by, "{claims}");
    }
    let op = Op::new();
    let without = Expectations::new().without_nonce().at_hash_required();
    let error = public(&op).verify_id_token(&op.id_token(json!({})), &without).await.unwrap_err();
    assert_eq!((error.class(), op.counts()), (ErrorClass::Configuration, [0, 0, 0, 0]));
}

#[tokio::test]
async fn id_10_a_date_that_no_calendar_has_is_no_date() {
    let expected = Expectations::new().without_nonce();
    let now = Op::new().clock.seconds();
    for (claims, refused_by) in [
        (json!({"exp": 1e300}), Some(JwtCheck::Expiry)),
        (json!({"exp": 1e18}), Some(JwtCheck::Expiry)),
        (json!({"exp": u64::MAX}), Some(JwtCheck::Expiry)),
        // Milliseconds.
        (json!({"exp": (now + 300) * 1000}), Some(JwtCheck::Expiry)),
        (json!({"exp": 253_402_300_799_u64}), None),
        (json!({"exp": 253_402_300_800_u64}), Some(JwtCheck::Expiry)),
        (json!({"exp": -1}), Some(JwtCheck::Expiry)),
        (json!({"iat": -1e300}), Some(JwtCheck::IssuedAt)),
        (json!({"iat": i64::MIN}), Some(JwtCheck::IssuedAt)),
        (json!({"iat": 1e300}), Some(JwtCheck::IssuedAt)),
        (json!({"nbf": -1e300}), Some(JwtCheck::NotBefore)),
        (json!({"nbf": 1e300}), Some(JwtCheck::NotBefore)),
        (json!({"exp": now as f64 + 300.5}), None),
    ] {
        assert_eq!(check(&Op::new(), claims.clone(), &expected).await, refused_by, "{claims}");
        let op = Op::bent(|state| state.claims = claims.clone());
        let outcome = op.login(&op.client(), LoginOptions::new()).await;
        assert_eq!(outcome.err().and_then(|error| error.jwt_check()), refused_by, "{claims}");
    }
    let age = expected.max_age(Duration::from_secs(60));
    for absurd in [json!(1e300), json!(-1e300), json!(u64::MAX)] {
        let claims = json!({"auth_time": absurd});
        assert_eq!(check(&Op::new(), claims, &age).await, Some(JwtCheck::AuthTime), "{absurd}");
    }
}

#[tokio::test]
async fn texts_of_a_token_are_cut_before_they_enter_an_error() {
    let long = "x".repeat(50_000);
    let tenants = Issuers::Tenants {
        template: "https://op.example/{tenantid}".to_owned(),
        tenants: Tenants::OneOf(vec!["t-1".to_owned()]),
    };
    for claims in [
        json!({"iss": long}),
        json!({"iss": [long]}),
        json!({"aud": long}),
        json!({"aud": [CLIENT_ID, long]}),
        json!({"aud": [CLIENT_ID], "azp": long}),
        json!({"sub": long}),
        json!({"exp": long}),
        json!({"iat": {long.as_str(): 1}}),
        json!({"nbf": long}),
        json!({"typ": long}),
        json!({"tid": long, "iss": format!("https://op.example/{long}")}),
        json!({"tid": [long]}),
    ] {
        let op = Op::new();
        let mut clients = vec![public(&op)];
        if claims.get("tid").is_some() {
            let tenants = tenants.clone();
            clients = vec![public(&op).with_policy(|policy| policy.issuers(tenants))];
        }
        let token = op.id_token(claims.clone());
        let error =
            clients[0].verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.len() < 2_000, "{} characters: {}", shown.len(), &shown[..200]);
    }
    for header in
        [json!({"alg": long}), json!({"alg": "RS256", "typ": long}), json!({"alg": "RS256", "kid": long})]
    {
        let op = Op::new();
        let token = Signing::With("RS256", Key::Rsa).token(&header, &op.claims());
        let expected = Expectations::new().without_nonce();
        let error = public(&op).verify_id_token(&token, &expected).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.len() < 2_000, "{} characters: {}", shown.len(), &shown[..200]);
    }
}

#[tokio::test]
async fn what_else_the_server_expects_of_it_is_checked() {
    let op = Op::new();
    let now = op.clock.seconds();
    let minute = Duration::from_secs(60);
    for (claims, expected, refused_by) in [
        (json!({"auth_time": now - 30}), Expectations::new().without_nonce().max_age(minute), None),
        (
            json!({"auth_time": now - 300}),
            Expectations::new().without_nonce().max_age(minute),
            Some(JwtCheck::AuthTime),
        ),
        (json!({}), Expectations::new().without_nonce().max_age(minute), Some(JwtCheck::AuthTime)),
        (json!({"acr": "gold"}), Expectations::new().without_nonce().acr(["gold"]), None),
        (json!({"acr": "silver"}), Expectations::new().without_nonce().acr(["gold"]), Some(JwtCheck::Acr)),
        (json!({}), Expectations::new().without_nonce().acr(["gold"]), Some(JwtCheck::Acr)),
        (json!({}), Expectations::new().without_nonce().access_token("AT"), None),
        (
            json!({"at_hash": left_half("RS256", "AT")}),
            Expectations::new().without_nonce().access_token("AT"),
            None,
        ),
        (
            json!({"at_hash": left_half("RS256", "other")}),
            Expectations::new().without_nonce().access_token("AT"),
            Some(JwtCheck::AccessTokenHash),
        ),
        (json!({"iat": now - 3600}), Expectations::new().without_nonce(), None),
        (
            json!({"iat": now - 3600}),
            Expectations::new().without_nonce().issued_after(oauth_clients::Clock::now(&op.clock)),
            Some(JwtCheck::IssuedAt),
        ),
        (
            json!({}),
            Expectations::new().without_nonce().issued_after(oauth_clients::Clock::now(&op.clock)),
            None,
        ),
        (json!({"exp": now - 100}), Expectations::new().without_nonce(), Some(JwtCheck::Expiry)),
    ] {
        assert_eq!(check(&Op::new(), claims.clone(), &expected).await, refused_by, "{claims}");
    }
}

#[tokio::test]
async fn a_token_of_somebody_else_makes_no_request_for_keys() {
    let op = Op::new();
    let client = public(&op);
    let other = Op::at("https://evil.example");
    for token in [
        other.id_token(json!({})),
        op.id_token(json!({"iss": "https://evil.example"})),
        Signing::Bytes(Vec::new()).token(&json!({"alg": "none"}), &op.claims()),
        Signing::Hmac("HS256", Vec::new()).token(&json!({"alg": "HS256"}), &op.claims()),
        "a.b.c".to_owned(),
        String::new(),
        "x".repeat(1_000_000),
    ] {
        client.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap_err();
    }
    assert_eq!(op.counts(), [1, 0, 0, 0]);
    // A client of a provider without OpenID Connect cannot verify any.
    let plain = OAuth2::new("id", "s", "https://as.example/a", "https://as.example/t");
    assert!(OpenIDConnect::of(&plain).is_none());
    let github = oauth_clients::github::GitHubOAuth2::new("id", "s");
    assert!(OpenIDConnect::of(&github).is_none());
    // A client that is chosen at run time can, where it speaks OpenID Connect.
    let chosen: std::sync::Arc<dyn Provider> = std::sync::Arc::new(op.client());
    let token = op.id_token(json!({}));
    let openid = OpenIDConnect::of(&*chosen).unwrap();
    let verified = openid.verify_id_token(&token, &Expectations::new().without_nonce()).await.unwrap();
    assert_eq!(verified.subject(), super::op::SUBJECT);
}

#[tokio::test]
async fn an_issuer_of_several_names_is_one_of_those_that_were_said() {
    // Google's tokens once named the issuer without its scheme.
    let names = || vec![ISSUER.to_owned(), "op.example".to_owned()];
    for (issuer, refused_by) in [
        (ISSUER, None),
        ("op.example", None),
        ("http://op.example", Some(JwtCheck::Issuer)),
        ("op.example/", Some(JwtCheck::Issuer)),
        ("evil.op.example", Some(JwtCheck::Issuer)),
        ("", Some(JwtCheck::Issuer)),
    ] {
        let op = Op::new();
        for declared in [Issuers::Aliases(names()), Issuers::OneOf(names())] {
            let client = public(&op).with_policy(|policy| policy.issuers(declared));
            let token = op.id_token(json!({ "iss": issuer }));
            let outcome = client.verify_id_token(&token, &Expectations::new().without_nonce()).await;
            if let Ok(id_token) = &outcome {
                assert_eq!(id_token.identity().key(), (ISSUER, SUBJECT), "one user, whatever the name");
            }
            assert_eq!(outcome.err().and_then(|error| error.jwt_check()), refused_by, "{issuer}");
        }
    }
}

/// What every public type that holds something says of itself.
#[tokio::test]
async fn lb_01_no_type_prints_a_secret() {
    let op = Op::bent(|state| state.claims = json!({"email": "ada@mail.example", "name": "Ada Lovelace"}));
    let client = op.client();
    let options = || {
        LoginOptions::new()
            .response_type(ResponseType::CodeIdToken)
            .id_token_hint("SECRET-HINT")
            .data(json!("SECRET-DATA"))
    };
    let started = op.start(&client, options()).await;
    let beside = op.id_token(json!({"c_hash": left_half("RS256", CODE)}));
    let callback = op.callback(&started.attempt, &[("id_token", &beside)]);
    let callback_shown = format!("{callback:?}");
    let attempt = started.attempt.clone();
    let login = client.finish_login(started.attempt.clone(), callback).await.unwrap();
    let id_token = IdToken::of(&login).unwrap();
    let identity = client.get_identity(&login.token).await.unwrap();
    let nonce = new_nonce().unwrap();
    let expectations = Expectations::new().nonce(&*nonce).access_token(ACCESS_TOKEN).acr(["gold"]);
    let wish = InitiatedLogin::from_query("iss=https://op.example&login_hint=ada@mail.example");
    let metadata = ProviderMetadata::new(op.state().metadata.clone()).unwrap();
    let standard = id_token.standard_claims();
    #[derive(Debug, serde::Deserialize)]
    struct Odd {
        #[expect(dead_code, reason = "it is not a number, so nobody reads it")]
        email: u8,
    }
    let unreadable = id_token.claims::<Odd>().unwrap_err();
    assert!(unreadable.to_string().ends_with("invalid type: string, expected u8"), "{unreadable}");
    let shown = [
        format!("{client:?}"),
        format!("{:?}", client.oauth2()),
        format!("{:?}", options()),
        format!("{started:?}"),
        callback_shown,
        format!("{login:?}"),
        format!("{id_token:?}"),
        format!("{identity:?}"),
        format!("{standard:?}"),
        format!("{expectations:?}"),
        format!("{:?}", OpenIDConnect::of(&client).unwrap().export_cache()),
        format!("{metadata:?}"),
        format!("{:?}", op.discovery()),
        format!(
            "{:?}",
            VerificationPolicy::new().algorithms([Algorithm::HS256]).other_audiences(OtherAudiences::None)
        ),
        format!("{:?}", Tenants::Any),
        format!("{wish:?}"),
        format!("{:?}", ClientMetadata::new(["https://app.example"]).set("client_secret", CLIENT_SECRET)),
        format!("{:?}", FrontChannelLogout::from_query("iss=a&sid=b")),
        format!("{:?}", LogoutRequest::new().id_token_hint("SECRET-HINT")),
        format!("{:?}", Discovery::new(ISSUER)),
        unreadable.to_string(),
        format!("{unreadable:?}"),
    ]
    .join("\n");
    for (name, secret) in [
        ("the client secret", CLIENT_SECRET),
        ("the access token", ACCESS_TOKEN),
        ("the refresh token", "the-refresh-token"),
        ("the code", CODE),
        ("the state", attempt.state()),
        ("the nonce", attempt.nonce().unwrap()),
        ("another nonce", &nonce),
        ("the code verifier", attempt.code_verifier().unwrap().expose()),
        ("a token", "eyJ"),
        ("a hint or data", "SECRET"),
        ("an address", "ada@mail.example"),
        ("a name", "Lovelace"),
    ] {
        assert!(!shown.contains(secret), "{name} in {shown}");
    }
    // Nor does any error that a bad token makes.
    for (patch, signing) in [
        (json!({"nonce": "other"}), Signing::With("RS256", Key::Rsa)),
        (json!({"exp": 1}), Signing::With("RS256", Key::Rsa)),
        (json!({"at_hash": "x"}), Signing::With("RS256", Key::Rsa)),
        (json!({}), Signing::With("RS256", Key::OtherRsa)),
    ] {
        let op = Op::bent(|state| {
            state.claims = patch;
            state.claims["email"] = "ada@mail.example".into();
            state.signing = signing;
        });
        let error = op.login(&op.client(), LoginOptions::new()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        let nonce = op.state().nonce.clone().unwrap();
        for secret in [CLIENT_SECRET, ACCESS_TOKEN, CODE, &nonce, "eyJ", "ada@mail.example"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

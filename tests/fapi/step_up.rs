//! Step-up authentication (RFC 9470).

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use oauth_clients::{ErrorClass, JwtCheck, LoginOptions, OffsetDateTime, Provider};
use oauth_fapi::{AnsweredStepUp, ApiRefusal, StepUp, StepUpError};
use serde_json::{Value, json};

use crate::{
    openid::op::{Op, REDIRECT_URI},
    support::query_of,
};

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append("www-authenticate", line.parse().unwrap());
    }
    headers
}

fn refusal(lines: &[&str]) -> Option<ApiRefusal> {
    ApiRefusal::of(StatusCode::UNAUTHORIZED, &headers(lines))
}

fn step_up(parameters: &str) -> StepUp {
    let line = format!("Bearer error=\"insufficient_user_authentication\"{parameters}");
    match refusal(&[&line]) {
        Some(ApiRefusal::InsufficientUserAuthentication(challenge)) => challenge,
        other => panic!("{parameters}: {other:?}"),
    }
}

#[test]
fn su_01_a_challenge_is_read_whole() {
    let challenge =
        step_up(r#", error_description="more", acr_values="high phr", max_age="5", scope="pay read""#);
    assert_eq!(challenge.acr_values, ["high", "phr"]);
    assert_eq!(challenge.max_age, Some(5));
    assert_eq!(challenge.scopes, ["pay", "read"]);
    for (parameters, max_age) in [
        (", max_age=5", Some(5)),
        (r#", max_age="0""#, Some(0)),
        (r#", MAX_AGE="5""#, Some(5)),
        (r#", max_age="-1""#, None),
        (", max_age=-1", None),
        (r#", max_age="1e9""#, None),
        (r#", max_age="+5""#, None),
        (r#", max_age="5.5""#, None),
        (r#", max_age="""#, None),
        (r#", max_age="99999999999999999999""#, None),
        (r#", max_age="5", max_age="6""#, None),
        ("", None),
    ] {
        let challenge = step_up(parameters);
        assert_eq!((challenge.max_age, challenge.acr_values.len()), (max_age, 0), "{parameters}");
    }
    let long = format!(r#", acr_values="{} ok ok""#, "x".repeat(300));
    assert_eq!(step_up(&long).acr_values, ["ok"]);
    let many =
        format!(r#", acr_values="{}""#, (0..1000).map(|n| n.to_string()).collect::<Vec<_>>().join(" "));
    assert!(step_up(&many).acr_values.len() <= 32);
}

#[test]
fn su_01_it_is_found_among_other_challenges() {
    for lines in [
        &[r#"Basic realm="x", DPoP algs="ES256", error="insufficient_user_authentication", max_age="1""#][..],
        &["Negotiate", r#"dpop error="insufficient_user_authentication", max_age=1"#],
        &["\u{7f}%%", r#"BEARER realm="a, b", error="insufficient_user_authentication", max_age=1"#],
        &[r#"Basic error="invalid_token""#, r#"Bearer error="insufficient_user_authentication", max_age=1"#],
    ] {
        let lines: Vec<_> =
            lines.iter().copied().filter(|line| line.is_ascii() && !line.contains('\u{7f}')).collect();
        let Some(ApiRefusal::InsufficientUserAuthentication(challenge)) = refusal(&lines) else {
            panic!("{lines:?}")
        };
        assert_eq!(challenge.max_age, Some(1));
    }
    for nothing in [
        &[][..],
        &["Bearer"],
        &["Bearer realm=\"x\""],
        &["Bearer error=\"something\""],
        &["Basic error=\"insufficient_user_authentication\""],
        &["Bearer error="],
        &[",,,=\"\""],
        &["Bearer error=\"insufficient_user_authentication\", error=\"invalid_token\""],
    ] {
        assert_eq!(refusal(nothing), None, "{nothing:?}");
    }
    let line = [r#"Bearer error="insufficient_user_authentication""#];
    assert_eq!(ApiRefusal::of(StatusCode::OK, &headers(&line)), None);
}

#[test]
fn su_06_the_three_refusals_are_three() {
    assert_eq!(refusal(&[r#"DPoP error="invalid_token""#]), Some(ApiRefusal::InvalidToken));
    let forbidden = headers(&[r#"Bearer error="insufficient_scope", scope="a b""#]);
    let refused = ApiRefusal::of(StatusCode::FORBIDDEN, &forbidden);
    assert_eq!(refused, Some(ApiRefusal::InsufficientScope(vec!["a".to_owned(), "b".to_owned()])));
    let refused = refusal(&[r#"Bearer error="insufficient_user_authentication""#]).unwrap();
    assert_eq!(refused.class(), ErrorClass::Reauthorize);
    assert!(refused.to_string().contains("start a login"));
}

/// A login that answers a challenge, at a provider that says this of the user.
async fn answered(challenge: &StepUp, options: LoginOptions, claims: Value) -> Result<Value, JwtCheck> {
    let op = Op::new();
    op.bend(|state| state.claims = claims);
    let client = op.client();
    let answer = challenge.answer(options, None, OffsetDateTime::now_utc()).unwrap();
    let started = op.start(&client, answer.options).await;
    let query = query_of(&started.url);
    let callback = op.callback(&started.attempt, &[]);
    match client.finish_login(started.attempt, callback).await {
        Ok(_) => Ok(query.into_iter().map(|(name, value)| (name, Value::from(value))).collect()),
        Err(error) => Err(error.jwt_check().unwrap()),
    }
}

#[tokio::test]
async fn su_02_one_call_starts_the_login_that_answers() {
    let challenge = step_up(r#", acr_values="high phr", max_age="60", scope="openid pay""#);
    let options = LoginOptions::new()
        .scopes(["openid", "read"])
        .extras_params(&json!({"resource": "https://api.example"}));
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let sent = answered(&challenge, options, json!({"acr": "phr", "auth_time": now})).await.unwrap();
    assert_eq!(sent["acr_values"], "high phr");
    assert_eq!(sent["max_age"], "60");
    assert_eq!(sent["scope"], "openid pay");
    assert_eq!(sent["resource"], "https://api.example");
    assert_eq!(sent["redirect_uri"], REDIRECT_URI);
    // Zero is a demand too.
    let at_once = StepUp::new().with_max_age(Duration::ZERO);
    let sent = answered(&at_once, LoginOptions::new(), json!({"auth_time": now + 1})).await.unwrap();
    assert_eq!(sent["max_age"], "0");
}

#[tokio::test]
async fn su_03_the_new_id_token_must_say_what_was_asked() {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let challenge = step_up(r#", acr_values="high", max_age=60"#);
    for (claims, check) in [
        (json!({"acr": "low", "auth_time": now}), JwtCheck::Acr),
        (json!({"auth_time": now}), JwtCheck::Acr),
        (json!({"acr": "high", "auth_time": now - 3600}), JwtCheck::AuthTime),
        (json!({"acr": "high"}), JwtCheck::AuthTime),
    ] {
        let outcome = answered(&challenge, LoginOptions::new(), claims.clone()).await;
        assert_eq!(outcome.unwrap_err(), check, "{claims}");
    }
}

#[test]
fn su_04_the_same_challenge_again_ends_the_attempt() {
    let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let challenge = step_up(r#", acr_values="high phr", max_age=600"#);
    let answer = challenge.answer(LoginOptions::new(), None, now).unwrap();
    // It is kept in the user's session.
    let kept = serde_json::to_string(&answer.answered).unwrap();
    let kept: AnsweredStepUp = serde_json::from_str(&kept).unwrap();
    let again = |challenge: &StepUp, seconds: i64| {
        let now = now + Duration::from_secs(seconds.unsigned_abs());
        challenge.answer(LoginOptions::new(), Some(&kept), now).map(drop)
    };
    let same = Err(StepUpError::SameChallengeAgain);
    assert_eq!(again(&challenge, 1), same);
    assert_eq!(again(&challenge, 599), same);
    let reordered = step_up(r#", max_age=600, acr_values="phr high""#);
    assert_eq!(again(&reordered, 1), same);
    // Another demand is another one, and ten minutes later the user's authentication is too old again.
    assert_eq!(again(&step_up(r#", acr_values="high", max_age=600"#), 1), Ok(()));
    assert_eq!(again(&challenge, 601), Ok(()));
    // Without an age nothing changes with time; at zero it does, once the attempt is over.
    let by_acr = step_up(r#", acr_values="high""#);
    let answer = by_acr.answer(LoginOptions::new(), None, now).unwrap();
    let later = now + Duration::from_secs(1_000_000);
    assert!(by_acr.answer(LoginOptions::new(), Some(&answer.answered), later).is_err());
    let at_once = step_up(", max_age=0");
    let answer = at_once.answer(LoginOptions::new(), None, now).unwrap();
    assert!(
        at_once.answer(LoginOptions::new(), Some(&answer.answered), now + Duration::from_secs(30)).is_err()
    );
    assert!(at_once.answer(LoginOptions::new(), Some(&answer.answered), later).is_ok());
}

#[tokio::test]
async fn su_05_a_provider_that_cannot_oblige_says_so_at_the_callback() {
    let op = Op::new();
    let client = op.client();
    let started = op.start(&client, LoginOptions::new()).await;
    let callback =
        op.callback(&started.attempt, &[("code", ""), ("error", "unmet_authentication_requirements")]);
    let error = client.finish_login(started.attempt, callback).await.unwrap_err();
    assert_eq!(error.oauth_error().unwrap().code, "unmet_authentication_requirements");
    assert_eq!(error.class(), ErrorClass::Reauthorize);
}

#[test]
fn what_a_resource_server_demands_is_what_a_client_reads() {
    let demand = StepUp::new()
        .with_acr_values(["high", "not a value", "a\"b"])
        .with_max_age(Duration::from_secs(60))
        .with_scopes(["pay"]);
    let header = demand.challenge("DPoP");
    let Some(ApiRefusal::InsufficientUserAuthentication(read)) = refusal(&[&header]) else {
        panic!("{header}")
    };
    assert_eq!(
        read,
        StepUp::new().with_acr_values(["high"]).with_max_age(Duration::from_secs(60)).with_scopes(["pay"])
    );
}

//! What a facts file can say of a provider's requests and replies, tried with an imaginary provider.

use crate::*;

const NIMBUS: Case = Case {
    provider: "nimbus",
    authorize: "https://nimbus.example/authorize",
    token: "https://nimbus.example/token",
    scope: "profile email",
    extra: &[],
    basic: false,
    pkce: false,
    refresh: true,
};
const PROFILE: &str = "https://api.nimbus.example/me";
const REVOKE: &str = "https://api.nimbus.example/revoke";

/// The emulator with an imaginary provider: its facts, and those under `[emulator]`.
async fn lab(facts: &str, emulator: &str) -> Lab {
    let given = |key: &str| facts.lines().any(|line| line.starts_with(&format!("{key} =")));
    let usual = [
        ("revoke_url", r#""https://api.nimbus.example/revoke""#),
        ("profile_url", r#""https://api.nimbus.example/me""#),
        ("refresh_url", r#""https://nimbus.example/token""#),
        ("token_auth", r#""client_secret_post""#),
        ("id_field", r#""id""#),
        ("email_field", r#""email""#),
        ("name_field", r#""name""#),
    ];
    let usual = usual.iter().filter(|(key, _)| !given(key)).map(|(key, value)| format!("{key} = {value}\n"));
    let text = format!(
        "display_name = \"Nimbus\"\nprotocol = \"oauth2\"\npkce = \"none\"\n\
         authorize_url = \"https://nimbus.example/authorize\"\ntoken_url = \"https://nimbus.example/token\"\n\
         {}{facts}\n[emulator]\nrefresh_token = \"always\"\n{emulator}\n",
        usual.collect::<String>()
    );
    Lab::with(Emulator::builder().provider("nimbus", text).start().await.unwrap())
}

fn object(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

/// The form of the exchange of a new code, with the application's credentials in it.
async fn exchange(lab: &Lab) -> Vec<(String, String)> {
    let code = lab.code(&NIMBUS).await.remove("code").unwrap();
    let mut form = NIMBUS.form(&code);
    set(&mut form, "client_id", &NIMBUS.id());
    set(&mut form, "client_secret", &NIMBUS.secret());
    form
}

/// The access token of a sign-in, and the whole reply.
async fn signed_in(lab: &Lab) -> (String, Value) {
    let reply = lab.sign_in(&NIMBUS).await;
    (reply["access_token"].as_str().unwrap().to_owned(), reply)
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_token_request_can_be_json() {
    let lab = lab("token_request = \"json\"\ntoken_params = { audience = \"api\" }", "").await;
    let url = lab.emulator.local(NIMBUS.token);
    let mut form = exchange(&lab).await;
    set(&mut form, "audience", "api");
    assert_eq!(status(lab.backend.post(&url).form(&form)).await, 400, "a form");
    let incomplete = without(form.clone(), "audience");
    assert_eq!(status(lab.backend.post(&url).json(&object(&incomplete))).await, 400, "no audience");
    assert_eq!(status(lab.backend.post(&url).json(&object(&form))).await, 200);
}

#[tokio::test]
async fn a_token_request_can_be_a_query_with_other_names() {
    let facts = "token_request = \"query\"\nclient_id_param = \"appid\"\nclient_secret_param = \"secret\"\n\
                 token_omits = [\"redirect_uri\"]";
    let lab = lab(facts, "").await;
    let mut params = NIMBUS.params();
    assert_eq!(
        lab.authorize(&NIMBUS, &without(params.clone(), "appid")).await.status(),
        400,
        "the application is not named"
    );
    params = without(params, "client_id");
    set(&mut params, "appid", &NIMBUS.id());
    let page = lab.authorize(&NIMBUS, &params).await;
    let code = lab.answer(page, "allow").await.remove("code").unwrap();
    let query = [
        ("appid", &*NIMBUS.id()),
        ("secret", &*NIMBUS.secret()),
        ("code", &*code),
        ("grant_type", "authorization_code"),
    ];
    let url = lab.emulator.local(NIMBUS.token);
    assert_eq!(status(lab.backend.post(&url).form(&query)).await, 405);
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    assert_eq!(status(lab.backend.get(format!("{url}?{query}"))).await, 200, "without redirect_uri");
}

#[tokio::test]
async fn what_a_callback_brings_is_to_be_repeated() {
    let lab = lab("token_repeats = [\"state\", \"device_id\"]", "").await;
    let callback = lab.code(&NIMBUS).await;
    let mut form = NIMBUS.form(&callback["code"]);
    set(&mut form, "state", STATE);
    assert_eq!(status(lab.token(&NIMBUS, &form)).await, 400, "no device_id");
    set(&mut form, "device_id", &callback["device_id"]);
    assert_eq!(status(lab.token(&NIMBUS, &form)).await, 200);
}

#[tokio::test]
async fn a_token_reply_can_be_nested_and_name_the_user() {
    let facts = "token_field = \"data\"\nnever_expires_in = 0\nid_field = \"token:owner.user.id\"\n\
                 name_field = \"token:owner.user.name\"";
    let lab = lab(facts, "scope_reply = \"list\"\ntoken_fields_on_refresh = false").await;
    let form = exchange(&lab).await;
    let reply = lab.backend.post(lab.emulator.local(NIMBUS.token)).form(&form).send().await.unwrap();
    let (_, body) = json(reply).await;
    assert_eq!(
        (&body["data"]["expires_in"], &body["data"]["scope"]),
        (&json!(0), &json!(["profile", "email"]))
    );
    assert_eq!(body["owner"]["user"], json!({"id": User::default().id, "name": "Ada Lovelace"}));
    let refresh = [
        ("grant_type".to_owned(), "refresh_token".to_owned()),
        ("refresh_token".to_owned(), body["data"]["refresh_token"].as_str().unwrap().to_owned()),
    ];
    let (_, body) = json(lab.token(&NIMBUS, &refresh).send().await.unwrap()).await;
    assert!(body["data"]["access_token"].is_string() && body.get("owner").is_none(), "{body}");
}

#[tokio::test]
async fn an_access_token_can_be_what_refreshes() {
    let facts = "refresh_url = \"https://api.nimbus.example/prolong\"\nrefresh_with = \"access_token\"\n\
                 refresh_grant_type = \"x_refresh_token\"\nrefresh_request = \"query\"\nrefresh_auth = []";
    let lab = lab(facts, "expires_in = 3600").await;
    let (token, reply) = signed_in(&lab).await;
    assert!(reply.get("refresh_token").is_none(), "{reply}");
    let url = |grant_type: &str, token: &str| {
        let query = format!("grant_type={grant_type}&access_token={token}");
        lab.emulator.local(&format!("https://api.nimbus.example/prolong?{query}"))
    };
    assert_eq!(status(lab.backend.get(url("refresh_token", &token))).await, 400);
    assert_eq!(status(lab.backend.get(url("x_refresh_token", "dead"))).await, 400);
    assert_eq!(status(lab.backend.post(url("x_refresh_token", &token))).await, 405);
    let reply = lab.backend.get(url("x_refresh_token", &token)).send().await.unwrap();
    let (_, renewed) = json(reply).await;
    assert_ne!(renewed["access_token"], token);
    assert_eq!(lab.profile(PROFILE, &renewed).await["id"], User::default().id);
}

#[tokio::test]
async fn a_refresh_can_do_without_the_secret() {
    let lab = lab("refresh_auth = [\"none\"]", "").await;
    let (_, reply) = signed_in(&lab).await;
    let token = reply["refresh_token"].as_str().unwrap();
    let url = lab.emulator.local(NIMBUS.token);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", token)];
    assert_eq!(status(lab.backend.post(&url).form(&refresh)).await, 401, "no application");
    let named = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &NIMBUS.id())];
    assert_eq!(status(lab.backend.post(&url).form(&named)).await, 200);
    // The exchange of a code is another matter.
    let form = without(exchange(&lab).await, "client_secret");
    assert_eq!(status(lab.backend.post(&url).form(&form)).await, 401);
}

#[tokio::test]
async fn the_token_to_revoke_has_one_place() {
    for (place, method) in [
        ("field:token", "POST"),
        ("bearer", "POST"),
        ("scheme:OAuth", "DELETE"),
        ("header:x-token", "POST"),
        ("query:token", "GET"),
        ("json:token", "POST"),
    ] {
        let facts = format!("revoke_token = \"{place}\"\nrevoke_method = \"{method}\"");
        let lab = lab(&facts, "revoke_auth = []\nrevokes_known_only = true").await;
        let (token, reply) = signed_in(&lab).await;
        let url = lab.emulator.local(REVOKE);
        let ask = |place: &str, method: &str| {
            let request = |url: &str| lab.backend.request(method.parse().unwrap(), url);
            match place {
                "bearer" => request(&url).bearer_auth(&token),
                "scheme:OAuth" => request(&url).header("authorization", format!("OAuth {token}")),
                "header:x-token" => request(&url).header("x-token", &token),
                "query:token" => request(&format!("{url}?token={token}")),
                "json:token" => request(&url).json(&json!({"token": token})),
                _ => request(&url).form(&[("token", &token)]),
            }
        };
        for other in ["field:token", "bearer", "scheme:OAuth", "header:x-token", "query:token", "json:token"]
        {
            if other != place {
                let status = status(ask(other, method)).await;
                assert!([400, 401].contains(&status), "{place}: {other} is {status}");
            }
        }
        assert_eq!(status(ask(place, "PUT")).await, 405, "{place}");
        assert_eq!(lab.get(PROFILE, &reply).send().await.unwrap().status(), 200, "{place}");
        assert_eq!(status(ask(place, method)).await, 200, "{place}");
        assert_eq!(lab.get(PROFILE, &reply).send().await.unwrap().status(), 401, "{place}");
        assert!(status(ask(place, method)).await >= 400, "{place}: it is dead");
    }
}

#[tokio::test]
async fn a_revocation_can_want_parameters_and_end_all_of_a_user() {
    let facts = "revoke_token = \"field:access_token\"\nrevoke_refresh_token = \"field:refresh_token\"\n\
                 revoke_params = { mode = \"hard\" }";
    let lab =
        lab(facts, "revoke_unlinks = true\nrevoke_reply = \"{\\\"ok\\\":true}\"\nrevoke_status = 202").await;
    let (other, _) = signed_in(&lab).await;
    let (token, reply) = signed_in(&lab).await;
    let (id, secret) = (NIMBUS.id(), NIMBUS.secret());
    let refresh_token = reply["refresh_token"].as_str().unwrap();
    let ask = |name: &'static str, token: &str, mode: &str, secret: &str| {
        let form = [(name, token), ("mode", mode), ("client_id", &id), ("client_secret", secret)];
        lab.backend.post(lab.emulator.local(REVOKE)).form(&form)
    };
    assert_eq!(status(ask("access_token", &token, "soft", &secret)).await, 400);
    assert_eq!(status(ask("access_token", &token, "hard", "wrong")).await, 401);
    // In the place of the other kind it is unknown, which is no error here.
    assert_eq!(status(ask("access_token", refresh_token, "hard", &secret)).await, 202);
    assert_eq!(lab.get(PROFILE, &reply).send().await.unwrap().status(), 200);
    let done = json(ask("refresh_token", refresh_token, "hard", &secret).send().await.unwrap()).await;
    assert_eq!(done, (StatusCode::ACCEPTED, json!({"ok": true})));
    for token in [token, other] {
        let reply = json!({"access_token": token});
        assert_eq!(lab.get(PROFILE, &reply).send().await.unwrap().status(), 401);
    }
}

#[tokio::test]
async fn a_profile_request_has_what_the_facts_demand() {
    let facts = "profile_method = \"POST\"\nprofile_request = \"json\"\nprofile_token = \"header:x-token\"\n\
                 id_field = \"id\"\nname_field = \"token:nick\"\nheaders = { version = \"7\" }\n\
                 profile_headers = { key = \"{client_id}\", nick = \"{token:/nick}\" }\n\
                 profile_params = { kind = \"full\" }";
    let lab = lab(facts, "").await;
    let (token, _) = signed_in(&lab).await;
    let whole = [("x-token", &*token), ("version", "7"), ("key", &*NIMBUS.id()), ("nick", "Ada Lovelace")];
    let ask = |headers: &[(&str, &str)], body: Value| {
        let request = lab.backend.post(lab.emulator.local(PROFILE)).json(&body);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    };
    let body = json!({"kind": "full"});
    assert_eq!(status(ask(&whole, body.clone())).await, 200);
    for (missing, (name, _)) in whole.iter().enumerate() {
        let rest: Vec<_> =
            whole.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, it)| *it).collect();
        let expected = if *name == "x-token" { 401 } else { 400 };
        assert_eq!(status(ask(&rest, body.clone())).await, expected, "without {name}");
        let wrong: Vec<_> = whole
            .iter()
            .map(|(other, value)| (*other, if other == name { "wrong" } else { value }))
            .collect();
        assert_eq!(status(ask(&wrong, body.clone())).await, expected, "with another {name}");
    }
    assert_eq!(status(ask(&whole, json!({}))).await, 400, "without the parameter");
    let form = lab.backend.post(lab.emulator.local(PROFILE)).form(&[("kind", "full")]);
    let form = whole.iter().fold(form, |request, (name, value)| request.header(*name, *value));
    assert_eq!(status(form).await, 400, "a form");
    let bearer = lab.backend.post(lab.emulator.local(PROFILE)).json(&body).bearer_auth(&token);
    assert_eq!(status(bearer).await, 401, "a bearer token");
}

#[tokio::test]
async fn a_profile_tells_what_it_is_asked_for() {
    let facts = "profile_request = \"graphql\"\nprofile_method = \"POST\"\nid_field = \"data.viewer.id\"\n\
                 email_field = \"data.viewer.email\"\nname_field = \"data.viewer.name\"";
    let lab = lab(facts, "").await;
    let (token, _) = signed_in(&lab).await;
    let ask = |body: Value| lab.backend.post(lab.emulator.local(PROFILE)).bearer_auth(&token).json(&body);
    assert_eq!(status(ask(json!({"q": "{ viewer { id } }"}))).await, 400);
    let (_, told) = json(ask(json!({"query": "{ viewer { id email } }"})).send().await.unwrap()).await;
    assert_eq!(told, json!({"data": {"viewer": {"id": User::default().id, "email": "ada@example.com"}}}));
}

#[tokio::test]
async fn a_profile_tells_the_fields_of_its_parameter() {
    let lab = lab("profile_fields = \"fields\"\nname_parts = [\"first\", \"last\"]", "").await;
    let (_, reply) = signed_in(&lab).await;
    assert_eq!(lab.profile(PROFILE, &reply).await, json!({"id": User::default().id}));
    let told = lab.profile(&format!("{PROFILE}?fields=first,last"), &reply).await;
    assert_eq!(told, json!({"id": User::default().id, "first": "Ada", "last": "Lovelace"}));
}

#[tokio::test]
async fn a_failure_can_be_in_the_body() {
    let facts = "failure = { status_field = \"ok\", success = true, failure = false, code_field = \"err[0].code\", \
                 message_field = \"err[0].text\", http_status = 200, codes = { code = 17, bad_token = 4, default = 1 } }";
    let lab = lab(facts, "").await;
    let (token, reply) = signed_in(&lab).await;
    assert_eq!(reply["ok"], true);
    assert_eq!(lab.profile(PROFILE, &reply).await["ok"], true);
    let (status, body) = json(lab.token(&NIMBUS, &NIMBUS.form("unknown")).send().await.unwrap()).await;
    assert_eq!((status.as_u16(), &body["ok"], &body["err"][0]["code"]), (200, &json!(false), &json!(17)));
    let (_, body) = json(lab.get(PROFILE, &json!({"access_token": "dead"})).send().await.unwrap()).await;
    assert_eq!((&body["ok"], &body["err"][0]["code"]), (&json!(false), &json!(4)));
    let form = [("token".to_owned(), token)];
    let case = Case { token: REVOKE, ..NIMBUS };
    let (_, body) = json(lab.token(&case, &form).send().await.unwrap()).await;
    assert_eq!(body, json!({"ok": true}));
    let (_, body) = json(lab.token(&case, &[]).send().await.unwrap()).await;
    assert_eq!((&body["ok"], &body["err"][0]["code"]), (&json!(false), &json!(1)));
}

#[tokio::test]
async fn addresses_can_take_a_second_call() {
    let facts = "email_url = \"https://api.nimbus.example/emails\"\nheaders = { version = \"7\" }\n\
                 email_field = \"email:values[?is_primary].email\"\n\
                 email_verified_field = \"email:values[?is_primary].is_confirmed\"";
    let lab = lab(facts, "email_scopes = [\"email\"]").await;
    let (_, reply) = signed_in(&lab).await;
    let ask = || lab.get("https://api.nimbus.example/emails", &reply);
    assert_eq!(status(ask()).await, 400, "without the header");
    let (_, told) = json(ask().header("version", "7").send().await.unwrap()).await;
    assert_eq!(
        told,
        json!({"values": [
            {"email": "other-ada@example.com", "is_primary": false, "is_confirmed": true},
            {"email": "ada@example.com", "is_primary": true, "is_confirmed": true},
        ]})
    );
    let (_, profile) = json(lab.get(PROFILE, &reply).header("version", "7").send().await.unwrap()).await;
    assert!(profile.get("email").is_none(), "{profile}");
    lab.emulator.fault("nimbus", Fault::NoEmail).unwrap();
    let (_, told) = json(ask().header("version", "7").send().await.unwrap()).await;
    assert_eq!(told, json!({"values": []}));
}

#[tokio::test]
async fn facts_that_cannot_be_read_start_no_emulator() {
    let error = Emulator::builder().provider("nimbus", "display_name = 1").start().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("nimbus"), "{error}");
}

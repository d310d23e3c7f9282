//! The example `rp-conformance`, against a server that the suite's authors have certified.

use std::time::Duration;

use clap::Parser;
use oauth_clients::reqwest_client;
use serde_json::Value;

use super::{
    driver::{self, Outcome, Report, Settings, browser::Browser},
    server::{INITIAL_ACCESS_TOKEN, SECRET, Server},
};

fn settings(server: &Server, arguments: &[&str]) -> Settings {
    let own = ["rp-conformance", "--issuer", &server.issuer, "--wait", "10"];
    Settings::try_parse_from(own.iter().chain(arguments)).unwrap()
}

async fn run(server: &Server, arguments: &[&str]) -> (Settings, Report) {
    let settings = settings(server, arguments);
    let mut report = Report::default();
    driver::run(&settings, &mut report).await;
    (settings, report)
}

fn steps(report: &Report) -> Vec<&str> {
    report.lines().map(|line| line["step"].as_str().unwrap()).collect()
}

const REGISTERED: [&str; 2] = ["--initial-access-token", INITIAL_ACCESS_TOKEN];

#[tokio::test]
async fn the_driver_registers_signs_in_refreshes_and_signs_out() {
    let server = Server::shared();
    let arguments = [
        &REGISTERED[..],
        &["--id-token-alg", "ES256", "--userinfo-alg", "PS256", "--scope", "openid,email"],
        &["--logout", "--back-channel-logout", "--logins", "2", "--delete"],
    ]
    .concat();
    let (settings, report) = run(server, &arguments).await;
    let ended = steps(&report);
    // The provider says that the session ended before or after the browser is back.
    let (start, end) = ended.split_at(ended.len() - 3);
    assert_eq!(
        start,
        [
            "discover", "listen", "register", "keys", "login", "userinfo", "refresh", "userinfo", "login",
            "userinfo", "refresh", "userinfo"
        ],
        "{report:?}"
    );
    assert!(end.contains(&"return") && end.contains(&"back_channel_logout"), "{report:?}");
    assert_eq!(end[2], "delete");
    assert!(report.is_as_expected(&settings));
    let login = report.lines().find(|line| line["step"] == "login").unwrap();
    assert_eq!((&login["subject"], &login["alg"]), (&"ada".into(), &"ES256".into()));
    let refresh = report.lines().find(|line| line["step"] == "refresh").unwrap();
    assert_eq!((&refresh["rotated"], &refresh["new_id_token"]), (&true.into(), &true.into()));
}

#[tokio::test]
async fn the_driver_takes_hybrid_answers_in_each_mode() {
    let server = Server::shared();
    for mode in ["form_post", "fragment"] {
        let arguments =
            [&REGISTERED[..], &["--response-type", "code id_token", "--response-mode", mode]].concat();
        let (settings, report) = run(server, &arguments).await;
        assert_eq!(
            steps(&report),
            ["discover", "listen", "register", "keys", "login", "userinfo", "refresh", "userinfo"],
            "{report:?}"
        );
        assert!(report.is_as_expected(&settings));
    }
    // A mode without hybrid, and a client that was registered by hand.
    let given = ["--client-id", "basic", "--client-secret", SECRET, "--response-mode", "form_post"];
    let (settings, report) = run(server, &given).await;
    assert_eq!(
        steps(&report),
        ["discover", "listen", "client", "keys", "login", "userinfo", "refresh", "userinfo"],
        "{report:?}"
    );
    assert!(report.is_as_expected(&settings));
}

#[tokio::test]
async fn the_driver_says_what_was_refused_and_why() {
    let server = Server::shared();
    for (arguments, check) in [
        // The server signs with what was registered, which is not what this client accepts.
        (vec!["--client-id", "basic", "--client-secret", SECRET, "--id-token-alg", "ES256"], "Algorithm"),
        (vec!["--client-id", "basic", "--client-secret", "wrong"], "Refused"),
        (vec!["--client-id", "basic", "--client-secret", SECRET, "--prompt", "none"], "Refused"),
        (vec!["--client-id", "basic", "--client-secret", SECRET, "--userinfo-alg", "RS256"], "Encryption"),
    ] {
        let expected = [&arguments[..], &["--expect", "refused", "--expect-check", check]].concat();
        let (settings, report) = run(server, &expected).await;
        assert_eq!(report.outcome(), Outcome::Refused, "{report:?}");
        assert!(report.is_as_expected(&settings), "{report:?}");
        let last: &Value = report.lines().last().unwrap();
        assert_eq!(last["check"], check);
        // Whoever expects something else is told so.
        let other = [&arguments[..], &["--expect", "refused", "--expect-check", "Nonce"]].concat();
        let (settings, report) = run(server, &other).await;
        assert!(!report.is_as_expected(&settings), "{report:?}");
        let (settings, report) = run(server, &arguments).await;
        assert!(!report.is_as_expected(&settings), "{report:?}");
    }
    // Runs that end early.
    for (until, ended) in [
        ("discover", &["discover"][..]),
        ("keys", &["discover", "keys"]),
        ("register", &["discover", "listen", "register"]),
    ] {
        let arguments = [&REGISTERED[..], &["--until", until]].concat();
        let (settings, report) = run(server, &arguments).await;
        assert_eq!(steps(&report), ended);
        assert!(report.is_as_expected(&settings), "{report:?}");
    }
    // An issuer that differs by a slash.
    let slash = format!("{}/", server.issuer);
    let settings = Settings::parse_from(["rp-conformance", "--issuer", &slash, "--expect", "refused"]);
    let mut report = Report::default();
    driver::run(&settings, &mut report).await;
    assert!(report.is_as_expected(&settings), "{report:?}");
    assert_eq!(report.lines().last().unwrap()["check"], "MalformedReply");
}

#[tokio::test]
async fn the_driver_lets_the_provider_begin_the_login() {
    let server = Server::shared();
    // An address that is free for a moment, because whoever begins the login must know it.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (issuer, outcome) in
        [(&*server.issuer, Outcome::Accepted), ("https://evil.example", Outcome::Refused)]
    {
        let given = ["--client-id", "basic", "--client-secret", SECRET];
        let arguments = [&given[..], &["--third-party-login", "--listen", &address]].concat();
        let settings = settings(server, &arguments);
        let url = portal_url(&address, issuer);
        let mut report = Report::default();
        let portal = async {
            // It begins as soon as somebody listens there.
            let http = reqwest_client(|defaults| defaults).unwrap();
            while http.get(format!("http://{address}/callback")).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Browser::new(|defaults| defaults).unwrap().go(&url, None).await.unwrap();
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = driver::run(&settings, &mut report) => {}
            () = portal => {}
        }
        assert_eq!(report.outcome(), outcome, "{report:?}");
        match outcome {
            Outcome::Accepted => assert!(steps(&report).contains(&"login"), "{report:?}"),
            _ => assert_eq!(report.lines().last().unwrap()["step"], "initiate"),
        }
    }
}

fn portal_url(address: &str, issuer: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("iss", issuer).finish();
    format!("http://{address}/initiate?{query}")
}

/// On a developer's machine, the suite has a certificate that nobody else vouches for.
#[tokio::test]
async fn the_driver_trusts_the_authority_that_it_is_given() {
    let (server, certificate) = crate::certificates::server("localhost", |_| {}).await;
    let issuer = format!("https://{}", server.address.replace("127.0.0.1", "localhost"));
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/authority.pem");
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &certificate);
    std::fs::write(file, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))
        .unwrap();
    // What is there is no provider, but the driver gets to see that.
    for (arguments, check) in [(&[][..], None), (&["--ca-certificate", file], Some("MalformedReply"))] {
        let own = ["rp-conformance", "--issuer", &issuer, "--until", "discover"];
        let settings = Settings::parse_from(own.iter().chain(arguments));
        let mut report = Report::default();
        driver::run(&settings, &mut report).await;
        let line = report.lines().last().unwrap();
        assert_eq!(line["check"].as_str(), check, "{report:?}");
        assert_eq!(line["reason"].as_str().unwrap().contains("certificate"), check.is_none(), "{report:?}");
    }
}

#[tokio::test]
async fn the_driver_puts_an_authorization_request_where_the_provider_can_fetch_it() {
    let server = Server::shared();
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let given = ["--client-id", "basic", "--client-secret", SECRET, "--browser", "print"];
    let more = ["--request-type", "request_uri", "--callback-path", "/cb", "--listen", &address];
    let mut settings = settings(server, &[&given[..], &more].concat());
    // Nobody comes back.
    settings.wait = 3;
    let mut report = Report::default();
    let http = reqwest_client(|defaults| defaults).unwrap();
    let fetch = async {
        let url = format!("http://{address}/request.jwt");
        loop {
            match http.get(&url).send().await {
                Ok(reply) if reply.status() == 200 => break reply.text().await.unwrap(),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let ((), object) = tokio::join!(driver::run(&settings, &mut report), fetch);
    let open = report.lines().find(|line| line["step"] == "open").unwrap()["url"].as_str().unwrap();
    let sent: Vec<_> =
        url::Url::parse(open).unwrap().query_pairs().into_owned().map(|(name, _)| name).collect();
    assert_eq!(sent, ["response_type", "client_id", "scope", "request_uri"], "{open}");
    let claims = object.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["redirect_uri"], format!("http://{address}/cb"));
    assert!(claims["nonce"].is_string() && claims["code_challenge"].is_string(), "{claims}");
}

/// The pages of a provider on which the user logs in: a form with the fields of a name and a password.
#[tokio::test]
async fn the_drivers_browser_fills_in_a_login_form() {
    use axum::{Form, Router, response::Html, routing::get};
    let page = r#"<form method="post" action="/login"><input name="user" type="text"><input name="pass" type="password">
        <input type="checkbox" name="remember" value="1"><input type="hidden" name="csrf" value="c">
        <button type="submit" name="do" value="login">Log in</button><button name="do" value="cancel">Cancel</button></form>"#;
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::<(String, String)>::new()));
    let kept = seen.clone();
    let answer = move |Form(fields): Form<Vec<(String, String)>>| async move {
        *kept.lock().unwrap() = fields;
        Html("signed in")
    };
    let routes = Router::new().route("/login", get(move || async move { Html(page) }).post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/login", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });
    let fill = [("user", "ada"), ("pass", "p=w")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let browser = Browser::new(|defaults| defaults).unwrap().filling(fill.to_vec());
    browser.go(&url, None).await.unwrap();
    let expected = [("user", "ada"), ("pass", "p=w"), ("csrf", "c"), ("do", "login")]
        .map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(*seen.lock().unwrap(), expected);
    server.abort();
}

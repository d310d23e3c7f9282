//! The axum integration as an application meets it: where its routes are, what its handlers see, and what the log says.

use std::sync::{Arc, Mutex};

use axum::{
    Extension, Router,
    extract::{FromRef, Path, Request, State},
    middleware::{self, Next},
    routing::get,
};
use oauth_clients::{
    AuthorizationRequest, CodeChallengeMethod, CodeVerifier, LinkIntent, LoginOptions, Provider,
    ReqwestClient, Sealer, SealingKey, github::GitHubOAuth2, google::GoogleOAuth2, reqwest, reqwest_client,
};
use oauth_emulator::{Consent, Emulator};
use oauth_web_axum::{
    AuthorizedCallback, ForwardedHeaders, OAuth2AuthorizeCallback, SetupError, SignIn, SignInError,
    SignInErrorKind, SignInRoutes, SignedIn,
};
use serde_json::json;

use crate::support::events::Events;

fn sign_in() -> SignIn {
    SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
}

fn github(emulator: &Emulator) -> GitHubOAuth2 {
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    github.with_http_client(emulator.http_client().unwrap())
}

/// Serves an application on loopback; gives its address.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// The parts of a response that matter here.
#[derive(Debug)]
struct Page {
    status: u16,
    location: Option<String>,
    cookies: Vec<String>,
    text: String,
}

async fn send(request: reqwest::RequestBuilder) -> Page {
    let reply = request.send().await.unwrap();
    let all = |name: &str| -> Vec<String> {
        reply.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    let cookies = all("set-cookie").iter().map(|all| all.split(';').next().unwrap().to_owned()).collect();
    Page {
        status: reply.status().as_u16(),
        location: all("location").pop(),
        cookies,
        text: reply.text().await.unwrap(),
    }
}

fn http() -> ReqwestClient {
    reqwest_client(|defaults| defaults).unwrap()
}

/// Signs in at the emulator; gives the callback and the cookies that belong to it.
async fn consent(emulator: &Emulator, begin: reqwest::RequestBuilder) -> (String, String) {
    let page = send(begin).await;
    assert_eq!(page.status, 303, "{}", page.text);
    let callback = emulator.browse(&page.location.unwrap(), Consent::Allow).await.unwrap().into_url();
    (callback, page.cookies.join("; "))
}

#[tokio::test]
async fn routes_nest_below_a_tenant_whom_every_function_sees() {
    let emulator = Emulator::start().await.unwrap();
    let own = github(&emulator);
    let sign_in = sign_in()
        .resolve_with(move |name, request| {
            let known = name == "github" && ["a", "b c"].map(Some).contains(&request.param("tenant"));
            let own: Arc<dyn Provider> = Arc::new(own.clone());
            async move { Ok(known.then_some(own)) }
        })
        .on_login(|name, request| LoginOptions::new().data(json!([name, request.param("tenant")])))
        .linking(|request| async move { Ok(request.param("tenant").map(|of| format!("{of}-user"))) });
    let handler = async |Path((tenant, _)): Path<(String, String)>, user: SignedIn| match &user.intent {
        LinkIntent::LinkTo(account) => format!("{tenant}: {} {account}", user.data),
        LinkIntent::SignIn => format!("{tenant}: {}", user.data),
    };
    let site = serve(Router::new().nest("/{tenant}/auth", SignInRoutes::new(sign_in).router(handler))).await;
    for (tenant, data) in [("a", r#"a: ["github","a"]"#), ("b%20c", r#"b c: ["github","b c"]"#)] {
        let begin = http().get(format!("{site}/{tenant}/auth/github/login"));
        let (callback, cookies) = consent(&emulator, begin).await;
        assert!(callback.starts_with(&format!("{site}/{tenant}/auth/github/callback?")), "{callback}");
        // The callback of one tenant finishes nothing at another's.
        let elsewhere =
            callback.replace(&format!("/{tenant}/"), if tenant == "a" { "/b%20c/" } else { "/a/" });
        assert_eq!(send(http().get(elsewhere).header("cookie", &cookies)).await.status, 400);
        let page = send(http().get(callback).header("cookie", &cookies)).await;
        assert_eq!((page.status, &*page.text), (200, data));
    }
    let begin = http().post(format!("{site}/a/auth/github/link")).header("sec-fetch-site", "same-origin");
    let (callback, cookies) = consent(&emulator, begin).await;
    let page = send(http().get(callback).header("cookie", &cookies)).await;
    assert_eq!((page.status, &*page.text), (200, r#"a: ["github","a"] a-user"#));
    // What names nobody has the library's page, and none of axum's own texts.
    for path in ["c/auth/github/login", "a/auth/gitlab/login", "a/auth/%FF/login", "%FF/auth/github/login"] {
        let page = send(http().get(format!("{site}/{path}"))).await;
        assert_eq!(page.status, 404, "{path}");
        assert!(page.text.contains("There is no such provider."), "{path}: {}", page.text);
    }
}

#[derive(Clone)]
struct Accounts(Arc<Mutex<Vec<String>>>);

#[tokio::test]
async fn the_handler_is_one_of_axum_with_state_session_and_extensions() {
    use tower_sessions::{MemoryStore, Session, SessionManagerLayer, cookie::SameSite};

    #[derive(Clone)]
    struct Tenant(&'static str);

    #[derive(Clone)]
    struct App {
        accounts: Accounts,
    }

    impl FromRef<App> for Accounts {
        fn from_ref(app: &App) -> Self {
            app.accounts.clone()
        }
    }

    async fn signed_in(
        State(Accounts(accounts)): State<Accounts>,
        Extension(Tenant(tenant)): Extension<Tenant>,
        session: Session,
        SignedIn(user): SignedIn,
    ) -> String {
        accounts.lock().unwrap().push(user.identity.subject.clone());
        session.cycle_id().await.unwrap();
        session.insert("user", &user.identity.subject).await.unwrap();
        format!("{tenant}: {}", user.token.token_type().unwrap_or_default())
    }

    async fn who(session: Session) -> String {
        session.get::<String>("user").await.unwrap().unwrap_or_default()
    }

    async fn with_tenant(mut request: Request, next: Next) -> axum::response::Response {
        request.extensions_mut().insert(Tenant("acme"));
        next.run(request).await
    }

    let emulator = Emulator::start().await.unwrap();
    let accounts = Accounts(Arc::default());
    let sign_in = sign_in().provider(github(&emulator)).unwrap();
    let routes = SignInRoutes::new(sign_in).router(signed_in);
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let app = Router::new()
        .route("/", get(who))
        .nest("/auth", routes)
        .layer(sessions.with_secure(false).with_same_site(SameSite::Lax))
        .layer(middleware::from_fn(with_tenant))
        .with_state(App { accounts: accounts.clone() });
    let site = serve(app).await;
    let (callback, cookies) = consent(&emulator, http().get(format!("{site}/auth/github/login"))).await;
    let page = send(http().get(callback).header("cookie", cookies)).await;
    assert_eq!((page.status, &*page.text), (200, "acme: bearer"));
    assert_eq!(*accounts.0.lock().unwrap(), ["1815121018521127"]);
    let [cleared, session] = &page.cookies[..] else { panic!("{:?}", page.cookies) };
    let (session, cleared) = if session.starts_with("id=") { (session, cleared) } else { (cleared, session) };
    assert!(cleared.starts_with("oauth-attempt-"), "{cleared}");
    let page = send(http().get(&site).header("cookie", session)).await;
    assert_eq!(&*page.text, "1815121018521127");
}

#[tokio::test]
async fn the_extractor_of_who_signed_in_is_of_the_callback_alone() {
    let site = serve(Router::new().route("/", get(async |_: SignedIn| "nobody"))).await;
    assert_eq!(send(http().get(site)).await.status, 500);
}

#[tokio::test]
async fn every_refusal_is_in_the_log() {
    let events = Events::of("oauth_web");
    let _guard = events.listen();
    let emulator = Emulator::start().await.unwrap();
    let sign_in = sign_in()
        .provider(github(&emulator))
        .unwrap()
        .resolve_with(|name, _| {
            let fails = name == "broken";
            async move { if fails { Err("the directory is down".into()) } else { Ok(None) } }
        })
        .linking(|_| async { Err("the session store is down".into()) });
    let site =
        serve(Router::new().nest("/auth", SignInRoutes::new(sign_in).router(async |_: SignedIn| "done")))
            .await;
    let url = |path: &str| format!("{site}/auth/{path}");
    let (callback, cookies) = consent(&emulator, http().get(url("github/login"))).await;
    let code = callback.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let own_page = ("sec-fetch-site", "same-origin");
    let with = |request: reqwest::RequestBuilder, (name, value): (&str, &str)| request.header(name, value);
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (request, level, route, reason) in [
        (http().get(url("nobody/login")), "WARN", "login", "there is no such provider"),
        (http().get(url("a%0aFAKE/login")), "WARN", "login", "there is no such provider"),
        (http().get(url("broken/login")), "ERROR", "login", "the directory is down"),
        (http().get(url("github/login?return_to=//evil.example")), "WARN", "login", "not on this site"),
        (http().post(url("github/link")), "WARN", "link", "form to link an account"),
        (with(http().post(url("github/link")), own_page), "ERROR", "link", "the session store is down"),
        (http().get(url("github/callback")), "WARN", "callback", "no sign-in was started"),
        (http().get(&callback), "WARN", "callback", "no sign-in was started"),
        (http().head(&callback), "WARN", "callback", "was not asked for"),
        (http().post(url("github/callback")), "WARN", "callback", "not a form"),
        (
            with(http().post(url("github/callback")), form).body("x".repeat(20_000)),
            "WARN",
            "callback",
            "too large",
        ),
        (
            with(http().get(callback.replace("state=", "x=1&state=x")), ("cookie", &cookies)),
            "WARN",
            "callback",
            "no sign-in was started",
        ),
        (
            with(http().get(callback.replace("code=", "error=access_denied&x=")), ("cookie", &cookies)),
            "INFO",
            "callback",
            "access_denied",
        ),
        (with(http().get(&callback), ("cookie", &cookies)), "WARN", "callback", "finished already"),
    ] {
        let before = events.lines().len();
        let status = send(request).await.status;
        let lines = events.lines().split_off(before);
        let [line] = &lines[..] else { panic!("{route}: {reason}: {lines:?}") };
        assert!(line.starts_with(level) && line.contains(reason), "{reason}: {line}");
        assert!(line.contains(&format!("route=\"{route}\"")), "{line}");
        assert!(line.contains(&format!("status={status}")), "{status}: {line}");
        assert!(!line.contains('\n') && !line.contains(&code), "{line}");
        assert!(!cookies.split('=').any(|part| part.len() > 30 && line.contains(part)), "{line}");
    }
}

#[tokio::test]
async fn lb_07_a_setting_that_loosens_security_says_so_once() {
    let events = Events::of("oauth_web");
    let _guard = events.listen();
    let emulator = Emulator::start().await.unwrap();
    let told = || events.lines().into_iter().filter(|line| line.starts_with("WARN")).collect::<Vec<_>>();
    let _ = sign_in().at("https://app.example").unwrap().at("http://127.0.0.1:3000").unwrap();
    assert_eq!(told(), Vec::<String>::new());
    let _ = sign_in().trusting(ForwardedHeaders::XForwarded);
    assert!(matches!(&told()[..], [line] if line.contains("XForwarded")), "{:?}", told());
    let _ = sign_in().at("http://app.example").unwrap();
    assert!(matches!(&told()[1..], [line] if line.contains("http://app.example")), "{:?}", told());

    // That a site is https is a guess, where nothing says so.
    let sign_in = sign_in().provider(github(&emulator)).unwrap();
    let site =
        serve(Router::new().nest("/auth", SignInRoutes::new(sign_in).router(async |_: SignedIn| "done")))
            .await;
    for host in ["intranet:8080", "intranet:8080", "127.0.0.1:8080"] {
        let page = send(http().get(format!("{site}/auth/github/login")).header("host", host)).await;
        assert_eq!(page.status, 303);
    }
    let lines = told().split_off(2);
    assert!(
        matches!(&lines[..], [line] if line.contains("https://intranet:8080") && line.contains("SignIn::at"))
    );
}

#[tokio::test]
async fn an_error_page_offers_to_try_again() {
    let emulator = Emulator::start().await.unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let seen = kept.clone();
    let sign_in =
        sign_in().provider(github(&emulator)).unwrap().linking(|_| async { Ok(Some("ada".to_owned())) });
    let routes = SignInRoutes::new(sign_in).on_error(move |error: SignInError| {
        seen.lock().unwrap().push(error.retry().map(str::to_owned));
        error.page()
    });
    let site = serve(Router::new().nest("/auth", routes.router(async |_: SignedIn| "done"))).await;
    let again = |query: &str| format!("<a href=\"login{query}\">Try again</a>");
    let (callback, cookies) = consent(
        &emulator,
        http().get(format!("{site}/auth/github/login?return_to=/cart%3Fa%3D1%26b%3D%2522%22")),
    )
    .await;
    let denied = callback.replace("code=", "error=access_denied&x=");
    let page = send(http().get(&denied).header("cookie", &cookies)).await;
    assert!(page.text.contains(&again("?return_to=%2Fcart%3Fa%3D1%26b%3D%2522%22")), "{}", page.text);
    // Without the attempt nobody knows where the user wanted to go.
    assert!(send(http().get(&callback)).await.text.contains(&again("")));
    // Who wanted to link does not want to sign in, and a wrong address stays wrong.
    let link = http().post(format!("{site}/auth/github/link")).header("sec-fetch-site", "same-origin");
    let (callback, cookies) = consent(&emulator, link).await;
    let denied = callback.replace("code=", "error=access_denied&x=");
    assert!(!send(http().get(&denied).header("cookie", &cookies)).await.text.contains("Try again"));
    for path in ["nobody/login", "github/login?return_to=%22%3E%3Cscript%3E"] {
        let page = send(http().get(format!("{site}/auth/{path}"))).await;
        assert!(!page.text.contains("Try again") && !page.text.contains("script"), "{}", page.text);
    }
    let kept = kept.lock().unwrap();
    assert_eq!(kept[1..], [Some("login".to_owned()), None, None, None]);
}

#[tokio::test]
async fn a_return_address_is_checked_and_the_refusal_is_true() {
    let emulator = Emulator::start().await.unwrap();
    let sign_in = sign_in().provider(github(&emulator)).unwrap();
    let handler = async |user: SignedIn| format!("{:?}", user.return_to);
    let site = serve(Router::new().nest("/auth", SignInRoutes::new(sign_in).router(handler))).await;
    let login = |query: &str| http().get(format!("{site}/auth/github/login{query}"));
    let (callback, cookies) = consent(&emulator, login("?return_to=")).await;
    assert_eq!(send(http().get(callback).header("cookie", cookies)).await.text, "None");
    let long = format!("?return_to=/{}", "x".repeat(1024));
    for (query, message) in [
        ("?return_to=/a/../b", "not on this site"),
        ("?return_to=/./b", "not on this site"),
        ("?return_to=/%252e%252E/b", "not on this site"),
        ("?return_to=/a/..", "not on this site"),
        ("?return_to=/a&return_to=/b", "not on this site"),
        (&*long, "is too long"),
    ] {
        let page = send(login(query)).await;
        assert_eq!(page.status, 400, "{query}");
        assert!(page.text.contains(message) && page.cookies.is_empty(), "{query}: {}", page.text);
    }
}

#[tokio::test]
async fn the_scheme_of_a_derived_address_is_the_one_that_is_meant() {
    let emulator = Emulator::start().await.unwrap();
    let site = async |sign_in: SignIn| {
        let sign_in = sign_in.provider(github(&emulator)).unwrap();
        serve(Router::new().nest("/auth", SignInRoutes::new(sign_in).router(async |_: SignedIn| "done")))
            .await
    };
    let (plain, proxied) =
        (site(sign_in()).await, site(sign_in().trusting(ForwardedHeaders::XForwarded)).await);
    for (site, host, proto, scheme) in [
        (&plain, "tenant.localhost:3000", "", "http"),
        (&plain, "LOCALHOST:3000", "", "http"),
        (&plain, "[::ffff:127.0.0.1]:3000", "", "http"),
        (&plain, "localhost.example", "", "https"),
        (&proxied, "app.example", "HTTPS", "https"),
        (&proxied, "app.example", "Http", "http"),
        (&proxied, "127.0.0.1", "https", "https"),
    ] {
        let mut request = http().get(format!("{site}/auth/github/login")).header("host", host);
        if !proto.is_empty() {
            request = request.header("x-forwarded-proto", proto);
        }
        let location = send(request).await.location.unwrap();
        let wanted = format!("redirect_uri={scheme}%3A%2F%2F");
        assert!(location.contains(&wanted), "{host} {proto}: {location}");
    }
}

#[test]
fn an_address_is_checked_when_it_is_set() {
    for good in
        ["https://app.example", "HTTPS://APP.example/", "http://[::1]:3000", "https://app.example/shop"]
    {
        assert!(sign_in().at(good).is_ok(), "{good}");
    }
    for bad in [
        "app.example",
        "ftp://app.example",
        " https://app.example",
        "https://app.example\n",
        "https://ada:hunter2@app.example",
        "https://app.example?x",
        "https://app.example/#x",
        "https://app.example:x",
        "https://",
        "",
    ] {
        let error = sign_in().at(bad).unwrap_err();
        assert!(matches!(error, SetupError::Address(_)), "{bad:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn two_providers_of_one_name_are_refused() {
    let emulator = Emulator::start().await.unwrap();
    let google = GoogleOAuth2::new("google-client-id", "google-client-secret").with_name("github");
    let error = sign_in().provider(github(&emulator)).unwrap().provider(google).unwrap_err();
    assert!(matches!(&error, SetupError::SameName(name) if name == "github"), "{error}");
    let both: [Arc<dyn Provider>; 2] = [Arc::new(github(&emulator)), Arc::new(github(&emulator))];
    assert!(sign_in().providers(both).is_err());
}

#[tokio::test]
async fn failures_have_a_kind_for_pages_of_ones_own() {
    let emulator = Emulator::start().await.unwrap();
    let sign_in = sign_in().provider(github(&emulator)).unwrap();
    let routes = SignInRoutes::new(sign_in).on_error(|error: SignInError| {
        let word = match error.kind() {
            SignInErrorKind::UnknownProvider => "unknown",
            SignInErrorKind::NoAttempt => "none",
            _ => "other",
        };
        (error.status(), format!("{word} at {}", error.provider()))
    });
    let site = serve(Router::new().nest("/auth", routes.router(async |_: SignedIn| "done"))).await;
    for (path, answer) in [
        ("x/login", "unknown at x"),
        ("github/callback", "none at github"),
        ("github/login?return_to=x", "other at github"),
    ] {
        assert_eq!(send(http().get(format!("{site}/auth/{path}"))).await.text, answer);
    }
}

#[derive(Clone)]
struct Original(OAuth2AuthorizeCallback);

impl FromRef<Original> for OAuth2AuthorizeCallback {
    fn from_ref(app: &Original) -> Self {
        app.0.clone()
    }
}

#[tokio::test]
async fn the_originals_extractor_takes_no_verifier_from_the_query() {
    let emulator = Emulator::start().await.unwrap();
    let verifier = CodeVerifier::new("a-verifier-of-the-session-that-is-long-enough").unwrap();
    let session = Arc::new(Mutex::new(None::<CodeVerifier>));
    let current = session.clone();
    let of_session = move |mut request: Request, next: Next| {
        let verifier = current.lock().unwrap().clone();
        if let Some(verifier) = verifier {
            request.extensions_mut().insert(verifier);
        }
        next.run(request)
    };
    let app = Original(OAuth2AuthorizeCallback::with_route(github(&emulator)));
    let handler = async |callback: AuthorizedCallback| callback.state.clone().unwrap_or_default();
    let routes = Router::new().route("/cb", get(handler)).layer(middleware::from_fn(of_session));
    let url = format!("{}/cb", serve(routes.with_state(app)).await);
    for (in_session, in_query, status) in
        [(true, "", 200), (false, verifier.expose(), 500), (true, "wrong", 200)]
    {
        let request = AuthorizationRequest::new(url.clone())
            .state("STATE")
            .code_challenge(verifier.challenge(CodeChallengeMethod::S256), CodeChallengeMethod::S256);
        let authorize = github(&emulator).get_authorization_url(request).await.unwrap();
        let callback = emulator.browse(&authorize, Consent::Allow).await.unwrap().into_url();
        *session.lock().unwrap() = in_session.then(|| verifier.clone());
        // Whoever looks ahead uses nothing up.
        assert_eq!(send(http().head(&callback)).await.status, 405);
        let page = send(http().get(format!("{callback}&code_verifier={in_query}"))).await;
        assert_eq!(page.status, status, "{in_session} {in_query}: {}", page.text);
    }
    *session.lock().unwrap() = None;
    let (before, events) = (emulator.requests().len(), Events::of("oauth_web"));
    let _guard = events.listen();
    for query in ["", "?code=", "?code=&state=x", "?code=a&code=b", "?code=x&error=y"] {
        assert_eq!(send(http().get(format!("{url}{query}"))).await.status, 400, "{query}");
    }
    assert_eq!(emulator.requests().len(), before, "nothing was asked of the provider");
    let lines = events.lines();
    assert!(
        lines.len() == 5 && lines.iter().all(|line| line.contains("refused") && line.contains("status=400"))
    );
    for success in ["", "ok", "0"] {
        let request = AuthorizationRequest::new(url.clone()).state("STATE");
        let authorize = github(&emulator).get_authorization_url(request).await.unwrap();
        let callback = emulator.browse(&authorize, Consent::Allow).await.unwrap().into_url();
        let page = send(http().get(format!("{callback}&error={success}"))).await;
        assert_eq!((page.status, &*page.text), (200, "STATE"), "an error {success:?} is none");
    }
}

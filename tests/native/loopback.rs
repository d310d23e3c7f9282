//! The loopback listener (RFC 8252 section 7.3): rows NA and NT.

use std::{
    net::{IpAddr, TcpListener},
    time::Duration,
};

use oauth_clients::{
    Callback, Error, ErrorKind, LoginAttempt, LoginError, LoginOptions, OAuth2, Participant, Provider,
    ResponseMode, Spec, async_trait,
    provider_kit::{LoopbackHost, LoopbackPort, NativeSpec},
};
use oauth_native::{LoopbackBrowser, NativeSignInError, OpenError, Opener, Page, SignInOptions, sign_in};
use serde_json::json;
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle, time::timeout};

use super::program::{Browser, Silence, Talk, client, get, options, parts, port_of, raw, with};
use crate::support::{Script, reply};

type Signing = JoinHandle<Result<oauth_clients::Login, NativeSignInError>>;

/// A sign-in that has begun, and where it listens: redirect URI and state.
async fn begun(
    client: &OAuth2,
    change: impl FnOnce(SignInOptions) -> SignInOptions,
) -> (Signing, String, String) {
    let (browser, mut opened) = Browser::new();
    let (client, options) = (client.clone(), change(options(&browser)));
    let signing = tokio::spawn(async move { sign_in(&client, options).await });
    let url = timeout(Duration::from_secs(20), opened.recv()).await.unwrap().expect("a browser is opened");
    let (redirect_uri, state) = parts(&url);
    (signing, redirect_uri, state)
}

#[tokio::test]
async fn nt_01_the_redirect_uri_has_the_port_that_is_bound_and_is_repeated() {
    let (client, http) = client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    assert!(
        redirect_uri.starts_with("http://127.0.0.1:") && redirect_uri.ends_with("/callback"),
        "{redirect_uri}"
    );
    let (status, page) = get(&format!("{redirect_uri}?code=C&state={state}")).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Signed in"), "{page}");
    let login = signing.await.unwrap().unwrap();
    assert_eq!(login.token.access_token(), "AT0");
    let form = http.request().form();
    let sent = |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| &**value);
    assert_eq!(sent("redirect_uri"), Some(&*redirect_uri));
    // Always, for a public client (NA-04).
    assert!(sent("code_verifier").is_some());
}

/// Has answers come in one parameter (JARM). Here it is the state and the code with a dot between them, and signed by nobody.
#[derive(Debug)]
struct Jarm;

#[async_trait]
impl Participant for Jarm {
    fn opens_callbacks(&self) -> bool {
        true
    }

    fn begin(&self, _client: &OAuth2, attempt: LoginAttempt) -> Result<LoginAttempt, Error> {
        Ok(attempt.with_response_mode(ResponseMode::QueryJwt))
    }

    async fn state_of_callback(&self, _client: &OAuth2, callback: &Callback) -> Option<String> {
        Some(callback.signed_response()?.split_once('.')?.0.to_owned())
    }

    async fn open_callback(
        &self,
        _client: &OAuth2,
        _attempt: &LoginAttempt,
        callback: &Callback,
    ) -> Result<Option<Callback>, Error> {
        let parts = callback.signed_response().and_then(|response| response.split_once('.'));
        Ok(parts.map(|(state, code)| callback.opened([("state", state), ("code", code)])))
    }
}

#[tokio::test]
async fn jm_04_the_login_of_a_signed_answer_is_found_by_the_state_inside() {
    let (client, _http) = client(1);
    let client = client.with_participant(Jarm);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    let (_, page) = get(&format!("{redirect_uri}?response=other.STOLEN")).await;
    assert!(!page.contains("Signed in"), "{page}");
    let (status, page) = get(&format!("{redirect_uri}?response={state}.C")).await;
    assert_eq!(status, 200, "{page}");
    let login = signing.await.unwrap().unwrap();
    assert_eq!(login.token.access_token(), "AT0");
}

#[tokio::test]
async fn nt_01_busy_ports_are_passed_over_and_named_when_all_are() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, other) = (busy.local_addr().unwrap().port(), free.local_addr().unwrap().port());
    let (client, _) = client(0);
    let (browser, _opened) = Browser::new();
    let error = sign_in(&client, options(&browser).ports([taken, other])).await.unwrap_err();
    let NativeSignInError::PortsTaken { ports, .. } = &error else { panic!("{error:?}") };
    assert_eq!(ports, &[taken, other]);
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    drop(free);
    let (signing, redirect_uri, _) = begun(&client, |options| options.ports([taken, other])).await;
    assert_eq!(port_of(&redirect_uri), other);
    signing.abort();
}

#[tokio::test]
async fn nt_02_localhost_is_both_families_on_one_port() {
    let (client, _) = client(1);
    let (signing, redirect_uri, state) =
        begun(&client, |options| options.host(LoopbackHost::Localhost)).await;
    let port = port_of(&redirect_uri);
    assert_eq!(redirect_uri, format!("http://localhost:{port}/callback"));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    if TcpListener::bind("[::1]:0").is_ok() {
        assert!(TcpStream::connect(("::1", port)).await.is_ok());
        // Whoever has one of the two would get the code.
        let taken = TcpListener::bind("[::1]:0").unwrap();
        let (browser, _opened) = Browser::new();
        let options =
            options(&browser).host(LoopbackHost::Localhost).ports([taken.local_addr().unwrap().port()]);
        assert!(matches!(sign_in(&client, options).await, Err(NativeSignInError::PortsTaken { .. })));
    }
    let (status, _) = get(&format!("{redirect_uri}?code=C&state={state}")).await;
    assert_eq!(status, 200);
    signing.await.unwrap().unwrap();
}

#[tokio::test]
async fn nt_03_only_this_machine_is_listened_on() {
    let (client, _) = client(0);
    let (signing, redirect_uri, _) = begun(&client, |options| options).await;
    let port = port_of(&redirect_uri);
    // Another address of this machine, which the wildcard would have taken.
    assert!(TcpStream::connect(("127.0.0.2", port)).await.is_err());
    assert!(listened_on(port).iter().all(IpAddr::is_loopback), "{:?}", listened_on(port));
    signing.abort();
    let _ = signing.await;
    let (signing, redirect_uri, _) =
        begun(&client, SignInOptions::dangerously_listen_on_all_interfaces).await;
    let port = port_of(&redirect_uri);
    assert!(TcpStream::connect(("127.0.0.2", port)).await.is_ok());
    // What is looked for in vain above is found here.
    assert!(!cfg!(target_os = "linux") || !listened_on(port).iter().all(IpAddr::is_loopback));
    signing.abort();
}

/// The addresses of a port that anybody listens on, of both families, as Linux tells them.
fn listened_on(port: u16) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(table) = std::fs::read_to_string(table) else { continue };
        for line in table.lines().skip(1) {
            let mut fields = line.split_whitespace().skip(1);
            let (Some(local), Some(state)) = (fields.next(), fields.nth(1)) else { continue };
            let (address, at) = local.split_once(':').unwrap();
            if state != "0A" || u16::from_str_radix(at, 16) != Ok(port) {
                continue;
            }
            // Words of 32 bits, each in the machine's own order.
            let words = (0..address.len())
                .step_by(8)
                .map(|at| u32::from_str_radix(&address[at..at + 8], 16).unwrap().to_ne_bytes());
            let bytes: Vec<u8> = words.flatten().collect();
            found.push(match <[u8; 4]>::try_from(&*bytes) {
                Ok(four) => IpAddr::from(four),
                Err(_) => IpAddr::from(<[u8; 16]>::try_from(&*bytes).unwrap()),
            });
        }
    }
    found
}

#[tokio::test]
async fn nt_04_other_hosts_methods_and_paths_are_nothing_and_the_wait_goes_on() {
    let (client, http) = client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    let port = port_of(&redirect_uri);
    let target = format!("/callback?code=STOLEN&state={state}");
    let host = format!("127.0.0.1:{port}");
    for (method, target, host) in [
        ("GET", &*target, "evil.example"),
        ("GET", &*target, &*format!("evil.example:{port}")),
        ("GET", &*target, &*format!("localhost:{port}")),
        ("GET", &*target, "127.0.0.1"),
        ("GET", "/favicon.ico", &*host),
        ("GET", &*format!("/callback/?code=X&state={state}"), &*host),
        ("GET", &*format!("/CALLBACK?code=X&state={state}"), &*host),
        ("GET", &*format!("/?code=X&state={state}"), &*host),
        ("GET", &*format!("http://evil.example{target}"), &*host),
        ("HEAD", &*target, &*host),
        ("OPTIONS", &*target, &*host),
        ("PUT", &*target, &*host),
        ("POST", &*target, &*host),
    ] {
        let answer =
            raw(port, &format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n"))
                .await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{method} {target} {host}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
    }
    // Two hosts, or none.
    for headers in [format!("Host: {host}\r\nHost: {host}\r\n"), String::new()] {
        let answer = raw(port, &format!("GET {target} HTTP/1.1\r\n{headers}\r\n")).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(http.requests().len(), 0);
    get(&format!("{redirect_uri}?code=C&state={state}")).await;
    signing.await.unwrap().unwrap();
}

#[tokio::test]
async fn nt_04_a_redirect_uri_without_a_path_comes_back_with_a_slash() {
    let (client, _) = client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options.path("")).await;
    let port = port_of(&redirect_uri);
    assert_eq!(redirect_uri, format!("http://127.0.0.1:{port}"));
    let (status, _) = get(&format!("{redirect_uri}/?code=C&state={state}")).await;
    assert_eq!(status, 200);
    signing.await.unwrap().unwrap();
}

#[tokio::test]
async fn na_02_a_decoy_with_a_wrong_state_is_refused_and_the_wait_goes_on() {
    let (client, http) = client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    for decoy in
        ["code=C&state=another", "code=C", "error=access_denied", "error=access_denied&state=", "state"]
    {
        let (status, page) = get(&format!("{redirect_uri}?{decoy}")).await;
        assert_eq!(status, 400, "{decoy}");
        assert!(!page.contains(&state), "{page}");
    }
    assert_eq!(http.requests().len(), 0);
    get(&format!("{redirect_uri}?code=C&state={state}")).await;
    signing.await.unwrap().unwrap();
}

#[tokio::test]
async fn nt_05_an_error_with_the_right_state_ends_the_sign_in() {
    let (client, http) = client(0);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    let script = "%3Cscript%3Ealert(1)%3C/script%3E";
    let (status, page) =
        get(&format!("{redirect_uri}?error=access_denied&error_description={script}&state={state}")).await;
    assert_eq!(status, 400);
    assert!(page.contains("Sign-in failed") && !page.contains("<script"), "{page}");
    let error = signing.await.unwrap().unwrap_err();
    let NativeSignInError::Login(error) = error else { panic!("{error:?}") };
    assert!(matches!(error.kind(), ErrorKind::Login(LoginError::Refused(_))), "{error:?}");
    assert_eq!(http.requests().len(), 0);
}

#[tokio::test]
async fn nt_05_a_second_callback_gets_the_same_page_and_no_second_exchange() {
    let (client, http) = client(1);
    let (signing, redirect_uri, state) =
        begun(&client, |options| options.linger(Duration::from_secs(1))).await;
    let callback = format!("{redirect_uri}?code=C&state={state}");
    let (one, other) = tokio::join!(get(&callback), get(&callback));
    assert_eq!(one, other);
    assert_eq!(one.0, 200);
    // The browser's repetition after the answer.
    assert_eq!(get(&callback).await, one);
    signing.await.unwrap().unwrap();
    assert_eq!(http.requests().len(), 1);
}

#[tokio::test]
async fn nt_06_connections_without_a_request_keep_nobody_waiting() {
    let (client, _) = client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    let port = port_of(&redirect_uri);
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let callback = format!("{redirect_uri}?code=C&state={state}");
    let (status, _) = timeout(Duration::from_secs(5), get(&callback)).await.unwrap();
    assert_eq!(status, 200);
    signing.await.unwrap().unwrap();
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    let long = "x".repeat(20_000);
    let answer = raw(
        port_of(&redirect_uri),
        &format!("GET /callback?code=C&state={state} HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {long}\r\n\r\n"),
    )
    .await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    signing.abort();
}

#[tokio::test]
async fn nt_06_the_callback_gets_through_where_all_connections_are_idle() {
    // As many as are served at once, and some more.
    const IDLE: usize = 258;

    let (client, _) = client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    let port = port_of(&redirect_uri);
    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let callback = format!("{redirect_uri}?code=C&state={state}");
    let (status, _) = timeout(Duration::from_secs(5), get(&callback)).await.unwrap();
    assert_eq!(status, 200);
    signing.await.unwrap().unwrap();
}

#[tokio::test]
async fn nt_07_the_page_says_how_it_ended_and_holds_nothing_from_elsewhere() {
    let http = Script::json(400, &json!({"error": "invalid_grant", "error_description": "<b>no</b>"}));
    let client = with(http);
    let page = Page::new("Acme <Tools>").color("#0f766e").failure("Not <today>");
    let (signing, redirect_uri, state) = begun(&client, |options| options.page(page)).await;
    let answer = raw(
        port_of(&redirect_uri),
        &format!(
            "GET /callback?code=C&state={state} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n",
            port_of(&redirect_uri)
        ),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "the exchange failed: {answer}");
    for header in [
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "content-security-policy: default-src 'none'",
        "connection: close",
    ] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert!(answer.contains("Acme &lt;Tools&gt;") && answer.contains("Not &lt;today&gt;"), "{answer}");
    assert!(answer.contains("#0f766e") && !answer.contains("Signed in"), "{answer}");
    assert_holds_nothing_more(&answer, &state);
    assert!(matches!(signing.await.unwrap(), Err(NativeSignInError::Login(_))));
    // Nor do the page of a stranger's state and that of a success, whose token is there by then.
    let (client, _) = super::program::client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    for (given, status) in [("another-state", "400"), (&*state, "200")] {
        let port = port_of(&redirect_uri);
        let request =
            format!("GET /callback?code=C&state={given} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        let answer = raw(port, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert_holds_nothing_more(&answer, &state);
    }
    signing.await.unwrap().unwrap();
}

/// No secret, and nothing that a browser would fetch or run.
#[track_caller]
fn assert_holds_nothing_more(answer: &str, state: &str) {
    for held in [state, "another-state", "code=C", "AT0", "src=", "href=", "<script", "http://", "https://"] {
        assert!(!answer.contains(held), "{held}: {answer}");
    }
}

#[tokio::test]
async fn nt_08_the_port_is_free_again_after_the_end_and_after_a_drop() {
    let (client, _) = client(1);
    let (signing, redirect_uri, state) = begun(&client, |options| options).await;
    get(&format!("{redirect_uri}?code=C&state={state}")).await;
    signing.await.unwrap().unwrap();
    TcpListener::bind(("127.0.0.1", port_of(&redirect_uri))).unwrap();
    let (signing, redirect_uri, _) = begun(&client, |options| options).await;
    signing.abort();
    assert!(signing.await.unwrap_err().is_cancelled());
    TcpListener::bind(("127.0.0.1", port_of(&redirect_uri))).unwrap();
    // In the middle of the exchange.
    let (signing, redirect_uri, state) = begun(&with(Silence), |options| options).await;
    let browser = tokio::spawn(async move { get(&format!("{redirect_uri}?code=C&state={state}")).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    signing.abort();
    assert!(signing.await.unwrap_err().is_cancelled());
    browser.abort();
}

#[tokio::test]
async fn na_06_and_nt_09_nobody_is_waited_for_without_an_end() {
    let (client, _) = client(0);
    let (browser, _opened) = Browser::new();
    let options = options(&browser).time_limit(Duration::from_millis(50));
    let error = sign_in(&client, options).await.unwrap_err();
    assert!(matches!(error, NativeSignInError::TimedOut { .. }), "{error:?}");
    assert!(error.to_string().contains("Method::Device"), "{error}");
}

#[tokio::test]
async fn nt_10_the_address_is_shown_before_a_browser_is_tried() {
    let (client, _) = client(0);
    let (browser, mut opened) = Browser::new();
    let talk = Talk::default();
    let options = options(&browser).prompt(talk.clone()).time_limit(Duration::from_millis(300));
    sign_in(&client, options).await.unwrap_err();
    let url = opened.recv().await.unwrap();
    assert!(talk.notices()[0].contains(&url), "{:?}", talk.notices());
}

/// What plays a browser in a test, and goes on until it has the last page.
#[derive(Debug)]
struct Reads(mpsc::UnboundedSender<(u16, String)>);

#[async_trait]
impl Opener for Reads {
    async fn open(&self, url: &str) -> Result<(), OpenError> {
        let (redirect_uri, state) = parts(url);
        let page = get(&format!("{redirect_uri}?code=C&state={state}")).await;
        self.0.send(page).map_err(|_| OpenError::new("the test is over"))
    }
}

#[tokio::test]
async fn an_opener_may_go_on_until_it_has_the_last_page() {
    let (client, _) = client(1);
    let (browser, _opened) = Browser::new();
    let (sender, mut pages) = mpsc::unbounded_channel();
    let signing = sign_in(&client, options(&browser).opener(Reads(sender)));
    let login = timeout(Duration::from_secs(20), signing).await.unwrap().unwrap();
    assert_eq!(login.token.access_token(), "AT0");
    let (status, page) = timeout(Duration::from_secs(20), pages.recv()).await.unwrap().unwrap();
    assert_eq!(status, 200, "{page}");
}

#[tokio::test]
async fn mc_16_only_web_addresses_are_handed_to_the_operating_system() {
    for endpoint in ["file:///etc/passwd", "javascript:alert(1)", "C:/calc.exe"] {
        let client = OAuth2::new("id", "secret", endpoint, "https://as.example/token");
        let (browser, mut opened) = Browser::new();
        let error = sign_in(&client, options(&browser)).await.unwrap_err();
        assert!(matches!(error, NativeSignInError::Login(_) | NativeSignInError::Options(_)), "{error:?}");
        assert!(opened.try_recv().is_err());
    }
    // A protocol that begins its logins by itself may have the address from anybody.
    let (browser, mut opened) = Browser::new();
    let loopback = LoopbackBrowser::new(options(&browser)).await.unwrap();
    let attempt = client(0).0.new_attempt(loopback.redirect_uri(), &LoginOptions::new()).unwrap();
    for address in [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "-a Calculator",
        "https:",
        "https://as.example/\u{1b}[2J",
        "https://as.example/ --new",
    ] {
        let refused = timeout(Duration::from_secs(5), loopback.callback(address, &attempt)).await.unwrap();
        assert!(matches!(refused, Err(NativeSignInError::Options(_))), "{address}: {refused:?}");
        assert!(opened.try_recv().is_err());
    }
}

#[tokio::test]
async fn the_providers_rules_for_redirect_uris_are_kept() {
    const EXACT: Spec = Spec {
        native: NativeSpec {
            loopback_hosts: &[LoopbackHost::Localhost],
            loopback_port: LoopbackPort::Registered,
            ..NativeSpec::RFC8252
        },
        ..Spec::RFC6749
    };
    const NONE: Spec =
        Spec { native: NativeSpec { loopback_hosts: &[], ..NativeSpec::RFC8252 }, ..Spec::RFC6749 };
    let (browser, _opened) = Browser::new();
    for (spec, says) in [(&EXACT, "register http://localhost:PORT/callback"), (&NONE, "redirect_uri")] {
        let client = OAuth2::from_spec(spec, "id", "secret");
        let error = sign_in(&client, options(&browser)).await.unwrap_err();
        let NativeSignInError::Options(problem) = &error else { panic!("{error:?}") };
        assert!(problem.contains(says), "{problem}");
    }
    let error = sign_in(&client(0).0, options(&browser).path("callback")).await.unwrap_err();
    assert!(matches!(error, NativeSignInError::Options(_)), "{error:?}");
    let form = LoginOptions::new().response_mode(oauth_clients::ResponseMode::Fragment);
    let error = sign_in(&client(0).0, options(&browser).login(form)).await.unwrap_err();
    assert!(matches!(error, NativeSignInError::Options(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_posted_as_a_form_is_read() {
    let (client, _) = client(1);
    let login = LoginOptions::new().response_mode(oauth_clients::ResponseMode::FormPost);
    let (signing, redirect_uri, state) = begun(&client, |options| options.login(login)).await;
    for (other, status) in [(Some("another"), "HTTP/1.1 400"), (None, "HTTP/1.1 200")] {
        let body = format!("code=C&state={}", other.unwrap_or(&state));
        let port = port_of(&redirect_uri);
        let answer = raw(
            port,
            &format!(
                "POST /callback HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        )
        .await;
        assert!(answer.starts_with(status), "{answer}");
    }
    signing.await.unwrap().unwrap();
}

#[tokio::test]
async fn nt_18_another_user_than_the_one_to_sign_in_again_is_refused_with_both_names() {
    let identity = |subject: &str| json!({"sub": subject, "id": subject});
    let answers = || {
        Script::new([
            reply(200, "application/json", json!({"access_token": "AT", "token_type": "Bearer"}).to_string()),
            reply(200, "application/json", identity("ada").to_string()),
            reply(200, "application/json", identity("ada").to_string()),
        ])
    };
    let client = with(answers()).with_profile_endpoint("https://as.example/me");
    let ada = client_identity(&client).await.unwrap();
    for (subject, is_fine) in [("ada", true), ("bob", false)] {
        let client = with(answers()).with_profile_endpoint("https://as.example/me");
        let mut expected = ada.clone();
        expected.subject = subject.to_owned();
        let (signing, redirect_uri, state) = begun(&client, |options| options.expect_user(&expected)).await;
        let (status, _) = get(&format!("{redirect_uri}?code=C&state={state}")).await;
        let outcome = signing.await.unwrap();
        assert_eq!((status == 200, outcome.is_ok()), (is_fine, is_fine), "{outcome:?}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("ada") && error.to_string().contains("bob"), "{error}");
            assert!(matches!(error, NativeSignInError::OtherUser { .. }));
        }
    }
}

async fn client_identity(client: &OAuth2) -> Result<oauth_clients::Identity, Error> {
    client.get_access_token("C", "http://127.0.0.1/", None, &[]).await?;
    client.get_identity(&oauth_clients::OAuth2Token::new("AT")).await
}

//! How requests travel: redirects, proxies, time limits, headers, TLS.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use httpmock::MockServer;
use oauth_clients::{
    ErrorClass, ErrorKind, HttpClient, HttpError, HttpErrorKind, MAX_REPLY_BYTES, OAuth2, Provider,
    ReqwestClient, async_trait, default_http_client, http, reqwest, reqwest_client,
};
use oauth_reqwest::MiddlewareClient;
use serde_json::json;

use crate::support::Script;

fn client(server: &MockServer) -> OAuth2 {
    OAuth2::new("id", "CLIENT-SECRET", "https://as.example/authorize", server.url("/token"))
        .with_profile_endpoint(server.url("/me"))
}

#[tokio::test]
async fn tk_16_a_redirect_is_not_followed_by_the_default_client() {
    for status in [301, 302, 303, 307, 308] {
        let server = MockServer::start_async().await;
        let elsewhere = MockServer::start_async().await;
        let other = elsewhere
            .mock_async(|_, then| _ = then.status(200).json_body(json!({"access_token": "AT"})))
            .await;
        server
            .mock_async(|_, then| _ = then.status(status).header("location", elsewhere.url("/steal")))
            .await;
        let error =
            client(&server).get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
        assert_eq!(error.status().unwrap(), status);
        assert_eq!(error.class(), ErrorClass::Protocol);
        assert_eq!(other.calls_async().await, 0, "{status}");
    }
}

#[tokio::test]
async fn lb_09_a_client_that_follows_redirects_cannot_leak_a_secret() {
    for status in [301, 302, 303, 307, 308] {
        let server = MockServer::start_async().await;
        let elsewhere = MockServer::start_async().await;
        let stolen = elsewhere
            .mock_async(|when, then| {
                when.is_true(|request| {
                    let body = String::from_utf8_lossy(request.body_ref()).into_owned();
                    let authorized = request.headers().contains_key("authorization");
                    body.contains("CLIENT-SECRET") || authorized
                });
                then.status(200).json_body(json!({"access_token": "AT"}));
            })
            .await;
        elsewhere
            .mock_async(|_, then| _ = then.status(200).json_body(json!({"access_token": "AT", "id": 1})))
            .await;
        // The mock servers share a host name; a redirect to another name is another host.
        let target = elsewhere.url("/steal").replace("127.0.0.1", "localhost");
        server.mock_async(|_, then| _ = then.status(status).header("location", &target)).await;
        let following =
            reqwest_client(|defaults| defaults.redirect(reqwest::redirect::Policy::limited(10))).unwrap();
        let follows = client(&server).with_http_client(following);

        let error = follows.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
        let refused =
            matches!(error.kind(), ErrorKind::Transport(cause) if cause.kind() == HttpErrorKind::Redirected);
        assert!(refused || error.status().is_some_and(|got| got == status), "{status}: {error:?}");
        follows.get_profile("AT").await.unwrap_err();
        assert_eq!(stolen.calls_async().await, 0, "{status}");
    }
}

#[tokio::test]
async fn a_client_of_ones_own_sends_requests_with_and_without_middleware() {
    let server = MockServer::start_async().await;
    let asked = server
        .mock_async(|when, then| {
            when.method("POST").path("/token").header("x-tenant", "blue").body_includes("code=c");
            then.status(200).json_body(json!({"access_token": "AT"}));
        })
        .await;
    let own = reqwest_client(|defaults| {
        defaults
            .default_headers([("x-tenant".parse().unwrap(), "blue".parse().unwrap())].into_iter().collect())
    });
    let own: reqwest::Client = own.unwrap().into_inner();
    let with_middleware = oauth_reqwest::reqwest_middleware::ClientBuilder::new(own.clone()).build();
    for provider in [
        client(&server).with_http_client(ReqwestClient::from(own)),
        client(&server).with_http_client(MiddlewareClient::from(with_middleware)),
    ] {
        let token = provider.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
        assert_eq!(token.access_token(), "AT");
    }
    assert_eq!(asked.calls_async().await, 2);
}

/// A client that counts what the default one sends.
#[derive(Debug)]
struct Counting(Arc<dyn HttpClient>, Arc<AtomicUsize>);

#[async_trait]
impl HttpClient for Counting {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.send(request).await
    }
}

#[tokio::test]
async fn the_default_client_can_be_wrapped() {
    let server = MockServer::start_async().await;
    server.mock_async(|_, then| _ = then.status(200).json_body(json!({"id": 1}))).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counting = Counting(default_http_client().unwrap(), sent.clone());
    let client = client(&server).with_http_client(counting);
    client.get_profile("AT").await.unwrap();
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn tk_17_a_reply_larger_than_the_limit_is_not_read_to_its_end_by_any_client() {
    let server = MockServer::start_async().await;
    let body = " ".repeat(MAX_REPLY_BYTES + 1);
    server.mock_async(|_, then| _ = then.status(200).body(&body)).await;
    let own = reqwest_client(|defaults| defaults).unwrap();
    let with_middleware =
        oauth_reqwest::reqwest_middleware::ClientBuilder::new(own.clone().into_inner()).build();
    for provider in [
        client(&server),
        client(&server).with_http_client(own),
        client(&server).with_http_client(MiddlewareClient::from(with_middleware)),
    ] {
        let error = provider.get_profile("AT").await.unwrap_err();
        let too_large =
            matches!(error.kind(), ErrorKind::Transport(cause) if cause.kind() == HttpErrorKind::TooLarge);
        assert!(too_large && error.status().unwrap() == 200, "{error:?}");
    }
}

#[tokio::test]
async fn br_04_a_token_goes_to_the_resource_that_was_asked_and_to_none_it_points_at() {
    for status in [301, 302, 303, 307, 308] {
        let (api, elsewhere) = (MockServer::start_async().await, MockServer::start_async().await);
        let other = elsewhere.mock_async(|_, then| _ = then.status(200).json_body(json!({"id": 1}))).await;
        let asked = api
            .mock_async(|when, then| {
                when.method("GET").path("/me").header("authorization", "Bearer AT");
                then.status(status).header("location", elsewhere.url("/me"));
            })
            .await;
        let error = client(&api).get_profile("AT").await.unwrap_err();
        assert_eq!((error.status().unwrap().as_u16(), error.class()), (status, ErrorClass::Protocol));
        assert_eq!((asked.calls_async().await, other.calls_async().await), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn a_client_with_a_proxy_a_limit_and_headers_of_ones_own() {
    // A forward proxy for plain http is a server that is asked for whole URLs.
    let proxy = MockServer::start_async().await;
    let through = proxy
        .mock_async(|when, then| {
            when.header("x-tenant", "blue").header("user-agent", "acme/1.0").path("/token");
            then.status(200).json_body(json!({"access_token": "AT"}));
        })
        .await;
    let http = reqwest_client(|defaults| {
        defaults
            .proxy(reqwest::Proxy::http(proxy.base_url()).unwrap())
            .timeout(Duration::from_secs(5))
            .default_headers([("x-tenant".parse().unwrap(), "blue".parse().unwrap())].into_iter().collect())
    })
    .unwrap();
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", "http://as.example/token")
        .with_user_agent("acme/1.0")
        .unwrap()
        .with_http_client(http)
        .dangerously_allow_plain_http();
    let token = client.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
    assert_eq!(token.access_token(), "AT");
    assert_eq!(through.calls_async().await, 1);
}

#[tokio::test]
async fn every_request_asks_for_a_reply_that_is_not_compressed() {
    let server = MockServer::start_async().await;
    let asked = server
        .mock_async(|when, then| {
            when.header("accept-encoding", "identity");
            then.status(200).json_body(json!({"access_token": "AT", "id": 1}));
        })
        .await;
    let own = reqwest_client(|defaults| defaults).unwrap();
    for client in [client(&server), client(&server).with_http_client(own)] {
        client.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap();
        client.get_profile("AT").await.unwrap();
    }
    assert_eq!(asked.calls_async().await, 4);
}

#[test]
fn a_call_from_outside_tokio_is_an_error_and_no_panic() {
    let own = reqwest_client(|defaults| defaults).unwrap();
    let with_middleware =
        oauth_reqwest::reqwest_middleware::ClientBuilder::new(own.clone().into_inner()).build();
    let client = || OAuth2::new("id", "s", "https://as.example/authorize", "https://as.example/token");
    for client in [
        client(),
        client().with_http_client(own),
        client().with_http_client(MiddlewareClient::from(with_middleware)),
        client().with_http_client(oauth_hyper::HyperClient::new().unwrap()),
        client().with_http_client(oauth_clients::PublicHosts::new().allowing(["as.example"])),
    ] {
        let exchange = client.get_access_token("c", "https://app.example/cb", None, &[]);
        let error = futures_executor_block_on(exchange).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.to_string().contains("Tokio runtime"), "{error}");
    }
}

/// Polls a future once, without any runtime: what is tested here ends at once.
fn futures_executor_block_on<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(outcome) => outcome,
        std::task::Poll::Pending => panic!("it waits for something"),
    }
}

#[test]
fn an_error_names_the_host_and_the_proxy_of_the_environment() {
    // The environment is a process's own: this test runs itself again in one.
    const ASKED: &str = "OAUTH_TEST_ASKS_THROUGH_A_PROXY";
    if std::env::var_os(ASKED).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = OAuth2::new("id", "s", "https://as.example/authorize", "https://as.example/token");
        let exchange = client.get_access_token("c", "https://app.example/cb", None, &[]);
        println!("{}", runtime.block_on(exchange).unwrap_err());
        return;
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = |proxy: Option<&str>| {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["an_error_names_the_host_and_the_proxy_of_the_environment", "--nocapture"]);
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.env(ASKED, "1").envs(proxy.map(|proxy| ("HTTPS_PROXY", proxy)));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let shown = run(Some(&format!("http://user:PROXY-SECRET@{closed}")));
    let expected =
        format!("get_access_token at oauth2 (as.example): no connection through the proxy {closed}");
    assert!(shown.contains(&expected) && !shown.contains("PROXY-SECRET"), "{shown}");
    let shown = run(None);
    assert!(shown.contains("get_access_token at oauth2 (as.example): no connection: "), "{shown}");
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused_before_anything_is_sent() {
    let http = Script::json(200, &json!({"access_token": "AT", "token_type": "Bearer"}));
    let client = OAuth2::new("id", "secret", "http://as.example/authorize", "http://as.example/token")
        .with_refresh_endpoint("http://as.example/token")
        .with_revoke_endpoint("http://as.example/revoke")
        .with_profile_endpoint("http://as.example/me")
        .with_http_client(http.clone());
    let exchanged = async |client: &OAuth2| {
        client.get_access_token("c", "https://app.example/cb", None, &[]).await.map(drop)
    };
    for refused in [
        exchanged(&client).await,
        client.refresh_token("RT", None).await.map(drop),
        client.revoke_token("RT", None).await,
        client.get_profile("AT").await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{error}");
        assert!(error.to_string().contains("use https"), "{error}");
    }
    assert_eq!(http.requests().len(), 0);
    // So it was that, and nothing else.
    exchanged(&client.dangerously_allow_plain_http()).await.unwrap();
    assert_eq!(http.requests().len(), 1);
}

#[tokio::test]
async fn br_03_a_token_that_would_break_a_header_is_not_sent() {
    let server = MockServer::start_async().await;
    let any = server.mock_async(|_, then| _ = then.status(200).json_body(json!({"id": 1}))).await;
    for token in ["a\r\nX: y", "a\nb", "", "a\0b", "a\tb", "a\u{7f}", "\u{e4}"] {
        let error = client(&server).get_profile(token).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Configuration, "{token:?}");
    }
    assert_eq!(any.calls_async().await, 0);
}

#[tokio::test]
async fn tk_19_a_code_is_sent_once_even_if_the_reply_is_lost() {
    use tokio::{io::AsyncReadExt, net::TcpListener};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if stream.read(&mut [0; 4096]).await.is_ok_and(|bytes| bytes > 0) {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let client = OAuth2::new("id", "secret", "https://as.example/authorize", endpoint);
    client.get_access_token("c", "https://app.example/cb", None, &[]).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[test]
fn the_default_client_serves_many_runtimes_at_once() {
    use std::io::{Read, Write};

    // A server that keeps connections alive, so that each could be handed to another runtime.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    let body = r#"{"access_token":"AT"}"#;
                    let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                }
            });
        }
    });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    let client = OAuth2::new("id", "s", "https://as.example/authorize", endpoint.clone());
                    for _ in 0..2 {
                        let exchange = client.get_access_token("c", "https://app.example/cb", None, &[]);
                        runtime.block_on(exchange).unwrap();
                    }
                }
            });
        }
    });
}

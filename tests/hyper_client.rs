//! The HTTP client on hyper alone gives the guarantees of the default one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use oauth_core::{Error, ErrorClass, ErrorKind, HttpErrorKind, MAX_REPLY_BYTES, OAuth2, Provider};
use oauth_hyper::HyperClient;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};

const REDIRECT_URI: &str = "https://app.example/cb";

/// A server that answers each request on each connection with the same bytes, and counts both.
pub(crate) struct Server {
    pub(crate) address: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(reply: impl Into<Vec<u8>>) -> Self {
        Self::start_with(reply, None).await
    }

    pub(crate) async fn start_with(
        reply: impl Into<Vec<u8>>,
        tls: Option<tokio_rustls::TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let server = Self { address, connections: connections.clone(), requests: requests.clone() };
        let reply: Arc<[u8]> = reply.into().into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (tls, requests, reply) = (tls.clone(), requests.clone(), reply.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, &requests, &reply).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, &requests, &reply).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Requests of these tests are small enough to come in one piece.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, requests: &AtomicUsize, reply: &[u8]) {
    while stream.read(&mut [0; 8192]).await.is_ok_and(|read| read > 0) {
        requests.fetch_add(1, Ordering::SeqCst);
        // One that answers nothing hangs up.
        if reply.is_empty() || stream.write_all(reply).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn client(endpoint: String, http: HyperClient) -> OAuth2 {
    OAuth2::new("id", "CLIENT-SECRET", "https://as.example/authorize", endpoint).with_http_client(http)
}

async fn exchange(server: &Server) -> Result<String, Error> {
    let http = HyperClient::new()?.with_request_timeout(Duration::from_secs(5));
    let client = client(format!("http://{}/token", server.address), http);
    Ok(client.get_access_token("c", REDIRECT_URI, None, &[]).await?.access_token().to_owned())
}

pub(crate) fn transport(error: &Error) -> HttpErrorKind {
    match error.kind() {
        ErrorKind::Transport(cause) => cause.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_is_exchanged_and_the_connection_stays_open() {
    let server = Server::start(ok(r#"{"access_token":"AT"}"#)).await;
    let client = client(format!("http://{}/token", server.address), HyperClient::new().unwrap());
    for _ in 0..5 {
        let token = client.get_access_token("c", REDIRECT_URI, None, &[]).await.unwrap();
        assert_eq!(token.access_token(), "AT");
    }
    assert_eq!((server.requests(), server.connections.load(Ordering::SeqCst)), (5, 1));
}

#[tokio::test]
async fn a_reply_in_many_pieces_is_put_together() {
    let mut reply = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for piece in [r#"{"acc"#, r#"ess_token"#, r#"":"A"#, r#"T"}"#] {
        reply += &format!("{:x}\r\n{piece}\r\n", piece.len());
    }
    let server = Server::start(reply + "0\r\n\r\n").await;
    assert_eq!(exchange(&server).await.unwrap(), "AT");
}

#[tokio::test]
async fn tk_16_a_redirect_is_not_followed() {
    let elsewhere = Server::start(ok(r#"{"access_token":"AT"}"#)).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/steal", elsewhere.address);
        let server = Server::start(format!(
            "HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
        let error = exchange(&server).await.unwrap_err();
        assert_eq!(error.status().unwrap(), status);
        assert_eq!(elsewhere.requests(), 0, "{status}");
    }
}

#[tokio::test]
async fn tk_17_a_reply_larger_than_the_limit_is_not_read_to_its_end() {
    let declared = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX_REPLY_BYTES + 1);
    let mut endless = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..=MAX_REPLY_BYTES / 0x10000 {
        endless += &format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    }
    for reply in [declared, endless] {
        let begun = Instant::now();
        let server = Server::start(reply).await;
        let error = exchange(&server).await.unwrap_err();
        assert_eq!(transport(&error), HttpErrorKind::TooLarge);
        assert_eq!(error.status().unwrap(), 200);
        // It did not wait for the rest that never comes.
        assert!(begun.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn tk_19_a_code_is_sent_once_even_if_the_reply_is_lost() {
    let server = Server::start("").await;
    let error = exchange(&server).await.unwrap_err();
    assert_eq!(transport(&error), HttpErrorKind::Other);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_reply_that_does_not_come_ends_with_the_time_limit() {
    // Half a reply, and then nothing.
    let server = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    let http = HyperClient::new().unwrap().with_request_timeout(Duration::from_millis(200));
    let client = client(format!("http://{}/token", server.address), http);
    let error = client.get_access_token("c", REDIRECT_URI, None, &[]).await.unwrap_err();
    assert_eq!(transport(&error), HttpErrorKind::Timeout);
    assert!(matches!(error.class(), ErrorClass::Transient { .. }));
}

#[tokio::test]
async fn plain_http_is_for_this_machine_only_and_a_closed_port_is_no_connection() {
    let http = HyperClient::new().unwrap();
    let client_of = |endpoint: &str| client(endpoint.to_owned(), http.clone());
    let elsewhere = client_of("http://as.example/token");
    let error = elsewhere.get_access_token("c", REDIRECT_URI, None, &[]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Configuration);

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let closed = client_of(&format!("http://{closed}/token"));
    let error = closed.get_access_token("c", REDIRECT_URI, None, &[]).await.unwrap_err();
    assert_eq!(transport(&error), HttpErrorKind::Connect);
}

//! The backend for a browser application (`oauth-bff`), between a page that asks for whatever it likes and an API that answers whatever it
//! likes.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use oauth_bff::{Bff, Routes, SignIn, Upstream};
use oauth_core::{
    HttpClient, HttpError, Sealer, SealingKey, async_trait,
    bytes::Bytes,
    http::{self, HeaderMap, HeaderName, HeaderValue, Method},
    serde_json::json,
};
use oauth_tokens::{MemoryStore, TokenManager};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    runtime::Runtime,
};
use url::Url;

use crate::server::{answer, client_at};

const SITE: &str = "https://app.example";
const HOST: &str = "127.0.0.1:9";
const ACCESS_TOKEN: &str = "the-access-token-93a7";

/// What describes content, as `oauth-bff` documents it, in the order of the alphabet.
const OF_A_REQUEST: &[&str] = &[
    "accept",
    "accept-language",
    "content-language",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "prefer",
    "range",
];
const OF_AN_ANSWER: &[&str] = &[
    "accept-ranges",
    "allow",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "preference-applied",
    "retry-after",
];
/// What the backend says of each answer itself.
const OF_THE_BACKEND: &[&str] = &["cache-control", "content-security-policy", "x-content-type-options"];
const OF_A_REFUSAL: &[&str] = &["allow", "cache-control", "content-type", "retry-after", "x-bff-error"];

/// One user who is signed in. It is made once in each thread, because it does not change.
struct World {
    runtime: Runtime,
    bff: Bff,
    cookie: String,
    api: Api,
    socket: PathBuf,
}

thread_local! {
    static WORLD: World = World::new();
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// An API that answers with these bytes, and keeps what it was asked.
#[derive(Clone, Default)]
struct Api {
    answer: Arc<Mutex<Vec<u8>>>,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Api {
    async fn serve(self, listener: UnixListener) {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that goes away in the middle is nobody's error.
            let _ = self.answer(stream).await;
        }
    }

    async fn answer(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        let end = loop {
            if stream.read_buf(&mut request).await? == 0 {
                return Ok(());
            }
            if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        while request.len() < end + length && stream.read_buf(&mut request).await? > 0 {}
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stream.write_all(&answer).await?;
        stream.shutdown().await
    }
}

/// The provider of the user, who gives out one token again and again.
#[derive(Debug)]
struct Issuer;

#[async_trait]
impl HttpClient for Issuer {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let document = match request.uri().path() {
            "/me" => json!({ "sub": "user-1", "id": "user-1" }),
            _ => json!({ "access_token": ACCESS_TOKEN, "token_type": "Bearer", "refresh_token": "RT" }),
        };
        Ok(answer("200", [], &document.to_string()))
    }
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let name = format!("oauth-properties-{}", oauth_core::random_token().unwrap());
        let socket = std::env::temp_dir().join(name);
        let api = Api::default();
        let (bff, cookie) = runtime.block_on(async {
            tokio::spawn(api.clone().serve(UnixListener::bind(&socket).unwrap()));
            let bff = backend(&socket);
            let cookie = signed_in(&bff).await;
            (bff, cookie)
        });
        Self { runtime, bff, cookie, api, socket }
    }
}

fn backend(socket: &std::path::Path) -> Bff {
    let sealer = || Sealer::new(SealingKey::from_bytes([3; 32]));
    let provider = client_at(Issuer).with_refresh_endpoint("https://as.example/token");
    let tokens = TokenManager::builder(MemoryStore::new(), sealer()).provider(Arc::new(provider.clone()));
    let sign_in = SignIn::new(sealer()).at(SITE).unwrap().provider(provider).unwrap();
    // Without ports, of which there are not enough for as many connections.
    let http = oauth_reqwest::reqwest_client(|builder| builder.unix_socket(socket).pool_max_idle_per_host(0));
    let upstream = Upstream::new(&format!("http://{HOST}/v1")).unwrap().timeout(Duration::from_secs(10));
    let bff = Bff::new("/bff", Routes::new(sign_in), tokens.build().unwrap(), http.unwrap()).unwrap();
    bff.upstream("things", upstream).unwrap().session_lifetime(Duration::from_secs(400 * 24 * 60 * 60))
}

/// The cookie of a session.
async fn signed_in(bff: &Bff) -> String {
    let get = async |path: &str, cookie: &str| {
        let request =
            http::Request::builder().uri(path).header("host", "app.example").header("cookie", cookie);
        bff.answer(request.body(Full::<Bytes>::default()).unwrap()).await.into_parts().0
    };
    let cookie = |headers: &HeaderMap| {
        let set = headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        let pairs: Vec<_> = set.map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect();
        pairs
    };
    let login = get("/bff/oauth2/login", "").await;
    let location = Url::parse(login.headers["location"].to_str().unwrap()).unwrap();
    let state = location.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let callback = format!("/bff/oauth2/callback?code=CODE&state={state}");
    let welcome = get(&callback, &cookie(&login.headers).join("; ")).await;
    cookie(&welcome.headers).into_iter().find(|cookie| cookie.starts_with("__Host-bff-session=")).unwrap()
}

/// Five parts with a tab between them: method and path, further headers with a `|` between them, a body; and of the answer, its status with
/// its headers, and its body. `$TOKEN` in the answer is the user's token. What reaches the API is below its path, and has the user's token
/// and nothing else that the page was not to say; what reaches the page is the API's, and has nothing that acts on the site.
pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input).replace("$TOKEN", ACCESS_TOKEN);
    let mut parts = text.splitn(5, '\t');
    let mut part = || parts.next().unwrap_or_default();
    let (line, headers, body) = (part(), part(), part());
    let answer = format!("HTTP/1.1 {}\r\nconnection: close\r\n\r\n{}", part().replace('|', "\r\n"), part());
    WORLD.with(|world| {
        let Some(request) = request(line, headers, body, &world.cookie) else { return };
        let sent = request.headers().clone();
        *world.api.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer.clone().into_bytes();
        let (head, body) = world.runtime.block_on(async {
            let (head, body) = world.bff.answer(request).await.into_parts();
            (head, body.collect().await.ok().map(http_body_util::Collected::to_bytes))
        });
        let asked = std::mem::take(&mut *world.api.asked.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(asked.len() <= 2, "{} requests", asked.len());
        for asked in &asked {
            reaches_the_api(&String::from_utf8_lossy(asked), &sent);
        }
        let shown = format!("{head:?} {:?}", body.as_deref().map(String::from_utf8_lossy));
        let cookie = world.cookie.split_once('=').unwrap().1;
        assert!(!shown.contains(cookie) && (answer.contains(ACCESS_TOKEN) || !shown.contains(ACCESS_TOKEN)));
        assert_eq!(all(&head.headers, "cache-control"), [b"no-store"]);
        match head.headers.get("x-bff-error") {
            Some(code) => {
                has_only(&head.headers, &[OF_A_REFUSAL]);
                assert!(head.status.is_client_error() || head.status.is_server_error(), "{}", head.status);
                let said = json!({ "error": code.to_str().unwrap() }).to_string();
                assert_eq!(body.unwrap(), said.as_bytes());
            }
            None => {
                assert!(!asked.is_empty());
                reaches_the_page(&head, &answer);
                let is_chunked = answer.to_ascii_lowercase().contains("chunked");
                let has = |body: &Bytes| answer.contains(&*String::from_utf8_lossy(body));
                assert!(is_chunked || body.as_ref().is_none_or(has), "{body:?}");
            }
        }
    });
}

/// A request of a page of the site, for the user who is signed in.
fn request(line: &str, headers: &str, body: &str, cookie: &str) -> Option<http::Request<Full<Bytes>>> {
    let (method, path) = line.split_once(' ')?;
    let mut request = http::Request::builder()
        .method(Method::from_bytes(method.as_bytes()).ok()?)
        .uri(format!("/bff/api/things{path}"))
        .header("host", "app.example")
        .header("x-csrf", "1")
        .header("cookie", cookie);
    for header in headers.split('|') {
        let Some((name, value)) = header.split_once(':') else { continue };
        let name = HeaderName::from_bytes(name.trim().as_bytes());
        let value = HeaderValue::from_bytes(value.trim().as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    request.body(Full::from(body.to_owned())).ok()
}

/// The values of a header.
fn all<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

fn has_only(headers: &HeaderMap, names: &[&[&str]]) {
    let other = headers.keys().find(|name| !names.iter().any(|names| names.contains(&name.as_str())));
    assert!(other.is_none(), "{other:?}");
}

/// That a request is for a place below the API's path, by whatever the API may make of it, and has what it may have.
fn reaches_the_api(asked: &str, sent: &HeaderMap) {
    let (head, _) = asked.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let mut line = lines.next().unwrap().split(' ');
    let (_, target, version) = (line.next(), line.next().unwrap(), line.next());
    assert_eq!((version, line.next()), (Some("HTTP/1.1"), None), "{asked:?}");
    let mut path = target.split('?').next().unwrap().to_owned();
    let base = Url::parse(&format!("http://{HOST}")).unwrap();
    // As servers read it that decode it once, twice, and more often.
    for _ in 0..6 {
        let read = base.join(&path).unwrap();
        let is_below = read.path() == "/v1" || read.path().starts_with("/v1/");
        assert!(is_below && read.origin() == base.origin(), "{target:?} is read as {read}");
        path = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
    }
    let headers: Vec<_> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    let values = |name: &str| -> Vec<&str> {
        headers.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect()
    };
    assert_eq!(values("authorization"), [format!("Bearer {ACCESS_TOKEN}")]);
    assert_eq!(values("host"), [HOST]);
    for (name, value) in &headers {
        let is_own = match *name {
            "authorization" | "host" | "content-length" => true,
            // What the HTTP client says where nothing of the page's is passed on.
            "accept" => *value == "*/*",
            _ => false,
        };
        let is_of_the_page = OF_A_REQUEST.contains(name)
            && all(sent, name).iter().any(|sent| String::from_utf8_lossy(sent) == *value);
        assert!(is_own || is_of_the_page, "{name}: {value:?}");
    }
}

/// That an answer is the API's, and has none of what would act on the site.
fn reaches_the_page(head: &http::response::Parts, answer: &str) {
    let status = head.status;
    assert!(!status.is_informational(), "{status}");
    assert!(!status.is_redirection() || status == 304, "{status}");
    has_only(&head.headers, &[OF_AN_ANSWER, OF_THE_BACKEND]);
    assert_eq!(all(&head.headers, "x-content-type-options"), [b"nosniff"]);
    let policy = all(&head.headers, "content-security-policy");
    assert!(policy.len() == 1 && policy[0].starts_with(b"default-src 'none'"), "{policy:?}");
    let names = head.headers.keys().filter(|name| OF_AN_ANSWER.contains(&name.as_str()));
    for value in names.flat_map(|name| all(&head.headers, name.as_str())) {
        assert!(answer.contains(&*String::from_utf8_lossy(value)), "{value:?}");
    }
    // Another head comes after one that says to wait.
    if !answer.starts_with("HTTP/1.1 1") {
        let lines =
            answer.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
        let connection = lines.filter(|(name, _)| name.eq_ignore_ascii_case("connection"));
        for option in connection.flat_map(|(_, options)| options.split(',')) {
            let option = option.trim().to_ascii_lowercase();
            let is_there = head.headers.contains_key(option.as_str());
            assert!(!is_there || OF_THE_BACKEND.contains(&&*option), "{option} is about the connection");
        }
    }
}

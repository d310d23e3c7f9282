//! What a relying party answers to: callbacks, the return from a logout, what the provider says of logouts, and logins that
//! the provider begins.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_fapi::{Ciba, CibaAnswer, CibaAttempt, CibaDelivery, CibaEndpoint, CibaRequest, HostedRequests};
use oauth_openid::{
    FrontChannelLogout, IdToken, InitiatedLogin, LogoutToken, OpenID, OpenIDProvider,
    oauth_core::{
        self, Callback, Error, LoginAttempt, MemoryCache, Provider,
        provider_kit::form_encoded,
        serde_json::{Map, Value, json},
    },
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{Settings, options};

/// Where the request object is.
const REQUEST: &str = "/request.jwt";
/// Below which signed request objects are.
const SIGNED_REQUESTS: &str = "/requests/";
pub(super) const POST_LOGOUT: &str = "/post-logout";
pub(super) const BACK_CHANNEL: &str = "/back-channel-logout";
pub(super) const FRONT_CHANNEL: &str = "/front-channel-logout";
pub(super) const INITIATE: &str = "/initiate";
pub(super) const CIBA: &str = "/ciba";

/// The most bytes of a request. An ID token has a few thousand.
const MOST_BYTES: usize = 64 * 1024;

/// Something that came.
pub(super) enum Event {
    /// A callback, with the attempt that its state belongs to.
    Callback { attempt: Option<Box<LoginAttempt>>, callback: Callback },
    /// The browser returned from a logout, with this query.
    Returned(String),
    /// The provider posted a logout token. What was wrong is an error of the library, or a check of this program's.
    LogoutToken(Result<LogoutToken, Result<Error, (&'static str, String)>>),
    /// The provider's page loaded the frame, for this session or for another.
    FrontChannel(bool),
    /// The provider said that the user has decided on another device, or somebody did.
    Pinged(Box<CibaAnswer>),
    /// The provider began a login, or somebody tried to.
    Initiated(Result<(), String>),
}

/// The endpoints, once they listen.
pub(super) struct Endpoints {
    base_url: String,
    listener: Option<(TcpListener, Option<TlsAcceptor>)>,
    site: Arc<Site>,
    events: UnboundedReceiver<Event>,
    task: Option<JoinHandle<()>>,
}

/// What the handlers know.
struct Site {
    redirect_uri: String,
    request_uri: String,
    /// The request object of the login that was begun last.
    request: Mutex<Option<String>>,
    settings: Settings,
    client: OnceLock<OpenID>,
    hosted: OnceLock<HostedRequests>,
    attempts: Mutex<HashMap<String, LoginAttempt>>,
    /// Issuer, subject and session id of who is signed in.
    session: Mutex<Option<(String, String, Option<String>)>>,
    used_tokens: MemoryCache,
    ciba: CibaEndpoint,
    /// Held while an authentication on another device begins: the provider may be faster than its own answer.
    ciba_begins: tokio::sync::Mutex<()>,
    events: UnboundedSender<Event>,
}

impl Endpoints {
    /// Begins to listen. Nothing is answered yet.
    pub(super) async fn listen(settings: &Settings) -> Result<Self, String> {
        let tls = settings.own_tls()?.map(|config| TlsAcceptor::from(Arc::new(config)));
        let listener = TcpListener::bind(&settings.listen).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base_url = settings.base_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
        let base_url = base_url.trim_end_matches('/').to_owned();
        let (sender, events) = unbounded_channel();
        let site = Site {
            redirect_uri: format!("{base_url}{}", settings.callback_path),
            request_uri: format!("{base_url}{REQUEST}"),
            request: Mutex::default(),
            settings: settings.clone(),
            client: OnceLock::new(),
            hosted: OnceLock::new(),
            attempts: Mutex::default(),
            session: Mutex::default(),
            used_tokens: MemoryCache::new(),
            ciba: CibaEndpoint::new(Arc::new(MemoryCache::new())),
            ciba_begins: tokio::sync::Mutex::default(),
            events: sender,
        };
        Ok(Self { base_url, listener: Some((listener, tls)), site: Arc::new(site), events, task: None })
    }

    /// Answers from now on, with this client.
    pub(super) fn serve(&mut self, client: OpenID) {
        let Some((listener, tls)) = self.listener.take() else { return };
        let _ = self.site.client.set(client);
        let routes = Router::new()
            .route(&self.site.settings.callback_path, get(callback).post(callback_form))
            .route(&self.site.fragment_path(), post(callback_fragment))
            .route(REQUEST, get(request))
            .route(&format!("{SIGNED_REQUESTS}{{id}}"), get(signed_request))
            .route(POST_LOGOUT, get(returned))
            .route(BACK_CHANNEL, post(back_channel))
            .route(FRONT_CHANNEL, get(front_channel))
            .route(CIBA, post(pinged))
            .route(INITIATE, get(initiate).post(initiate_form))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self.site.clone());
        self.task = Some(tokio::spawn(async move {
            let _ = match tls {
                Some(tls) => axum::serve(TlsListener { listener, tls }, routes).await,
                None => axum::serve(listener, routes).await,
            };
        }));
    }

    /// The address to send the browser to for a login.
    pub(super) fn sent(&self, url: &str) -> String {
        self.site.sent(url)
    }

    /// Where signed request objects are for the provider to fetch.
    pub(super) fn hosted(&self) -> oauth_core::Result<HostedRequests> {
        if let Some(hosted) = self.site.hosted.get() {
            return Ok(hosted.clone());
        }
        let objects = Arc::new(MemoryCache::new());
        let hosted = HostedRequests::new(self.at(SIGNED_REQUESTS), objects)?;
        Ok(self.site.hosted.get_or_init(|| hosted).clone())
    }

    /// Where a request object is found, to be registered.
    pub(super) fn request_uri(&self) -> &str {
        &self.site.request_uri
    }

    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    pub(super) fn redirect_uri(&self) -> String {
        self.site.redirect_uri.clone()
    }

    /// Whether browsers of this machine alone reach the endpoints.
    pub(super) fn is_on_loopback(&self) -> bool {
        ["http://127.0.0.1", "http://localhost", "http://[::1]"]
            .iter()
            .any(|start| self.base_url.starts_with(start))
    }

    /// Keeps the attempt of a login for its callback.
    pub(super) fn keep(&self, attempt: LoginAttempt) {
        self.site.keep(attempt);
    }

    /// Begins an authentication on another device. What comes of it is an event from then on, where the provider notifies.
    pub(super) async fn begin_ciba(
        &self,
        ciba: &Ciba<'_>,
        request: &CibaRequest,
    ) -> oauth_core::Result<CibaAttempt> {
        let _begins = self.site.ciba_begins.lock().await;
        let attempt = ciba.start(request).await?;
        if attempt.delivery() == CibaDelivery::Ping {
            self.site.ciba.expect(&attempt).await?;
        }
        Ok(attempt)
    }

    /// Remembers who signed in.
    pub(super) fn began(&self, id_token: &IdToken) {
        let session = (
            id_token.issuer().to_owned(),
            id_token.subject().to_owned(),
            id_token.session_id().map(str::to_owned),
        );
        *self.site.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
    }

    /// The next thing that comes.
    pub(super) async fn next(&mut self, wait: Duration) -> Option<Event> {
        tokio::time::timeout(wait, self.events.recv()).await.ok().flatten()
    }
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Accepts connections and speaks TLS on them, one handshake after the other.
struct TlsListener {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
            // Whoever does not get on with it must not keep others waiting.
            let handshake = tokio::time::timeout(Duration::from_secs(5), self.tls.accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Site {
    fn fragment_path(&self) -> String {
        format!("{}/fragment", self.settings.callback_path)
    }

    /// The address of an authorization request, with its parameters in a request object if that is how they are sent (OpenID
    /// Connect Core section 6.2).
    fn sent(&self, url: &str) -> String {
        let Some((endpoint, query)) = url.split_once('?').filter(|_| self.settings.uses_request_uri()) else {
            return url.to_owned();
        };
        let request = Callback::from_query(query);
        let claims: Map<String, Value> =
            request.pairs().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let object = format!("{}.{}.", part(json!({"alg": "none"})), part(claims.into()));
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = Some(object);
        let repeated = ["client_id", "response_type", "scope"];
        let mut sent: Vec<_> = request.pairs().filter(|(name, _)| repeated.contains(name)).collect();
        sent.push(("request_uri", &self.request_uri));
        format!("{endpoint}?{}", form_encoded(&sent))
    }

    fn keep(&self, attempt: LoginAttempt) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.insert(attempt.state().to_owned(), attempt);
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more once the run has ended.
        let _ = self.events.send(event);
    }

    fn arrived(&self, callback: Callback) -> Response {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        // An attempt is used once, whatever comes of it. The state of a signed answer is in it, and there is one login at a time.
        let attempt = match (callback.get("state"), callback.get("response")) {
            (Some(state), _) => attempts.remove(state),
            (None, Some(_)) => attempts.drain().next().map(|(_, attempt)| attempt),
            (None, None) => None,
        };
        drop(attempts);
        let attempt = attempt.map(Box::new);
        self.tell(Event::Callback { attempt, callback });
        page("Done. The result is in the report.")
    }
}

/// A page that no other site may show, and that tells no other site its address.
fn page(text: impl Into<String>) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, Html(text.into())).into_response()
}

/// Callbacks in the query, and, where that is empty, in the fragment, which only a script of the page sees.
async fn callback(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    match query {
        Some(query) if !query.is_empty() => site.arrived(Callback::from_query(&query)),
        _ => page(format!(
            r#"<!DOCTYPE html><title>Signing in</title>
<form method="post" action="{}"><input type="hidden" name="fragment" value=""></form>
<script>document.forms[0].fragment.value = location.hash.slice(1); document.forms[0].submit();</script>"#,
            site.fragment_path()
        )),
    }
}

/// The request object, for the provider.
async fn request(State(site): State<Arc<Site>>) -> Response {
    let object = site.request.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match object {
        Some(object) => ([(header::CONTENT_TYPE, "application/oauth-authz-req+jwt")], object).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A signed request object, for the provider.
async fn signed_request(State(site): State<Arc<Site>>, Path(id): Path<String>) -> Response {
    let object = match site.hosted.get() {
        Some(hosted) => hosted.get(&id).await.ok().flatten(),
        None => None,
    };
    match object {
        Some(object) => ([(header::CONTENT_TYPE, HostedRequests::CONTENT_TYPE)], object).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the provider says of an authentication on another device.
async fn pinged(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    drop(site.ciba_begins.lock().await);
    let answer = site.ciba.receive(&headers, &body).await;
    let status = answer.status;
    site.tell(Event::Pinged(Box::new(answer)));
    status.into_response()
}

async fn callback_form(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    match form(&headers, &body) {
        Some(body) => site.arrived(Callback::from_form(body)),
        None => StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response(),
    }
}

async fn callback_fragment(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let Some(body) = form(&headers, &body) else { return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response() };
    let fields = Callback::from_form(body);
    let fragment = fields.get("fragment").unwrap_or_default();
    site.arrived(Callback::from_url(&format!("{}#{fragment}", site.redirect_uri)))
}

async fn returned(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    site.tell(Event::Returned(query.unwrap_or_default()));
    page("Signed out.")
}

/// OpenID Connect Back-Channel Logout section 2.8: 200 for a session that ended, 400 for anything else.
async fn back_channel(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    let outcome = site.logout_token(&headers, &body).await;
    let status = if outcome.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    site.tell(Event::LogoutToken(outcome));
    (status, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

impl Site {
    async fn logout_token(
        &self,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<LogoutToken, Result<Error, (&'static str, String)>> {
        let wrong = |check, problem: &str| Err(Err((check, problem.to_owned())));
        let Some(client) = self.client.get() else { return wrong("Presence", "nobody is signed in") };
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let token = LogoutToken::of_request(kind, &String::from_utf8_lossy(body)).map_err(Ok)?;
        let token = client.verify_logout_token(token.expose()).await.map_err(Ok)?;
        match token.use_once(&self.used_tokens).await {
            Ok(true) => {}
            Ok(false) => return wrong("Replay", "it was used before"),
            Err(_) => return wrong("Replay", "whether it was used before cannot be told"),
        }
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match session {
            Some((issuer, subject, id)) if token.ends(&issuer, &subject, id.as_deref()) => Ok(token),
            _ => wrong("Session", "it ends another session"),
        }
    }
}

/// The only page that may be shown in a frame.
async fn front_channel(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    let logout = FrontChannelLogout::from_query(&query.unwrap_or_default());
    let session = site.session.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let is_of = session.is_some_and(|(issuer, _, id)| logout.is_of(&issuer, id.as_deref(), true));
    site.tell(Event::FrontChannel(is_of));
    ([(header::CACHE_CONTROL, "no-store")], Html("")).into_response()
}

async fn initiate(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    site.initiated(InitiatedLogin::from_query(&query.unwrap_or_default())).await
}

async fn initiate_form(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    match form(&headers, &body) {
        Some(body) => site.initiated(InitiatedLogin::from_form(body)).await,
        None => StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response(),
    }
}

impl Site {
    async fn initiated(&self, wish: InitiatedLogin) -> Response {
        let refuse = |problem: String| {
            self.tell(Event::Initiated(Err(problem)));
            StatusCode::BAD_REQUEST.into_response()
        };
        let Some(client) = self.client.get() else { return refuse("there is no client".to_owned()) };
        if !wish.is_for(client) {
            return refuse("it names another issuer than the client's".to_owned());
        }
        match client.start_login(&self.redirect_uri, options(&self.settings, wish.options())).await {
            Ok(started) => {
                self.keep(started.attempt);
                self.tell(Event::Initiated(Ok(())));
                let url = self.sent(&started.url);
                let headers = [(header::LOCATION, &*url), (header::CACHE_CONTROL, "no-store")];
                (StatusCode::SEE_OTHER, headers).into_response()
            }
            Err(error) => refuse(error.to_string()),
        }
    }
}

/// The body of a request that is a form.
fn form<'b>(headers: &HeaderMap, body: &'b [u8]) -> Option<&'b str> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next()?;
    let is_form = kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    std::str::from_utf8(body).ok().filter(|_| is_form)
}

//! What a relying party answers to: callbacks, the return from a logout, what the provider says of logouts, and logins that
//! the provider begins.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use oauth_openid::{
    FrontChannelLogout, IdToken, InitiatedLogin, LogoutToken, OpenID, OpenIDProvider,
    oauth_core::{Callback, Error, LoginAttempt, MemoryCache, Provider},
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use super::{Settings, options};

const CALLBACK: &str = "/callback";
const FRAGMENT: &str = "/callback/fragment";
pub(super) const POST_LOGOUT: &str = "/post-logout";
pub(super) const BACK_CHANNEL: &str = "/back-channel-logout";
pub(super) const FRONT_CHANNEL: &str = "/front-channel-logout";
pub(super) const INITIATE: &str = "/initiate";

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
    /// The provider began a login, or somebody tried to.
    Initiated(Result<(), String>),
}

/// The endpoints, once they listen.
pub(super) struct Endpoints {
    base_url: String,
    listener: Option<TcpListener>,
    site: Arc<Site>,
    events: UnboundedReceiver<Event>,
    task: Option<JoinHandle<()>>,
}

/// What the handlers know.
struct Site {
    redirect_uri: String,
    settings: Settings,
    client: OnceLock<OpenID>,
    attempts: Mutex<HashMap<String, LoginAttempt>>,
    /// Issuer, subject and session id of who is signed in.
    session: Mutex<Option<(String, String, Option<String>)>>,
    used_tokens: MemoryCache,
    events: UnboundedSender<Event>,
}

impl Endpoints {
    /// Begins to listen. Nothing is answered yet.
    pub(super) async fn listen(settings: &Settings) -> Result<Self, String> {
        let listener = TcpListener::bind(&settings.listen).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let base_url = settings.base_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let base_url = base_url.trim_end_matches('/').to_owned();
        let (sender, events) = unbounded_channel();
        let site = Site {
            redirect_uri: format!("{base_url}{CALLBACK}"),
            settings: settings.clone(),
            client: OnceLock::new(),
            attempts: Mutex::default(),
            session: Mutex::default(),
            used_tokens: MemoryCache::new(),
            events: sender,
        };
        Ok(Self { base_url, listener: Some(listener), site: Arc::new(site), events, task: None })
    }

    /// Answers from now on, with this client.
    pub(super) fn serve(&mut self, client: OpenID) {
        let Some(listener) = self.listener.take() else { return };
        let _ = self.site.client.set(client);
        let routes = Router::new()
            .route(CALLBACK, get(callback).post(callback_form))
            .route(FRAGMENT, post(callback_fragment))
            .route(POST_LOGOUT, get(returned))
            .route(BACK_CHANNEL, post(back_channel))
            .route(FRONT_CHANNEL, get(front_channel))
            .route(INITIATE, get(initiate).post(initiate_form))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self.site.clone());
        self.task = Some(tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        }));
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

impl Site {
    fn keep(&self, attempt: LoginAttempt) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.insert(attempt.state().to_owned(), attempt);
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more once the run has ended.
        let _ = self.events.send(event);
    }

    fn arrived(&self, callback: Callback) -> Response {
        let attempt = callback.get("state").and_then(|state| {
            // An attempt is used once, whatever comes of it.
            self.attempts.lock().unwrap_or_else(PoisonError::into_inner).remove(state).map(Box::new)
        });
        self.tell(Event::Callback { attempt, callback });
        page("Done. What came of it stands in the report.")
    }
}

/// A page that no other site may show, and that tells no other site its address.
fn page(text: &'static str) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, Html(text)).into_response()
}

/// Callbacks in the query, and, where nothing stands there, in the fragment, which only a script of the page sees.
async fn callback(State(site): State<Arc<Site>>, RawQuery(query): RawQuery) -> Response {
    match query {
        Some(query) if !query.is_empty() => site.arrived(Callback::from_query(&query)),
        _ => page(
            r#"<!DOCTYPE html><title>Signing in</title>
<form method="post" action="/callback/fragment"><input type="hidden" name="fragment" value=""></form>
<script>document.forms[0].fragment.value = location.hash.slice(1); document.forms[0].submit();</script>"#,
        ),
    }
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
    site.arrived(Callback::from_url(&format!("{CALLBACK}#{fragment}")))
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
                let headers = [(header::LOCATION, &*started.url), (header::CACHE_CONTROL, "no-store")];
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

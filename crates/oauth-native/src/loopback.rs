//! The listener on the user's own machine to which the browser comes back (RFC 8252 section 7.3).

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use oauth_core::{
    Callback, OAuth2, Secret,
    provider_kit::LoopbackHost,
    same_secret,
    telemetry::{EVENT_NAME, event},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use crate::{
    error::NativeSignInError,
    page::{self, Page},
};

/// Browsers open connections before they need them, and scanners of ports leave them open.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
const MOST_CONNECTIONS: usize = 256;
const MOST_HEADER_BYTES: usize = 16 * 1024;
const MOST_BODY_BYTES: usize = 64 * 1024;
/// How often another free port is tried when the other address family has it in use.
const TRIES: usize = 20;

/// Sockets that are bound, so that the redirect URI is known.
#[derive(Debug)]
pub(crate) struct Listener {
    sockets: Vec<TcpListener>,
    host: LoopbackHost,
    port: u16,
    path: String,
}

impl Listener {
    /// Listens on the first of the ports that is free, or on any.
    pub(crate) async fn bind(
        host: LoopbackHost,
        ports: &[u16],
        path: &str,
        on_all_interfaces: bool,
    ) -> Result<Self, NativeSignInError> {
        let families = families(host, on_all_interfaces);
        let mut last = None;
        let any = [0; TRIES];
        for &port in if ports.is_empty() { &any[..] } else { ports } {
            match bind_all(&families, port).await {
                Ok((sockets, port)) => return Ok(Self { sockets, host, port, path: path.to_owned() }),
                Err(cause) => last = Some(cause),
            }
        }
        let cause = last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrInUse));
        Err(NativeSignInError::PortsTaken { host: host.as_str(), ports: ports.to_vec(), cause })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://{}:{}{}", self.host.as_str(), self.port, self.path)
    }
}

/// The addresses of a host; all of them are needed, where the machine has them.
fn families(host: LoopbackHost, on_all_interfaces: bool) -> Vec<IpAddr> {
    let (v4, v6) = match on_all_interfaces {
        true => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
        false => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
    };
    match host {
        LoopbackHost::V6 => vec![v6.into()],
        // Browsers try ::1 first, and whoever listens there would get the code.
        LoopbackHost::Localhost if !on_all_interfaces => vec![v4.into(), v6.into()],
        _ => vec![v4.into()],
    }
}

async fn bind_all(families: &[IpAddr], port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut port = port;
    let mut missing = None;
    for &address in families {
        match TcpListener::bind(SocketAddr::new(address, port)).await {
            Ok(socket) => {
                port = socket.local_addr()?.port();
                sockets.push(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            // A machine without this family has nobody else there either.
            Err(error) => missing = Some(error),
        }
    }
    match (sockets.is_empty(), missing) {
        (true, Some(error)) => Err(error),
        _ => Ok((sockets, port)),
    }
}

/// What a callback must be to be taken.
pub(crate) struct ExpectedCallback {
    pub(crate) state: Secret,
    /// Reads the state in a signed answer (JARM), where the login's client is known.
    pub(crate) client: Option<OAuth2>,
    pub(crate) is_form_post: bool,
    pub(crate) page: Page,
}

struct Connections {
    authority: String,
    path: String,
    expected: ExpectedCallback,
    /// Whether the callback has come. The next one with its state gets the same answer.
    taken: AtomicBool,
    callbacks: mpsc::Sender<Callback>,
    outcome: watch::Receiver<Option<bool>>,
}

/// The sockets as they serve. Dropping it closes them.
pub(crate) struct Serving {
    sockets: Vec<TcpListener>,
    shared: Arc<Connections>,
    arrived: mpsc::Receiver<Callback>,
    outcome: watch::Sender<Option<bool>>,
    connections: ConnectionTasks,
}

/// The connections that are served, at most [`MOST_CONNECTIONS`].
#[derive(Default)]
struct ConnectionTasks {
    all: JoinSet<()>,
    oldest_first: VecDeque<BrowserConnection>,
}

struct BrowserConnection {
    task: AbortHandle,
    /// Whether it has brought the login's callback, and waits for the page.
    has_callback: Arc<AtomicBool>,
}

impl Listener {
    pub(crate) fn serve(self, expected: ExpectedCallback) -> Serving {
        let (callbacks, arrived) = mpsc::channel(1);
        let (outcome, outcome_of) = watch::channel(None);
        let shared = Connections {
            authority: format!("{}:{}", self.host.as_str(), self.port),
            path: self.path,
            expected,
            taken: AtomicBool::new(false),
            callbacks,
            outcome: outcome_of,
        };
        Serving {
            sockets: self.sockets,
            shared: Arc::new(shared),
            arrived,
            outcome,
            connections: ConnectionTasks::default(),
        }
    }
}

impl Serving {
    /// Waits for the callback.
    pub(crate) async fn callback(&mut self) -> Callback {
        loop {
            tokio::select! {
                Some(callback) = self.arrived.recv() => return callback,
                stream = accept(&self.sockets) => self.connections.admit(&self.shared, stream),
            }
        }
    }

    /// Serves while something else is done, so that a repetition of the callback finds somebody.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                stream = accept(&self.sockets) => self.connections.admit(&self.shared, stream),
            }
        }
    }

    /// Says how the login ended, for the page, and serves for a moment longer.
    pub(crate) async fn end(mut self, succeeded: bool, linger: Duration) {
        // What was pasted is not to be brought once more.
        self.shared.taken.store(true, Ordering::SeqCst);
        self.outcome.send_replace(Some(succeeded));
        self.during(tokio::time::sleep(linger)).await;
        drop(self.sockets);
        // What is being written now is written to its end.
        let rest = async { while self.connections.all.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_millis(200), rest).await;
    }
}

/// The next connection on any of the sockets.
async fn accept(sockets: &[TcpListener]) -> TcpStream {
    loop {
        let accepted = poll_fn(|context| {
            let mut polled = sockets.iter().map(|socket| socket.poll_accept(context));
            polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
        });
        match accepted.await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::debug!(
                    { EVENT_NAME } = event::LOOPBACK_FAILED,
                    %error,
                    "the loopback listener could not accept a connection"
                );
                // Such as with too many open files: not at once again.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

impl ConnectionTasks {
    /// Serves a connection in a task of its own: one that sends nothing does not keep another waiting. Where there are too many, the oldest
    /// that has not brought the callback is closed for it: whoever opens connections and leaves them keeps no browser out.
    fn admit(&mut self, shared: &Arc<Connections>, stream: TcpStream) {
        while self.all.try_join_next().is_some() {}
        self.oldest_first.retain(|connection| !connection.task.is_finished());
        if self.oldest_first.len() >= MOST_CONNECTIONS {
            tracing::debug!(
                { EVENT_NAME } = event::LOOPBACK_FAILED,
                error = "too many connections",
                "too many connections to the loopback listener; one was closed"
            );
            let is_idle = |connection: &BrowserConnection| !connection.has_callback.load(Ordering::SeqCst);
            let oldest = self.oldest_first.iter().position(is_idle);
            let Some(oldest) = oldest.and_then(|place| self.oldest_first.remove(place)) else { return };
            oldest.task.abort();
        }
        let has_callback = Arc::new(AtomicBool::new(false));
        let served = serve_connection(stream, Arc::clone(shared), Arc::clone(&has_callback));
        self.oldest_first.push_back(BrowserConnection { task: self.all.spawn(served), has_callback });
    }
}

async fn serve_connection(stream: TcpStream, shared: Arc<Connections>, has_callback: Arc<AtomicBool>) {
    let service = service_fn(|request| {
        let (shared, has_callback) = (Arc::clone(&shared), Arc::clone(&has_callback));
        async move { Ok::<_, Infallible>(respond(&shared, request, &has_callback).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION_LIMIT)
        .max_buf_size(MOST_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A browser that goes away is nobody's error.
    let _ = connection.await;
}

async fn respond(
    shared: &Connections,
    request: Request<Incoming>,
    has_callback: &AtomicBool,
) -> Response<Full<Bytes>> {
    let Some(callback) = read(shared, request).await else { return page::nothing_here() };
    let expected = &shared.expected;
    let state = state_of(expected.client.as_ref(), &callback).await;
    if !state.is_some_and(|state| same_secret(&state, expected.state.expose())) {
        return expected.page.of_stranger();
    }
    has_callback.store(true, Ordering::SeqCst);
    if !shared.taken.swap(true, Ordering::SeqCst) {
        // There is room for one, and only one is sent.
        let _ = shared.callbacks.try_send(callback);
    }
    let mut outcome = shared.outcome.clone();
    let known = outcome.wait_for(Option::is_some).await;
    // Without an outcome the sign-in was given up.
    let succeeded = known.is_ok_and(|outcome| *outcome == Some(true));
    expected.page.of_outcome(succeeded)
}

/// The state of a callback. That of a signed one is inside, and nothing is believed of it yet: it is verified when the login ends.
pub(crate) async fn state_of(client: Option<&OAuth2>, callback: &Callback) -> Option<String> {
    match client {
        Some(client) => client.state_of_callback(callback).await,
        None => callback.get("state").map(str::to_owned),
    }
}

/// The callback in a request; `None` if it is none.
async fn read(shared: &Connections, request: Request<Incoming>) -> Option<Callback> {
    // A name that was rebound to this machine brings its own host (DNS rebinding).
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok())?;
    if hosts.next().is_some() || !shared.is_here(host) {
        return None;
    }
    let uri = request.uri();
    if uri.authority().is_some_and(|authority| !shared.is_here(authority.as_str())) {
        return None;
    }
    // What has no path comes back with a slash.
    let is_callback = uri.path() == shared.path || (shared.path.is_empty() && uri.path() == "/");
    if !is_callback {
        return None;
    }
    match *request.method() {
        Method::GET => Some(Callback::from_query(uri.query().unwrap_or_default())),
        Method::POST if shared.expected.is_form_post => {
            let kind = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
            let kind = kind.split(';').next().unwrap_or_default().trim();
            if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                return None;
            }
            let body = Limited::new(request.into_body(), MOST_BODY_BYTES).collect();
            let body = timeout(CONNECTION_LIMIT, body).await.ok()?.ok()?.to_bytes();
            Some(Callback::from_form(std::str::from_utf8(&body).ok()?))
        }
        _ => None,
    }
}

impl Connections {
    fn is_here(&self, host: &str) -> bool {
        host.eq_ignore_ascii_case(&self.authority)
            // Browsers leave the usual port out.
            || self.authority.strip_suffix(":80").is_some_and(|usual| host.eq_ignore_ascii_case(usual))
    }
}

//! An HTTP client for addresses that come from strangers: it reaches public hosts only.

use std::{fmt, io, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::transport::{HttpError, HttpErrorKind},
    http_client::{
        HttpClient,
        public_address::{NotPublic, host_of},
    },
};

/// Sends requests to public hosts only: an [`HttpClient`] for issuers, addresses and registrations that come from strangers.
///
/// A host that is an address of this machine, of a private network or of a cloud's own services is refused however it is written,
/// and so are names without a dot and names of private networks ([`check_public_url`](crate::provider_kit::check_public_url)). A name is resolved
/// once, and connected to at those of its addresses that are public
/// ([`is_public_address`](crate::provider_kit::is_public_address)): between the check and the connection, nothing can change. Redirects
/// are not followed, as with every client of this library.
///
/// ```
/// use oauth_core::{OAuth2, Provider, PublicHosts};
///
/// let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
///     .with_http_client(PublicHosts::new());
/// ```
///
/// # Behind a proxy
///
/// A proxy resolves names itself, so nothing here can tell where it connects to. While the environment names one (`HTTPS_PROXY`,
/// `HTTP_PROXY`, `ALL_PROXY`), requests are refused, unless [`behind_proxy`](Self::behind_proxy) says that the proxy refuses
/// private addresses by itself.
#[derive(Clone)]
pub struct PublicHosts {
    /// Hosts that may be reached although they are private.
    allowed: Arc<[String]>,
    sender: Sender,
}

#[derive(Clone)]
enum Sender {
    /// The default client, which resolves names by this and by the rules.
    Default {
        resolver: Arc<dyn Resolver>,
        behind_proxy: bool,
        clients: Arc<clients::Clients>,
    },
    Given(Arc<dyn HttpClient>),
}

/// Resolves the names of hosts, for [`PublicHosts::resolved_by`].
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The addresses of a host.
    ///
    /// # Errors
    ///
    /// Whatever kept the name from being resolved.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

impl PublicHosts {
    /// Uses the default HTTP client and the system's resolver. All clients that are made in this way share connections.
    #[must_use]
    pub fn new() -> Self {
        clients::shared()
    }

    /// Uses an HTTP client of your own, which must itself refuse names that resolve to private addresses: here only the URL is
    /// checked.
    #[must_use]
    pub fn on(client: impl HttpClient + 'static) -> Self {
        Self { allowed: Arc::default(), sender: Sender::Given(Arc::new(client)) }
    }

    /// Sends requests through the environment's proxy, which must refuse to connect to private addresses itself.
    #[must_use]
    pub fn behind_proxy(mut self) -> Self {
        if let Sender::Default { behind_proxy, clients, .. } = &mut self.sender {
            *behind_proxy = true;
            *clients = Arc::default();
        }
        self
    }

    /// Resolves names by this and not by the system.
    #[must_use]
    pub fn resolved_by(mut self, own: impl Resolver + 'static) -> Self {
        if let Sender::Default { resolver, clients, .. } = &mut self.sender {
            *resolver = Arc::new(own);
            *clients = Arc::default();
        }
        self
    }

    /// Allows these hosts too, wherever they are, such as an installation in your own network. A host is a name or an address without a
    /// port, as a URL has it.
    #[must_use]
    pub fn allowing<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.into().to_ascii_lowercase());
        self.allowed = self.allowed.iter().cloned().chain(hosts).collect();
        if let Sender::Default { clients, .. } = &mut self.sender {
            *clients = Arc::default();
        }
        self
    }

    /// Checks the host in the URL.
    fn check(&self, url: &str) -> Result<(), NotPublic> {
        let (host, is_public) = host_of(url).map_err(NotPublic::new)?;
        if self.allowed.contains(&host) {
            return Ok(());
        }
        let is_proxy = matches!(&self.sender, Sender::Default { behind_proxy: true, .. })
            && clients::proxy_hosts().contains(&host);
        match is_public && !is_proxy {
            true => Ok(()),
            false => Err(NotPublic::new(format!("{host} is this machine's or a private network's"))),
        }
    }
}

impl Default for PublicHosts {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl HttpClient for PublicHosts {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        self.check(&request.uri().to_string())
            .map_err(|problem| HttpError::new(HttpErrorKind::NotPublic).caused_by(problem))?;
        match &self.sender {
            Sender::Given(client) => client.send(request).await,
            Sender::Default { resolver, behind_proxy, clients } => {
                let client = clients
                    .of_runtime(resolver, &self.allowed, *behind_proxy)
                    .map_err(|problem| HttpError::new(HttpErrorKind::InvalidRequest).caused_by(problem))?;
                client.send(request).await
            }
        }
    }
}

impl fmt::Debug for PublicHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicHosts").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

#[cfg(feature = "reqwest")]
mod clients {
    use std::{
        io,
        net::{IpAddr, SocketAddr, ToSocketAddrs},
        sync::{Arc, LazyLock, Mutex, PoisonError},
    };

    use async_trait::async_trait;
    use reqwest::dns::{Addrs, Name, Resolve, Resolving};

    use super::{HttpClient, PublicHosts, Resolver, Sender};
    use crate::http_client::{
        default_client::{OfRuntime, build, of_runtime},
        public_address::{NotPublic, is_public_address},
    };

    /// One client for each runtime, because a connection dies with the runtime that opened it.
    #[derive(Default)]
    pub(super) struct Clients(Mutex<Vec<OfRuntime>>);

    pub(super) fn shared() -> PublicHosts {
        static SHARED: LazyLock<PublicHosts> = LazyLock::new(|| PublicHosts {
            allowed: Arc::default(),
            sender: Sender::Default {
                resolver: Arc::new(SystemResolver),
                behind_proxy: false,
                clients: Arc::default(),
            },
        });
        SHARED.clone()
    }

    impl Clients {
        pub(super) fn of_runtime(
            &self,
            resolver: &Arc<dyn Resolver>,
            allowed: &Arc<[String]>,
            behind_proxy: bool,
        ) -> Result<Arc<dyn HttpClient>, String> {
            let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            of_runtime(&mut clients, || {
                let proxies = proxy_hosts();
                if !behind_proxy && !proxies.is_empty() {
                    return Err(BEHIND_PROXY.to_owned());
                }
                // The proxy itself is usually in a private network.
                let allowed = allowed.iter().cloned().chain(proxies).collect();
                let filter = PublicResolver { resolver: resolver.clone(), allowed };
                let client = build(move |builder| {
                    let builder = builder.dns_resolver(Arc::new(filter));
                    // Whatever a system's settings say beside the environment.
                    if behind_proxy { builder } else { builder.no_proxy() }
                })?;
                Ok(Arc::new(if behind_proxy { client.through_proxies() } else { client }))
            })
        }
    }

    const BEHIND_PROXY: &str = "the environment names a proxy, and a proxy connects to whatever a name resolves to there; if it \
                                refuses private addresses by itself, say so with PublicHosts::behind_proxy";

    /// The hosts of the proxies that the environment names.
    pub(super) fn proxy_hosts() -> Vec<String> {
        ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
            .into_iter()
            .filter_map(|variable| std::env::var(variable).ok())
            .filter(|proxy| !proxy.trim().is_empty())
            .map(|proxy| {
                let url = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
                let host = url::Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned));
                // One that cannot be read is one all the same.
                host.unwrap_or_default()
            })
            .collect()
    }

    /// The operating system's resolver.
    #[derive(Debug)]
    struct SystemResolver;

    #[async_trait]
    impl Resolver for SystemResolver {
        async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            let host = host.to_owned();
            let looked_up = tokio::task::spawn_blocking(move || (host, 0).to_socket_addrs());
            let addresses = looked_up.await.map_err(io::Error::other)??;
            Ok(addresses.map(|address| address.ip()).collect())
        }
    }

    /// Gives the HTTP library public addresses only.
    struct PublicResolver {
        resolver: Arc<dyn Resolver>,
        allowed: Vec<String>,
    }

    impl Resolve for PublicResolver {
        fn resolve(&self, name: Name) -> Resolving {
            let resolver = self.resolver.clone();
            let host = name.as_str().to_ascii_lowercase();
            let is_allowed = self.allowed.contains(&host);
            Box::pin(async move {
                let mut addresses = resolver.resolve(&host).await?;
                let found = !addresses.is_empty();
                addresses.retain(|address| is_allowed || is_public_address(*address));
                if found && addresses.is_empty() {
                    let problem =
                        format!("{host} resolves to addresses of this machine or of a private network");
                    return Err(NotPublic::new(problem).into());
                }
                let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
                Ok(Box::new(addresses) as Addrs)
            })
        }
    }
}

/// Without an HTTP library there is no default client to build on.
#[cfg(not(feature = "reqwest"))]
mod clients {
    use std::sync::Arc;

    use async_trait::async_trait;

    use super::{HttpClient, PublicHosts, Resolver, Sender, io};

    #[derive(Default)]
    pub(super) struct Clients;

    impl Clients {
        pub(super) fn of_runtime(
            &self,
            _: &Arc<dyn Resolver>,
            _: &Arc<[String]>,
            _: bool,
        ) -> Result<Arc<dyn HttpClient>, String> {
            crate::http_client::default_client::shared()
        }
    }

    pub(super) fn shared() -> PublicHosts {
        let sender =
            Sender::Default { resolver: Arc::new(None), behind_proxy: false, clients: Arc::default() };
        PublicHosts { allowed: Arc::default(), sender }
    }

    pub(super) fn proxy_hosts() -> Vec<String> {
        Vec::new()
    }

    #[derive(Debug)]
    struct None;

    #[async_trait]
    impl Resolver for None {
        async fn resolve(&self, _: &str) -> io::Result<Vec<std::net::IpAddr>> {
            Err(io::Error::other("no HTTP client"))
        }
    }
}

use std::{sync::Arc, time::Duration};

use oauth_core::{Identity, LoginOptions, provider_kit::LoopbackHost};

#[cfg(feature = "browser")]
use crate::opener::SystemBrowser;
use crate::{
    environment::Environment,
    opener::Opener,
    page::Page,
    prompt::{Prompt, Terminal},
};

/// How a program signs its user in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// By a browser on this machine; where that is elsewhere ([`Environment::browser_is_elsewhere`]), by a device code if the provider
    /// has them, else by pasting.
    #[default]
    Auto,
    /// By a browser on this machine, which comes back to a listener.
    Loopback,
    /// By a browser anywhere, whose last address the user pastes. The listener is there too, for a port that is forwarded.
    Paste,
    /// By a code that the user types in on another device (RFC 8628).
    Device,
}

impl Method {
    /// Its name in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Loopback => "loopback",
            Self::Paste => "paste",
            Self::Device => "device",
        }
    }
}

/// The options of one sign-in from a program.
#[derive(Clone, Debug)]
#[must_use]
pub struct SignInOptions {
    pub(crate) login: LoginOptions,
    pub(crate) method: Method,
    pub(crate) host: Option<LoopbackHost>,
    pub(crate) ports: Vec<u16>,
    pub(crate) any_port: bool,
    pub(crate) path: String,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) time_limit: Option<Duration>,
    pub(crate) linger: Duration,
    pub(crate) page: Page,
    pub(crate) opener: Option<Arc<dyn Opener>>,
    pub(crate) prompt: Arc<dyn Prompt>,
    pub(crate) environment: Option<Environment>,
    pub(crate) expected_user: Option<(String, String)>,
    pub(crate) on_all_interfaces: bool,
}

impl Default for SignInOptions {
    fn default() -> Self {
        #[cfg(feature = "browser")]
        let opener = Some(Arc::new(SystemBrowser) as Arc<dyn Opener>);
        #[cfg(not(feature = "browser"))]
        let opener = None;
        Self {
            login: LoginOptions::new(),
            method: Method::Auto,
            host: None,
            ports: Vec::new(),
            any_port: false,
            path: "/callback".to_owned(),
            redirect_uri: None,
            time_limit: None,
            linger: Duration::from_secs(1),
            page: Page::default(),
            opener,
            prompt: Arc::new(Terminal),
            environment: None,
            expected_user: None,
            on_all_interfaces: false,
        }
    }
}

impl SignInOptions {
    /// A sign-in with the client's own scopes, by the way that fits where the program runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the login asks for: scopes, prompt, a hint at the user. See [`LoginOptions`].
    pub fn login(mut self, options: LoginOptions) -> Self {
        self.login = options;
        self
    }

    /// Asks how the provider should meet the user, such as `select_account` for another account: see [`LoginOptions::prompt`].
    pub fn prompt_user(mut self, prompt: &str) -> Self {
        self.login = self.login.prompt(prompt);
        self
    }

    /// Signs in in this way, wherever the program runs.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Listens on this host, in place of the one that the provider takes best.
    pub fn host(mut self, host: LoopbackHost) -> Self {
        self.host = Some(host);
        self
    }

    /// Listens on the first of these ports that is free: the ones that are registered with the provider.
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports = ports.into_iter().collect();
        self
    }

    /// Listens on any free port, also where it is not known that the provider takes one.
    pub fn any_port(mut self) -> Self {
        self.any_port = true;
        self
    }

    /// Sets the path of the redirect URI, `/callback` unless it is set. It is empty or begins with a slash.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Has the browser come back to this address, which is not of this machine, and the user paste it. For providers that take no
    /// loopback redirect: a page of yours can show the address.
    pub fn redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(redirect_uri.into());
        self
    }

    /// Waits this long for the user, in place of five minutes; for a device code, in place of as long as it lives.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Serves the last page for this long after it was shown, in place of a second: browsers ask twice now and then.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Sets what the browser shows at the end.
    pub fn page(mut self, page: Page) -> Self {
        self.page = page;
        self
    }

    /// Opens the browser in this way.
    pub fn opener(mut self, opener: impl Opener + 'static) -> Self {
        self.opener = Some(Arc::new(opener));
        self
    }

    /// Opens no browser: the user opens the address that is printed.
    pub fn no_browser(mut self) -> Self {
        self.opener = None;
        self
    }

    /// Talks to the user in this way, in place of standard error and input.
    pub fn prompt(mut self, prompt: impl Prompt + 'static) -> Self {
        self.prompt = Arc::new(prompt);
        self
    }

    /// Says where the program runs, in place of finding out.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Signs this user in again, and refuses everybody else: the browser may be signed in with another account.
    pub fn expect_user(mut self, user: &Identity) -> Self {
        self.expected_user = Some((user.issuer.clone(), user.subject.clone()));
        self
    }

    /// Listens on every interface of the machine, so that the whole network can reach the listener: for a container whose port is
    /// published to the host's loopback interface, and for nothing else.
    pub fn dangerously_listen_on_all_interfaces(mut self) -> Self {
        self.on_all_interfaces = true;
        self
    }
}

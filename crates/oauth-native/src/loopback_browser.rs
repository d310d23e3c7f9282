//! The browser and the listener by themselves.

use oauth_core::{Callback, LoginAttempt, provider_kit::LoopbackHost};
use tokio::sync::Mutex;

use crate::{
    environment::Environment,
    error::NativeSignInError,
    loopback::Listener,
    options::{Method, SignInOptions},
    sign_in::{await_callback, check_path},
};

/// The user's browser and a listener on this machine, for a protocol that begins and ends its logins by itself, such as that of
/// `oauth-mcp`. Everybody else wants [`sign_in`](crate::sign_in).
///
/// The port is taken when it is made, so that the redirect URI can be registered before there is a login, and stays the same for every
/// login. Of the options, those count that are about browser, port, page, prompt and time.
#[derive(Debug)]
pub struct LoopbackBrowser {
    options: SignInOptions,
    host: LoopbackHost,
    port: u16,
    redirect_uri: String,
    listener: Mutex<Option<Listener>>,
}

impl LoopbackBrowser {
    /// Takes a port: one of the options', or any. The protocol goes on after the last page, so that this does not say that the user is
    /// signed in, unless the options' page does.
    ///
    /// # Errors
    ///
    /// [`NativeSignInError::PortsTaken`], or [`NativeSignInError::Options`] for a path that is not valid.
    pub async fn new(mut options: SignInOptions) -> Result<Self, NativeSignInError> {
        check_path(&options.path)?;
        options.page = options.page.without_outcome();
        let host = options.host.unwrap_or(LoopbackHost::V4);
        let listener = Listener::bind(host, &options.ports, &options.path, options.on_all_interfaces).await?;
        let (port, redirect_uri) = (listener.port(), listener.redirect_uri());
        Ok(Self { options, host, port, redirect_uri, listener: Mutex::new(Some(listener)) })
    }

    /// Where the browser comes back to.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Opens the authorization page of a login that has this redirect URI, and waits for its callback. What is a callback of another
    /// login, or none, is turned away.
    ///
    /// # Errors
    ///
    /// A [`NativeSignInError`].
    pub async fn callback(&self, url: &str, attempt: &LoginAttempt) -> Result<Callback, NativeSignInError> {
        // One login at a time has the port.
        let mut waiting = self.listener.lock().await;
        let listener = match waiting.take() {
            Some(listener) => listener,
            None => {
                let all = self.options.on_all_interfaces;
                Listener::bind(self.host, &[self.port], &self.options.path, all).await?
            }
        };
        let environment = self.options.environment.unwrap_or_else(Environment::detect);
        let method = match self.options.method {
            Method::Paste => Method::Paste,
            Method::Auto if environment.browser_is_elsewhere() => Method::Paste,
            _ => Method::Loopback,
        };
        let (callback, serving) =
            await_callback(&self.options, method, environment, Some(listener), None, url, attempt).await?;
        if let Some(serving) = serving {
            // How it ends is for the protocol to find out; the page cannot wait for it.
            serving.end(callback.get("error").is_none(), self.options.linger).await;
        }
        Ok(callback)
    }
}

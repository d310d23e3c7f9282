use std::fmt;

use oauth_core::async_trait;

/// Opens an address in the user's browser.
///
/// Implement it for a program that has its own way: Tauri's opener plugin, a test that plays the user.
#[async_trait]
pub trait Opener: fmt::Debug + Send + Sync {
    /// Opens the address. That it reports success is not trusted: the address was printed before, and the callback is waited for.
    ///
    /// # Errors
    ///
    /// Why no browser was opened, in a sentence for the user.
    async fn open(&self, url: &str) -> Result<(), OpenError>;
}

/// Why no browser was opened.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

impl OpenError {
    /// An error with its reason. The reason must not show the address, which holds what binds the login.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// The browser that the operating system, or `$BROWSER`, names. No shell sees the address.
#[cfg(feature = "browser")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBrowser;

#[cfg(feature = "browser")]
#[async_trait]
impl Opener for SystemBrowser {
    async fn open(&self, url: &str) -> Result<(), OpenError> {
        use std::time::Duration;

        /// A browser for terminals does not return before the user leaves it.
        const LIMIT: Duration = Duration::from_secs(10);

        let url = url.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            let mut options = webbrowser::BrowserOptions::new();
            options.with_suppress_output(true);
            webbrowser::open_browser_with_options(webbrowser::Browser::Default, &url, &options)
        });
        match tokio::time::timeout(LIMIT, opening).await {
            // It may still come.
            Err(_) | Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => {
                Err(OpenError::new(format!("no browser could be opened ({:?})", error.kind())))
            }
            Ok(Err(_)) => Err(OpenError::new("no browser could be opened")),
        }
    }
}

//! Logins whose end comes from the operating system: by a claimed https address, or a scheme of the program's own.

use std::{path::PathBuf, time::Duration};

use oauth_core::{
    Callback, Error, Login, LoginOptions, Provider, SealError, Sealer, provider_kit::hmac_sha256_hex,
};
use url::Url;

use super::private_dir::{LocalFileError, PrivateDir};

/// Logins that a program has begun, kept in files, encrypted: the operating system may start another process of the program to hand it
/// the address that ends a login.
///
/// ```no_run
/// # use oauth_core::{LoginOptions, Provider};
/// # use oauth_native::LocalTokens;
/// # async fn f(client: &dyn Provider, opened: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let logins = LocalTokens::builder("acme").open().await?.pending_logins().await?;
/// let url = logins.start(client, "com.example.acme:/signed-in", LoginOptions::new()).await?;
/// // Open `url` in the browser. When the operating system hands over the address, in this process or another one:
/// let login = logins.resume(client, opened).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PendingLogins {
    dir: PrivateDir,
    sealer: Sealer,
}

/// Why a login was not begun or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// The login failed: what the provider refused, or which check was not passed.
    #[error(transparent)]
    Login(#[from] Error),
    /// The redirect URI cannot be one of a program.
    #[error("{0}")]
    RedirectUri(&'static str),
    /// No login of this program waits for this address: it has ended already, or somebody else began it.
    #[error("no sign-in of this program waits for that address; start it again")]
    NotStarted,
    /// The login that was kept cannot be read.
    #[error("the sign-in that was begun cannot be read ({0}); start it again")]
    Unreadable(SealError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] LocalFileError),
}

const LOCK_LIMIT: Duration = Duration::from_secs(10);
const ENDING: &str = ".login";
/// A program that is started again and again keeps no more than this: the newest.
const MOST: usize = 20;

impl PendingLogins {
    /// Logins in this directory.
    ///
    /// # Errors
    ///
    /// A [`LocalFileError`] when the directory cannot be made, is a link, or can be read by others.
    pub async fn open(directory: impl Into<PathBuf>, sealer: Sealer) -> Result<Self, LocalFileError> {
        let directory = directory.into();
        let dir = blocking(move || PrivateDir::open(&directory)).await?;
        Ok(Self { dir, sealer })
    }

    /// Begins a login, keeps it, and returns the address to open in the browser.
    ///
    /// The redirect URI is https, of this machine, or of a private-use scheme with a dot in it, the reverse of a domain of yours (RFC 8252
    /// section 7.1).
    ///
    /// # Errors
    ///
    /// A [`ResumeError`].
    pub async fn start<P: Provider + ?Sized>(
        &self,
        provider: &P,
        redirect_uri: &str,
        options: LoginOptions,
    ) -> Result<String, ResumeError> {
        check_redirect_uri(redirect_uri).map_err(ResumeError::RedirectUri)?;
        let started = provider.start_login(redirect_uri, options).await?;
        let sealed = self.sealer.seal(&started.attempt)?;
        let name = name_of(started.attempt.state());
        let (dir, sealer) = (self.dir.clone(), self.sealer.clone());
        blocking(move || {
            let _lock = dir.lock(LOCK_LIMIT)?;
            let mut kept = dir.names(ENDING)?;
            for old in &kept.clone() {
                let sealed = dir.read(old)?.and_then(|bytes| String::from_utf8(bytes).ok());
                // One that has expired, or that nobody can read any more.
                if sealed.is_none_or(|sealed| sealer.open_any(&sealed).is_err()) {
                    dir.remove(old)?;
                    kept.retain(|name| name != old);
                }
            }
            kept.sort_by_cached_key(|name| std::cmp::Reverse(dir.modified(name)));
            for oldest in kept.iter().skip(MOST - 1) {
                dir.remove(oldest)?;
            }
            dir.write(&name, sealed.as_bytes())
        })
        .await?;
        Ok(started.url)
    }

    /// Ends the login that an address belongs to, which the operating system handed over. It can be ended once.
    ///
    /// # Errors
    ///
    /// A [`ResumeError`].
    pub async fn resume<P: Provider + ?Sized>(&self, provider: &P, url: &str) -> Result<Login, ResumeError> {
        let callback = Callback::from_url(url.trim());
        // That of a signed answer is inside.
        let state = provider.oauth2().state_of_callback(&callback).await;
        let name = name_of(&state.ok_or(ResumeError::NotStarted)?);
        let dir = self.dir.clone();
        let sealed = blocking(move || {
            let _lock = dir.lock(LOCK_LIMIT)?;
            let sealed = dir.read(&name)?;
            dir.remove(&name)?;
            Ok(sealed)
        })
        .await?;
        let sealed = sealed.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(ResumeError::NotStarted)?;
        let attempt = self.sealer.open_any(&sealed).map_err(ResumeError::Unreadable)?;
        // The query aside, it must be the address that was asked for.
        if !url.trim().starts_with(attempt.redirect_uri().split(['?', '#']).next().unwrap_or_default()) {
            return Err(ResumeError::NotStarted);
        }
        Ok(provider.finish_login(attempt, callback).await?)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LocalFileError> + Send + 'static,
) -> Result<T, LocalFileError> {
    let cancelled = |_| LocalFileError::Io {
        path: PathBuf::new(),
        source: std::io::Error::other("the task was cancelled"),
    };
    tokio::task::spawn_blocking(work).await.map_err(cancelled)?
}

/// The state is a secret until the login ends, so a file is not named by it.
fn name_of(state: &str) -> String {
    format!("{}{ENDING}", hmac_sha256_hex("oauth-native pending login", state))
}

fn check_redirect_uri(redirect_uri: &str) -> Result<(), &'static str> {
    let url = Url::parse(redirect_uri).map_err(|_| "the redirect URI is not a URL")?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost")) => Ok(()),
        "http" => Err("a redirect URI of plain http must be of this machine"),
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(
            "a private-use scheme is the reverse of a domain of yours, such as com.example.app:/signed-in (RFC 8252 section 7.1): \
             any other program can register a shorter one",
        ),
    }
}

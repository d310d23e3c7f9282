//! Sign-in for programs without a web server: command lines, desktop applications, daemons.
//!
//! ```no_run
//! use oauth_core::{ClientSecret, OAuth2};
//! use oauth_native::{Page, NativeSignInError, SignInOptions, sign_in};
//!
//! # async fn f() -> Result<(), NativeSignInError> {
//! let client = OAuth2::new("CLIENT_ID", ClientSecret::NONE, "https://as.example/authorize", "https://as.example/token");
//! let login = sign_in(&client, SignInOptions::new().page(Page::new("Acme"))).await?;
//! println!("signed in; the token is for {:?}", login.token.scopes());
//! # Ok(())
//! # }
//! ```
//!
//! | to | look at |
//! | --- | --- |
//! | sign in by a browser, a device code, or pasting | [`sign_in`], [`SignInOptions`], [`Method`] |
//! | show a device login in your own way | [`DeviceStates`] |
//! | open the browser or talk to the user in another way | [`Opener`], [`Prompt`] |
//! | brand the page that the browser shows at the end | [`Page`] |
//! | come back by a claimed address or a scheme of your own | `PendingLogins` |
//! | keep tokens in the user's files, and the key in the keyring | `LocalTokens` |
//! | do without `async` | [`blocking`] |
//!
//! The guide is `docs/command-line-and-desktop.md` in the repository.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `browser` | yes | opens the system's browser: `SystemBrowser` |
//! | `keyring` | yes | keeps the key to the tokens in the operating system's keyring: `SystemKeyring` |
//! | `qr` | yes | shows the address of a device login as a QR code |
//! | `tokens` | with `keyring` | keeps tokens and logins in files: `LocalTokens`, `FileStore`, `PendingLogins` |

pub mod blocking;
mod device;
mod device_states;
mod environment;
mod error;
mod loopback;
mod loopback_browser;
mod opener;
mod options;
mod page;
mod paste;
mod prompt;
mod sign_in;
#[cfg(feature = "tokens")]
mod store;

pub use device::qr_code;
pub use device_states::{DeviceCode, DeviceProgress, DeviceStates};
pub use environment::Environment;
pub use error::NativeSignInError;
pub use loopback_browser::LoopbackBrowser;
pub use oauth_core;
pub use oauth_core::provider_kit::LoopbackHost;
#[cfg(feature = "browser")]
pub use opener::SystemBrowser;
pub use opener::{OpenError, Opener};
pub use options::{Method, SignInOptions};
pub use page::Page;
pub use prompt::{Notice, Prompt, Terminal};
pub use sign_in::sign_in;
#[cfg(feature = "keyring")]
pub use store::SystemKeyring;
#[cfg(feature = "tokens")]
pub use store::{
    FileStore, KeyFile, KeyStore, KeyStoreError, LocalFileError, LocalTokens, LocalTokensBuilder,
    LocalTokensError, PendingLogins, ResumeError,
};

/// The guide's examples are compiled as doctests.
#[cfg(all(doctest, feature = "tokens"))]
#[doc = include_str!("../../../docs/command-line-and-desktop.md")]
struct Guide;

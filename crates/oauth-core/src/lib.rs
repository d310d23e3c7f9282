//! The generic OAuth 2.0 client on which the provider crates build.
//!
//! Most applications use a provider crate, such as `oauth-github`, or the facade `oauth-clients`. This crate is enough
//! for a provider whose endpoints you know:
//!
//! ```
//! use oauth_core::{Callback, LoginOptions, OAuth2, Provider};
//!
//! # async fn login_page() -> Result<(), oauth_core::Error> {
//! let client = OAuth2::new("CLIENT_ID", "CLIENT_SECRET", "https://as.example/authorize", "https://as.example/token")
//!     .with_profile_endpoint("https://as.example/me");
//!
//! // Send the browser to `url`; keep `attempt` where only this browser's session finds it.
//! let started = client.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! let (url, attempt) = (started.url, started.attempt);
//!
//! // When the browser comes back:
//! let callback = Callback::from_query("code=SplxlOBeZQQYbYS6WxSbIA&state=af0ifjsldkj");
//! let login = client.finish_login(attempt, callback).await?;
//! let user = client.get_identity(&login.token).await?;
//! println!("{} signed in at {}", user.subject, user.issuer);
//! # Ok(())
//! # }
//! ```
//!
//! | to | look at |
//! | --- | --- |
//! | sign users in | [`Provider::start_login`], [`Provider::finish_login`], [`LoginAttempt`] |
//! | build each request yourself | [`AuthorizationRequest`], [`OAuth2`] |
//! | keep tokens | [`OAuth2Token`] |
//! | know what to do when something fails | [`Error::class`] |
//! | send requests through a proxy, to servers of a private authority, or with a client certificate | the crate [`oauth-reqwest`](https://docs.rs/oauth-reqwest) |
//! | send requests by another HTTP library | [`HttpClient`]; for hyper alone, the crate [`oauth-hyper`](https://docs.rs/oauth-hyper) |
//! | send requests to addresses from strangers | [`PublicHosts`] |
//! | write a provider | [`Spec`], [`Request`], [`client!`], [`accessors!`], [`authorize_params!`], [`provider_kit`] |
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `reqwest` | yes | the shared default client; without it, give one by [`Provider::with_http_client`] |
//! | `rustls-ring` | yes | TLS of the default client by rustls on ring |
//! | `rustls-aws-lc-rs` | | by rustls on aws-lc-rs |
//! | `native-tls` | | by the operating system's library |
//! | `ring` | yes | hashes, random bytes and the encryption of [`Sealer`] by ring |
//! | `aws-lc-rs` | | by aws-lc-rs |
//! | `rust-crypto` | | by the crates of RustCrypto, which need no C compiler; on WebAssembly they are there without it |
//! | `fips` | | by the FIPS module of aws-lc-rs, TLS by rustls too; it takes CMake and Go to build |
//! | `tracing` | yes | spans and events of calls, and warnings: see [`telemetry`] |
//! | `metrics` | | a counter and a histogram of calls: see [`telemetry`] |
//!
//! One of `ring`, `aws-lc-rs`, `fips` and `rust-crypto` must be on, but for WebAssembly. Of several, `fips` counts before `aws-lc-rs`, that before
//! `ring`, and that before `rust-crypto`; [`CryptoBackend::current`] tells which one it is.
//!
//! On WebAssembly (`wasm32-unknown-unknown` and `wasm32-wasip2`) take the crate without its default features: there is no default HTTP client there.
//! [`oauth-fetch`](https://docs.rs/oauth-fetch) has one.
//!
//! No type of an HTTP library is part of this crate's API.

mod authorization;
mod client_auth;
mod clock;
mod crypto;
mod endpoints;
mod error;
mod http_client;
mod identity;
mod login;
mod message;
mod oauth2;
mod provider;
mod secret;
mod shared_cache;
mod signal;
mod spec;
pub mod telemetry;
mod text;
mod token;

pub use async_trait::async_trait;
pub use authorization::{
    AuthorizationParams, AuthorizationRequest, AuthorizationStage, RequestDemand, ResponseMode, ResponseType,
    pkce::{CodeChallengeMethod, CodeVerifier},
};
pub use bytes;
pub use client_auth::{
    AfterReply, AuthenticationError, ClientAuthentication, Connection, Credentials, EndpointAlias,
    RequestContext,
};
#[doc(hidden)]
pub use clock::Instant;
pub use clock::{Clock, SystemClock};
#[doc(hidden)]
pub use crypto::sha256;
pub use crypto::{aead::Aead, backend::CryptoBackend, random_token, random_tokens};
pub use endpoints::{Endpoint, Endpoints, parameter};
pub use error::{
    BindingError, Error, ErrorKind, FailedReply, JwtCheck, JwtError, JwtUse, LoginError, OAuthError,
    Operation, Result, SigningError,
    class::ErrorClass,
    transport::{HttpError, HttpErrorKind, MAX_REPLY_BYTES},
};
pub use http;
pub use http_client::{
    CONNECT_TIMEOUT, HttpClient, REQUEST_TIMEOUT,
    default_client::default_http_client,
    public_hosts::{PublicHosts, Resolver},
};
pub use identity::{
    Email, EmailVerification, Identity,
    linking::{EmailAuthority, LinkDecision, LinkIntent, LinkPolicy, LinkRefusal, StoredAddress, link},
};
pub use login::{
    AppCode, Callback, Login, LoginOptions, StartedLogin,
    attempt::LoginAttempt,
    device::{DeviceLogin, DeviceState},
    polling::{Polled, Polling, Timer},
    sealer::{Opened, SealError, Sealer, SealingKey},
};
pub use message::{challenge::Challenge, draft::RequestDraft, response::Response};
#[doc(hidden)]
pub use oauth2::request::is_sendable;
pub use oauth2::{LOGIN_LIFETIME, OAuth2, Participant, request::Request};
pub use provider::{
    Provider,
    config::{Configure, Parameter, ProviderConfig},
    provider_kit,
};
pub use secret::{ClientSecret, DatedSecret, Secret, SecretSource, SecretSourceError, same_secret};
pub use serde;
pub use serde_json;
pub use shared_cache::{MemoryCache, SharedCache, SharedCacheError};
pub use signal::{Signal, SignalError, SignalEvent, SignalSubject, SignalVerifier, TokenIdentifier};
pub use spec::{ClientAuth, Pkce, Spec, restriction::RestrictedTo};
#[doc(hidden)]
pub use text::json::{
    DUPLICATE as TWICE_IN_JSON, Strict as StrictJson, parse as parse_json, parse_as as parse_json_as,
};
pub use time::OffsetDateTime;
pub use token::{
    OAuth2Token, RejectedIdToken,
    scopes::{ScopeCheck, WantedScopes},
};

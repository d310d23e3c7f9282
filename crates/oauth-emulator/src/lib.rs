//! An HTTP server in your process that plays OAuth 2.0 and OpenID Connect providers, each in its own dialect: authorize
//! page, token, refresh, revocation, profile, discovery and really signed ID tokens. Test an application that signs users in
//! with GitHub, Google, Naver or Shopify without network, without accounts and without secrets.
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use oauth_emulator::{Emulator, Fault};
//!
//! let emulator = Emulator::start().await?;
//!
//! // A provider's URL https://HOST/PATH is served at {origin}/HOST/PATH.
//! let token_url = emulator.local("https://github.com/login/oauth/access_token");
//! assert_eq!(token_url, format!("{}/github.com/login/oauth/access_token", emulator.origin()));
//!
//! // Every provider knows one application: "github-client-id" with "github-client-secret".
//! // Make it misbehave, then see how your application copes.
//! emulator.fault("github", Fault::ServerError)?;
//! emulator.clear_faults();
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! # What it checks
//!
//! The emulator is strict, so that what passes here has a chance at the real service: method and content type, exactly one
//! client authentication of a kind that the provider accepts, the redirect URI byte by byte, PKCE, single use and age of
//! codes, where a profile request carries the access token, scope separators, duplicate parameters. It refuses in the
//! provider's own form: GitHub with HTTP 200, Facebook with an error object, Microsoft with its error numbers.
//!
//! Where the facts say so, it is as strict as the service in what surprises applications later:
//!
//! - Google gives a refresh token where it asked the user: with the first consent, for a new scope, or with `prompt=consent`.
//!   [`App::refresh_tokens`] gives one each time.
//! - `prompt=none` for a scope that was never granted is `consent_required`.
//! - Redirect URIs that a service does not register are refused: plain http, addresses and private names at Google, ports and localhost at
//!   Yahoo, more than 256 characters at Microsoft. [`Builder::any_redirect_uri`] takes them all.
//! - Scopes that a service does not have are `invalid_scope`, or left out by authentik. [`Builder::any_scope`] takes them all.
//! - `state` and `nonce` must be as long as Login.gov and FranceConnect want them.
//! - A shop at Shopify is that of the first [`User`]; whoever else signs in with an online token is of its staff.
//! - The tokens of one provider are unknown to another.
//!
//! # What it takes although a service would not
//!
//! - What a request lacks or has too much is said in the callback, where Google and FranceConnect show a page.
//! - Any redirect URI is registered unless [`App::redirect_uris`] lists some. Apple takes loopback addresses, or no browser on this machine
//!   could be sent back by its form. FranceConnect and Login.gov take localhost. `.example` is a public domain.
//! - Any scope is granted at providers whose facts do not list them all, among them GitHub, Microsoft, Auth0 and Shopify; at Google, any below
//!   `https://www.googleapis.com/auth/`. No scope needs a review, and no user unticks one.
//! - Codes live a minute everywhere, and refresh tokens until they are replaced or revoked: none ends by not being used.
//! - Applications are not in testing, and need no approval. There are no limits of requests, unless [`Fault::TooManyRequests`] says so.
//! - Whoever presses "Allow" is signed in: there is no password, no second factor, and `acr_values` is believed.
//! - Plain http on this machine is all it speaks.
//!
//! The facts (URLs, scopes, field names, …) are in `providers/` of this crate, one file per provider; procedures that data
//! cannot express are in `src/dialects/`. A provider that keeps to the standards needs only its file of facts.
//!
//! # A sign-in, step by step
//!
//! 1. The browser (or the test) requests the authorization URL, mapped with [`Emulator::local`], and gets a consent page
//!    with a form.
//! 2. Posting that form with its hidden fields, the session cookie, `user` and `decision=allow` (or `deny`) redirects to the
//!    application with `code` and `state`; where the application asked for `response_mode=form_post`, a second form posts
//!    them there.
//! 3. The application redeems the code at the mapped token URL, and so on.
//!
//! Identifiers in replies (issuers, metadata) are the providers' real URLs. An application's HTTP client reaches them by
//! mapping each URL with [`Emulator::local`].
//!
//! # An application in the same process
//!
//! [`TestBrowser`] does all of that for a test, with cookies, at an application that listens somewhere or at a router that does not listen at
//! all:
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! # let app = axum::Router::new().route("/hello", axum::routing::get(async || "Hello, Ada!"))
//! #     .route("/auth/github/login", axum::routing::get(async || axum::response::Redirect::to("/hello")));
//! let emulator = oauth_emulator::Emulator::start().await?;
//! let mut browser = emulator.browser()?.in_process("https://app.example", app)?;
//! let page = browser.get("/auth/github/login?return_to=/hello").await?;
//! assert_eq!((page.status.as_u16(), &*page.text), (200, "Hello, Ada!"));
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! # OpenID Connect
//!
//! ID tokens are signed by the algorithm that an application registered ([`App::id_token_signed_response_alg`]), with keys that
//! [`rotate`](Emulator::rotate_keys); UserInfo is signed where an application registered that. The emulator knows `nonce`,
//! `max_age`, `acr_values`, `claims`, `prompt=none`, `response_type=code id_token`, the response modes, and the end session
//! endpoint; [`Emulator::logout_token`] is what a provider posts to an application's back channel. What a client must refuse is
//! made by [`Fault`]s.
//!
//! # Signed, pushed and bound requests
//!
//! The generic provider `openid` (`https://openid.example`) plays what banks and governments ask for, and is strict about it:
//!
//! - client authentication by `private_key_jwt` and `client_secret_jwt` (RFC 7523), with the keys of [`App::jwks`]; each assertion is good
//!   once, and for this provider;
//! - pushed authorization requests (RFC 9126), signed ones (RFC 9101), by value, pushed, or at a `request_uri` of the application's, and signed
//!   answers (JARM) in all modes;
//! - DPoP (RFC 9449) at token and PAR endpoint, UserInfo and an API, with nonces of the authorization server and of the API;
//! - certificates (RFC 8705) by [`EmulatorClient::with_certificate`], for client authentication and to bind tokens to;
//! - `authorization_details` (RFC 9396), `resource` (RFC 8707), JWT access tokens (RFC 9068), introspection as JSON and as a JWT (RFC 9701);
//! - client credentials, JWT assertions (RFC 7523) and token exchange (RFC 8693);
//! - authentication on another device (CIBA): [`Emulator::backchannel_requests`] and [`Emulator::answer_backchannel`];
//! - an API at `https://api.openid.example/accounts`, and one at `…/transfers` that wants two factors (RFC 9470).
//!
//! An application may use all of this. What it must do is said by [`Demands`], or by its own registration in [`App`]. What a client must
//! refuse, or cope with, is made by [`Fault`]s:
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use oauth_emulator::{Demands, EmulatedEndpoint, Emulator, Fault, NonceFault};
//!
//! let emulator = Emulator::builder().demands("openid", Demands::fapi2_message_signing()).start().await?;
//! // A nonce is demanded again and again, tokens are bound to nothing, the signed answer is for another client.
//! emulator.fault("openid", Fault::DpopNonce(NonceFault::ForEver))?;
//! emulator.fault("openid", Fault::UnboundToken)?;
//! emulator.fault_at("openid", EmulatedEndpoint::Authorize, Fault::claim("aud", "somebody-else"))?;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! It does not encrypt anything, and compares certificates whole where a server would look at the subject.
//!
//! # Codes for other devices
//!
//! The device grant (RFC 8628) is played in the words of each provider that has it, with a page to type the code into.
//! [`Emulator::enter_code`] is the user on that page, [`Builder::device_interval`] makes polling quick, and [`Fault::SlowDown`] asks for less
//! of it.
//!
//! # Signals
//!
//! [`Emulator::signal`] is what the servers of Facebook, Apple, Google and Shopify post to an application about a user or a shop, signed as
//! there, and [`SignalRequest::send`] posts it.

#![forbid(unsafe_code)]

mod app;
mod apple_key;
mod authorization_request;
mod authorize;
mod backchannel;
mod backend;
mod browser;
mod browsing;
mod callback;
mod claims;
mod client;
mod client_assertion;
mod client_auth;
mod clock;
mod crypto;
mod demands;
mod details;
mod device;
mod device_facts;
mod dialects;
mod discovery;
mod emulator;
mod end_session;
mod endpoint;
mod exchange;
mod facts;
mod fault;
mod flows;
mod grants;
mod id_token;
mod introspect;
mod jws;
mod keys;
mod other_device;
mod page;
mod paths;
mod profile;
mod proof;
mod provider_files;
mod pushed;
mod redirect_uri;
mod refusal;
mod reply;
mod request;
mod request_object;
mod resource;
mod revoke;
mod server;
mod signal_facts;
mod signals;
mod signing_alg;
mod state;
mod terms;
mod token;
mod token_reply;
mod urls;
mod user;
mod wire;

pub use app::{App, ClientAuthMethod, DeliveryMode};
pub use apple_key::AppleKey;
pub use backend::UnknownProvider;
pub use browser::{Arrival, BrowseError, Consent};
pub use browsing::{BrowserPage, TestBrowser};
pub use client::EmulatorClient;
pub use demands::Demands;
pub use emulator::{Builder, Emulator};
pub use endpoint::EmulatedEndpoint;
pub use fault::{BadSignature, Fault, NonceFault};
pub use other_device::BackchannelRequest;
pub use request::{Pairs, RecordedRequest};
pub use signals::SignalRequest;
pub use signing_alg::SigningAlg;
pub use user::User;

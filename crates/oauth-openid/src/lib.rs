//! Sign in with any [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html) provider, to the letter.
//!
//! ```no_run
//! use oauth_openid::{IdToken, OpenID, oauth_core::{Callback, LoginOptions, Provider}};
//!
//! # async fn f(query: &str) -> Result<(), oauth_core::Error> {
//! // The issuer, or the URL of its openid-configuration. Nothing is sent yet.
//! let client = OpenID::lazy("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com")?;
//! let started = client.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! // Send the browser to `started.url`; when it comes back:
//! let login = client.finish_login(started.attempt, Callback::from_query(query)).await?;
//! let id_token = IdToken::of(&login).ok_or("OpenID Connect always has one");
//! # Ok(())
//! # }
//! ```
//!
//! | to | look at |
//! | --- | --- |
//! | sign users in | [`OpenID`], [`IdToken`] |
//! | find a provider's metadata in an unusual place, or write it by hand | [`Discovery`], [`ProviderMetadata`] |
//! | say what the client registered, set the clock, keep keys elsewhere | [`VerificationPolicy`], by [`OpenIDProvider::with_policy`] |
//! | verify an ID token that an application obtained itself | [`OpenIDConnect::of`], [`RelyingParty::verify_id_token`], [`Expectations`] |
//! | verify another JWT of the provider, such as a signed introspection response | [`RelyingParty::verify_jwt`], [`JwtExpectations`] |
//! | sign users out | [`LogoutRequest`], [`LogoutToken`], [`FrontChannelLogout`] |
//! | register a client | [`ClientMetadata`], [`RegisteredClient`] |
//! | start a login that the provider's portal asks for | [`InitiatedLogin`] |
//! | find the provider of an address | [`webfinger`] |
//! | write a provider | [`client!`] |
//!
//! # What is verified
//!
//! Each ID token, in each login and each refresh: form, type, algorithm, issuer, key, signature, audience and authorized party,
//! subject, expiry, issue time, `nbf`, nonce, `at_hash`, and, where they were asked for, `auth_time` and `acr`. UserInfo must have
//! the `sub` of the ID token, and if it is signed, its signature is verified too. The error says which check failed:
//! [`oauth_core::JwtCheck`].
//!
//! Signatures are checked by [aws-lc-rs](https://docs.rs/aws-lc-rs), and on WebAssembly by the crates of
//! [RustCrypto](https://github.com/RustCrypto), with keys that are parsed when they are read.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `fips` | | signatures are verified by the FIPS module of aws-lc-rs, which does the cryptography of `oauth-core` too; it takes CMake and Go to build |
//! | `rust-crypto` | | signatures are verified by RustCrypto here too, as on WebAssembly; `fips` counts before it |
//! | `encryption` | | `JoseDecrypter` decrypts ID tokens and UserInfo by [josekit](https://docs.rs/josekit). It is off because josekit needs the system's OpenSSL, with its headers (Debian: `libssl-dev` and `pkg-config`) |

mod algorithm;
mod cache_policy;
mod cached;
mod claims;
mod client;
mod crypto;
mod discovered;
mod discovery;
mod encryption;
mod expectations;
mod hash;
mod id_token;
mod initiated_login;
mod issuer;
#[cfg(feature = "encryption")]
mod jose;
mod jws;
mod jwt;
mod jwt_expectations;
mod keys;
mod logout;
mod metadata;
mod openid_connect;
mod participant;
mod policy;
mod provider_keys;
mod registration;
mod relying_party;
mod security_event;
mod spec;
mod standard_claims;
mod task;
#[cfg(test)]
mod testing;
mod typed_claims;
mod userinfo;
mod verify;
mod webfinger;

pub use algorithm::Algorithm;
pub use cache_policy::CachePolicy;
pub use client::{OpenID, client_at, client_of};
pub use discovery::Discovery;
pub use encryption::{DecryptError, Decrypter};
pub use expectations::{Expectations, new_nonce};
pub use id_token::IdToken;
pub use initiated_login::InitiatedLogin;
pub use issuer::{Issuers, Tenants};
#[cfg(feature = "encryption")]
pub use jose::JoseDecrypter;
pub use jwt_expectations::{JwtExpectations, VERIFY_JWT};
pub use keys::JwkSet;
pub use logout::{
    FrontChannelLogout, LogoutAttempt, LogoutRequest, LogoutToken, START_LOGOUT, StartedLogout,
    VERIFY_LOGOUT_TOKEN,
};
pub use metadata::ProviderMetadata;
pub use oauth_core;
pub use openid_connect::OpenIDConnect;
pub use policy::{OtherAudiences, UserInfoForm, VerificationPolicy};
pub use registration::{ClientMetadata, REGISTER, RegisteredClient};
pub use relying_party::{CacheExport, OpenIDProvider, RelyingParty};
pub use security_event::{SecurityEventExpectations, SecurityEventToken, VERIFY_SECURITY_EVENT};
pub use spec::SPEC;
pub use standard_claims::{Address, StandardClaims};
pub use typed_claims::ClaimsError;
pub use verify::VERIFY_ID_TOKEN;
pub use webfinger::{WEBFINGER, webfinger};

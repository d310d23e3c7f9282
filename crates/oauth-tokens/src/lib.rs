//! Keeps tokens alive after the login: one refresh at a time, on one machine or many, and nothing lost.
//!
//! [`TokenManager::get`] gives a live access token, or says why there is none. The rest is what that takes:
//!
//! - A token is refreshed ahead of its expiry, once, however many tasks and processes ask: tasks share a future, processes
//!   a lease with a fence in the [`TokenStore`].
//! - What was redeemed is saved before it is handed out, and whoever asked may go away meanwhile.
//! - Trouble at the provider or in the store deletes nothing: a live token is served, the provider is left alone for a while.
//! - A grant is dead only if the provider says so and nobody has saved a newer token.
//! - The store sees encrypted bytes.
//!
//! | to | look at |
//! | --- | --- |
//! | have live tokens | [`TokenManager`], [`TokenManagerBuilder`], [`TokenKey`] |
//! | know what to do when there is none | [`Error`] |
//! | call an API with them | [`AuthorizedClient`], `TokenMiddleware` |
//! | have tokens for machines | [`ClientCredentials`], [`JwtBearer`], [`TokenSource`] |
//! | know what happens | [`Observer`], [`Event`] |
//! | keep them elsewhere than in memory | `oauth-store-sqlx`, `oauth-store-redis`, or a [`TokenStore`] of your own that passes `testkit` |
//!
//! The guide, with a table of what happens when what fails, is `docs/tokens.md` in the repository.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `reqwest` | yes | [`AuthorizedClient`] |
//! | `reqwest-middleware` | | `TokenMiddleware` |
//! | `tracing` | | a span for each refresh |
//! | `metrics` | | counters |
//! | `testkit` | | `testkit` |

#![forbid(unsafe_code)]

mod builder;
mod cache;
mod changes;
#[cfg(feature = "reqwest")]
mod client;
mod core;
mod ending;
mod error;
mod event;
mod grants;
mod key;
mod manager;
mod memory;
mod refresh;
mod source;
mod state;
mod store;
mod tasks;
#[cfg(feature = "testkit")]
pub mod testkit;
mod timing;
mod vault;

pub use builder::TokenManagerBuilder;
pub use changes::Revoked;
#[cfg(feature = "reqwest-middleware")]
pub use client::TokenMiddleware;
#[cfg(feature = "reqwest")]
pub use client::{AuthorizedClient, Hosts, RequestError};
pub use error::{Error, UnreadableReason};
pub use event::{Event, Observer, Outcome};
pub use grants::{AssertionSource, ClientCredentials, JwtBearer};
pub use key::TokenKey;
pub use manager::{Stored, TokenManager};
pub use memory::MemoryStore;
pub use oauth_core::{async_trait, bytes::Bytes};
pub use source::TokenSource;
pub use state::{DeadGrant, DeadReason};
pub use store::{Acquired, Expected, Lease, Record, Saved, StoreError, StoreOperation, TokenStore};

/// The guide's examples are compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/tokens.md")]
struct Guide;

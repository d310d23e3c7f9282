//! Keeps OAuth 2.0 tokens valid after the login, on one machine or many.
//!
//! [`TokenManager::get`] returns a live access token, or says why there is none:
//!
//! - A token is refreshed ahead of its expiry, once, however many tasks and processes ask: tasks share a future, processes
//!   a lease with a fence in the [`TokenStore`].
//! - A new token is saved before it is handed out, even if the caller that asked for it is gone.
//! - An outage of the provider or the store deletes nothing: a live token is served, and the provider is left alone for a while.
//! - A grant is dead only if the provider says so and no process has saved a newer token.
//! - A refresh that a crash cut off is finished by another process, whether or not anybody asks for its token.
//! - The store sees encrypted bytes, and of each record its key, status, due time and the id of its sealing key.
//!
//! | to | look at |
//! | --- | --- |
//! | get live tokens | [`TokenManager`], [`TokenManagerBuilder`], [`TokenKey`], [`AccessToken`] |
//! | get tokens for several APIs from one grant | [`TokenManager::get_for`], [`AccessTokenRequest`] |
//! | know what to do when there is none | [`TokenError`] |
//! | call an API with them | [`AuthorizedClient`], `TokenMiddleware` |
//! | get tokens for machines | [`ClientCredentials`], [`JwtBearer`], [`GrantSource`], `TokenExchangeSource`, [`TokenSource`] |
//! | have a provider for each tenant or shop | [`SourceLookup`] |
//! | have the encryption done elsewhere | [`TokenSealer`] |
//! | see what is stored | [`TokenManager::find`], [`Filter`] |
//! | work on many grants at once | [`TokenManager::refresh_due`], [`TokenManager::reseal_all`], [`TokenManager::erase_all`], [`PlainGrant`] |
//! | end grants because a vendor says so | [`TokenManager::mark_dead`], [`DeadMark`] |
//! | watch what happens | [`Observer`], [`Event`] |
//! | run on another executor than Tokio's | [`Runtime`] |
//! | keep tokens in a database | `oauth-store-sqlx`, `oauth-store-redis`, or a [`TokenStore`] of your own that passes `testkit` |
//!
//! The guide, with a table of what happens when what fails, is `docs/tokens.md` in the repository.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `reqwest` | yes | [`AuthorizedClient`] |
//! | `reqwest-middleware` | | `TokenMiddleware` |
//! | `fapi` | | `TokenExchangeSource` and `CibaSource`, and signed assertions of `oauth-fapi` for [`JwtBearer`] |
//! | `tracing` | | a span for each refresh |
//! | `metrics` | | counters |
//! | `testkit` | | `testkit` |

#![forbid(unsafe_code)]

mod access_token;
mod access_token_request;
mod batch;
mod builder;
mod cache;
#[cfg(test)]
mod cache_tests;
mod calendar;
mod changes;
#[cfg(feature = "fapi")]
mod ciba_source;
#[cfg(feature = "reqwest")]
mod client;
mod entry;
mod error;
mod event;
#[cfg(feature = "fapi")]
mod exchange_source;
mod further;
mod further_token;
mod grant_source;
mod grants;
mod inventory;
mod key;
mod limited_store;
mod listing;
mod manager;
mod mark_dead;
mod memory;
mod newest;
mod put;
mod recovery;
mod refresh;
mod rest;
mod revoked;
mod runtime;
mod sealed_store;
mod sealing;
mod shared;
mod source;
mod sources;
mod state;
mod store;
mod tasks;
#[cfg(feature = "testkit")]
pub mod testkit;
mod timing;
mod transfer;
mod unsaved;

pub use access_token::AccessToken;
pub use access_token_request::AccessTokenRequest;
pub use batch::{Batch, BatchOptions};
pub use builder::TokenManagerBuilder;
#[cfg(feature = "fapi")]
pub use ciba_source::CibaSource;
#[cfg(feature = "reqwest-middleware")]
pub use client::TokenMiddleware;
#[cfg(feature = "reqwest")]
pub use client::{AuthorizedClient, Hosts, RequestError};
pub use entry::StoreEntry;
pub use error::{TokenError, UnreadableReason};
pub use event::{Event, Observer, Outcome, Trouble};
#[cfg(feature = "fapi")]
pub use exchange_source::{ExchangeRequests, TokenExchangeSource};
pub use grant_source::GrantSource;
pub use grants::{AssertionSource, ClientCredentials, JwtBearer};
pub use inventory::{Filter, Found, Status, Summary};
pub use key::TokenKey;
pub use manager::{Stored, TokenManager};
pub use mark_dead::DeadMark;
pub use memory::MemoryStore;
pub use oauth_core::{async_trait, bytes::Bytes};
pub use put::{NotKept, Put, PutOptions};
pub use recovery::Recovered;
pub use revoked::Revoked;
pub use runtime::{Runtime, Task, TokioRuntime};
pub use sealing::{SealingError, TokenSealer, Unsealed};
pub use source::{ProviderSource, TokenSource};
pub use sources::{SourceLookup, SourceLookupError};
pub use state::{DeadGrant, DeadReason};
pub use store::{Acquired, Expected, Lease, Record, Saved, StoreError, StoreOperation, TokenStore};
pub use transfer::{Exported, PlainGrant};

/// The guide's examples are compiled as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/tokens.md")]
struct Guide;

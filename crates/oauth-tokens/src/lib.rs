//! Keeps tokens alive after the login: one refresh at a time, on one machine or many, and nothing lost.

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

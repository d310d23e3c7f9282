//! Keeps tokens alive after the login: one refresh at a time, on one machine or many, and nothing lost.

#![forbid(unsafe_code)]

mod key;
mod memory;
mod store;

pub use key::TokenKey;
pub use memory::MemoryStore;
pub use oauth_core::{async_trait, bytes::Bytes};
pub use store::{Acquired, Expected, Lease, Record, Saved, StoreError, StoreOperation, TokenStore};

//! Which threads refresh a key, and what they leave behind, under every order in which shuttle lets them run.
//!
//! `crates/oauth-tokens/src/cache.rs` is compiled here as it is. What it imports is a stand-in: the map and the channel stop at each access,
//! so that shuttle chooses who goes on, and the other types are as small as they can be.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

// Under the names of the crates that the file imports.
extern crate self as dashmap;
extern crate self as oauth_core;
extern crate self as tokio;

#[path = "../../../crates/oauth-tokens/src/cache.rs"]
#[allow(dead_code, reason = "these tests use the part that threads share")]
mod cache;

mod single_flight;
mod stand_ins;
mod world;

pub(crate) use stand_ins::{
    OAuth2Token, access_token_request, error, key, map::DashMap, newest, sync, timing,
};

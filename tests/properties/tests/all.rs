//! What must hold for any input, at the public API: each property with inputs that are made up, and with those of a small corpus,
//! changed at random.
//!
//! The seed is fixed, so that a failure comes again. More inputs:
//!
//! ```text
//! PROPERTIES_TIMES=100 cargo test -p oauth-properties
//! ```
//!
//! `cargo xtask fuzz` looks for others, guided by what they reach.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod callbacks;
mod challenges;
mod chromium;
mod cookies;
#[cfg(feature = "encryption")]
mod josekit;
mod key_sets;
mod linear;
mod peers;
mod proxies;
mod replay;
mod return_to;
mod sealer;
mod token_states;
mod tokens;

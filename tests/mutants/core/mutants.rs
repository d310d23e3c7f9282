//! The tests of oauth-tests that oauth-core answers for.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "of what they share, a part is used here")]

#[path = "../../bad_replies.rs"]
mod bad_replies;
#[path = "../../login.rs"]
mod login;
#[path = "../../open_wire.rs"]
mod open_wire;
#[path = "../../requests.rs"]
mod requests;
#[path = "../../support/mod.rs"]
mod support;
#[path = "../../words.rs"]
mod words;

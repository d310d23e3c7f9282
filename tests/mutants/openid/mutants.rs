//! The tests of oauth-tests that oauth-openid answers for.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "of what they share, a part is used here")]

#[path = "../../discovery.rs"]
mod discovery;
#[path = "../../openid/mod.rs"]
mod openid;
#[path = "../../support/mod.rs"]
mod support;

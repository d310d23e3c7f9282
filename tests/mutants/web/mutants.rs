//! The tests of oauth-tests that oauth-web answers for.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "of what they share, a part is used here")]

#[path = "../../axum_linking.rs"]
mod axum_linking;
#[path = "../../axum_openid.rs"]
mod axum_openid;
#[path = "../../axum_routes.rs"]
mod axum_routes;
#[path = "../../axum_sign_in.rs"]
mod axum_sign_in;
#[path = "../../signals.rs"]
mod signals;
#[path = "../../support/mod.rs"]
mod support;
#[path = "../../web_adapter.rs"]
mod web_adapter;

#[path = "../../openid/op.rs"]
mod op;

/// Where the tests look for it.
mod openid {
    pub(crate) use crate::op;
}

//! A real server: Keycloak, which `cargo xtask nightly` downloads and these tests start.
//!
//! ```text
//! OAUTH_TEST_KEYCLOAK_HOME=…/keycloak-26.7.3 cargo test -p oauth-keycloak-tests -- --ignored
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bound;
mod ciba;
mod grants;
mod logout;
mod server;
mod sign_in;

/// That of the driver for the OpenID Foundation's suite, which fills in Keycloak's forms.
#[path = "../../../crates/oauth-fapi/examples/rp-conformance/driver/browser.rs"]
mod browser;

//! A backend for a browser application, and what others try with it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../support/chromium.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod chromium;

mod browser;
mod limits;
mod popup;
mod proxy;
mod redirect_uri;
mod relay;
mod sessions;
mod setup;
mod wire;
mod world;

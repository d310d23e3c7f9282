//! A backend for a browser application, and what others try with it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod limits;
mod popup;
mod proxy;
mod redirect_uri;
mod relay;
mod sessions;
mod setup;
mod wire;
mod world;

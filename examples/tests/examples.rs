//! Each example, with a browser at the emulator.

// A helper that fails should fail the test; Clippy's own exemption covers only functions marked as tests.
#![allow(clippy::unwrap_used)]

#[path = "../actix-session.rs"]
#[allow(dead_code)]
mod actix_session_example;
#[path = "../axum-login.rs"]
#[allow(dead_code)]
mod axum_login_example;
#[path = "../axum-tower-sessions.rs"]
#[allow(dead_code)]
mod axum_tower_sessions;

mod sessions;

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
#[path = "../back-channel-logout.rs"]
#[allow(dead_code)]
mod back_channel_logout;
#[path = "../call-apis.rs"]
#[allow(dead_code)]
mod call_apis;
#[path = "../client-credentials.rs"]
#[allow(dead_code)]
mod client_credentials;
#[path = "../gateway.rs"]
#[allow(dead_code)]
mod gateway;
#[path = "../keycloak-private-ca.rs"]
#[allow(dead_code)]
mod keycloak_private_ca;
#[path = "../mobile-id-token.rs"]
#[allow(dead_code)]
mod mobile_id_token;
#[path = "../multi-tenant.rs"]
#[allow(dead_code)]
mod multi_tenant;
#[path = "../refresh-worker.rs"]
#[allow(dead_code)]
mod refresh_worker;
#[path = "../registry-from-toml.rs"]
#[allow(dead_code)]
mod registry_from_toml;
#[path = "../testing.rs"]
#[allow(dead_code)]
mod testing;
#[path = "../token-exchange.rs"]
#[allow(dead_code)]
mod token_exchange;

mod keycloak;
mod programs;
mod sessions;
mod web;

//! What a user of the whole workspace would ask of it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod axum_linking;
mod axum_openid;
mod axum_routes;
mod axum_sign_in;
mod bad_replies;
mod browser;
mod browser_siblings;
mod certificates;
mod constructors;
mod contract;
mod discovery;
mod facade;
mod fapi;
mod httpx_oauth;
mod hyper_client;
mod issuers;
mod linking;
mod login;
mod mcp;
mod native;
mod open_wire;
mod openid;
mod quirks;
mod quirks_openid;
mod real_server;
mod requests;
mod restrictions;
mod signals;
mod stored_attempts;
mod transport;
mod web_adapter;
mod words;

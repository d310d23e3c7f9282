//! What a program that keeps tokens would ask.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_moments;
mod batch;
mod cancellation;
mod client;
mod contention;
mod further_tokens;
mod golden;
mod grants;
mod key_service;
mod kit;
mod later_logins;
mod lifecycle;
mod limits;
mod losses;
mod mark_dead;
mod observers;
mod overtaken;
mod provider_trouble;
mod recovery;
mod runtime;
mod sealing;
mod secrets;
mod sources;
mod store_trouble;
mod storms;
mod support;
mod wrappers;

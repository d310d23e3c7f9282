//! What must hold when many processes share one store, with the real servers. `cargo xtask test` starts them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bytes;
mod contract;
mod database;
mod fixture;
mod kill;
mod outage;
mod processes;
mod storm;

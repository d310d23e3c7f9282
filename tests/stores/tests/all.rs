//! What must hold when many processes share one store, with the real servers. `cargo xtask test` starts them.
//!
//! The storms with killed processes and the outages last ten seconds for each store. The full minute, with what was counted:
//!
//! ```text
//! OAUTH_TEST_STORM_SECONDS=60 cargo xtask test -p oauth-store-tests -- --nocapture
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bytes;
mod contract;
mod database;
mod fixture;
mod golden;
mod kill;
mod late;
mod later_logins;
mod leases;
mod losses;
mod maintenance;
mod mysql;
mod outage;
mod processes;
mod search;
mod storm;

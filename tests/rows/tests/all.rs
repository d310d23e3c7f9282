//! What the checklist of the specifications asks for, and what settings of `oauth-fapi` mean, against a server that does what it is told.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed")]

mod certificates;
mod ciba;
mod clients;
mod grants;
mod hostile;
mod logins;
mod profile;
mod resources;
mod server;
mod settings;
mod vendors;

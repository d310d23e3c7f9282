//! A real server: `oidc-provider`, which the OpenID Foundation has certified, run by Node.js on this machine.

mod algorithms;
mod conformance;
mod fapi;
mod logout;
mod registration;
mod requests;
mod rotation;
mod server;
mod sign_in;

/// The driver for the OpenID Foundation's suite, whose browser the other tests use too.
#[path = "../../crates/oauth-fapi/examples/rp-conformance/driver/mod.rs"]
mod driver;

use driver::browser;

/// What Node.js runs.
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc-provider/server.mjs");

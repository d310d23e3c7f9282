//! What must hold for any input, at the public API, as functions of bytes.
//!
//! The fuzz targets in `tests/fuzz` and the tests in `tests/` call the same functions. [`TARGETS`] lists them; the seeds of each are in
//! `corpus/`, one in a line, and inputs that once failed are in `crashes/`, as files.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a property fails by panicking")]

mod callbacks;
mod challenges;
mod ciba_notifications;
mod cookies;
#[cfg(feature = "encryption")]
mod decrypter;
mod documents;
mod dpop_nonces;
mod dpop_proofs;
mod exit;
mod files;
mod jose;
mod made_tokens;
mod members;
mod polls;
mod random;
mod readers;
mod resources;
mod rules;
mod scopes;
mod sealed_attempts;
mod server;
mod shown;
mod signed_responses;
mod signer_key;
mod sites;
mod tokens;
mod tool_config;
#[cfg(unix)]
mod upstreams;

pub use cookies::{is_accepted, started};
pub use jose::{jwks, signed_with};
pub use made_tokens::{failed_check, id_token_of};
pub use random::{cases, mutated, mutated_bytes, pseudo_random};
pub use readers::{Reader, reader};
pub use server::{CLIENT_SECRET, Server, block_on, client};
pub use signer_key::{NOW, SignerKey};
pub use sites::{accepted_return_to, redirect_uri_behind_proxy};

/// One property, with the seeds from which its inputs are made.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name of the fuzz target, and of the files with its inputs.
    pub name: &'static str,
    /// The seeds, one in a line.
    pub seeds: &'static str,
    /// Panics if the property does not hold for the input.
    pub check: fn(&[u8]),
    /// So many changed inputs are tried on each change of the code.
    pub usual: u32,
}

macro_rules! target {
    ($name:literal, $check:path, $usual:literal) => {
        Target {
            name: $name,
            seeds: include_str!(concat!("../corpus/", $name, ".txt")),
            check: $check,
            usual: $usual,
        }
    };
}

/// Every property of bytes.
pub const TARGETS: &[Target] = &[
    target!("callbacks", callbacks::check, 3000),
    target!("challenges", challenges::check, 5000),
    target!("ciba_notifications", ciba_notifications::check, 2000),
    target!("cookies", cookies::check, 400),
    #[cfg(feature = "encryption")]
    target!("decrypter", decrypter::check, 200),
    target!("discovery", documents::discovery, 4000),
    target!("dpop_nonces", dpop_nonces::check, 400),
    target!("dpop_proofs", dpop_proofs::check, 1000),
    target!("error_replies", tokens::error_reply, 2000),
    target!("facts", files::facts, 100),
    target!("id_tokens", made_tokens::id_token, 1500),
    target!("jwe", jose::jwe, 2000),
    target!("jwks", documents::jwks, 3000),
    target!("jws", jose::jws, 2000),
    target!("logout_tokens", made_tokens::logout_token, 1000),
    target!("polls", polls::check, 1500),
    target!("proxies", sites::proxy, 800),
    target!("registry", files::registry, 1000),
    target!("resources", resources::check, 1000),
    target!("return_to", sites::return_to, 1500),
    target!("scopes", scopes::check, 1500),
    target!("sealed_attempts", sealed_attempts::sealed, 1500),
    target!("signed_responses", signed_responses::check, 1000),
    target!("stored_attempts", sealed_attempts::stored, 3000),
    target!("stored_tokens", tokens::stored, 4000),
    target!("token_replies", tokens::token_reply, 2000),
    target!("tool_config", tool_config::check, 2000),
    // By a socket that other systems do not have.
    #[cfg(unix)]
    target!("upstreams", upstreams::check, 800),
];

/// The property of a name.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("a target of TARGETS")
}

//! What is wrong with a configuration, an issuer or an MCP server, and what to do about it.

mod checks;
mod client;
mod environment;
mod facts;
mod finding;
mod keys;
mod quirks;
mod redirect;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use checks::{check, check_authorization_server};
pub(crate) use client::build;
pub(crate) use facts::TargetFacts;
pub(crate) use finding::{Finding, Level};
pub(crate) use stored::{accounts_at, machine};

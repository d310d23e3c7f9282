//! What is wrong with a configuration, an issuer or an MCP server, and what to do about it.

mod checks;
mod environment;
mod facts;
mod finding;
mod keys;
#[cfg(test)]
mod tests;

pub(crate) use checks::check;
pub(crate) use facts::{Facts, is_loopback};
pub(crate) use finding::{Finding, Level};

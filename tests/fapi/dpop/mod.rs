//! DPoP (RFC 9449): rows DP and TK-12 of the checklist.

mod certificates;
mod grants;
mod keys;
mod proofs;
mod resources;
mod server;
mod tokens;
mod vendors;

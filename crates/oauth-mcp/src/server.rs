//! The server's side: what an MCP server written in Rust needs to let clients in.

#[cfg(feature = "axum")]
pub mod axum;
mod guard;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(feature = "dpop")]
mod proofs;
mod refusal;
mod resource;
mod verifier;

pub use guard::Guard;
pub use refusal::Refusal;
pub use resource::ProtectedResource;
pub use verifier::{Introspection, TokenInfo, TokenVerifier, VerifyError};

//! Signed, pushed and bound requests, up to FAPI 2.0: what banks, health services and governments ask of a client.

mod signing;

pub use oauth_core;
pub use oauth_openid;
pub use signing::{SignError, Signer, sign_jwt};

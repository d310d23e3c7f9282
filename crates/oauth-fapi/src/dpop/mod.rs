//! Tokens that are bound to a key (DPoP, RFC 9449): whoever steals one cannot use it.

mod bindings;
mod challenge;
mod key;
mod keys;
mod nonces;
mod participant;
mod proof;
mod settings;

pub use bindings::KeyReference;
pub use key::DpopKey;
pub use keys::{DpopKeyRing, DpopKeys, SealedDpopKeys};
pub use proof::Proof;
pub use settings::{Dpop, DpopProvider};

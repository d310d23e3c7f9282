//! Signatures and hashes, by the library that the target and the features choose: aws-lc-rs, or RustCrypto on WebAssembly and with the
//! feature `rust-crypto`; `fips` counts before that. No other file of this crate but the decrypter names either of them.

mod algorithms;
#[cfg(all(not(target_family = "wasm"), any(not(feature = "rust-crypto"), feature = "fips", test)))]
mod on_aws_lc_rs;
#[cfg(any(target_family = "wasm", all(feature = "rust-crypto", any(not(feature = "fips"), test))))]
mod on_rust_crypto;

pub(crate) use algorithms::{Hash, Signature};
#[cfg(all(not(target_family = "wasm"), any(not(feature = "rust-crypto"), feature = "fips")))]
pub(crate) use on_aws_lc_rs::{PublicKey, digest, verify_hmac};
#[cfg(all(any(feature = "rust-crypto", target_family = "wasm"), not(feature = "fips")))]
pub(crate) use on_rust_crypto::{PublicKey, digest, verify_hmac};

#[cfg(all(test, feature = "rust-crypto", not(target_family = "wasm")))]
mod tests;

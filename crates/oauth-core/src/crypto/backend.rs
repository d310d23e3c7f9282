//! The cryptographic primitives, by the library that the features choose: aws-lc-rs where it is on, in its FIPS mode where `fips` is,
//! else ring, and else RustCrypto, which WebAssembly has without a feature. No other file of this crate names any of them: what is
//! here is all that the others use.

#[cfg(feature = "aws-lc-rs")]
mod on_aws_lc_rs;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
mod on_ring;
#[cfg(all(
    any(feature = "rust-crypto", target_family = "wasm"),
    not(any(feature = "ring", feature = "aws-lc-rs"))
))]
mod on_rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub(crate) use on_aws_lc_rs::{AeadKey, fill_random, hmac_sha256, sha256, sha512};
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub(crate) use on_ring::{AeadKey, fill_random, hmac_sha256, sha256, sha512};
#[cfg(all(
    any(feature = "rust-crypto", target_family = "wasm"),
    not(any(feature = "ring", feature = "aws-lc-rs"))
))]
pub(crate) use on_rust_crypto::{AeadKey, fill_random, hmac_sha256, sha256, sha512};

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs", feature = "rust-crypto", target_family = "wasm")))]
compile_error!(
    "oauth-core needs one of its features `ring`, `aws-lc-rs`, `fips` and `rust-crypto`, which choose the library that does the \
     cryptography; the default features have `ring`"
);

use std::fmt;

/// The library that does the cryptography of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CryptoBackend {
    /// [ring](https://docs.rs/ring), of the feature `ring`.
    Ring,
    /// [aws-lc-rs](https://docs.rs/aws-lc-rs), of the feature `aws-lc-rs`.
    AwsLcRs,
    /// aws-lc-rs with the FIPS module of AWS-LC, of the feature `fips`.
    AwsLcRsFips,
    /// The crates of [RustCrypto](https://github.com/RustCrypto), of the feature `rust-crypto`, and on WebAssembly.
    RustCrypto,
}

impl CryptoBackend {
    /// Returns the library that this build has: of several features, `fips` counts before `aws-lc-rs`, that before `ring`, and that
    /// before `rust-crypto`.
    ///
    /// aws-lc-rs is in its FIPS mode in the whole program as soon as one crate of it asks for that, and then this says so too.
    ///
    /// ```
    /// use oauth_core::CryptoBackend;
    ///
    /// // At the start of a program that must not run with anything else:
    /// let is_fips = CryptoBackend::current() == CryptoBackend::AwsLcRsFips;
    /// # assert_eq!(is_fips, cfg!(feature = "fips"));
    /// ```
    #[must_use]
    pub fn current() -> Self {
        #[cfg(feature = "aws-lc-rs")]
        return match on_aws_lc_rs::is_fips() {
            true => Self::AwsLcRsFips,
            false => Self::AwsLcRs,
        };
        #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
        return Self::Ring;
        #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
        Self::RustCrypto
    }
}

impl fmt::Display for CryptoBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ring => "ring",
            Self::AwsLcRs => "aws-lc-rs",
            Self::AwsLcRsFips => "aws-lc-rs in FIPS mode",
            Self::RustCrypto => "RustCrypto",
        })
    }
}

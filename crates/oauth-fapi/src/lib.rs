//! Signed, pushed and bound requests, up to FAPI 2.0: what banks, health services and governments ask of a client.
//!
//! | to | look at |
//! | --- | --- |
//! | have a key: from a file, generated, in a KMS | [`SigningKey`], [`Signer`], [`SigningKeys`] |
//! | prove by a key who the client is | [`PrivateKeyJwt`], [`ClientSecretJwt`], [`FederatedAssertion`] |
//! | prove it by a TLS certificate, and bind tokens to one | [`TlsClientAuth`], [`CertificateBoundTokens`] |
//! | push, sign and encrypt authorization requests | [`PushedRequests`], [`SignedRequests`], [`HostedRequests`] |
//! | have their answers signed | [`SignedResponses`] |
//! | ask for a payment, and compare it with what was granted | [`AuthorizationDetails`], [`DetailsComparison`] |
//!
//! The guides are `docs/client-authentication.md` and `docs/signed-requests.md` in the repository.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `encryption` | | encrypted request objects and responses, by [josekit](https://docs.rs/josekit), which needs the system's OpenSSL |
//! | `encrypted-keys` | | reads private keys that are encrypted by a passphrase: `SigningKey::from_encrypted_pem` |

#![forbid(unsafe_code)]

mod assertion_field;
mod authorization_details;
mod client_assertion;
mod client_certificate;
mod encryption;
mod federated_assertion;
mod hosted_requests;
#[cfg(feature = "encryption")]
mod jose;
mod key_error;
mod keys;
mod pem;
mod push;
mod pushed_requests;
mod signed_requests;
mod signed_responses;
mod signing;
mod signing_key;
mod signing_keys;
mod thumbprint;
mod x509;

pub use authorization_details::{
    AuthorizationDetail, AuthorizationDetails, DetailsComparison, DetailsError, GrantedDetails,
    TypeComparison,
};
pub use client_assertion::{AssertionAudience, ClientSecretJwt, PrivateKeyJwt};
pub use client_certificate::{CertificateBoundTokens, ClientCertificate, ClientCertificates, TlsClientAuth};
pub use encryption::Encrypter;
pub use federated_assertion::{AssertionSource, FederatedAssertion};
pub use hosted_requests::HostedRequests;
#[cfg(feature = "encryption")]
pub use jose::JoseEncrypter;
pub use key_error::KeyError;
pub use oauth_core;
pub use oauth_openid;
pub use pushed_requests::PushedRequests;
pub use signed_requests::{SIGN_AUTHORIZATION_REQUEST, SignedRequests};
pub use signed_responses::SignedResponses;
pub use signing::{SignError, Signer, sign_jwt};
pub use signing_key::SigningKey;
pub use signing_keys::{PublicJwks, SigningKeys};
pub use thumbprint::thumbprint;

/// The code of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/client-authentication.md")]
struct Guide;

/// The code of the guide to signed requests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/signed-requests.md")]
struct SignedRequestsGuide;

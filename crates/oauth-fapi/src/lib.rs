//! Signed, pushed and bound requests, up to FAPI 2.0: what banks, health services and governments ask of a client.
//!
//! | to | look at |
//! | --- | --- |
//! | have a key: from a file, generated, in a KMS | [`SigningKey`], [`Signer`], [`SigningKeys`] |
//! | prove by a key who the client is | [`PrivateKeyJwt`], [`ClientSecretJwt`], [`FederatedAssertion`] |
//! | prove it by a TLS certificate, and bind tokens to one | [`TlsClientAuth`], [`CertificateBoundTokens`] |
//! | bind tokens to a key (DPoP) | [`Dpop`], [`DpopKey`], [`SealedDpopKeys`] |
//! | push, sign and encrypt authorization requests | [`PushedRequests`], [`SignedRequests`], [`HostedRequests`] |
//! | have their answers signed | [`SignedResponses`] |
//! | ask for a payment, and compare it with what was granted | [`AuthorizationDetails`], [`DetailsComparison`] |
//! | exchange a token for another one | [`TokenExchange`] |
//! | get tokens by signed assertions | [`JwtAssertion`], [`JwtBearerGrant`], [`SamlBearerGrant`] |
//! | have users agree on devices of their own (CIBA) | [`Ciba`], [`CibaEndpoint`] |
//! | be a resource server: introspect tokens, verify JWTs and proofs | [`Introspector`], [`AccessTokenVerifier`], [`DpopProofVerifier`] |
//! | answer an API that wants a better login | [`ApiRefusal`], [`StepUp`] |
//! | hold a client to FAPI 2.0, all of it or nothing | [`Profile`] |
//!
//! The guide that goes from a plain client to FAPI 2.0 is `docs/high-security.md` in the repository, and `docs/high-security-providers.md`
//! says which provider offers what. The parts have guides of their own: `docs/client-authentication.md`, `docs/signed-requests.md`,
//! `docs/bound-tokens.md` and `docs/grants.md`.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `encryption` | | encrypted request objects and responses, by [josekit](https://docs.rs/josekit), which needs the system's OpenSSL |
//! | `encrypted-keys` | | reads private keys that are encrypted by a passphrase: `SigningKey::from_encrypted_pem` |

#![forbid(unsafe_code)]

mod access_tokens;
mod assertion;
mod assertion_field;
mod assertion_grants;
mod authorization_details;
mod ciba;
mod client_assertion;
mod client_certificate;
mod dpop;
mod encryption;
mod exchange;
mod federated_assertion;
mod hosted_requests;
mod introspection;
#[cfg(feature = "encryption")]
mod jose;
mod key_error;
mod keys;
mod pem;
mod profile;
mod proof_verifier;
mod push;
mod pushed_requests;
mod sender;
mod signed_requests;
mod signed_responses;
mod signing;
mod signing_key;
mod signing_keys;
mod step_up;
mod thumbprint;
mod token_claims;
mod x509;

pub use access_tokens::{AccessTokenVerifier, VERIFY_ACCESS_TOKEN};
pub use assertion::{JwtAssertion, SIGN_ASSERTION};
pub use assertion_grants::{
    JWT_BEARER, JwtBearerGrant, NoClientAuthentication, SAML_BEARER, SamlBearerGrant,
};
pub use authorization_details::{
    AuthorizationDetail, AuthorizationDetails, DetailsComparison, DetailsError, GrantedDetails,
    TypeComparison,
};
pub use ciba::{
    ACCEPT_PUSH, Ciba, CibaAnswer, CibaAttempt, CibaDelivery, CibaEndpoint, CibaLogin, CibaNotification,
    CibaRequest, CibaStates, EXPECT_NOTIFICATION, FINISH_CIBA, PushedTokens, START_CIBA,
};
pub use client_assertion::{AssertionAudience, ClientSecretJwt, PrivateKeyJwt};
pub use client_certificate::{CertificateBoundTokens, ClientCertificate, ClientCertificates, TlsClientAuth};
pub use dpop::{Dpop, DpopKey, DpopKeyRing, DpopKeys, DpopProvider, KeyReference, Proof, SealedDpopKeys};
pub use encryption::Encrypter;
pub use exchange::{EXCHANGE_TOKEN, ExchangedToken, TokenExchange, TokenType};
pub use federated_assertion::{ClientAssertionSource, FederatedAssertion};
pub use hosted_requests::HostedRequests;
pub use introspection::Introspector;
#[cfg(feature = "encryption")]
pub use jose::JoseEncrypter;
pub use key_error::KeyError;
pub use oauth_core;
pub use oauth_openid;
pub use profile::Profile;
pub use proof_verifier::{DpopProof, DpopProofVerifier, ProofError};
pub use pushed_requests::PushedRequests;
pub use sender::{PresentedToken, SenderError};
pub use signed_requests::{SIGN_AUTHORIZATION_REQUEST, SignedRequests};
pub use signed_responses::SignedResponses;
pub use signing::{SignError, Signer, sign_jwt};
pub use signing_key::SigningKey;
pub use signing_keys::{PublicJwks, SigningKeys};
pub use step_up::{AnsweredStepUp, ApiRefusal, StepUp, StepUpError, StepUpLogin};
pub use thumbprint::thumbprint;
pub use token_claims::TokenClaims;

/// The code of the guides.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/client-authentication.md")]
    struct ClientAuthentication;

    #[doc = include_str!("../../../docs/high-security.md")]
    struct HighSecurity;
    #[doc = include_str!("../../../docs/bound-tokens.md")]
    struct BoundTokens;

    #[doc = include_str!("../../../docs/grants.md")]
    struct Grants;

    #[doc = include_str!("../../../docs/high-security-providers.md")]
    struct Providers;

    #[doc = include_str!("../../../docs/signed-requests.md")]
    struct SignedRequests;
}

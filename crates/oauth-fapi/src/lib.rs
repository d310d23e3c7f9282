//! Signed, pushed and bound requests, up to FAPI 2.0: what banks, health services and governments ask of a client.

mod authorization_details;
mod encryption;
mod hosted_requests;
#[cfg(feature = "encryption")]
mod jose;
mod push;
mod pushed_requests;
mod signed_requests;
mod signed_responses;
mod signing;

pub use authorization_details::{
    AuthorizationDetail, AuthorizationDetails, DetailsComparison, DetailsError, GrantedDetails,
    TypeComparison,
};
pub use encryption::Encrypter;
pub use hosted_requests::HostedRequests;
#[cfg(feature = "encryption")]
pub use jose::JoseEncrypter;
pub use oauth_core;
pub use oauth_openid;
pub use pushed_requests::PushedRequests;
pub use signed_requests::{SIGN_AUTHORIZATION_REQUEST, SignedRequests};
pub use signed_responses::SignedResponses;
pub use signing::{SignError, Signer, sign_jwt};

//! Why a request is not let in.

use oauth_core::http::StatusCode;

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no token.
    #[error("the request has no access token")]
    NoToken,
    /// Its token comes twice, in another way than the `Authorization` header, or in a form that none has.
    #[error("the request's access token is not where it belongs")]
    InvalidRequest,
    /// Its token is not good here: unknown, expired, or for another resource. Which of these is nobody's business.
    #[error("the access token is not valid")]
    InvalidToken,
    /// Its token is bound to a key, and the proof of it is missing, or is not one for this request.
    #[error("the proof of the key that the access token is bound to is not valid")]
    InvalidProof,
    /// The proof must have the nonce that the reply brings.
    #[error("the proof does not have the nonce that is demanded")]
    UseNonce,
    /// Its token lacks a scope.
    #[error("the access token lacks one of the scopes {}", .0.join(" "))]
    InsufficientScope(Vec<String>),
    /// Nobody can say whether its token is good.
    #[error("access tokens cannot be verified now")]
    Unavailable,
}

impl Refusal {
    /// The HTTP status to answer with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken | Self::InvalidProof | Self::UseNonce => {
                StatusCode::UNAUTHORIZED
            }
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::InsufficientScope(_) => StatusCode::FORBIDDEN,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoToken | Self::Unavailable => None,
            Self::InvalidRequest => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::InvalidProof => Some("invalid_dpop_proof"),
            Self::UseNonce => Some("use_dpop_nonce"),
            Self::InsufficientScope(_) => Some("insufficient_scope"),
        }
    }
}

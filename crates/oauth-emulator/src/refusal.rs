//! Why the emulator refuses a request, and how the standards word it.

use http::{StatusCode, header};
use serde_json::json;

use crate::reply::ServerReply;

/// What was wrong with a request to the token endpoint or one like it; each dialect words it in its own way.
#[derive(Clone, Debug)]
pub(crate) struct ProtocolError {
    pub(crate) reason: Reason,
    pub(crate) description: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A parameter is missing, repeated or malformed.
    Request,
    /// The client authentication is missing, wrong, or of a kind that the provider does not take.
    Client,
    /// The code is unknown, used, expired or another client's.
    Code,
    /// The redirect URI is not the one of the authorization request.
    RedirectUri,
    /// The code verifier is missing or wrong.
    Verifier,
    /// The refresh token is unknown, replaced, revoked or another client's.
    RefreshToken,
    /// The grant type is unknown here.
    GrantType,
    /// Tokens of this kind cannot be revoked (RFC 7009, section 2.2.1).
    TokenType,
    /// The token to revoke is unknown or dead, where the provider says so.
    UnknownToken,
    /// The scope is malformed or goes beyond what was granted.
    Scope,
    /// An error code of another standard than RFC 6749.
    Other(&'static str),
}

impl Reason {
    /// The error code of RFC 6749, section 5.2.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Request => "invalid_request",
            Self::Client => "invalid_client",
            Self::Code | Self::RedirectUri | Self::Verifier | Self::RefreshToken => "invalid_grant",
            Self::GrantType => "unsupported_grant_type",
            Self::TokenType => "unsupported_token_type",
            Self::UnknownToken => "invalid_token",
            Self::Scope => "invalid_scope",
            Self::Other(code) => code,
        }
    }

    /// By what name a provider's facts have a code of its own.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Client => "client",
            Self::Code => "code",
            Self::RedirectUri => "redirect_uri",
            Self::Verifier => "verifier",
            Self::RefreshToken => "refresh_token",
            Self::GrantType => "grant_type",
            Self::TokenType => "token_type",
            Self::UnknownToken => "unknown_token",
            Self::Scope => "scope",
            Self::Other(code) => code,
        }
    }

    pub(crate) fn because(self, description: impl Into<String>) -> ProtocolError {
        ProtocolError { reason: self, description: description.into() }
    }
}

impl ProtocolError {
    pub(crate) fn status(&self) -> StatusCode {
        if self.reason == Reason::Client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST }
    }

    /// RFC 6749, section 5.2.
    pub(crate) fn standard(&self) -> ServerReply {
        let reply = ServerReply::json(
            self.status(),
            &json!({"error": self.reason.code(), "error_description": self.description}),
        );
        match self.reason {
            Reason::Client => reply.with(header::WWW_AUTHENTICATE, "Basic realm=\"oauth\""),
            _ => reply,
        }
    }
}

/// Why a request with an access token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is no token where this provider wants it.
    NoToken,
    /// It is unknown, expired, revoked, or another provider's.
    BadToken,
    /// It lacks the scope.
    Scope,
}

impl Denied {
    /// The reply of RFC 6750, section 3.
    pub(crate) fn standard(self) -> ServerReply {
        let (status, code, description) = match self {
            Self::NoToken => {
                let reply = ServerReply::json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_request"}));
                return reply.with(header::WWW_AUTHENTICATE, "Bearer");
            }
            Self::BadToken => (StatusCode::UNAUTHORIZED, "invalid_token", "the access token is not valid"),
            Self::Scope => (StatusCode::FORBIDDEN, "insufficient_scope", "the access token lacks the scope"),
        };
        ServerReply::json(status, &json!({"error": code, "error_description": description})).with(
            header::WWW_AUTHENTICATE,
            &format!("Bearer error=\"{code}\", error_description=\"{description}\""),
        )
    }
}

/// An error that the application is told in the callback (RFC 6749, section 4.1.2.1).
#[derive(Clone, Debug)]
pub(crate) struct CallbackError {
    pub(crate) code: &'static str,
    pub(crate) description: String,
}

impl CallbackError {
    pub(crate) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }
}

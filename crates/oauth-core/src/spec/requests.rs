//! The choices among a few that several groups of a `Spec` have.

use http::Method;
use serde::{Deserialize, Serialize};

/// How a client proves at an endpoint who it is (RFC 6749 section 2.3; the names are those of RFC 7591 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ClientAuth {
    /// `client_secret_post`: id and secret in the request body.
    #[serde(rename = "client_secret_post")]
    Post,
    /// `client_secret_basic`: id and secret, each form-encoded, in the `Authorization` header (RFC 6749 section 2.3.1).
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_secret_basic` without the form-encoding, for servers that do not decode. It matters only to secrets with characters
    /// other than letters, digits, `-`, `.`, `_` and `*`.
    #[serde(rename = "client_secret_basic_unencoded")]
    BasicUnencoded,
    /// `none`: a public client sends its id in the request body.
    #[serde(rename = "none")]
    None,
}

impl ClientAuth {
    /// The method's registered name (RFC 7591 section 2).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "client_secret_post",
            Self::Basic | Self::BasicUnencoded => "client_secret_basic",
            Self::None => "none",
        }
    }
}

/// How the parameters of a request are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestFormat {
    /// As a form, the way of the standards (RFC 6749 appendix B).
    Form,
    /// As a JSON object of texts.
    Json,
    /// In the query of a GET, as the drafts of OAuth 2.0 allowed it. Secrets are then in the URL, so that servers log them.
    Query,
}

/// The HTTP method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestMethod {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
}

impl From<RequestMethod> for Method {
    fn from(method: RequestMethod) -> Self {
        match method {
            RequestMethod::Get => Self::GET,
            RequestMethod::Post => Self::POST,
            RequestMethod::Delete => Self::DELETE,
        }
    }
}

/// Where in a request a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenPlace {
    /// In `Authorization: Bearer …`, the way of the standards (RFC 6750 section 2.1).
    Bearer,
    /// In the `Authorization` header by another scheme. Example: `Scheme("OAuth")`.
    Scheme(&'static str),
    /// In a header of the provider's own. Example: `Header("x-amz-access-token")`.
    Header(&'static str),
    /// In a parameter of the query (RFC 6750 section 2.3). Example: `Query("access_token")`.
    Query(&'static str),
    /// In a field of the form or the JSON object. Example: `Field("access_token")`.
    Field(&'static str),
    /// In the field `access_token` or `refresh_token`, by what the token is.
    FieldByKind,
}

impl TokenPlace {
    /// Whether it is where RFC 7009 section 2.1 has the token to revoke.
    pub(crate) fn is_standard(self) -> bool {
        matches!(self, Self::Field("token"))
    }

    /// Whether the token is in a header, by which it authorizes the request.
    pub(crate) fn is_header(self) -> bool {
        matches!(self, Self::Bearer | Self::Scheme(_) | Self::Header(_))
    }
}

//! How a token is presented without a proof of possession (RFC 6750).

use crate::{
    error::{Error, ErrorKind, Operation, Result},
    text::redaction::shown,
    token::OAuth2Token,
};

impl OAuth2Token {
    /// The access token, if it can be sent as `Authorization: Bearer` (RFC 6750).
    ///
    /// # Errors
    ///
    /// An unsupported-operation error when the token is of another type, such as `DPoP`.
    pub fn bearer(&self) -> Result<&str> {
        match self.token_type() {
            None => Ok(self.access_token()),
            Some(kind) if kind.eq_ignore_ascii_case("bearer") => Ok(self.access_token()),
            Some(kind) => Err(Error::new(
                Operation::GET_IDENTITY,
                "oauth2",
                ErrorKind::Unsupported(format!(
                    "a token of type {:?} cannot be used as a bearer token",
                    shown(kind)
                )),
            )),
        }
    }
}

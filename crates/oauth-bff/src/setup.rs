//! Settings that are refused.

/// A setting that [`Bff`](crate::Bff) or [`Upstream`](crate::Upstream) does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BffSetupError {
    /// The path cannot be that of the routes.
    #[error("{0:?} cannot be the path of the routes; give one such as /bff")]
    Base(String),
    /// The name of an upstream has other characters than lower-case letters, digits and hyphens.
    #[error("{0:?} cannot be the name of an upstream; use lower-case letters, digits and hyphens")]
    Name(String),
    /// Two upstreams have the same name.
    #[error("there are two upstreams named {0:?}")]
    SameName(String),
    /// The URL cannot be that of an API. It is not quoted, because it may contain a password.
    #[error("the upstream's URL is not usable: {0}; give one such as https://api.example/v1")]
    Url(&'static str),
    /// The operating system has no random bytes to give.
    #[error("the operating system has no random bytes to give")]
    Random,
    /// The header may not be passed on.
    #[error(
        "the header {0:?} cannot be passed on: it is about the connection, the session or the token, or says otherwise than the request"
    )]
    Header(String),
}

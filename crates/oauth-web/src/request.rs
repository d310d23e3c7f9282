//! A request as a framework hands it over.

use std::{fmt, ops::Deref};

use http::request::Parts;

/// The head of a request, with the parameters of the route that it matched. Dereferences to [`Parts`]: `request.headers`,
/// `request.extensions`.
#[derive(Clone)]
pub struct SignInRequest {
    parts: Parts,
    params: Vec<(String, String)>,
}

impl SignInRequest {
    /// A request, and the decoded parameters of its path in their order. The one named `provider` says whom the route is for.
    ///
    /// `parts.uri` must be the URI that the browser asked for: with the prefix that a router of the framework may have taken off. The
    /// redirect URI is made of it.
    pub fn new<N, V>(parts: Parts, params: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let params = params.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { parts, params }
    }

    /// The name of the provider in the path.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.param("provider").unwrap_or_default()
    }

    /// A parameter of the path, such as `tenant` where the routes are nested at `/{tenant}/auth`. Of several with one name it is the
    /// last.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().filter(|(other, _)| *other == name).last().map(|(_, value)| value)
    }

    /// The head alone, for the framework to go on with.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        self.parts
    }

    /// The parameters of the path, in their order.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl Deref for SignInRequest {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Without the query, which may hold a code, and the headers, which hold the cookies.
impl fmt::Debug for SignInRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRequest")
            .field("method", &self.parts.method)
            .field("path", &self.parts.uri.path())
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

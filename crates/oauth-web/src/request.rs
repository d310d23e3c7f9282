//! The request as an adapter passes it on.

use std::{fmt, ops::Deref};

use http::request::Parts;

/// The head of a request with the path parameters of its route. Dereferences to [`Parts`]: `request.headers`, `request.extensions`.
#[derive(Clone)]
pub struct SignInRequest {
    parts: Parts,
    params: Vec<(String, String)>,
}

impl SignInRequest {
    /// Creates a request from its head and its decoded path parameters. The parameter `provider` names the provider.
    ///
    /// `parts.uri` must be the URI that the browser requested, with any prefix that the framework's router has stripped: the redirect URI
    /// is derived from it.
    pub fn new<N, V>(parts: Parts, params: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let params = params.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { parts, params }
    }

    /// The provider's name in the path; empty if there is none.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.param("provider").unwrap_or_default()
    }

    /// A path parameter, such as `tenant` if the routes are nested at `/{tenant}/auth`. If several have the same name, the last one.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().filter(|(other, _)| *other == name).last().map(|(_, value)| value)
    }

    /// Returns the head of the request.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        self.parts
    }

    /// The path parameters in order.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// A request without path parameters.
impl From<Parts> for SignInRequest {
    fn from(parts: Parts) -> Self {
        Self { parts, params: Vec::new() }
    }
}

impl Deref for SignInRequest {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Shows neither the query, which may contain a code, nor the headers, which contain cookies.
impl fmt::Debug for SignInRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRequest")
            .field("method", &self.parts.method)
            .field("path", &self.parts.uri.path())
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::request;

    use super::*;

    #[test]
    fn the_last_parameter_of_a_name_counts() {
        let parts = request("GET", "/", &[]).into_parts();
        let params = [("tenant", "a"), ("provider", "acme"), ("tenant", "b")];
        let given = SignInRequest::new(parts, params);
        assert_eq!((given.provider(), given.param("tenant"), given.param("x")), ("acme", Some("b"), None));
        assert_eq!(given.params().collect::<Vec<_>>(), params);
        assert_eq!(SignInRequest::from(given.into_parts()).provider(), "");
    }

    #[test]
    fn a_request_is_shown_without_its_query_and_its_cookies() {
        let request =
            request("GET", "/auth/acme/callback?code=the-code", &[("cookie", "session=the-cookie")]);
        let shown = format!("{request:?}");
        assert!(shown.contains("GET") && shown.contains("\"/auth/acme/callback\""), "{shown}");
        assert!(shown.contains("(\"provider\", \"acme\")"), "{shown}");
        assert!(!shown.contains("the-code") && !shown.contains("the-cookie"), "{shown}");
    }
}

//! Answers, from which an adapter makes responses.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::SignInError;

/// The outcome of a request: a result, and the headers that the response needs in either case.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Answer<T> {
    /// The response itself, or what the application makes one of.
    pub result: Result<T, SignInError>,
    /// The headers to apply to the response, whether the result is `Ok` or `Err`.
    pub headers: AnswerHeaders,
}

impl<T> Answer<T> {
    pub(crate) fn new(result: Result<T, SignInError>, headers: AnswerHeaders) -> Self {
        Self { result, headers }
    }
}

/// The headers that a response needs in any case: cookies, and rules about caching and framing.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AnswerHeaders {
    set: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<HeaderValue>,
    may_be_framed: bool,
}

impl AnswerHeaders {
    /// Keeps a code or a state out of caches and of the `Referer` of whatever page comes next (RFC 9700 section 4.2).
    pub(crate) fn private() -> Self {
        Self::not_kept().with(header::REFERRER_POLICY, "no-referrer")
    }

    /// Keeps the response out of caches.
    pub(crate) fn not_kept() -> Self {
        Self::default().with(header::CACHE_CONTROL, "no-store")
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.set.push((name, HeaderValue::from_static(value)));
        self
    }

    pub(crate) fn add_cookie(&mut self, cookie: HeaderValue) {
        self.cookies.push(cookie);
    }

    #[cfg(feature = "openid")]
    pub(crate) fn may_be_framed(mut self) -> Self {
        self.may_be_framed = true;
        self
    }

    /// Applies them to the headers of a response. Cookies are appended, so that the application's own stay; other headers are replaced.
    pub fn apply(self, headers: &mut HeaderMap) {
        for (name, value) in self.set {
            headers.insert(name, value);
        }
        for cookie in self.cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        if self.may_be_framed {
            allow_frames(headers);
        }
    }
}

/// Removes what forbids framing, and leaves the rest of the Content-Security-Policy.
fn allow_frames(headers: &mut HeaderMap) {
    headers.remove(header::X_FRAME_OPTIONS);
    let policies: Vec<_> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().cloned().collect();
    headers.remove(header::CONTENT_SECURITY_POLICY);
    for policy in policies.iter().filter_map(without_frame_ancestors) {
        headers.append(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// A Content-Security-Policy without its `frame-ancestors` directive; `None` if nothing is left.
fn without_frame_ancestors(header: &HeaderValue) -> Option<HeaderValue> {
    let Ok(text) = header.to_str() else { return Some(header.clone()) };
    let is_kept = |directive: &&str| {
        let name = directive.split_ascii_whitespace().next().unwrap_or_default();
        !name.is_empty() && !name.eq_ignore_ascii_case("frame-ancestors")
    };
    // A comma separates policies (Content Security Policy Level 3 section 2.2), and a semicolon their directives.
    let policies = text
        .split(',')
        .map(|policy| policy.split(';').map(str::trim).filter(is_kept).collect::<Vec<_>>().join("; "));
    let kept: Vec<_> = policies.filter(|policy| !policy.is_empty()).collect();
    HeaderValue::try_from(kept.join(", ")).ok().filter(|kept| !kept.is_empty())
}

/// A 303 response; `None` if the URL cannot be a header.
pub(crate) fn redirect(url: &str) -> Option<http::Response<String>> {
    let mut response = http::Response::new(String::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(header::LOCATION, HeaderValue::try_from(url).ok()?);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_the_application_stay() {
        let mut headers = HeaderMap::new();
        headers.insert(header::SET_COOKIE, HeaderValue::from_static("session=1"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
        let mut answer = AnswerHeaders::private();
        answer.add_cookie(HeaderValue::from_static("attempt="));
        answer.add_cookie(HeaderValue::from_static("other="));
        answer.apply(&mut headers);
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["session=1", "attempt=", "other="]);
        assert_eq!(headers.get_all(header::CACHE_CONTROL).iter().collect::<Vec<_>>(), ["no-store"]);
    }

    #[test]
    fn a_frame_is_allowed_and_the_rest_of_the_policy_stays() {
        for (before, after) in [
            ("frame-ancestors 'none'", None),
            ("default-src 'none'; Frame-Ancestors 'self'; img-src *", Some("default-src 'none'; img-src *")),
            ("default-src 'self'", Some("default-src 'self'")),
            ("frame-ancestors 'none', script-src 'self'", Some("script-src 'self'")),
            ("default-src 'none', img-src *;frame-ancestors 'none'", Some("default-src 'none', img-src *")),
        ] {
            let left = without_frame_ancestors(&HeaderValue::from_static(before));
            assert_eq!(left.as_ref().map(|left| left.to_str().unwrap()), after, "{before}");
        }
    }
}

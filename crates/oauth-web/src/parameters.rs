//! The parameters of a callback: the query of a GET, the form of a POST.

use http::header;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    error::{ResolveError, SignInErrorKind},
    request::SignInRequest,
};

/// The maximum size of a callback's query or form. A code has far less than a thousand bytes.
const MOST_BYTES: usize = 16 * 1024;

/// The query of a request, unless it is too large.
pub(crate) fn query_text(request: &SignInRequest) -> Result<&str, SignInErrorKind> {
    let query = request.uri.query().unwrap_or_default();
    if query.len() <= MOST_BYTES { Ok(query) } else { Err(SignInErrorKind::TooLarge) }
}

/// Reads a body that says it is a form, as text.
pub(crate) async fn form_text<B>(request: &SignInRequest, body: B) -> Result<String, SignInErrorKind>
where
    B: Body,
    B::Error: Into<ResolveError>,
{
    let media_type = content_type(request).split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(SignInErrorKind::NotAForm);
    }
    read_text(body).await
}

pub(crate) fn content_type(request: &SignInRequest) -> &str {
    request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Reads a form as text, without decoding it.
pub(crate) async fn read_text<B>(body: B) -> Result<String, SignInErrorKind>
where
    B: Body,
    B::Error: Into<ResolveError>,
{
    let read = Limited::new(body, MOST_BYTES).collect().await;
    let bytes = read.map_err(|error| match error.is::<LengthLimitError>() {
        true => SignInErrorKind::TooLarge,
        false => SignInErrorKind::NotAForm,
    })?;
    String::from_utf8(bytes.to_bytes().to_vec()).map_err(|_| SignInErrorKind::NotAForm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ready, request};

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn a_callback_has_16_kib_at_most() {
        let full = format!("code={}", "c".repeat(16 * 1024 - 5));
        let queried = request("GET", &format!("/auth/acme/callback?{full}"), &[]);
        assert_eq!(query_text(&queried).unwrap(), full);
        let posted = request("POST", "/auth/acme/callback", &[("content-type", FORM)]);
        assert_eq!(ready(form_text(&posted, full.clone())).unwrap(), full);

        let queried = request("GET", &format!("/auth/acme/callback?{full}c"), &[]);
        assert!(matches!(query_text(&queried), Err(SignInErrorKind::TooLarge)));
        assert!(matches!(ready(form_text(&posted, full + "c")), Err(SignInErrorKind::TooLarge)));
        assert_eq!(query_text(&request("GET", "/auth/acme/callback", &[])).unwrap(), "");
    }

    #[test]
    fn a_form_is_what_says_that_it_is_one() {
        for (given, is_form) in [
            (FORM, true),
            ("Application/X-WWW-Form-Urlencoded; charset=utf-8", true),
            ("application/json", false),
            ("multipart/form-data; boundary=x", false),
            ("", false),
        ] {
            let posted = request("POST", "/auth/acme/callback", &[("content-type", given)]);
            assert_eq!(ready(form_text(&posted, "code=c".to_owned())).is_ok(), is_form, "{given}");
        }
    }
}

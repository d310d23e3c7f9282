//! The page at the end of a sign-in in a popup.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Response, header};
use oauth_core::sha256;

use crate::error_pages::escaped;

/// It tells the pages of its own origin, and no others, that the session has changed. What they do with the message is to ask the server.
///
/// A channel reaches the opener even if a page of the provider has cut it off by its `Cross-Origin-Opener-Policy`; `postMessage` reaches one
/// that is in a frame of another site, whose channels are apart.
const SCRIPT: &str = r#""use strict";
const message = { type: "oauth-sign-in", outcome: "signed_in" };
new BroadcastChannel("oauth-sign-in").postMessage(message);
if (window.opener) window.opener.postMessage(message, window.location.origin);
setTimeout(() => window.close(), 100);
"#;

/// The page that ends a sign-in in a popup: it tells the pages of this site that somebody signed in, and closes its window.
///
/// Answer with it where [`SignedIn::is_popup`](crate::SignedIn::is_popup) is set, which the link `/auth/{provider}/login?popup=1` does. The
/// message is `{"type": "oauth-sign-in", "outcome": "signed_in"}`, on the `BroadcastChannel` named `oauth-sign-in` and by `postMessage` to the
/// opener, for pages of the same origin alone. It has no token and no user in it: the page that gets it asks the server who is signed in.
///
/// ```
/// use http::Response;
/// use oauth_web::{PopupPage, SignedIn};
///
/// fn answer(user: &SignedIn) -> Response<String> {
///     // Begin the session first: its cookie belongs to the same response.
///     if user.is_popup {
///         return PopupPage::new().response();
///     }
///     Response::new("welcome".to_owned())
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PopupPage {
    language: String,
    title: String,
    message: String,
}

impl PopupPage {
    /// Creates the page in English.
    pub fn new() -> Self {
        Self {
            language: "en".to_owned(),
            title: "Signed in".to_owned(),
            message: "You are signed in. You can close this window.".to_owned(),
        }
    }

    /// Sets the texts, which are seen only where a browser does not let the page close its window. They are text, not HTML; the language is
    /// its tag, such as `de`.
    pub fn texts(
        self,
        language: impl Into<String>,
        title: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { language: language.into(), title: title.into(), message: message.into() }
    }

    /// The response, with a Content-Security-Policy that allows this page's script and no other.
    #[must_use]
    pub fn response(&self) -> Response<String> {
        let mut response = Response::new(format!(
            "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\
             <main><p>{}</p></main><script>{SCRIPT}</script></html>",
            escaped(&self.language),
            escaped(&self.title),
            escaped(&self.message),
        ));
        let hash = STANDARD.encode(sha256(SCRIPT.as_bytes()));
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        let headers = response.headers_mut();
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

impl Default for PopupPage {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_runs_its_own_script_and_no_other() {
        let response = PopupPage::new().texts("de", "<title>", "Fertig & \"gut\"").response();
        let header = |name| response.headers()[name].to_str().unwrap();
        let body = response.body();
        let (before, rest) = body.split_once("<script>").unwrap();
        let (script, _) = rest.split_once("</script>").unwrap();
        let policy = header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains(&STANDARD.encode(sha256(script.as_bytes()))), "{policy}");
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        assert_eq!(header(header::CONTENT_TYPE), "text/html; charset=utf-8");
        for part in ["lang=\"de\"", "<title>&lt;title&gt;</title>", "<p>Fertig &amp; &quot;gut&quot;</p>"] {
            assert!(before.contains(part), "{part} in {before}");
        }
    }
}

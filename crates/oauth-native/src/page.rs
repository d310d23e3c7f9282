//! What the browser shows when it comes back.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// The pages that the browser shows at the end: small, with the program's name and colour, without scripts and without anything from
/// elsewhere.
///
/// ```
/// use oauth_native::Page;
///
/// let page = Page::new("Acme").color("#0f766e").success("You are signed in. This window can be closed.");
/// ```
#[derive(Clone, Debug)]
pub struct Page {
    application: String,
    title: &'static str,
    color: String,
    success: String,
    failure: String,
    own_success: Option<String>,
    own_failure: Option<String>,
}

const SUCCESS: &str = "You are signed in. You can close this window and go back to the program.";

impl Default for Page {
    fn default() -> Self {
        Self::new("")
    }
}

impl Page {
    /// Pages with the name of the program.
    pub fn new(application: impl Into<String>) -> Self {
        Self {
            application: application.into(),
            title: "Signed in",
            color: "#2563eb".to_owned(),
            success: SUCCESS.to_owned(),
            failure: "You are not signed in. Go back to the program, which says why.".to_owned(),
            own_success: None,
            own_failure: None,
        }
    }

    /// Sets the colour of the headline, such as `#0f766e`. What is not a colour of that form is left out.
    #[must_use]
    pub fn color(mut self, color: &str) -> Self {
        let digits = color.strip_prefix('#').unwrap_or_default();
        if matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.color = color.to_owned();
        }
        self
    }

    /// Sets what the page says after a sign-in that succeeded. It is text: markup is shown as it is.
    #[must_use]
    pub fn success(mut self, text: impl Into<String>) -> Self {
        self.success = text.into();
        self
    }

    /// Sets what the page says after a sign-in that failed. It is text: markup is shown as it is.
    #[must_use]
    pub fn failure(mut self, text: impl Into<String>) -> Self {
        self.failure = text.into();
        self
    }

    /// Replaces the page of success by HTML of the program's own. The content security policy lets it have inline styles and images of
    /// `data:` URLs, and nothing else: the address of the page holds the code.
    #[must_use]
    pub fn success_html(mut self, html: impl Into<String>) -> Self {
        self.own_success = Some(html.into());
        self
    }

    /// Replaces the page of failure by HTML of the program's own. See [`success_html`](Self::success_html).
    #[must_use]
    pub fn failure_html(mut self, html: impl Into<String>) -> Self {
        self.own_failure = Some(html.into());
        self
    }

    /// For a program that shows the page before it knows how the login ends: it does not say that it succeeded.
    pub(crate) fn without_outcome(mut self) -> Self {
        self.title = "Almost done";
        if self.success == SUCCESS {
            self.success = "Go back to the program, which says whether you are signed in.".to_owned();
        }
        self
    }

    pub(crate) fn of_outcome(&self, succeeded: bool) -> Response<Full<Bytes>> {
        let (own, title, text, status) = match succeeded {
            true => (&self.own_success, self.title, &self.success, StatusCode::OK),
            false => (&self.own_failure, "Sign-in failed", &self.failure, StatusCode::BAD_REQUEST),
        };
        let html = own.clone().unwrap_or_else(|| self.html(title, text));
        answer(status, "text/html; charset=utf-8", html)
    }

    /// For a callback that is not of this sign-in. It says nothing about the one that is waited for.
    pub(crate) fn of_stranger(&self) -> Response<Full<Bytes>> {
        let text = "This is not the sign-in that the program waits for. Start it again there.";
        answer(StatusCode::BAD_REQUEST, "text/html; charset=utf-8", self.html("Not this sign-in", text))
    }

    fn html(&self, title: &str, text: &str) -> String {
        let application = escaped(&self.application);
        let heading =
            if application.is_empty() { String::new() } else { format!("<p><b>{application}</b></p>") };
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"referrer\" content=\"no-referrer\">\
             <title>{title}</title><style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;\
             color:#1f2937;background:#fff}}h1{{color:{color}}}@media(prefers-color-scheme:dark){{body{{color:#e5e7eb;background:#111827}}}}\
             </style></head><body>{heading}<h1>{title}</h1><p>{text}</p></body></html>",
            color = self.color,
            text = escaped(text),
        )
    }
}

/// For whatever else is asked for: it looks like a port where nothing is.
pub(crate) fn nothing_here() -> Response<Full<Bytes>> {
    answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found".to_owned())
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        // One connection, one answer: the port is to be free again soon.
        (header::CONNECTION, "close"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escaped(text: &str) -> String {
    let special = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];
    special.iter().fold(text.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped))
}

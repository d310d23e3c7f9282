//! Error pages in the application's own words, languages and HTML.

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{reason::SignInReason, request::SignInRequest};

/// The most languages of an `Accept-Language` header that are looked at.
const MOST_LANGUAGES: usize = 32;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

type ChooseLanguage = dyn Fn(&SignInRequest) -> Option<String> + Send + Sync;
type WriteHtml = dyn Fn(&ErrorPage) -> String + Send + Sync;

/// The texts of the error page in one language.
///
/// All of them are text, not HTML. What is not set stays in English, and a message that stays so is marked as English in the page.
#[derive(Clone, Debug)]
#[must_use]
pub struct ErrorTexts {
    language: String,
    is_right_to_left: bool,
    title: String,
    heading: String,
    try_again: String,
    messages: BTreeMap<SignInReason, String>,
}

impl ErrorTexts {
    /// Creates the texts of a language, which is named by its tag (BCP 47), such as `de` or `pt-BR`.
    pub fn new(language: impl Into<String>) -> Self {
        Self {
            language: language.into(),
            is_right_to_left: false,
            title: "Sign-in".to_owned(),
            heading: "You are not signed in".to_owned(),
            try_again: "Try again".to_owned(),
            messages: BTreeMap::new(),
        }
    }

    /// Says that the language is written from right to left.
    pub fn right_to_left(mut self) -> Self {
        self.is_right_to_left = true;
        self
    }

    /// Sets the title of the page.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the heading.
    pub fn heading(mut self, heading: impl Into<String>) -> Self {
        self.heading = heading.into();
        self
    }

    /// Sets the text of the link that starts the sign-in again.
    pub fn try_again(mut self, text: impl Into<String>) -> Self {
        self.try_again = text.into();
        self
    }

    /// Sets the message for a reason.
    pub fn message(mut self, reason: SignInReason, message: impl Into<String>) -> Self {
        self.messages.insert(reason, message.into());
        self
    }
}

/// The error pages of an application, for [`SignIn::error_pages`](crate::SignIn::error_pages).
///
/// ```
/// use oauth_web::{ErrorPages, ErrorTexts, SignInReason};
///
/// let pages = ErrorPages::new()
///     .texts(ErrorTexts::new("en").title("Acme").heading("Acme could not sign you in"))
///     .texts(
///         ErrorTexts::new("de")
///             .title("Acme")
///             .heading("Die Anmeldung hat nicht geklappt")
///             .try_again("Erneut versuchen")
///             .message(SignInReason::Denied, "Sie haben die Anmeldung abgelehnt."),
///     );
/// ```
#[derive(Clone)]
#[must_use]
pub struct ErrorPages {
    texts: Vec<Arc<ErrorTexts>>,
    language: Option<Arc<ChooseLanguage>>,
    html: Option<Arc<WriteHtml>>,
    policy: HeaderValue,
}

impl ErrorPages {
    /// Creates the plain English page.
    pub fn new() -> Self {
        Self { texts: Vec::new(), language: None, html: None, policy: HeaderValue::from_static(POLICY) }
    }

    /// Adds a language. The first is for browsers that accept none of them; English is always accepted. Texts of the same language replace
    /// earlier ones.
    pub fn texts(mut self, texts: ErrorTexts) -> Self {
        let same = |other: &&mut Arc<ErrorTexts>| other.language.eq_ignore_ascii_case(&texts.language);
        match self.texts.iter_mut().find(same) {
            Some(other) => *other = Arc::new(texts),
            None => self.texts.push(Arc::new(texts)),
        }
        self
    }

    /// Sets the function that chooses the language, such as from the user's settings or a path parameter. Where it returns `None` or
    /// a language without texts, `Accept-Language` decides.
    pub fn language(
        mut self,
        choose: impl Fn(&SignInRequest) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.language = Some(Arc::new(choose));
        self
    }

    /// Sets the function that writes the whole page. Status and headers stay as they are.
    ///
    /// ```
    /// use oauth_web::ErrorPages;
    ///
    /// let pages = ErrorPages::new().html(|page| {
    ///     // All that `page` returns is escaped already.
    ///     let retry = page.retry().map(|to| format!("<a href=\"{to}\">{}</a>", page.try_again()));
    ///     format!(
    ///         "<!doctype html><html lang=\"{}\" dir=\"{}\"><meta charset=\"utf-8\"><title>{}</title>\
    ///          <body><header>Acme</header><main><h1>{}</h1><p>{}</p>{}</main></body></html>",
    ///         page.language(),
    ///         page.direction(),
    ///         page.title(),
    ///         page.heading(),
    ///         page.message(),
    ///         retry.unwrap_or_default(),
    ///     )
    /// });
    /// ```
    pub fn html(mut self, write: impl Fn(&ErrorPage) -> String + Send + Sync + 'static) -> Self {
        self.html = Some(Arc::new(write));
        self
    }

    /// Sets the Content-Security-Policy. The default allows inline styles alone, and no frames; a page with a style sheet or an image of its
    /// own needs more, such as `default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'`.
    pub fn content_security_policy(mut self, policy: HeaderValue) -> Self {
        self.policy = policy;
        self
    }

    /// The pages for a request.
    pub(crate) fn choose(&self, request: &SignInRequest) -> ChosenPages {
        let chosen = self.language.as_ref().and_then(|choose| choose(request));
        let texts = chosen.and_then(|language| self.find(&language));
        let texts =
            texts.or_else(|| accepted(&request.headers).into_iter().find_map(|range| self.find(range)));
        let texts =
            texts.or_else(|| self.texts.first().cloned()).unwrap_or_else(|| ErrorTexts::new("en").into());
        ChosenPages { pages: self.clone(), texts }
    }

    /// The texts for a language range, which may be more precise than they are (RFC 4647 section 3.4), or less.
    fn find(&self, range: &str) -> Option<Arc<ErrorTexts>> {
        let range = range.trim();
        let mut wanted = range;
        loop {
            if let Some(texts) = self.texts.iter().find(|texts| texts.language.eq_ignore_ascii_case(wanted)) {
                return Some(texts.clone());
            }
            match wanted.rfind('-') {
                Some(end) => wanted = &wanted[..end],
                None => break,
            }
        }
        // For `pt`, where there is `pt-BR` alone.
        let begins = |texts: &&Arc<ErrorTexts>| {
            let primary = texts.language.split('-').next().unwrap_or_default();
            primary.eq_ignore_ascii_case(wanted)
        };
        let close = self.texts.iter().find(begins).cloned();
        close.or_else(|| wanted.eq_ignore_ascii_case("en").then(|| ErrorTexts::new("en").into()))
    }
}

impl Default for ErrorPages {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ErrorPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPages")
            .field("texts", &self.texts)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The error pages, and the texts in the language of one request.
#[derive(Clone, Debug)]
pub(crate) struct ChosenPages {
    pages: ErrorPages,
    texts: Arc<ErrorTexts>,
}

impl ChosenPages {
    pub(crate) fn plain() -> Self {
        Self { pages: ErrorPages::new(), texts: ErrorTexts::new("en").into() }
    }

    pub(crate) fn response(
        &self,
        reason: SignInReason,
        status: StatusCode,
        retry: Option<&str>,
    ) -> Response<String> {
        let page = ErrorPage::new(&self.texts, reason, status, retry);
        let mut response = Response::new(match &self.pages.html {
            Some(write) => write(&page),
            None => page.plain_html(),
        });
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.pages.policy.clone());
        if let Ok(language) = HeaderValue::try_from(&*self.texts.language) {
            headers.insert(header::CONTENT_LANGUAGE, language);
        }
        *response.status_mut() = status;
        response
    }
}

/// An error page to be written. All its texts are escaped for HTML, and none is from the request but the percent-encoded path in
/// [`retry`](Self::retry).
#[derive(Clone, Debug)]
pub struct ErrorPage {
    reason: SignInReason,
    status: StatusCode,
    language: String,
    direction: &'static str,
    title: String,
    heading: String,
    message: String,
    message_language: String,
    try_again: String,
    retry: Option<String>,
}

impl ErrorPage {
    fn new(texts: &ErrorTexts, reason: SignInReason, status: StatusCode, retry: Option<&str>) -> Self {
        let translated = texts.messages.get(&reason);
        Self {
            reason,
            status,
            language: escaped(&texts.language),
            direction: if texts.is_right_to_left { "rtl" } else { "ltr" },
            title: escaped(&texts.title),
            heading: escaped(&texts.heading),
            message: escaped(translated.map_or(reason.message(), |message| message)),
            message_language: escaped(translated.map_or("en", |_| &texts.language)),
            try_again: escaped(&texts.try_again),
            retry: retry.map(escaped),
        }
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> SignInReason {
        self.reason
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The tag of the chosen language, for the attribute `lang`.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.language
    }

    /// The direction of the chosen language, `ltr` or `rtl`, for the attribute `dir`.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        self.direction
    }

    /// The title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The heading.
    #[must_use]
    pub fn heading(&self) -> &str {
        &self.heading
    }

    /// The message for the user.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The tag of the message's language: `en` where the chosen language has no translation of it.
    #[must_use]
    pub fn message_language(&self) -> &str {
        &self.message_language
    }

    /// The text of the link to start again.
    #[must_use]
    pub fn try_again(&self) -> &str {
        &self.try_again
    }

    /// The URL at which the user can start again, relative to the request; `None` if that would not help.
    #[must_use]
    pub fn retry(&self) -> Option<&str> {
        self.retry.as_deref()
    }

    fn plain_html(&self) -> String {
        let direction = if self.direction == "rtl" { " dir=\"rtl\"" } else { "" };
        let marked = match self.message_language == self.language {
            true => String::new(),
            false => format!(" lang=\"{}\" dir=\"ltr\"", self.message_language),
        };
        let retry = self.retry().map(|to| format!("<p><a href=\"{to}\">{}</a></p>", self.try_again));
        format!(
            "<!doctype html><html lang=\"{}\"{direction}><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{}</title>\
             <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}}</style>\
             <main><h1>{}</h1><p{marked}>{}</p>{}</main></html>",
            self.language,
            self.title,
            self.heading,
            self.message,
            retry.unwrap_or_default(),
        )
    }
}

/// The languages that a browser accepts, the most wanted first (RFC 9110 section 12.5.4).
fn accepted(headers: &HeaderMap) -> Vec<&str> {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
    let ranges = lines.flat_map(|line| line.split(',')).take(MOST_LANGUAGES).filter_map(|item| {
        let (range, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let weight: f32 =
            weight.trim().strip_prefix(['q', 'Q'])?.trim().strip_prefix('=')?.trim().parse().ok()?;
        (weight > 0.0 && weight <= 1.0).then_some((range.trim(), weight))
    });
    let mut ranges: Vec<_> = ranges.collect();
    // Stable, so that those of the same weight stay in order.
    ranges.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    ranges.into_iter().map(|(range, _)| range).collect()
}

pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    fn pages() -> ErrorPages {
        let german =
            ErrorTexts::new("de").title("Acme & Co").heading("Nicht angemeldet").try_again("Nochmal");
        ErrorPages::new()
            .texts(german.message(SignInReason::Denied, "Abgelehnt <\"'>"))
            .texts(ErrorTexts::new("he").right_to_left())
            .texts(ErrorTexts::new("pt-BR"))
    }

    #[test]
    fn the_language_is_the_one_that_the_browser_wants_most() {
        for (accepts, language) in [
            (None, "de"),
            (Some("fr"), "de"),
            (Some("fr, he"), "he"),
            (Some("he;q=0.5, pt-BR;q=0.8"), "pt-BR"),
            (Some("he;q=0.5, pt-BR; Q = 1"), "pt-BR"),
            (Some("he, pt-BR;q=1.0"), "he"),
            (Some("pt"), "pt-BR"),
            (Some("pt-PT"), "pt-BR"),
            (Some("HE-IL"), "he"),
            (Some("en-GB, he;q=0.9"), "en"),
            // A weight of nothing means never, and one above 1 is none (RFC 9110 section 12.4.2).
            (Some("he;q=0"), "de"),
            (Some("he;q=0, pt;q=0.1"), "pt-BR"),
            (Some("he;q=1.5, pt;q=0.1"), "pt-BR"),
            (Some("he;q=-1, pt;q=0.1"), "pt-BR"),
            (Some("he;q=NaN, pt;q=0.1"), "pt-BR"),
        ] {
            let headers: Vec<_> = accepts.map(|accepts| ("accept-language", accepts)).into_iter().collect();
            let chosen = pages().choose(&request("GET", "/auth/acme/callback", &headers));
            assert_eq!(chosen.texts.language, language, "{accepts:?}");
        }
    }

    #[test]
    fn a_page_gets_all_its_texts_escaped() {
        let shown = pages().html(|page| {
            let (reason, status) = (page.reason(), page.status().as_u16());
            let texts = [page.language(), page.direction(), page.title(), page.heading(), page.message()];
            let rest = [page.message_language(), page.try_again(), page.retry().unwrap_or("none")];
            format!("{reason:?} {status} {} {}", texts.join("|"), rest.join("|"))
        });
        let german = shown.choose(&request("GET", "/", &[]));
        let page = german.response(SignInReason::Denied, StatusCode::FORBIDDEN, Some("login?a=1&b=2"));
        assert_eq!(page.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            page.body(),
            "Denied 403 de|ltr|Acme &amp; Co|Nicht angemeldet|Abgelehnt &lt;&quot;&#39;&gt; \
             de|Nochmal|login?a=1&amp;b=2"
        );
        let hebrew = shown.choose(&request("GET", "/", &[("accept-language", "he")]));
        let page = hebrew.response(SignInReason::Denied, StatusCode::FORBIDDEN, None);
        let message = SignInReason::Denied.message();
        assert_eq!(
            page.body(),
            &format!("Denied 403 he|rtl|Sign-in|You are not signed in|{message} en|Try again|none")
        );
    }

    #[test]
    fn the_plain_page_says_what_is_not_in_its_own_language() {
        let body = |accepts, retry| {
            let chosen = pages().choose(&request("GET", "/", &[("accept-language", accepts)]));
            chosen.response(SignInReason::Denied, StatusCode::FORBIDDEN, retry).into_body()
        };
        let german = body("de", Some("login?popup=1&return_to=%2F"));
        for part in [
            "<html lang=\"de\"><",
            "<title>Acme &amp; Co</title>",
            "<h1>Nicht angemeldet</h1><p>Abgelehnt &lt;&quot;&#39;&gt;</p>",
            "<p><a href=\"login?popup=1&amp;return_to=%2F\">Nochmal</a></p>",
        ] {
            assert!(german.contains(part), "{part} in {german}");
        }
        let hebrew = body("he", None);
        for part in ["<html lang=\"he\" dir=\"rtl\">", "<p lang=\"en\" dir=\"ltr\">You did not allow"] {
            assert!(hebrew.contains(part), "{part} in {hebrew}");
        }
        assert!(!hebrew.contains("<a "), "{hebrew}");
    }
}

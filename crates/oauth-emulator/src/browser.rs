//! A browser with a user in front of it, as far as a sign-in needs one.

use std::fmt;

use oauth_core::{
    Callback, HttpError, HttpErrorKind,
    bytes::Bytes,
    default_http_client,
    http::{Request, Response, header},
};

use crate::{
    emulator::Emulator,
    page::{CONSENT_PATH, DEVICE_PATH},
};

/// What the user does on the consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consent {
    /// Allows, as the user who is offered first.
    Allow,
    /// Allows, as the user with this id.
    AllowAs(String),
    /// Denies.
    Deny,
}

/// Why a browser did not come back to the application.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowseError {
    /// The emulator could not be reached.
    #[error("the emulator could not be reached: {0}")]
    Http(#[from] HttpError),
    /// No HTTP client could be made.
    #[error(transparent)]
    NoClient(#[from] oauth_core::Error),
    /// The provider shows a page that has no consent form: its text says what it refused.
    #[error("the provider refused the request (HTTP {status}): {text}")]
    Refused {
        /// The page's HTTP status.
        status: u16,
        /// The page's text, without its markup.
        text: String,
    },
    /// The text is not an absolute URL, or a path without a page to start from.
    #[error(
        "{0:?} is not the URL of a page; name an absolute one, or give the application to `in_process` first"
    )]
    Url(String),
    /// The redirects do not end.
    #[error("the page at {url} redirects again and again")]
    TooManyRedirects {
        /// The last address, without its query.
        url: String,
    },
    /// The application in the process failed to reply.
    #[error("the application failed: {0}")]
    App(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How a browser comes back to the application.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// By a redirect: the callback's whole URL.
    Get(String),
    /// By a form that the provider's page posts (`response_mode=form_post`).
    Post {
        /// The redirect URI.
        url: String,
        /// The body, of the type `application/x-www-form-urlencoded`.
        form: String,
    },
}

impl Arrival {
    /// What the application reads of it.
    #[must_use]
    pub fn callback(&self) -> Callback {
        match self {
            Self::Get(url) => Callback::from_url(url),
            Self::Post { form, .. } => Callback::from_form(form),
        }
    }

    /// One URL for both: that of the callback, with the form's fields as part of the query.
    pub fn into_url(self) -> String {
        match self {
            Self::Get(url) => url,
            Self::Post { url, form } => {
                let joint = if url.contains('?') { '&' } else { '?' };
                format!("{url}{joint}{form}")
            }
        }
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest holds the code.
        let (kind, url) = match self {
            Self::Get(url) => ("Get", url),
            Self::Post { url, .. } => ("Post", url),
        };
        f.debug_tuple(kind).field(&url.split('?').next().unwrap_or_default()).finish()
    }
}

impl Emulator {
    /// Does what a browser and its user do with an authorization URL: opens the consent page over HTTP, sends its form with
    /// its cookie, and follows the redirect as far as the application. The URL can be a provider's real one.
    ///
    /// # Errors
    ///
    /// A [`BrowseError`] when the provider shows a page that says what is wrong with the request.
    pub async fn browse(&self, authorization_url: &str, consent: Consent) -> Result<Arrival, BrowseError> {
        let http = default_http_client()?;
        let url = match authorization_url.starts_with(self.origin()) {
            true => authorization_url.to_owned(),
            false => self.local(authorization_url),
        };
        let page = http.send(request(Request::get(url), Bytes::new())?).await?;
        let cookie = page.headers().get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
        let page = match step(&page) {
            Destination::Arrived(arrival) => {
                // Errors in the request itself go back to the application at once (RFC 6749 section 4.1.2.1).
                return Ok(arrival);
            }
            Destination::Page { text, .. } if attribute(&text, "<form", "action").is_some() => text,
            Destination::Page { status, text } => {
                return Err(BrowseError::Refused { status, text: text_of(&text) });
            }
        };
        let hidden = |name: &str| attribute(&page, &format!("name=\"{name}\""), "value").unwrap_or_default();
        let (user, decision) = match consent {
            Consent::Allow => (hidden("user"), "allow"),
            Consent::AllowAs(user) => (user, "allow"),
            Consent::Deny => (hidden("user"), "deny"),
        };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("consent", &hidden("consent"))
            .append_pair("csrf", &hidden("csrf"))
            .append_pair("user", &user)
            .append_pair("decision", decision)
            .finish();
        let post = Request::post(format!("{}{CONSENT_PATH}", self.origin()))
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let reply = http.send(request(post, form.into())?).await?;
        match step(&reply) {
            Destination::Arrived(arrival) => Ok(arrival),
            Destination::Page { status, text } => Err(BrowseError::Refused { status, text: text_of(&text) }),
        }
    }
}

impl Emulator {
    /// Does what a user does with a code that a device shows (RFC 8628 section 3.3): opens the page, types the code in, and allows or
    /// denies. The page can be the provider's real one, with or without the code in it.
    ///
    /// # Errors
    ///
    /// [`BrowseError::Refused`] when the page does not take the code.
    pub async fn enter_code(
        &self,
        verification_uri: &str,
        user_code: &str,
        consent: Consent,
    ) -> Result<(), BrowseError> {
        let http = default_http_client()?;
        let url = match verification_uri.starts_with(self.origin()) {
            true => verification_uri.to_owned(),
            false => self.local(verification_uri),
        };
        let page = http.send(request(Request::get(url), Bytes::new())?).await?;
        let (status, page) = match step(&page) {
            Destination::Page { status, text } => (status, text),
            Destination::Arrived(_) => return Err(BrowseError::Refused { status: 302, text: String::new() }),
        };
        let hidden = |name: &str| attribute(&page, &format!("name=\"{name}\""), "value").unwrap_or_default();
        if attribute(&page, "<form", "action").as_deref() != Some(DEVICE_PATH) {
            return Err(BrowseError::Refused { status, text: text_of(&page) });
        }
        let (user, decision) = match consent {
            Consent::Allow => (hidden("user"), "allow"),
            Consent::AllowAs(user) => (user, "allow"),
            Consent::Deny => (hidden("user"), "deny"),
        };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", &hidden("csrf"))
            .append_pair("user_code", user_code)
            .append_pair("user", &user)
            .append_pair("decision", decision)
            .finish();
        let post = Request::post(format!("{}{DEVICE_PATH}", self.origin()))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let reply = http.send(request(post, form.into())?).await?;
        match reply.status().is_success() {
            true => Ok(()),
            false => Err(BrowseError::Refused {
                status: reply.status().as_u16(),
                text: text_of(&String::from_utf8_lossy(reply.body())),
            }),
        }
    }
}

/// Where a reply leads.
enum Destination {
    Arrived(Arrival),
    Page { status: u16, text: String },
}

fn request(request: http::request::Builder, body: Bytes) -> Result<Request<Bytes>, BrowseError> {
    let built = request.body(body);
    built.map_err(|error| BrowseError::Http(HttpError::new(HttpErrorKind::InvalidRequest).caused_by(error)))
}

fn step(reply: &Response<Bytes>) -> Destination {
    if let Some(url) = location(reply) {
        return Destination::Arrived(Arrival::Get(url));
    }
    let status = reply.status().as_u16();
    let text = String::from_utf8_lossy(reply.body()).into_owned();
    // The form of the consent page goes to the emulator; that which goes elsewhere goes to the application.
    match attribute(&text, "<form", "action").filter(|action| action != CONSENT_PATH && action != DEVICE_PATH)
    {
        Some(url) => Destination::Arrived(Arrival::Post { url, form: hidden_fields(&text) }),
        None => Destination::Page { status, text },
    }
}

/// The body that a browser makes of a form's hidden fields.
fn hidden_fields(page: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for field in page.split("<input type=\"hidden\" ").skip(1) {
        let value = |name| attribute(field, "", name);
        if let (Some(name), Some(value)) = (value("name"), value("value")) {
            form.append_pair(&name, &value);
        }
    }
    form.finish()
}

fn location(reply: &Response<Bytes>) -> Option<String> {
    reply.headers().get(header::LOCATION)?.to_str().ok().map(str::to_owned)
}

/// The value of an attribute that follows a mark in the first tag that has the mark.
fn attribute(page: &str, mark: &str, name: &str) -> Option<String> {
    let tag = &page[page.find(mark)?..];
    let tag = &tag[..tag.find('>')?];
    let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
    tag[start..].split('"').next().map(unescape)
}

/// Undoes what the pages do to a text; the ampersand last, or `&amp;lt;` would become `<`.
fn unescape(text: &str) -> String {
    let special = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    special.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn text_of(page: &str) -> String {
    let body = page.split_once("<main>").map_or(page, |(_, body)| body);
    let mut text = String::new();
    let mut in_tag = false;
    for character in body.chars() {
        match character {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                text.push(' ');
            }
            _ if !in_tag => text.push(character),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

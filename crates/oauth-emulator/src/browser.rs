//! A browser with a user in front of it, as far as a sign-in needs one.

use oauth_core::{
    reqwest::{self, header},
    reqwest_client,
};

use crate::emulator::Emulator;

/// What the user does on the consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Http(#[from] reqwest::Error),
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
}

impl Emulator {
    /// Does what a browser and its user do with an authorization URL: opens the consent page over HTTP, sends its form with
    /// its cookie, and follows the redirect as far as the application. Gives the URL of the callback.
    ///
    /// The URL can be a provider's real one.
    ///
    /// # Errors
    ///
    /// A [`BrowseError`] when the provider shows a page that says what is wrong with the request.
    pub async fn browse(&self, authorization_url: &str, consent: Consent) -> Result<String, BrowseError> {
        let http = reqwest_client(|defaults| defaults)?;
        let url = match authorization_url.starts_with(self.origin()) {
            true => authorization_url.to_owned(),
            false => self.local(authorization_url),
        };
        let page = http.get(url).send().await?;
        let cookie = page.headers().get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
        let (status, location) = (page.status(), location(&page));
        if let Some(callback) = location {
            // Errors in the request itself go back to the application at once (RFC 6749 section 4.1.2.1).
            return Ok(callback);
        }
        let page = page.text().await?;
        let Some(action) = attribute(&page, "<form", "action") else {
            return Err(BrowseError::Refused { status: status.as_u16(), text: text_of(&page) });
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
        let reply = http
            .post(format!("{}{action}", self.origin()))
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await?;
        let status = reply.status().as_u16();
        match self::location(&reply) {
            Some(callback) => Ok(callback),
            None => Err(BrowseError::Refused { status, text: text_of(&reply.text().await?) }),
        }
    }
}

fn location(reply: &reqwest::Response) -> Option<String> {
    reply.headers().get(header::LOCATION)?.to_str().ok().map(str::to_owned)
}

/// The value of an attribute in the first tag that has the mark, which stands in front of it.
fn attribute(page: &str, mark: &str, name: &str) -> Option<String> {
    let tag = &page[page.find(mark)?..];
    let tag = &tag[..tag.find('>')?];
    let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
    tag[start..]
        .split('"')
        .next()
        .map(|value| value.replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&"))
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

//! Plays the browser: keeps cookies, follows redirects, loads frames, and posts the forms of pages that post themselves.
//! It runs no scripts.

use oauth_openid::oauth_core::provider_kit::form_encoded;
use oauth_reqwest::{
    ReqwestClient,
    reqwest::{ClientBuilder, Response, Url},
    reqwest_client,
};

/// How many pages in a row may lead on to another.
const MOST_PAGES: usize = 30;

/// A browser with a jar of cookies of its own.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    http: ReqwestClient,
    /// What it writes into fields of these names.
    fill: Vec<(String, String)>,
}

/// Where the browser ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// On its way to the address it was to stop at, by a redirect.
    Redirect(String),
    /// On its way there with a form.
    Form(String),
    /// At a page that leads nowhere.
    Page {
        /// The status.
        status: u16,
        /// The text.
        text: String,
    },
}

enum Request {
    Get(Url),
    Post(Url, String),
}

impl Browser {
    /// A browser without cookies.
    pub(crate) fn new(
        changed: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, oauth_openid::oauth_core::Error> {
        let http = reqwest_client(|defaults| changed(defaults.cookie_store(true)))?;
        Ok(Self { http, fill: Vec::new() })
    }

    /// A browser that writes these values into fields of these names, as a user does who logs in.
    #[allow(dead_code, reason = "not every program that uses this browser has pages to fill in")]
    pub(crate) fn filling(mut self, fill: Vec<(String, String)>) -> Self {
        self.fill = fill;
        self
    }

    /// Opens an address, and goes on from there: up to the first step to an address that begins with `stop`, or to a page that
    /// leads nowhere.
    pub(crate) async fn go(&self, url: &str, stop: Option<&str>) -> Result<Arrival, String> {
        let url = Url::parse(url).map_err(|error| format!("{url} is not an address: {error}"))?;
        let mut request = Request::Get(url);
        for _ in 0..MOST_PAGES {
            let is_end = |url: &Url| stop.is_some_and(|stop| url.as_str().starts_with(stop));
            let url = match &request {
                Request::Get(url) if is_end(url) => return Ok(Arrival::Redirect(url.to_string())),
                Request::Post(url, body) if is_end(url) => return Ok(Arrival::Form(body.clone())),
                Request::Get(url) | Request::Post(url, _) => url.clone(),
            };
            let response = self.send(request).await?;
            let status = response.status().as_u16();
            if let Some(location) =
                response.headers().get("location").filter(|_| (300..400).contains(&status))
            {
                let next = location.to_str().ok().and_then(|location| url.join(location).ok());
                request = Request::Get(next.ok_or("a redirect leads to no address")?);
                continue;
            }
            let text = response.text().await.map_err(|error| error.to_string())?;
            for frame in tags(&text, "iframe").filter_map(|tag| attribute(tag, "src")) {
                if let Ok(frame) = url.join(&frame) {
                    self.send(Request::Get(frame)).await?;
                }
            }
            match form(&text, &url, &self.fill) {
                Some(next) => request = next,
                None => return Ok(Arrival::Page { status, text }),
            }
        }
        Err("the pages lead on for ever".to_owned())
    }

    async fn send(&self, request: Request) -> Result<Response, String> {
        let request = match request {
            Request::Get(url) => self.http.get(url),
            Request::Post(url, body) => {
                self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
            }
        };
        request.send().await.map_err(|error| format!("a page cannot be loaded: {}", error.without_url()))
    }
}

/// What the first form of a page sends, with its first button. A field `fragment` is filled with the fragment of the page's address,
/// which is what the script of [`endpoints`](super::endpoints) does.
fn form(page: &str, url: &Url, fill: &[(String, String)]) -> Option<Request> {
    let opening = tags(page, "form").next()?;
    let action = attribute(opening, "action").unwrap_or_default();
    let inside = page.split_once(opening)?.1;
    let inside = inside.split("</form>").next()?;
    let mut has_button = false;
    let fields: Vec<(String, String)> = tags(inside, "input")
        .chain(tags(inside, "button"))
        .filter_map(|tag| {
            let name = attribute(tag, "name")?;
            let filled = fill.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone());
            let kind = attribute(tag, "type").unwrap_or_default();
            let is_button = tag.starts_with("<button") || matches!(&*kind, "submit" | "image");
            match &*kind {
                "checkbox" | "radio" if filled.is_none() && !tag.contains(" checked") => return None,
                "button" | "reset" => return None,
                // One button is pressed.
                _ if is_button && std::mem::replace(&mut has_button, true) => return None,
                _ => {}
            }
            let value = filled.unwrap_or_else(|| match &*name {
                "fragment" => url.fragment().unwrap_or_default().to_owned(),
                _ => attribute(tag, "value").unwrap_or_default(),
            });
            Some((name, value))
        })
        .collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let mut to = url.join(&action).ok()?;
    let method = attribute(opening, "method").unwrap_or_default();
    if method.eq_ignore_ascii_case("post") {
        return Some(Request::Post(to, form_encoded(&fields)));
    }
    to.set_query(Some(&form_encoded(&fields)));
    Some(Request::Get(to))
}

/// The opening tags of one name.
fn tags<'p>(page: &'p str, name: &str) -> impl Iterator<Item = &'p str> {
    let opening = format!("<{name} ");
    let starts: Vec<_> = page.match_indices(&opening).map(|(at, _)| at).collect();
    starts.into_iter().filter_map(|at| page[at..].split_inclusive('>').next())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(value.to_owned(), |value, (entity, meant)| value.replace(entity, meant)))
}

//! The cookies that hold sealed attempts.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite, time::Duration};
use oauth_core::{LoginAttempt, Sealer};

/// More attempts than anybody has tabs for; together they stay far below what browsers keep for a site.
const MOST: usize = 5;

const PREFIX: &str = "oauth-attempt-";
const HOST_PREFIX: &str = "__Host-oauth-attempt-";

/// How many characters of the state name the cookie. Sixteen base64url characters are 96 bits.
const NAME_LEN: usize = 16;

/// The most bytes of a cookie's name and value; browsers drop what is larger, without a word.
const MOST_BYTES: usize = 4096;

/// The cookie of an attempt; `None` if no browser would keep it.
pub(crate) fn set(attempt: &LoginAttempt, sealed: String, https: bool) -> Option<HeaderValue> {
    let name = name(attempt.state(), https)?;
    if name.len() + sealed.len() > MOST_BYTES {
        return None;
    }
    let mut cookie = Cookie::new(name, sealed);
    // Browsers shorten it anyway.
    cookie.set_max_age(Duration::try_from(attempt.lifetime()).unwrap_or(Duration::weeks(52)));
    header_value(&decorated(cookie, attempt.is_form_post(), https))
}

/// Takes a cookie away again.
pub(crate) fn clear(name: &str) -> Option<HeaderValue> {
    let mut cookie = Cookie::new(name.to_owned(), "");
    cookie.set_max_age(Duration::ZERO);
    header_value(&decorated(cookie, false, name.starts_with(HOST_PREFIX)))
}

fn decorated(mut cookie: Cookie<'static>, from_other_site: bool, https: bool) -> Cookie<'static> {
    cookie.set_path("/");
    cookie.set_http_only(true);
    // A form that another site posts brings no `Lax` cookie, and browsers take `None` with `Secure` only.
    cookie.set_same_site(if from_other_site { SameSite::None } else { SameSite::Lax });
    cookie.set_secure(https || from_other_site);
    cookie
}

/// The cookie that a callback's state belongs to.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) sealed: String,
}

/// Finds the cookie of a state.
pub(crate) fn find(headers: &HeaderMap, state: &str, https: bool) -> Option<Found> {
    let name = name(state, https)?;
    ours(headers).into_iter().find(|found| found.name == name)
}

/// The cookies that must go to make room for one more: those that do not open any more, and the oldest.
pub(crate) fn surplus(headers: &HeaderMap, sealer: &Sealer) -> Vec<String> {
    let mut dead = Vec::new();
    let mut alive = Vec::new();
    for found in ours(headers) {
        match sealer.open_any(&found.sealed) {
            Ok(attempt) => alive.push((attempt.started_at(), found.name)),
            Err(_) => dead.push(found.name),
        }
    }
    alive.sort();
    let too_many = (alive.len() + 1).saturating_sub(MOST);
    dead.extend(alive.into_iter().take(too_many).map(|(_, name)| name));
    dead
}

fn ours(headers: &HeaderMap) -> Vec<Found> {
    headers
        .get_all(header::COOKIE)
        .iter()
        // Browsers send all cookies in one line, and those of others may be of any script.
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .flat_map(|line| Cookie::split_parse(line).flatten())
        .filter(|cookie| cookie.name().starts_with(PREFIX) || cookie.name().starts_with(HOST_PREFIX))
        .map(|cookie| Found { name: cookie.name().to_owned(), sealed: cookie.value().to_owned() })
        .collect()
}

fn name(state: &str, https: bool) -> Option<String> {
    let short = state.get(..NAME_LEN)?;
    let is_base64url = short.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_base64url.then(|| format!("{}{short}", if https { HOST_PREFIX } else { PREFIX }))
}

fn header_value(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    HeaderValue::try_from(cookie.to_string()).ok()
}

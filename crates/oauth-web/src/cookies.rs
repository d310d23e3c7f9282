//! The cookies that hold sealed attempts.

use cookie::{Cookie, SameSite, time::Duration};
use http::{HeaderMap, HeaderValue, header};
use oauth_core::{LoginAttempt, Sealer};

/// More attempts than anybody has tabs for.
const MOST: usize = 5;

/// The most bytes that the attempts of one browser may take in its `Cookie` header: it sends them with every request to the
/// site, and servers answer a header that is too long with an error.
const MOST_BYTES_IN_ALL: usize = 4096;

/// How many attempts are opened to see which of them must go. A request may bring thousands of cookies with such names, and each costs
/// a decryption.
const MOST_OPENED: usize = 16;

/// How many cookies that no longer open one response clears; the others follow at the next login.
const MOST_CLEARED: usize = 4;

const PREFIX: &str = "oauth-attempt-";
const HOST_PREFIX: &str = "__Host-oauth-attempt-";

/// How many characters of the state name the cookie. Sixteen base64url characters are 96 bits.
const NAME_LEN: usize = 16;

/// The most bytes of a cookie's name and value; browsers drop what is larger, without a word.
const MOST_BYTES: usize = 4096;

/// The cookie of an attempt that is about to be set.
pub(crate) struct NewCookie {
    pub(crate) header: HeaderValue,
    /// How many bytes of a `Cookie` header it takes.
    bytes: usize,
}

/// The cookie of an attempt; `None` if no browser would keep it.
pub(crate) fn set(attempt: &LoginAttempt, sealed: String, https: bool) -> Option<NewCookie> {
    let name = name(attempt.state(), https)?;
    if name.len() + sealed.len() > MOST_BYTES {
        return None;
    }
    let bytes = bytes_in_header(&name, &sealed);
    let mut cookie = Cookie::new(name, sealed);
    // Browsers shorten it anyway.
    cookie.set_max_age(Duration::try_from(attempt.lifetime()).unwrap_or(Duration::weeks(52)));
    let header = header_value(&decorated(cookie, attempt.is_form_post(), https))?;
    Some(NewCookie { header, bytes })
}

/// Removes a cookie.
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
pub(crate) struct FoundCookie {
    pub(crate) name: String,
    pub(crate) sealed: String,
}

/// Finds the cookie of a state.
pub(crate) fn find(headers: &HeaderMap, state: &str, https: bool) -> Option<FoundCookie> {
    let name = name(state, https)?;
    let sealed = pairs(headers).find_map(|(other, value)| (other == name.as_bytes()).then_some(value))?;
    let sealed = std::str::from_utf8(sealed).ok()?.to_owned();
    Some(FoundCookie { name, sealed })
}

/// The cookies that must go to make room for a new one: the oldest, and a few that do not open any more.
pub(crate) fn surplus(headers: &HeaderMap, sealer: &Sealer, new: &NewCookie, https: bool) -> Vec<String> {
    let mut dead = Vec::new();
    let mut alive = Vec::new();
    for (name, sealed) in attempts(headers, https).take(MOST_OPENED) {
        // No browser keeps a larger one, so it is none of ours.
        let opened = if name.len() + sealed.len() > MOST_BYTES { None } else { sealer.open_any(sealed).ok() };
        match opened {
            Some(attempt) => alive.push((attempt.started_at(), name, bytes_in_header(name, sealed))),
            None => dead.push(name.to_owned()),
        }
    }
    dead.truncate(MOST_CLEARED);
    // The newest first.
    alive.sort_by(|one, other| other.cmp(one));
    let (mut count, mut bytes) = (1, new.bytes);
    for (_, name, more) in alive {
        (count, bytes) = (count + 1, bytes + more);
        if count > MOST || bytes > MOST_BYTES_IN_ALL {
            dead.push(name.to_owned());
        }
    }
    dead
}

/// The cookies whose names are those of attempts.
fn attempts(headers: &HeaderMap, https: bool) -> impl Iterator<Item = (&str, &str)> {
    let prefix = prefix(https);
    pairs(headers).filter_map(move |(name, value)| {
        let (name, value) = (std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?);
        name.strip_prefix(prefix).filter(|rest| rest.len() == NAME_LEN && is_base64url(rest))?;
        Some((name, value))
    })
}

/// The names and values of a request's cookies, as the bytes that the browser sent.
///
/// Only space and tab are taken off: a browser gives the guarantees of `__Host-` for a name that begins with exactly these characters,
/// and a sibling domain can set one that begins with any other white space of Unicode's.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((trimmed(&pair[..equals]), trimmed(&pair[equals + 1..])))
    })
}

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn name(state: &str, https: bool) -> Option<String> {
    let short = state.get(..NAME_LEN).filter(|short| is_base64url(short))?;
    Some(format!("{}{short}", prefix(https)))
}

/// How the names begin. On https no other name is looked at, because any site of the domain can set it.
fn prefix(https: bool) -> &'static str {
    if https { HOST_PREFIX } else { PREFIX }
}

fn is_base64url(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// What a cookie takes of a `Cookie` header, with what separates it from the next.
fn bytes_in_header(name: &str, value: &str) -> usize {
    name.len() + value.len() + "=; ".len()
}

fn header_value(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    HeaderValue::try_from(cookie.to_string()).ok()
}

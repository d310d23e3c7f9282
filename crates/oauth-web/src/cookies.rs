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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STATE, attempt, sealer};

    const REDIRECT_URI: &str = "https://app.example/auth/acme/callback";

    fn headers(cookies: &[(String, String)]) -> HeaderMap {
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(pairs.join("; ")).unwrap())])
    }

    /// The cookie of an attempt that began so many seconds ago, with this much data.
    fn cookie(age: i64, data: usize) -> (String, String) {
        let state = format!("{age:016}{}", &STATE[16..]);
        let sealed = sealer().seal(&attempt(&state, REDIRECT_URI, age, data)).unwrap();
        (name(&state, true).unwrap(), sealed)
    }

    /// Which cookies go if one of this size is set.
    fn gone(cookies: &[(String, String)], bytes: usize) -> Vec<String> {
        let new = NewCookie { header: HeaderValue::from_static("x"), bytes };
        surplus(&headers(cookies), &sealer(), &new, true)
    }

    #[test]
    fn a_cookie_of_4096_bytes_is_kept_by_browsers_and_a_larger_one_is_not() {
        let begun = attempt(STATE, REDIRECT_URI, 0, 0);
        for https in [true, false] {
            let room = 4096 - name(STATE, https).unwrap().len();
            let full = set(&begun, "s".repeat(room), https).unwrap();
            assert_eq!(full.bytes, 4096 + "=; ".len());
            assert!(set(&begun, "s".repeat(room + 1), https).is_none());
        }
    }

    #[test]
    fn four_attempts_stay_beside_a_new_one_and_the_oldest_go() {
        let mut cookies: Vec<_> = [40, 10, 60, 20, 70, 30, 50].map(|age| cookie(age, 0)).into();
        let name = |age: i64| cookie(age, 0).0;
        assert_eq!(gone(&cookies, 100), [name(50), name(60), name(70)]);
        cookies.retain(|(other, _)| ![50, 60, 70].map(name).contains(other));
        assert_eq!(gone(&cookies, 100), [""; 0]);
    }

    #[test]
    fn attempts_take_4096_bytes_of_a_header_in_all() {
        let (name, sealed) = cookie(10, 0);
        let taken = format!("{name}={sealed}; ").len();
        let cookies = [(name.clone(), sealed)];
        assert_eq!(gone(&cookies, 4096 - taken), [""; 0]);
        assert_eq!(gone(&cookies, 4096 - taken + 1), [name]);
    }

    /// Only four that do not open go at once, and the largest that a browser keeps is not taken for one of them.
    #[test]
    fn an_attempt_of_the_largest_size_is_opened() {
        let full =
            (2000..4000).map(|data| cookie(10, data)).find(|(name, value)| name.len() + value.len() == 4096);
        let mut cookies: Vec<_> =
            (1..=5).map(|n| (name(&format!("{n:016}"), true).unwrap(), "damaged".to_owned())).collect();
        let damaged: Vec<_> = cookies.iter().take(4).map(|(name, _)| name.clone()).collect();
        cookies.push(full.unwrap());
        assert_eq!(gone(&cookies, 100), [damaged, vec![cookie(10, 0).0]].concat());
    }

    #[test]
    fn what_has_another_name_than_an_attempt_is_neither_found_nor_cleared() {
        for rest in ["AAAAAAAAAAAAAAA.", "AAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAA%", "", "*"]
        {
            for prefix in [PREFIX, HOST_PREFIX] {
                let cookies = [(format!("{prefix}{rest}"), "damaged".to_owned())];
                assert_eq!(gone(&cookies, 100), [""; 0], "{prefix}{rest}");
                for https in [true, false] {
                    assert!(find(&headers(&cookies), rest, https).is_none(), "{prefix}{rest}");
                }
            }
        }
        let cookies = [(format!("{PREFIX}{}", &STATE[..16]), "sealed".to_owned())];
        assert_eq!(gone(&cookies, 100), [""; 0], "on https, the name begins with __Host-");
        assert!(find(&headers(&cookies), STATE, true).is_none());
        assert_eq!(find(&headers(&cookies), STATE, false).unwrap().sealed, "sealed");
    }
}

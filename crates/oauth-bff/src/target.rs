//! Which URL of an upstream a path means.

use percent_encoding::percent_decode;
use reqwest::Url;

use crate::error::BffError;

/// How often a path is decoded to see what a careless server might make of it.
const MOST_DECODINGS: usize = 4;

/// The URL below `base` for the rest of a path, which begins with a slash or is empty, and a query.
pub(crate) fn target(base: &Url, rest: &str, query: Option<&str>) -> Result<Url, BffError> {
    if !is_plain(rest) {
        return Err(BffError::Path);
    }
    let path = format!("{}{rest}", base.path().trim_end_matches('/'));
    let path = if path.is_empty() { "/" } else { &path };
    let mut url = base.clone();
    url.set_path(path);
    // What the library writes differently from what was checked is not sent.
    if url.path() != path || url.origin() != base.origin() {
        return Err(BffError::Path);
    }
    url.set_query(query);
    Ok(url)
}

/// Whether a path means the same to every server, also to one that decodes it twice.
fn is_plain(path: &str) -> bool {
    if !(path.is_empty() || path.starts_with('/')) || !is_well_encoded(path) {
        return false;
    }
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..MOST_DECODINGS {
        if !is_harmless(&bytes) {
            return false;
        }
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        // Some servers read bytes such as C0 AE as a dot, or make one of them what they cannot read.
        if std::str::from_utf8(&decoded).is_err() {
            return false;
        }
        if decoded == bytes {
            return true;
        }
        // A slash that was encoded divides the path for some servers, and not for others.
        if slashes(&decoded) != slashes(&bytes) {
            return false;
        }
        bytes = decoded;
    }
    // What still changes was made to.
    false
}

/// Whether each percent sign is followed by two digits. What else it could mean is different from server to server.
fn is_well_encoded(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

/// Whether there is no dot segment, no empty segment but the last, no backslash and no control character.
fn is_harmless(path: &[u8]) -> bool {
    if path.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\') {
        return false;
    }
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // Some servers cut a segment off at a semicolon, and then resolve what is left.
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        let is_last_and_empty = segment.is_empty() && segments.peek().is_none();
        // Those that decode a path and read the whole as a URL again end it at what was an encoded question mark or hash, and drop spaces.
        let read_again = name.split(|byte| b"?#".contains(byte)).next().unwrap_or_default().trim_ascii();
        if matches!(read_again, b"." | b"..") || (name.is_empty() && !is_last_and_empty) {
            return false;
        }
    }
    true
}

fn slashes(path: &[u8]) -> usize {
    path.iter().filter(|byte| **byte == b'/').count()
}

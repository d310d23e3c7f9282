//! The defence against requests that pages of other origins make.

use http::{HeaderMap, HeaderValue, header};
use oauth_web::web_kit;

use crate::error::BffError;

pub(crate) const CSRF_HEADER: &str = "x-csrf";

/// Refuses what a page of another origin could have sent.
///
/// The header alone is enough in today's browsers, because such a page would have to ask first, and is never allowed to. What the browser says
/// about the page is a second line, and needs nothing of the page.
pub(crate) fn check(headers: &HeaderMap, site: &str) -> Result<(), BffError> {
    let mut values = headers.get_all(CSRF_HEADER).iter().map(HeaderValue::as_bytes);
    if (values.next(), values.next()) != (Some(b"1".as_slice()), None) {
        return Err(BffError::NoCsrfHeader);
    }
    let tells_origin = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
    if tells_origin && !web_kit::is_of_own_page(headers, site) {
        return Err(BffError::CrossSite);
    }
    Ok(())
}

//! What a URL says of where it leads.

/// Whether a URL leads to this machine, in the ways that a client trusts plain http for.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Whether a URL has a user name or a password in front of its host (RFC 3986 section 3.2.1).
pub(crate) fn has_user(url: &url::Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

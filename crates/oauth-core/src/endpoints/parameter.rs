//! Checks of what callers put into URLs: tenants, shops, domains. A value that could move the host, such as
//! `evil.example/#`, is refused before anything is sent.

use crate::{
    endpoints::normalized,
    error::{Error, Result},
};

/// A value that fits within one path segment or one label of a host name.
///
/// # Errors
///
/// A configuration error unless it is 1 to 255 letters, digits, `-`, `.`, `_` and `~`, and not `.` or `..`.
pub fn segment<'v>(parameter: &str, value: &'v str) -> Result<&'v str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if (1..=255).contains(&value.len()) && value.bytes().all(allowed) && value != "." && value != ".." {
        Ok(value)
    } else {
        Err(refused(parameter, value, "letters, digits, '-', '.', '_' and '~'"))
    }
}

/// A DNS host name without scheme, port or path, such as `example.okta.com`, in lower case: a host is the same host in any
/// case, but the issuer that is made of it is compared byte for byte.
///
/// # Errors
///
/// A configuration error unless it is a host name by RFC 1123 section 2.1, and no address.
pub fn host(parameter: &str, value: &str) -> Result<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // What ends in a number is an address to whoever resolves it, in any of its forms (URL Standard, host parsing).
    let last = value.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_address = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    if value.len() <= 253 && value.split('.').all(label) && !is_address {
        Ok(value.to_ascii_lowercase())
    } else {
        Err(refused(parameter, value, "a host name alone, without https://, port or path"))
    }
}

/// The base URL of an installation, such as `https://github.example.com`: without a slash at its end, its host in lower case
/// and without a default port, so that every spelling of it makes one issuer.
///
/// # Errors
///
/// A configuration error unless it is an https URL (http on this machine) without query, fragment or user information.
pub fn base_url(parameter: &str, value: &str) -> Result<String> {
    base_url_where(parameter, value, false)
}

/// The base URL of a server that one can run oneself, which may be plain http in a test network: a client of it sends nothing
/// until it is told [`dangerously_allow_plain_http`](crate::OAuth2::dangerously_allow_plain_http).
///
/// # Errors
///
/// As [`base_url`], but for plain http.
pub fn self_hosted_url(parameter: &str, value: &str) -> Result<String> {
    base_url_where(parameter, value, true)
}

fn base_url_where(parameter: &str, value: &str, may_be_http: bool) -> Result<String> {
    let checked = crate::endpoints::check_url(value, may_be_http);
    if checked.is_ok() && !value.contains(['?', '\\']) && !has_dot_segment(value) {
        Ok(normalized(value).trim_end_matches('/').to_owned())
    } else {
        Err(refused(
            parameter,
            value,
            "an https URL such as https://login.example.com, without query and fragment",
        ))
    }
}

/// Whether a part of the path means another place (RFC 3986 section 5.2.4), in whatever spelling.
fn has_dot_segment(url: &str) -> bool {
    url.split('/').any(|part| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".."
    })
}

fn refused(parameter: &str, value: &str, wanted: &str) -> Error {
    // What comes before an @ may be a password.
    let value = value.rsplit('@').next().unwrap_or_default();
    Error::configuration("oauth2", format!("{parameter} is {value:?}, but it must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_move_the_host() {
        for bad in [
            "",
            ".",
            "..",
            "evil.example/#",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "a:b",
            "a%2fb",
            "a\\b",
            "a b",
            "a\n",
            "ä",
        ] {
            assert!(segment("tenant", bad).is_err(), "{bad:?}");
            assert!(host("domain", bad).is_err(), "{bad:?}");
        }
        for bad in ["-a.example", "a..example", "a-.example", "a.example.", "a_b.example"] {
            assert!(host("domain", bad).is_err(), "{bad:?}");
        }
        for bad in ["127.0.0.1", "2130706433", "0x7f000001", "127.1", "0X7F.1", "a.0x1", "1"] {
            assert!(host("domain", bad).is_err(), "{bad:?}");
        }
        assert!(segment("tenant", "9188040d-6c67-4c5b-b112-36a304b66dad").is_ok());
        assert!(host("domain", "dev-1.okta.com").is_ok());
        // What DNS can carry, and no more.
        let labels = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        assert_eq!(
            (host("domain", &labels).unwrap().len(), host("domain", &format!("{labels}d")).is_err()),
            (253, true)
        );
        assert!(host("domain", &"a".repeat(64)).is_err());
        assert!(segment("tenant", &"a".repeat(255)).is_ok() && segment("tenant", &"a".repeat(256)).is_err());
        for bad in [
            "http://a.example",
            "https://a.example?x",
            "https://a.example#x",
            "https://u@a.example",
            "a.example",
            "https://a.example/../b",
            "https://a.example/b/..",
            "https://a.example/./b",
            "https://a.example/b/.",
            "https://a.example/%2e%2E/b",
            "https://a.example/.%2e",
            "https://a.example/%2e",
        ] {
            assert!(base_url("base_url", bad).is_err(), "{bad:?}");
        }
        assert_eq!(base_url("base_url", "https://ghe.example/").unwrap(), "https://ghe.example");
        assert!(base_url("base_url", "https://ghe.example/.well/a..b").is_ok());
        assert_eq!(
            self_hosted_url("url", "http://keycloak:8080/realms/x/").unwrap(),
            "http://keycloak:8080/realms/x"
        );
        for bad in [
            "http://keycloak:8080/?x",
            "http://u@keycloak",
            "ftp://keycloak",
            "keycloak:8080",
            "http://a/../b",
        ] {
            assert!(self_hosted_url("url", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_and_a_base_url_have_one_spelling() {
        assert_eq!(host("domain", "Dev-1.OKTA.com").unwrap(), "dev-1.okta.com");
        for spelling in [
            "https://ghe.example/Path",
            "HTTPS://GHE.Example/Path/",
            "https://ghe.example:443/Path",
            "https://ghe.example./Path//",
        ] {
            assert_eq!(base_url("base_url", spelling).unwrap(), "https://ghe.example/Path", "{spelling}");
        }
        assert_eq!(base_url("base_url", "https://GHE.example:8443").unwrap(), "https://ghe.example:8443");
    }
}

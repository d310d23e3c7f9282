//! The hosts that a token may go to.

use std::net::IpAddr;

use reqwest::Url;

use super::request_error::RequestError;

/// The hosts that a token may go to.
///
/// ```
/// use oauth_tokens::Hosts;
///
/// let hosts = Hosts::new(["api.example.com", "staging.example.com:8443"])?;
/// assert!(Hosts::new(["https://api.example.com/v1"]).is_err());
/// # Ok::<(), oauth_tokens::RequestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hosts {
    hosts: Vec<Host>,
    allows_plain_http: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    /// `None` is the scheme's own port.
    port: Option<u16>,
}

impl Hosts {
    /// A list of these hosts, each with the default port unless it names one. Subdomains are not included.
    ///
    /// # Errors
    ///
    /// [`RequestError::InvalidHost`] with the first text that is not a host.
    pub fn new<H: AsRef<str>>(hosts: impl IntoIterator<Item = H>) -> Result<Self, RequestError> {
        let hosts = hosts.into_iter().map(|host| Host::parse(host.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { hosts, allows_plain_http: false })
    }

    /// Lets the token go to these hosts by plain http too. Everybody on the way can read it: for closed networks only, such as between the
    /// containers of a cluster.
    #[must_use]
    pub fn dangerously_allow_plain_http(mut self) -> Self {
        self.allows_plain_http = true;
        self
    }

    pub(super) fn check(&self, url: &Url) -> Result<(), RequestError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let asked = Host { name: host.clone(), port: url.port() };
        if !self.hosts.contains(&asked) {
            let host = url.port().map_or(host.clone(), |port| format!("{host}:{port}"));
            return Err(RequestError::HostNotListed { host });
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.allows_plain_http || is_this_machine(&host) => Ok(()),
            _ => Err(RequestError::PlainHttp { host }),
        }
    }
}

impl Host {
    /// Parses a host as the URL library does, so that both write it in the same way.
    fn parse(text: &str) -> Result<Self, RequestError> {
        let invalid = || RequestError::InvalidHost { host: text.to_owned() };
        if text.is_empty()
            || text.contains(['/', '?', '#', '@', '\\'])
            || text.chars().any(char::is_whitespace)
        {
            return Err(invalid());
        }
        let url = Url::parse(&format!("https://{text}/")).map_err(|_| invalid())?;
        let name = url.host_str().filter(|name| !name.contains('*')).ok_or_else(invalid)?;
        Ok(Self { name: name.to_owned(), port: url.port() })
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(url: &str) -> &'static str {
        let hosts = Hosts::new([
            "api.example.com",
            "API.example.org:8443",
            "127.0.0.1",
            "localhost:3000",
            "[::1]",
            "bücher.example",
        ])
        .unwrap();
        match hosts.check(&Url::parse(url).unwrap()) {
            Ok(()) => "goes",
            Err(RequestError::PlainHttp { .. }) => "plain http",
            Err(_) => "not listed",
        }
    }

    #[test]
    fn a_token_goes_to_listed_hosts_and_nowhere_else() {
        let table = [
            ("https://api.example.com/v1?x=1", "goes"),
            ("https://API.EXAMPLE.COM:443/", "goes"),
            ("https://xn--bcher-kva.example/", "goes"),
            ("https://api.example.org:8443/", "goes"),
            ("http://127.0.0.1/", "goes"),
            ("http://localhost:3000/", "goes"),
            ("http://[::1]/", "goes"),
            ("http://api.example.com/", "plain http"),
            ("ftp://api.example.com/", "plain http"),
            ("https://api.example.org/", "not listed"),
            ("https://api.example.com:8443/", "not listed"),
            ("https://example.com/", "not listed"),
            ("https://v1.api.example.com/", "not listed"),
            ("https://api.example.com.evil.example/", "not listed"),
            ("https://api.example.com@evil.example/", "not listed"),
            ("https://evil.example/#@api.example.com/", "not listed"),
            ("http://localhost:3001/", "not listed"),
            ("http://127.0.0.2/", "not listed"),
        ];
        for (url, expected) in table {
            assert_eq!(outcome(url), expected, "{url}");
        }
    }

    #[test]
    fn plain_http_to_another_machine_has_to_be_allowed() {
        let url = Url::parse("http://orders:8080/v1").unwrap();
        let hosts = Hosts::new(["orders:8080"]).unwrap();
        assert!(matches!(hosts.check(&url), Err(RequestError::PlainHttp { .. })));
        let hosts = hosts.dangerously_allow_plain_http();
        assert!(hosts.check(&url).is_ok());
        assert!(hosts.check(&Url::parse("http://other:8080/").unwrap()).is_err());
        assert!(hosts.check(&Url::parse("ftp://orders:8080/").unwrap()).is_err());
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            " ",
            "a b",
            "https://api.example.com",
            "api.example.com/v1",
            "a@b",
            "*.example.com",
            "a:b",
            "a?b",
            "a#b",
            "a\\b",
        ] {
            assert!(Hosts::new([text]).is_err(), "{text:?}");
        }
    }
}

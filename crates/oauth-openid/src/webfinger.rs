//! From a user's address to its issuer.

use std::sync::Arc;

use oauth_core::{
    ClientSecret, Error, ErrorKind, HttpClient, OAuth2, Operation, Provider, PublicHosts, Result,
    http::Method, provider_kit::check_public_url,
};
use url::Url;

use crate::spec::SPEC;

/// The function [`webfinger`], in errors.
pub const WEBFINGER: Operation = Operation::new("webfinger");

const RELATION: &str = "http://openid.net/specs/connect/1.0/issuer";

/// Finds the issuer that a user's address belongs to (OpenID Connect Discovery 1.0 section 2, RFC 7033): `ada@example.com`,
/// `acct:ada@example.com`, or `https://example.com/ada`.
///
/// The address comes from a stranger, and a request goes to its host; the issuer in the answer comes from whoever runs that host,
/// and the next request goes there. Both must be public hosts ([`check_public_url`]). Without an HTTP client of your own, names
/// that resolve to private addresses are refused too, by [`PublicHosts`]; one of your own must do so itself. Read the issuer's
/// metadata with [`Discovery::public_hosts_only`](crate::Discovery::public_hosts_only), and compare the issuer with those that the
/// application knows before it signs anybody in there.
///
/// # Errors
///
/// A configuration error when the text is not such an address; a malformed-reply error when no issuer is found; else any [`Error`].
pub async fn webfinger(resource: &str, http: Option<Arc<dyn HttpClient>>) -> Result<String> {
    let (resource, host) = normalized(resource)
        .map_err(|problem| Error::new(WEBFINGER, "openid", ErrorKind::Configuration(problem)))?;
    let http = http.unwrap_or_else(|| Arc::new(PublicHosts::new()));
    let client = OAuth2::from_spec(&SPEC, "", ClientSecret::NONE).with_http_client(http);
    let url = format!("https://{host}/.well-known/webfinger");
    let reply = client
        .request(WEBFINGER, Method::GET, url)
        .query(&[("resource", &resource), ("rel", RELATION)])
        .header("accept", "application/jrd+json, application/json")
        .send()
        .await?;
    let document = reply.object()?;
    let links = document["links"].as_array().into_iter().flatten();
    let issuer = links
        .filter(|link| link["rel"] == RELATION)
        .find_map(|link| link["href"].as_str())
        .ok_or_else(|| reply.malformed("there is no link to an issuer in it"))?;
    let is_issuer = Url::parse(issuer)
        .is_ok_and(|url| url.scheme() == "https" && url.query().is_none() && url.fragment().is_none());
    if !is_issuer {
        return Err(reply.malformed("the issuer in it is not an https URL without query and fragment"));
    }
    check_public_url(issuer)
        .map_err(|problem| reply.malformed(format!("the issuer in it is refused: {problem}")))?;
    Ok(issuer.to_owned())
}

/// The resource and the host to ask (section 2.1).
fn normalized(input: &str) -> Result<(String, String), String> {
    let wrong = || "an address is such as ada@example.com or https://example.com/ada".to_owned();
    let input = input.trim();
    if let Some(account) = input.strip_prefix("acct:").or_else(|| is_account(input).then_some(input)) {
        let (_, host) = account.rsplit_once('@').ok_or_else(wrong)?;
        return Ok((format!("acct:{account}"), checked(&format!("https://{host}"))?.1));
    }
    let url = match input.split_once("://") {
        Some(("https", _)) => input.to_owned(),
        Some(_) => return Err("an address that is a URL must be https".to_owned()),
        None => format!("https://{input}"),
    };
    let (url, host) = checked(url.split('#').next().unwrap_or_default())?;
    Ok((url, host))
}

/// Whether the text is an account: something, an at sign, a host, and neither path nor query.
fn is_account(input: &str) -> bool {
    input.contains('@') && !input.contains(['/', '?', '#', ':'])
}

fn checked(url: &str) -> Result<(String, String), String> {
    check_public_url(url).map_err(|problem| format!("the address is refused: {problem}"))?;
    let parsed = Url::parse(url).map_err(|_| "the address has no valid host".to_owned())?;
    let host = parsed.host_str().unwrap_or_default();
    let host = parsed.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    Ok((url.to_owned(), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md_14_addresses_are_normalized_as_the_specification_says() {
        for (input, resource, host) in [
            ("joe@example.com", "acct:joe@example.com", "example.com"),
            ("acct:joe@example.com:8080", "acct:joe@example.com:8080", "example.com:8080"),
            (
                "acct:juliet%40capulet.example@shoes.example",
                "acct:juliet%40capulet.example@shoes.example",
                "shoes.example",
            ),
            ("example.com", "https://example.com", "example.com"),
            ("example.com:8080", "https://example.com:8080", "example.com:8080"),
            ("https://example.com/joe#me", "https://example.com/joe", "example.com"),
            ("example.com/joe", "https://example.com/joe", "example.com"),
        ] {
            assert_eq!(normalized(input), Ok((resource.to_owned(), host.to_owned())), "{input}");
        }
    }

    #[test]
    fn md_09_nobody_is_sent_into_a_private_network() {
        for bad in [
            "joe@127.0.0.1",
            "joe@localhost",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            // What a translator or a relay would reach.
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[64:ff9b:1::a00:1]/",
            "https://[2002:a00:1::1]/",
            "joe@[64:ff9b::10.0.0.1]",
            "https://10.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://metadata.internal/",
            "http://example.com/",
            "https://user@example.com/",
            "file:///etc/passwd",
            "",
            "@",
        ] {
            assert!(normalized(bad).is_err(), "{bad}");
        }
        for good in ["https://[2001:4860:4860::8888]/", "https://[64:ff9b::808:808]/", "https://8.8.8.8/"] {
            assert!(normalized(good).is_ok(), "{good}");
        }
    }
}

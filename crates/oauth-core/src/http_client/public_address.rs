//! Which hosts and addresses belong to the public internet, for URLs that come from strangers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Checks that a URL from a stranger names a public host, so that requesting it cannot reach into a private network.
///
/// It is refused unless it is http or https, has no user information, and its host is a name with a dot that is not reserved for
/// private networks (`localhost`, `.local`, `.internal`, `.corp`, `.svc`, `.home.arpa` and their kin), or an address that
/// [`is_public_address`] accepts, in whatever way it is written. What a name resolves to is not looked at here:
/// [`PublicHosts`](crate::PublicHosts) does that when it sends a request.
///
/// ```
/// use oauth_core::provider_kit::check_public_url;
///
/// assert!(check_public_url("https://login.example.com/tenant").is_ok());
/// assert!(check_public_url("https://169.254.169.254/latest").is_err());
/// assert!(check_public_url("https://0x7f.1/").is_err());
/// ```
///
/// # Errors
///
/// What is wrong with the URL, without the URL itself.
pub fn check_public_url(url: &str) -> Result<(), String> {
    host_of(url).and_then(|(_, is_public)| match is_public {
        true => Ok(()),
        false => Err("its host is this machine's or a private network's".to_owned()),
    })
}

/// The host of a URL by the URL Standard, and whether its name or address is a public one.
pub(crate) fn host_of(url: &str) -> Result<(String, bool), String> {
    let url = Url::parse(url).map_err(|_| "it is not an absolute URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it is not an https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has user information in front of its host".to_owned());
    }
    let is_public = match url.host() {
        None => return Err("it has no host".to_owned()),
        Some(Host::Domain(name)) => is_public_name(name),
        Some(Host::Ipv4(address)) => is_public_address(address.into()),
        Some(Host::Ipv6(address)) => is_public_address(address.into()),
    };
    Ok((url.host_str().unwrap_or_default().to_owned(), is_public))
}

/// Whether a host, as a URL names it, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The refusal to reach a host that is not public. It is found again among the causes of an HTTP library's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotPublic(String);

impl NotPublic {
    pub(crate) fn new(problem: String) -> Self {
        Self(problem)
    }
}

/// Names that only a private network resolves: RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, and those that networks are known
/// to use. They are in lower case, as in a parsed URL.
const PRIVATE_SUFFIXES: &[&str] = &[
    "corp",
    "domain",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "private",
    "svc",
    "workgroup",
];

fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_below =
        |suffix: &&str| name.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    // `10.0.0.1..` is not a name, and some resolvers take it for the address.
    let has_labels = name.split('.').all(|label| !label.is_empty());
    name.contains('.') && has_labels && !PRIVATE_SUFFIXES.iter().any(is_below)
}

/// Whether an address belongs to the public internet: not to this machine, a private or link-local network, a cloud's own services,
/// documentation, tests, multicast, or a range that is reserved (IANA's registries of special-purpose addresses).
///
/// An IPv6 address that contains one of IPv4 (mapped, NAT64, 6to4, ISATAP) is judged by that one.
#[must_use]
pub fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Ranges of IPv4 that no public host has, with the length of their prefix.
const RESERVED_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    // Shared by a provider's customers; Alibaba's metadata is here.
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // Link-local; most clouds' metadata is here.
    ([169, 254, 0, 0], 16),
    // Azure's host, from every virtual machine.
    ([168, 63, 129, 16], 32),
    ([172, 16, 0, 0], 12),
    // Protocol assignments; Oracle's metadata is here.
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    // Relays of 6to4, which are gone (RFC 7526).
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    // Benchmarks.
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    // Multicast, and what is reserved for ever, broadcast included.
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !RESERVED_V4
        .iter()
        .any(|&(start, length)| (bits ^ u32::from(Ipv4Addr::from(start))) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // ISATAP (RFC 5214): the interface's name holds the address.
        [first, _, _, _, 0 | 0x200, 0x5efe, high, low] => {
            is_global_unicast(first) && is_public_v4(v4(high, low))
        }
        // Protocol assignments, among them Teredo (RFC 4380) and benchmarks; documentation (RFC 3849, RFC 9637).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => is_global_unicast(first),
    }
}

/// Nothing else was ever given out: loopback, unique local, link-local, site-local and multicast lie outside of 2000::/3.
fn is_global_unicast(first: u16) -> bool {
    first & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md_09_addresses_that_are_not_public_are_known_in_every_form() {
        for reserved in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::10.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:198.18.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::168.63.129.16",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2600::5efe:10.0.0.1",
            "2600::200:5efe:192.168.0.1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
        ] {
            assert!(!is_public_address(reserved.parse().unwrap()), "{reserved}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "2606:4700:4700::1111",
            "3ffe::1",
            "3fff:1000::1",
        ] {
            assert!(is_public_address(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn md_09_urls_of_hosts_that_are_not_public_are_refused() {
        for bad in [
            "https://localhost/",
            "https://LOCALHOST:8443/",
            "https://localhost./",
            "https://app.localhost/",
            "https://intranet/",
            "https://db/",
            "https://printer.local/",
            "https://metadata.google.internal/",
            "https://box.localdomain/",
            "https://api.default.svc/",
            "https://api.default.svc.cluster.local./",
            "https://router.home.arpa/",
            "https://home.arpa/",
            "https://sso.corp/",
            "https://sso.CORP./",
            "https://nas.lan/",
            "https://10.0.0.1../",
            "https://a..example/",
            "https://127\u{3002}0\u{3002}0\u{3002}1/",
            "https://local\u{ad}host/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.0.0.1./",
            "https://%31%32%37.0.0.1/",
            "https://１２７.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fec0::1]/",
            "https://user@login.example/",
            "https://user:pw@login.example/",
            "https://login.example@127.0.0.1/",
            "ftp://login.example/",
            "file:///etc/passwd",
            "login.example",
            "",
        ] {
            assert!(check_public_url(bad).is_err(), "{bad}");
        }
        for good in [
            "https://login.example/tenant",
            "https://login.example:8443/",
            "https://login.example./",
            "https://corp.example/",
            "https://mycorp.example/",
            "https://notlocal.example/",
            "https://8.8.8.8/",
            "https://[2606:4700:4700::1111]/",
        ] {
            assert_eq!(check_public_url(good), Ok(()), "{good}");
        }
    }
}

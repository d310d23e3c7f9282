//! The redirect URI, and what the provider takes in one.

use oauth_clients::provider_kit::{LoopbackHost, LoopbackPort, NativeSpec};

use crate::{
    doctor::{environment, facts::TargetFacts, finding::Finding},
    urls::is_loopback,
};

/// Ports for examples that no well-known program has.
const EXAMPLES: [u16; 2] = [8976, 8977];

/// Whether the registered redirect URI can be used.
pub(super) fn check(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let native = facts.client.as_ref().map(|client| client.oauth2().spec().native);
    let Some(uri) = &facts.redirect_uri else {
        if let Some(native) = native {
            without(facts.provider_name(), native, findings);
        }
        return;
    };
    let provider = facts.provider_name();
    let mut refuse = |why: &str, suggestion: &str| {
        findings.push(Finding::fail(
            "DO-15",
            format!("redirect URI {uri} is not usable: {why}. Register {suggestion} with {provider}"),
        ));
    };
    let parsed = match url::Url::parse(uri) {
        Ok(parsed) => parsed,
        Err(error) => return refuse(&format!("it is not an absolute URI ({error})"), HERE),
    };
    if parsed.fragment().is_some() {
        return refuse("it has a fragment (RFC 6749 section 3.1.2)", uri.split('#').next().unwrap_or(uri));
    }
    match (parsed.scheme(), is_loopback(uri)) {
        ("http", true) if parsed.port() == Some(0) => {
            refuse("0 is not a port", &uri.replacen(":0", "", 1));
        }
        ("http", false) if matches!(parsed.host_str(), Some("0.0.0.0" | "[::]")) => refuse(
            "that is the address of all interfaces, where a program can listen and no browser can go",
            &uri.replacen(parsed.host_str().unwrap_or_default(), "127.0.0.1", 1),
        ),
        ("http", false) => refuse("a code would travel in plain http", &uri.replacen("http:", "https:", 1)),
        ("http", true) => {
            if let Some(port) = parsed.port() {
                environment::check_port(port, findings);
            }
            if let Some(native) = native {
                loopback(provider, &parsed, native, findings);
            }
        }
        ("https", true) => findings.push(Finding::warn(
            "DO-16",
            format!(
                "nothing on this machine answers {uri}, because the listener speaks plain http: register {}, or sign in with --method paste",
                uri.replacen("https:", "http:", 1)
            ),
        )),
        ("https", false) => {}
        ("urn", _) => refuse("the providers that showed the code on a page have ended that", HERE),
        ("about" | "blob" | "data" | "file" | "ftp" | "javascript" | "mailto" | "ws" | "wss", _) => {
            refuse("no browser comes back to a program by that scheme", HERE);
        }
        (scheme, _) if !scheme.contains('.') => refuse(
            "a scheme of one's own is a domain in reverse (RFC 8252 section 7.1)",
            &format!("com.example.{scheme}:/callback"),
        ),
        _ => {}
    }
}

/// What most providers take.
const HERE: &str = "http://127.0.0.1/callback";

/// What the provider takes in a redirect URI of this machine.
fn loopback(provider: &str, uri: &url::Url, native: NativeSpec, findings: &mut Vec<Finding>) {
    let path = uri.path();
    let Some(best) = native.loopback_hosts.first() else {
        findings.push(no_loopback(provider));
        return;
    };
    let host = uri.host_str().unwrap_or_default();
    let best = best.as_str();
    if !native.loopback_hosts.iter().any(|taken| taken.as_str() == host) {
        let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
        findings.push(Finding::warn(
            "DO-16",
            format!("{provider} does not take {host}: register http://{best}{port}{path}"),
        ));
        return;
    }
    // The generic clients know no rule of their provider's.
    let is_known = !["oauth2", "openid"].contains(&provider);
    match (native.loopback_port, uri.port()) {
        (LoopbackPort::Registered, None) => findings.push(registered(provider, host, path)),
        (LoopbackPort::Any, Some(port)) if is_known => findings.push(Finding::warn(
            "DO-16",
            format!(
                "{provider} takes any port: register http://{host}{path} without {port}, and a port that is free is used each time"
            ),
        )),
        _ => {}
    }
}

/// What a sign-in by the browser needs that the configuration does not have.
fn without(provider: &str, native: NativeSpec, findings: &mut Vec<Finding>) {
    match (native.loopback_hosts.first().map(|host: &LoopbackHost| host.as_str()), native.loopback_port) {
        (None, _) => findings.push(no_loopback(provider)),
        (Some(host), LoopbackPort::Registered) => findings.push(registered(provider, host, "/callback")),
        _ => {}
    }
}

fn no_loopback(provider: &str) -> Finding {
    Finding::warn(
        "DO-16",
        format!(
            "{provider} takes no redirect URI of this machine: register an https page of yours that shows its own address, name it as \
             redirect_uri, and sign in with --method paste"
        ),
    )
}

fn registered(provider: &str, host: &str, path: &str) -> Finding {
    let [first, second] = EXAMPLES;
    Finding::warn(
        "DO-16",
        format!(
            "{provider} compares the port: register http://{host}:{first}{path} and http://{host}:{second}{path}, and name one as \
             redirect_uri, or its port with --port"
        ),
    )
}

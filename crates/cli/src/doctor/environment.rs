//! The machine: ports, proxies, and where the browser is.

use std::{
    env,
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use crate::doctor::finding::Finding;

/// The variables that matter.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub(super) is_ssh: bool,
    pub(super) is_wsl: bool,
    pub(super) proxy: Option<String>,
    pub(super) no_proxy: String,
}

impl Variables {
    pub(super) fn of_process() -> Self {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            is_ssh: text("SSH_CONNECTION").is_some() || text("SSH_TTY").is_some(),
            is_wsl: text("WSL_DISTRO_NAME").is_some(),
            proxy: text("HTTPS_PROXY").or_else(|| text("https_proxy")),
            no_proxy: text("NO_PROXY").or_else(|| text("no_proxy")).unwrap_or_default(),
        }
    }
}

pub(super) fn check(variables: &Variables, findings: &mut Vec<Finding>) {
    if variables.is_ssh {
        findings.push(Finding::warn(
            "DO-27",
            "SSH session: the browser is on another machine; use --method device or paste, or forward the port",
        ));
    }
    if variables.is_wsl {
        findings.push(Finding::warn(
            "DO-27",
            "WSL: without wslview, the URL is printed and the browser is yours to open",
        ));
    }
    let exempt =
        |host: &str| variables.no_proxy.split(',').any(|name| name.trim() == host || name.trim() == "*");
    if variables.proxy.is_some() && !exempt("127.0.0.1") {
        findings.push(Finding::warn(
            "DO-27",
            "HTTPS_PROXY is set and NO_PROXY lacks 127.0.0.1: this tool does not ask a proxy for this machine, but other programs may",
        ));
    }
}

/// Whether a program could listen on a port, on each family of addresses.
pub(super) fn check_port(port: u16, findings: &mut Vec<Finding>) {
    let families = [
        ("IPv4", SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        ("IPv6", SocketAddr::from((Ipv6Addr::LOCALHOST, port))),
    ];
    for (family, address) in families {
        let Err(error) = TcpListener::bind(address) else { continue };
        let problem = match error.kind() {
            ErrorKind::AddrInUse => {
                format!("port {port} is taken on {family} by another program; set another or use any")
            }
            ErrorKind::PermissionDenied => {
                format!("port {port} is for the administrator's programs on this machine; set one above 1023")
            }
            // A machine without this family.
            _ => continue,
        };
        findings.push(Finding::fail("DO-17", problem));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    #[test]
    fn do_27_a_browser_elsewhere_and_a_proxy_are_warned_of() {
        let proxied = |no_proxy: &str| Variables {
            proxy: Some("http://proxy.example:3128".to_owned()),
            no_proxy: no_proxy.to_owned(),
            ..Variables::default()
        };
        for (variables, advice) in [
            (Variables { is_ssh: true, ..Variables::default() }, Some("--method device")),
            (Variables { is_wsl: true, ..Variables::default() }, Some("wslview")),
            (proxied("localhost, app.example"), Some("NO_PROXY lacks 127.0.0.1")),
            (proxied("localhost, 127.0.0.1"), None),
            (proxied("*"), None),
            (Variables::default(), None),
        ] {
            let mut findings = Vec::new();
            check(&variables, &mut findings);
            assert_eq!(findings.len(), usize::from(advice.is_some()), "{variables:?}: {findings:?}");
            for finding in findings {
                assert_eq!((finding.check, finding.level), ("DO-27", Level::Warn));
                assert!(finding.message.contains(advice.unwrap()), "{finding:?}");
            }
        }
    }
}

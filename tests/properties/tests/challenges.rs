//! `WWW-Authenticate`, which any server on the way can write.

use std::time::{Duration, Instant};

use oauth_core::Challenge;
use oauth_properties::{Server, block_on, cases, client, target};
use proptest::prelude::*;

/// A proxy's own challenge comes first, and its token68 once ended the list.
#[test]
fn an_error_is_found_behind_a_challenge_of_another_scheme() {
    for before in ["Negotiate", "Negotiate YII=", "NTLM TlRMTVNTUAAB", "Digest <>", "Basic realm=\"é\""] {
        let header = format!("{before}, Bearer error=\"insufficient_scope\", error_description=\"more\"");
        let server = Server::new(403, "").challenging(header.parse().unwrap());
        let error = block_on(client(&server).get_profile("AT")).unwrap_err();
        assert_eq!(
            error.oauth_error().map(|error| &*error.code),
            Some("insufficient_scope"),
            "{before}: {error}"
        );
    }
}

/// Half a megabyte is read in milliseconds; if each parameter were compared with all before it, it would take most of a minute.
#[test]
fn a_long_challenge_takes_no_longer_than_its_length() {
    const COUNT: usize = 60_000;
    let numbered: String = (0..COUNT).map(|number| format!("p{number}=v,")).collect();
    for (name, shape) in [
        ("parameters", numbered),
        ("schemes", "Bearer ".repeat(COUNT)),
        ("quotes", "\"\\".repeat(COUNT)),
        ("equals", "a=\" =".repeat(COUNT)),
        ("commas", ", ;".repeat(COUNT)),
    ] {
        let value = format!("Bearer {shape}");
        let begun = Instant::now();
        let read = Challenge::parse(&value);
        let took = begun.elapsed();
        assert!(!read.is_empty());
        assert!(took < Duration::from_secs(4), "{name}: {took:?} for {} bytes", value.len());
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn any_text_is_read_or_left_out(value in any::<String>()) {
        (target("challenges").check)(value.as_bytes());
    }

    #[test]
    fn what_a_server_writes_is_read_back(
        scheme in "[A-Za-z][A-Za-z0-9-]{0,9}",
        params in proptest::collection::btree_map("[a-z][a-z_]{0,11}", "[ -~]{0,20}", 0..5),
    ) {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let written: Vec<_> = params.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
        let read = Challenge::parse(&format!("{scheme} {}, Other x=y", written.join(", ")));
        prop_assert_eq!(read.len(), 2);
        prop_assert_eq!(read[0].scheme(), scheme);
        for (name, value) in &params {
            prop_assert_eq!(read[0].get(name), Some(&**value));
            prop_assert_eq!(read[0].get(&name.to_ascii_uppercase()), Some(&**value));
        }
    }
}

//! Settings that are refused.

use oauth_bff::{Bff, BffSetupError, Routes, Upstream};

use crate::world::{http, world};

#[test]
fn an_upstream_is_https_or_this_machine() {
    for good in [
        "https://api.example",
        "https://api.example/",
        "https://api.example:8443/v1/",
        "https://API.example/v1",
        "http://localhost:3000",
        "http://127.0.0.1:3000/v1",
        "http://[::1]:3000",
    ] {
        assert!(Upstream::new(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "api.example",
        "/v1",
        "http://api.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "ftp://api.example",
        "file:///etc/passwd",
        "https://user@api.example",
        "https://user:password@api.example",
        "https://api.example/?x=1",
        "https://api.example/#x",
        "https://api.example/v1/../admin",
        "https://api.example/v1//x",
        "https://api.example/a b",
    ] {
        assert!(matches!(Upstream::new(bad), Err(BffSetupError::Url(_))), "{bad}");
    }
    assert!(Upstream::dangerously_allow_plain_http("http://orders:8080/v1").is_ok());
    assert!(Upstream::dangerously_allow_plain_http("ftp://orders:8080/v1").is_err());
}

#[test]
fn a_header_about_the_connection_or_the_user_cannot_be_listed() {
    for name in [
        "cookie",
        "authorization",
        "host",
        "connection",
        "x-forwarded-for",
        "proxy-authorization",
        "dpop",
        "sec-fetch-site",
        "transfer-encoding",
        "x-http-method-override",
        "x-original-url",
        "true-client-ip",
        "proxy",
    ] {
        let upstream = Upstream::new("https://api.example").unwrap();
        assert!(
            matches!(upstream.request_header(name.parse().unwrap()), Err(BffSetupError::Header(_))),
            "{name}"
        );
    }
    for name in [
        "set-cookie",
        "access-control-allow-origin",
        "location",
        "x-bff-error",
        "content-security-policy",
        "alt-svc",
    ] {
        let upstream = Upstream::new("https://api.example").unwrap();
        assert!(upstream.response_header(name.parse().unwrap()).is_err(), "{name}");
    }
}

#[tokio::test]
async fn names_and_paths_are_plain() {
    let world = world().await;
    let sign_in = oauth_bff::SignIn::new(crate::world::sealer());
    for base in ["", "/", "bff", "/a//b", "/a b", "/a/../b", "/%62ff", "/{x}", "https://app.example/bff"] {
        let routes = Routes::new(sign_in.clone());
        assert!(
            matches!(Bff::new(base, routes, world.tokens.clone(), http()), Err(BffSetupError::Base(_))),
            "{base}"
        );
    }
    for name in ["", "a/b", "..", "A", "a b", "a.b", "a%2f"] {
        let upstream = Upstream::new("https://api.example").unwrap();
        assert!(world.bff.clone().upstream(name, upstream).is_err(), "{name}");
    }
    let again = world.bff.clone().upstream("things", Upstream::new("https://api.example").unwrap());
    assert!(matches!(again, Err(BffSetupError::SameName(_))));
}

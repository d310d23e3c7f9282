//! Sign-in, the session's cookie, requests of other sites, and signing out.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, Request};
use http_body_util::Full;
use oauth_bff::{BffError, NewSession, SameSite, Session, SignedIn};
use oauth_clients::{MemoryCache, Sealer, SealingKey, SharedCache, SharedCacheError, async_trait};
use oauth_emulator::Consent;
use oauth_tokens::{Filter, TokenKey};
use serde_json::{Value, json};

use crate::world::{SITE, World, sealer, world, world_with};

fn signed_in(text: &str) -> bool {
    serde_json::from_str::<Value>(text).unwrap()["signed_in"].as_bool().unwrap()
}

#[tokio::test]
async fn a_user_signs_in_calls_an_api_and_signs_out() {
    let mut world = world().await;
    let page = world.get("/bff/session").await;
    assert_eq!((page.status, &*page.text), (200, r#"{"signed_in":false}"#));
    assert_eq!(world.get("/bff/api/things/all").await.error(), "no_session");

    let page = world.sign_in().await;
    assert_eq!((page.one("cache-control"), page.one("referrer-policy")), ("no-store", "no-referrer"));
    let page = world.get("/bff/session").await;
    let who: Value = serde_json::from_str(&page.text).unwrap();
    assert_eq!((&who["signed_in"], &who["user"]["provider"]), (&json!(true), &json!("oauth2")));
    assert!(who["expires_at"].is_i64(), "{who}");
    assert_eq!(page.one("cache-control"), "no-store");

    let page = world.post("/bff/api/things/all?x=1", r#"{"a":1}"#).await;
    assert_eq!((page.status, &*page.text), (200, "fine"));
    assert_eq!(page.one("cache-control"), "no-store");
    let (asked, body) = world.api.last();
    assert_eq!((asked.method, asked.uri.to_string()), (Method::POST, "/v1/all?x=1".to_owned()));
    assert_eq!(body, r#"{"a":1}"#);
    let token = asked.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();

    // Nothing that the browser got tells a token, from the callback on.
    let found = world.tokens.find(&Filter::all(), None, 2).await.unwrap();
    let [found] = &found[..] else { panic!("{found:?}") };
    let kept = world.tokens.get_token(&found.key).await.unwrap();
    assert_eq!(kept.access_token(), token);
    for secret in [&*token, kept.refresh_token().unwrap()] {
        assert!(!world.shown.contains(secret), "{secret} is in {}", world.shown);
    }

    let page = world.post("/bff/logout", "").await;
    assert_eq!((page.status, &*page.text), (204, ""));
    assert!(page.one("set-cookie").contains("Max-Age=0"));
    assert!(!signed_in(&world.get("/bff/session").await.text));
    assert_eq!(world.get("/bff/api/things/all").await.error(), "no_session");
}

#[tokio::test]
async fn the_sessions_cookie_is_bound_to_the_host_and_to_this_site() {
    let mut world = world().await;
    let page = world.sign_in().await;
    let cookies: Vec<_> =
        page.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    let cookie = cookies.iter().find(|line| line.starts_with("__Host-bff-session=")).unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=28"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");

    let mut lax = world_with(SITE, |bff| bff.same_site(SameSite::Lax)).await;
    let page = lax.sign_in().await;
    assert!(
        page.headers.get_all("set-cookie").iter().any(|line| line.to_str().unwrap().contains("SameSite=Lax"))
    );

    // A program on this machine has no https.
    let mut local = world_with("http://127.0.0.1:3000", |bff| bff).await;
    local.sign_in().await;
    assert_eq!(local.session_cookie().0, "bff-session");
}

/// All requests that must come from a page of the site.
const GUARDED: [(Method, &str); 5] = [
    (Method::GET, "/bff/session"),
    (Method::POST, "/bff/logout"),
    (Method::GET, "/bff/api/things/all"),
    (Method::POST, "/bff/api/things/all"),
    (Method::DELETE, "/bff/api/things/all"),
];

#[tokio::test]
async fn bff_01_a_request_of_another_site_does_nothing() {
    let mut world = world().await;
    world.sign_in().await;
    let (name, value) = world.session_cookie();
    for (method, path) in GUARDED {
        for (headers, code) in [
            // A form or an image of any site.
            (&[][..], "no_csrf_header"),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..], "no_csrf_header"),
            (&[("sec-fetch-site", "same-origin")][..], "no_csrf_header"),
            (&[("x-csrf", "")][..], "no_csrf_header"),
            (&[("x-csrf", "0")][..], "no_csrf_header"),
            (&[("x-csrf", "1"), ("x-csrf", "1")][..], "no_csrf_header"),
            // An older browser that let the header through.
            (&[("x-csrf", "1"), ("sec-fetch-site", "cross-site")][..], "cross_site"),
            (&[("x-csrf", "1"), ("sec-fetch-site", "same-site")][..], "cross_site"),
            (&[("x-csrf", "1"), ("sec-fetch-site", "none")][..], "cross_site"),
            (
                &[("x-csrf", "1"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")][..],
                "cross_site",
            ),
            (&[("x-csrf", "1"), ("origin", "https://evil.example")][..], "cross_site"),
            (&[("x-csrf", "1"), ("origin", "https://app.example.evil.example")][..], "cross_site"),
            (&[("x-csrf", "1"), ("origin", "https://evil.app.example")][..], "cross_site"),
            (&[("x-csrf", "1"), ("origin", "http://app.example")][..], "cross_site"),
            (&[("x-csrf", "1"), ("origin", "null")][..], "cross_site"),
            (
                &[("x-csrf", "1"), ("origin", "https://evil.example"), ("host", "evil.example")][..],
                "cross_site",
            ),
        ] {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("cookie", format!("{name}={value}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let page = world.send(request.body(Full::default()).unwrap()).await;
            assert_eq!((page.status, page.error()), (403, code), "{method} {path} {headers:?}");
        }
    }
    assert_eq!(world.api.count(), 0);
    assert!(signed_in(&world.get("/bff/session").await.text));
}

#[tokio::test]
async fn bff_01_no_other_origin_is_ever_allowed() {
    let mut world = world().await;
    world.sign_in().await;
    for (_, path) in GUARDED {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-csrf");
        let page = world.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(page.status, 403);
        assert!(page.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{path}");
    }
    // Not even with the header, and not by the API itself.
    let request = world.request(Method::OPTIONS, "/bff/api/things/all").body(Full::default()).unwrap();
    assert_eq!(world.send(request).await.status, 405);
    assert_eq!(world.api.count(), 0);
}

#[tokio::test]
async fn bff_02_a_request_of_the_sites_own_page_is_answered_by_old_browsers_too() {
    let mut world = world().await;
    world.sign_in().await;
    let (name, value) = world.session_cookie();
    for headers in [&[][..], &[("origin", SITE)][..], &[("sec-fetch-site", "same-origin")][..]] {
        let mut request = Request::builder()
            .uri("/bff/api/things/all")
            .header("x-csrf", "1")
            .header("cookie", format!("other=1; {name}={value}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        assert_eq!(world.send(request.body(Full::default()).unwrap()).await.status, 200, "{headers:?}");
    }
}

async fn refused(world: &mut World, cookies: Vec<(String, String)>, why: &str) {
    let before = world.api.count();
    world.cookies = cookies.clone();
    assert_eq!(world.get("/bff/api/things/all").await.error(), "no_session", "{why}");
    world.cookies = cookies;
    let page = world.get("/bff/session").await;
    assert!(!signed_in(&page.text), "{why}");
    assert_eq!(world.api.count(), before, "{why}");
}

#[tokio::test]
async fn bff_03_a_cookie_that_is_not_this_sites_is_no_session() {
    let mut world = world().await;
    world.sign_in().await;
    let own = world.session_cookie();
    let (name, value) = own.clone();

    let mut changed = value.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    refused(&mut world, vec![(name.clone(), String::from_utf8(changed).unwrap())], "changed").await;
    refused(&mut world, vec![(name.clone(), String::new())], "empty").await;
    refused(&mut world, vec![(name.clone(), "A".repeat(10_000))], "too long").await;
    refused(&mut world, vec![own.clone(), own.clone()], "twice").await;
    // Any sibling domain can set these.
    for almost in ["bff-session", "__host-bff-session", "__Secure-bff-session", "\u{2000}__Host-bff-session"]
    {
        refused(&mut world, vec![(almost.to_owned(), value.clone())], almost).await;
    }

    // Another key, and the same key at another site.
    let cache = Arc::new(MemoryCache::new());
    world.bff = world.bff.clone().ended_sessions(cache.clone());
    world.cookies.clear();
    world.sign_in().await;
    let own = world.session_cookie();
    let other = world_with("https://other.example", |bff| bff.ended_sessions(cache)).await;
    let mut other = World { cookies: Vec::new(), ..other };
    other.sign_in().await;
    refused(&mut world, vec![(name.clone(), other.session_cookie().1)], "of another site").await;
    let elsewhere = Sealer::new(SealingKey::from_bytes([2; 32]));
    let forged = elsewhere.seal_bytes(b"{}", b"oauth-bff session\0https://app.example").unwrap();
    let forged = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, forged);
    refused(&mut world, vec![(name.clone(), forged)], "of another key").await;

    // An attempt to sign in is sealed by the same key, and is none either.
    world.cookies.clear();
    world.get("/bff/oauth2/login").await;
    let attempt = world.cookies[0].1.clone();
    refused(&mut world, vec![(name, attempt)], "an attempt").await;

    world.cookies = vec![own];
    assert!(signed_in(&world.get("/bff/session").await.text));
}

#[tokio::test]
async fn bff_03_a_session_ends_by_itself() {
    let mut world = world_with(SITE, |bff| bff.session_lifetime(Duration::from_secs(1))).await;
    world.sign_in().await;
    let own = world.session_cookie();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    refused(&mut world, vec![own.clone()], "expired").await;
    // And its cookie is cleared.
    world.cookies = vec![own];
    let page = world.get("/bff/session").await;
    assert!(page.one("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn bff_04_a_copy_of_the_cookie_is_of_no_use_after_signing_out() {
    let mut world = world().await;
    world.sign_in().await;
    let own = world.session_cookie();
    // A second browser of the same user is not signed out.
    world.cookies.clear();
    world.sign_in().await;
    let second = world.session_cookie();

    world.cookies = vec![own.clone()];
    assert_eq!(world.post("/bff/logout", "").await.status, 204);
    refused(&mut world, vec![own], "a copy").await;
    world.cookies = vec![second];
    assert_eq!(world.get("/bff/api/things/all").await.status, 200);
}

#[tokio::test]
async fn bff_04_a_session_that_was_ended_stays_ended_after_a_restart() {
    let mut world = world().await;
    world.sign_in().await;
    let ended = world.session_cookie();
    assert_eq!(world.post("/bff/logout", "").await.status, 204);
    world.cookies.clear();
    world.sign_in().await;
    let open = world.session_cookie();

    // The other process has not heard of the logout. So it believes neither cookie.
    let elsewhere = world.elsewhere();
    let first = std::mem::replace(&mut world.bff, elsewhere);
    refused(&mut world, vec![ended.clone()], "ended before the restart").await;
    refused(&mut world, vec![open.clone()], "begun in another process").await;
    world.bff = first;
    refused(&mut world, vec![ended], "ended").await;
    world.cookies = vec![open];
    assert_eq!(world.get("/bff/api/things/all").await.status, 200);
}

#[tokio::test]
async fn bff_04_processes_that_share_a_cache_share_sessions_and_their_ends() {
    let cache = Arc::new(MemoryCache::new());
    let mut world = world_with(SITE, |bff| bff.ended_sessions(cache.clone())).await;
    world.sign_in().await;
    let own = world.session_cookie();
    let elsewhere = world.elsewhere().ended_sessions(cache);
    let first = std::mem::replace(&mut world.bff, elsewhere);
    assert_eq!(world.get("/bff/api/things/all").await.status, 200);
    assert_eq!(world.post("/bff/logout", "").await.status, 204);
    world.bff = first;
    refused(&mut world, vec![own], "ended elsewhere").await;
}

#[tokio::test]
async fn bff_05_nobody_else_can_sign_a_user_out() {
    let mut world = world().await;
    world.sign_in().await;
    let own = world.session_cookie();
    // A link or an image.
    let link = || Request::builder().uri("/bff/logout").header("cookie", format!("{}={}", own.0, own.1));
    assert_eq!(world.send(link().body(Full::default()).unwrap()).await.status, 403);
    // Not even the site's own page by a link.
    let page = world.get("/bff/logout").await;
    assert_eq!((page.status, page.one("allow")), (405, "POST"));
    // A form of another site.
    let form = link().method(Method::POST).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(world.send(form.body(Full::default()).unwrap()).await.status, 403);
    assert!(signed_in(&world.get("/bff/session").await.text));
    // Without a session there is nothing to do, and it does no harm.
    world.cookies.clear();
    assert_eq!(world.post("/bff/logout", "").await.status, 204);
}

#[tokio::test]
async fn the_tokens_are_revoked_on_logout_where_that_is_wanted() {
    let key = || TokenKey::new("oauth2", "17");
    let session =
        |_: SignedIn| async { Ok::<_, std::io::Error>(NewSession::new(TokenKey::new("oauth2", "17"))) };
    let mut world = world_with(SITE, |bff| {
        bff.on_sign_in(session).revoke_on_logout().on_logout(|session: Session| async move {
            Ok::<_, std::io::Error>(Some(format!("https://as.example/logout?of={}", session.key().subject())))
        })
    })
    .await;
    world.sign_in().await;
    assert!(world.tokens.get(&key()).await.is_ok());
    let page = world.post("/bff/logout", "").await;
    assert_eq!((page.status, &*page.text), (200, r#"{"location":"https://as.example/logout?of=17"}"#));
    assert!(world.tokens.get(&key()).await.is_err());
    assert!(world.emulator.requests().iter().any(|request| request.endpoint().ends_with("/revoke")));
}

#[tokio::test]
async fn the_application_says_who_the_user_is_or_refuses() {
    let mut world = world_with(SITE, |bff| {
        bff.on_sign_in(|user: SignedIn| async move {
            assert_eq!(user.provider.name(), "oauth2");
            Ok::<_, std::io::Error>(
                NewSession::new(TokenKey::new("oauth2", "17")).user(json!({ "account": 17 })),
            )
        })
    })
    .await;
    world.sign_in().await;
    let who: Value = serde_json::from_str(&world.get("/bff/session").await.text).unwrap();
    assert_eq!(who["user"], json!({ "account": 17 }));

    for bff in [
        world.bff.clone().on_sign_in(|_| async { Err::<NewSession, _>(std::io::Error::other("blocked")) }),
        // A cookie that no browser would keep.
        world.bff.clone().on_sign_in(|_| async {
            Ok::<_, std::io::Error>(NewSession::new(TokenKey::new("oauth2", "17")).user("x".repeat(4000)))
        }),
    ] {
        world.bff = bff;
        world.cookies.clear();
        let callback = world.consent("", oauth_emulator::Consent::Allow).await;
        let page = world.get(&callback).await;
        assert_eq!((page.status, page.error()), (500, "application"));
        assert!(world.cookies.is_empty(), "{:?}", world.cookies);
    }
}

#[tokio::test]
async fn routes_of_the_application_ask_for_the_session_and_for_its_own_page() {
    let mut world = world().await;
    world.sign_in().await;
    let own = world.request(Method::GET, "/orders").body(()).unwrap().into_parts().0;
    assert_eq!(world.bff.authorize(&own).await.unwrap().key().provider(), "oauth2");
    let mut foreign = own.clone();
    foreign.headers.remove("x-csrf");
    assert!(matches!(world.bff.authorize(&foreign).await, Err(BffError::NoCsrfHeader)));
    let session = world.bff.session(&foreign).await.unwrap();
    world.bff.end(&session).await.unwrap();
    assert!(matches!(world.bff.authorize(&own).await, Err(BffError::NoSession)));
}

#[tokio::test]
async fn a_path_that_is_no_route_is_not_found() {
    let mut world = world().await;
    world.sign_in().await;
    for path in [
        "/bff",
        "/bff/",
        "/other/session",
        "/bffsession",
        "/bff/api",
        "/bff/api/",
        "/bff/api/other/x",
        "/bff/nobody/login",
        "/bff/oauth2/else",
    ] {
        let page = world.get(path).await;
        assert_eq!(page.status, 404, "{path}");
    }
    assert_eq!(world.api.count(), 0);
}

#[tokio::test]
async fn whoever_signs_out_is_out_whatever_fails() {
    let mut world = world_with(SITE, |bff| {
        bff.revoke_on_logout()
            .on_logout(|_| async { Err::<Option<String>, _>(std::io::Error::other("no answer")) })
    })
    .await;
    world.sign_in().await;
    let own = world.session_cookie();
    world.emulator.fault("oauth2", oauth_emulator::Fault::ServerError).unwrap();
    let page = world.post("/bff/logout", "").await;
    assert_eq!((page.status, page.error()), (500, "application"));
    assert!(page.one("set-cookie").contains("Max-Age=0"));
    refused(&mut world, vec![own], "out").await;
}

#[tokio::test]
async fn bff_04_all_sessions_of_a_user_end_and_a_later_sign_in_begins_a_new_one() {
    let mut world = world().await;
    world.sign_in().await;
    let first = world.session_cookie();
    world.cookies.clear();
    world.sign_in().await;
    let second = world.session_cookie();
    let parts = world.request(Method::GET, "/").body(()).unwrap().into_parts().0;
    let key = world.bff.session(&parts).await.unwrap().key();
    // Somebody else's sessions are not touched.
    world.bff.end_all(&TokenKey::new("oauth2", "somebody else")).await.unwrap();
    assert_eq!(world.get("/bff/api/things/all").await.status, 200);

    world.bff.end_all(&key).await.unwrap();
    for cookie in [first, second] {
        refused(&mut world, vec![cookie], "ended with all").await;
    }
    world.cookies.clear();
    world.sign_in().await;
    assert_eq!(world.get("/bff/api/things/all").await.status, 200);
}

/// The session's cookie as a machine would have made it whose clock is ahead by so much.
fn made_ahead(cookie: &str, ahead: Duration) -> String {
    let context = ["oauth-bff session\0".as_bytes(), SITE.as_bytes()].concat();
    let opened = sealer().open_bytes(&URL_SAFE_NO_PAD.decode(cookie).unwrap(), &context).unwrap();
    let mut session: Value = serde_json::from_slice(&opened.plain).unwrap();
    let later = |member: &Value, by: u128| json!(member.as_i64().unwrap() + i64::try_from(by).unwrap());
    session["begun"] = later(&session["begun"], ahead.as_millis());
    session["until"] = later(&session["until"], ahead.as_secs().into());
    URL_SAFE_NO_PAD.encode(sealer().seal_bytes(session.to_string().as_bytes(), &context).unwrap())
}

#[tokio::test]
async fn bff_04_all_sessions_end_though_another_machines_clock_is_ahead() {
    let ahead = Duration::from_secs(10 * 60);
    let mut world = world_with(SITE, |bff| bff.ended_sessions(Arc::new(MemoryCache::new()))).await;
    world.sign_in().await;
    let (name, cookie) = world.session_cookie();
    let own = (name, made_ahead(&cookie, ahead));
    world.cookies = vec![own.clone()];
    let parts = world.request(Method::GET, "/").body(()).unwrap().into_parts().0;
    let key = world.bff.session(&parts).await.unwrap().key();
    world.bff.end_all(&key).await.unwrap();
    refused(&mut world, vec![own], "ended with all").await;

    // Whoever signs in right afterwards is in, until the next time.
    world.cookies.clear();
    world.sign_in().await;
    assert!(signed_in(&world.get("/bff/session").await.text));
    world.bff.end_all(&key).await.unwrap();
    assert!(!signed_in(&world.get("/bff/session").await.text));
}

#[tokio::test]
async fn bff_04_what_ended_all_sessions_before_an_upgrade_ends_those_that_had_begun() {
    let cache = Arc::new(Failing::default());
    let mut world = world_with(SITE, |bff| bff.ended_sessions(cache.clone())).await;
    // A session of an earlier version: it has no epoch.
    world.sign_in().await;
    let parts = world.request(Method::GET, "/").body(()).unwrap().into_parts().0;
    let key = world.bff.session(&parts).await.unwrap().key();
    world.bff.end_all(&key).await.unwrap();
    let name = cache.2.lock().unwrap().clone();
    for (ended_at, is_signed_in) in [("1000", true), ("99999999999999", false)] {
        cache.put(&name, ended_at.into(), Duration::from_secs(60)).await.unwrap();
        assert_eq!(signed_in(&world.get("/bff/session").await.text), is_signed_in, "{ended_at}");
    }
    // Whoever signs in afterwards is in, whatever the record is.
    world.cookies.clear();
    world.sign_in().await;
    assert!(signed_in(&world.get("/bff/session").await.text));
}

/// A cache that can be told to fail, and knows what was put last.
#[derive(Debug, Default)]
struct Failing(MemoryCache, AtomicBool, Mutex<String>);

impl Failing {
    fn check(&self) -> Result<(), SharedCacheError> {
        if self.1.load(Ordering::Relaxed) { Err("down".into()) } else { Ok(()) }
    }
}

#[async_trait]
impl SharedCache for Failing {
    async fn get(&self, name: &str) -> Result<Option<bytes::Bytes>, SharedCacheError> {
        self.check()?;
        self.0.get(name).await
    }
    async fn put(&self, name: &str, value: bytes::Bytes, lifetime: Duration) -> Result<(), SharedCacheError> {
        self.check()?;
        name.clone_into(&mut self.2.lock().unwrap());
        self.0.put(name, value, lifetime).await
    }
    async fn put_new(
        &self,
        name: &str,
        value: bytes::Bytes,
        lifetime: Duration,
    ) -> Result<bool, SharedCacheError> {
        self.check()?;
        self.0.put_new(name, value, lifetime).await
    }
    async fn take(&self, name: &str) -> Result<Option<bytes::Bytes>, SharedCacheError> {
        self.check()?;
        self.0.take(name).await
    }
}

#[tokio::test]
async fn a_memory_of_ended_sessions_that_fails_lets_nobody_in() {
    let cache = Arc::new(Failing::default());
    let mut world = world_with(SITE, |bff| bff.ended_sessions(cache.clone())).await;
    world.sign_in().await;
    cache.1.store(true, Ordering::Relaxed);
    for path in ["/bff/session", "/bff/api/things/all"] {
        let page = world.get(path).await;
        assert_eq!((page.status, page.error()), (503, "sessions_unavailable"), "{path}");
    }
    // The browser is out all the same.
    let page = world.post("/bff/logout", "").await;
    assert_eq!(page.status, 503);
    assert!(page.one("set-cookie").contains("Max-Age=0"));
    assert_eq!(world.api.count(), 0);
    // Nor does a session begin of which nobody can tell whether it was ended.
    let callback = world.consent("", Consent::Allow).await;
    let page = world.get(&callback).await;
    assert_eq!((page.status, page.error()), (503, "sessions_unavailable"));
    assert!(!world.cookies.iter().any(|(name, _)| name.contains("bff-session")));
}

#[tokio::test]
async fn a_session_lasts_no_longer_than_browsers_keep_a_cookie() {
    let mut world = world_with(SITE, |bff| bff.session_lifetime(Duration::MAX)).await;
    let page = world.sign_in().await;
    let cookies: Vec<_> =
        page.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert!(
        cookies
            .iter()
            .any(|cookie| cookie.contains("Max-Age=34560000") || cookie.contains("Max-Age=34559999")),
        "{cookies:?}"
    );
    let parts = world.request(Method::GET, "/").body(()).unwrap().into_parts().0;
    let session = world.bff.session(&parts).await.unwrap();
    world.bff.end_all(&session.key()).await.unwrap();
    assert!(matches!(world.bff.session(&parts).await, Err(BffError::NoSession)));
}

/// A cache that notes for how long it was to remember something.
#[derive(Debug, Default)]
struct Noting(MemoryCache, Mutex<Vec<Duration>>);

#[async_trait]
impl SharedCache for Noting {
    async fn get(&self, name: &str) -> Result<Option<bytes::Bytes>, SharedCacheError> {
        self.0.get(name).await
    }
    async fn put(&self, name: &str, value: bytes::Bytes, lifetime: Duration) -> Result<(), SharedCacheError> {
        self.1.lock().unwrap().push(lifetime);
        self.0.put(name, value, lifetime).await
    }
    async fn put_new(
        &self,
        name: &str,
        value: bytes::Bytes,
        lifetime: Duration,
    ) -> Result<bool, SharedCacheError> {
        self.0.put_new(name, value, lifetime).await
    }
    async fn take(&self, name: &str) -> Result<Option<bytes::Bytes>, SharedCacheError> {
        self.0.take(name).await
    }
}

#[tokio::test]
async fn bff_04_a_clone_from_before_the_settings_ends_the_same_sessions() {
    const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    let cache = Arc::new(Noting::default());
    let mut clone = None;
    let mut world = world_with(SITE, |bff| {
        // As the handler of back-channel logout has one.
        clone = Some(bff.clone());
        bff.session_lifetime(LIFETIME).ended_sessions(cache.clone())
    })
    .await;
    world.sign_in().await;
    let own = world.session_cookie();
    let parts = world.request(Method::GET, "/").body(()).unwrap().into_parts().0;
    let key = world.bff.session(&parts).await.unwrap().key();
    clone.unwrap().end_all(&key).await.unwrap();
    refused(&mut world, vec![own], "ended by a clone").await;
    // It is remembered for as long as any of the sessions could last.
    assert!(cache.1.lock().unwrap().iter().all(|lifetime| *lifetime >= LIFETIME));
    assert_eq!(cache.1.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn bff_03_a_shorter_lifetime_ends_sessions_that_are_older() {
    let mut world = world().await;
    world.sign_in().await;
    let own = world.session_cookie();
    // As after a new start with other settings: the cookie is as it was.
    world.bff = world.bff.clone().session_lifetime(Duration::from_millis(500));
    tokio::time::sleep(Duration::from_millis(600)).await;
    refused(&mut world, vec![own], "too old").await;
}

//! Sign-in in a popup.

use base64::{Engine, engine::general_purpose::STANDARD};
use oauth_emulator::Consent;
use oauth_web::PopupPage;
use ring::digest::{SHA256, digest};

use crate::world::world;

/// The only script of a page.
fn script(page: &str) -> &str {
    let (_, rest) = page.split_once("<script>").unwrap();
    let (script, rest) = rest.split_once("</script>").unwrap();
    assert!(!rest.contains("<script"));
    script
}

#[tokio::test]
async fn pop_01_a_popup_tells_its_own_origin_and_nobody_else() {
    let mut world = world().await;
    let callback = world.consent("?popup=1&return_to=/inbox", Consent::Allow).await;
    let page = world.get(&callback).await;
    assert_eq!(page.status, 200);
    assert!(page.one("content-type").starts_with("text/html"));
    assert_eq!((page.one("cache-control"), page.one("referrer-policy")), ("no-store", "no-referrer"));
    // A page that could be framed, or had its window cut off from its opener's, would be of no use.
    assert!(!page.headers.contains_key("cross-origin-opener-policy"));
    let policy = page.one("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    let code = script(&page.text);
    let hash = STANDARD.encode(digest(&SHA256, code.as_bytes()));
    assert!(policy.contains(&format!("script-src 'sha256-{hash}';")), "{policy}");
    assert!(code.contains("postMessage(message, window.location.origin)"), "{code}");
    assert!(!code.contains("\"*\"") && !code.contains("'*'"), "{code}");

    // The session is there, and nothing of it is in the page.
    let (_, cookie) = world.session_cookie();
    assert!(world.get("/bff/session").await.text.contains("\"signed_in\":true"));
    world.get("/bff/api/things/all").await;
    let token = world.api.last().0.headers["authorization"].to_str().unwrap().replace("Bearer ", "");
    let (_, query) = callback.split_once('?').unwrap();
    for secret in query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(_, value)| value)
        .chain([&*cookie, &*token])
    {
        assert!(!page.text.contains(secret), "{secret}");
    }
    assert!(!page.text.contains("inbox"));
}

#[tokio::test]
async fn pop_02_a_refusal_is_shown_in_the_popup_and_can_be_tried_again_there() {
    let mut world = world().await;
    let callback = world.consent("?popup=1&return_to=/inbox", Consent::Deny).await;
    let page = world.get(&callback).await;
    assert_eq!(page.status, 403);
    assert!(!page.text.contains("<script"), "{}", page.text);
    assert!(page.text.contains("href=\"login?popup=1&amp;return_to=%2Finbox\""), "{}", page.text);
    assert!(world.cookies.iter().all(|(name, _)| !name.contains("session")));
}

#[tokio::test]
async fn pop_03_whether_it_is_a_popup_is_said_when_the_sign_in_begins() {
    let mut world = world().await;
    // What is added to the callback changes nothing.
    let callback = world.consent("", Consent::Allow).await;
    let page = world.get(&format!("{callback}&popup=1")).await;
    assert_eq!((page.status, page.one("location")), (303, "/"));
    world.cookies.clear();
    let callback = world.consent("?popup=0", Consent::Allow).await;
    assert_eq!(world.get(&callback).await.status, 303);
}

#[test]
fn the_texts_of_the_popup_are_text() {
    let page =
        PopupPage::new().texts("de", "<b>", "Angemeldet & fertig</p><script>alert(1)</script>").response();
    let text = page.body();
    assert!(text.contains("<html lang=\"de\">") && text.contains("<title>&lt;b&gt;</title>"), "{text}");
    assert!(text.contains("Angemeldet &amp; fertig&lt;/p&gt;"), "{text}");
    script(text);
}

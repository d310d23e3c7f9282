//! What is asked of each framework's sign-in in a real browser.
//!
//! The site is `localhost` and the emulator `127.0.0.1`: two sites, as far as a browser's cookies are concerned.

use oauth_clients::reqwest_client;
use oauth_emulator::Consent;

use crate::{
    chromium::Chromium,
    suite::{Site, World, same, world},
};

/// The site at a name that is another site than the emulator's.
fn at_localhost(world: &World) -> String {
    world.url.replace("127.0.0.1", "localhost")
}

async fn to_consent(world: &World, browser: &Chromium, provider: &str) {
    browser.goto(&format!("{}/auth/{provider}/login", at_localhost(world))).await;
    assert!(browser.url().await.starts_with(world.emulator.origin()), "{}", browser.text("body").await);
}

/// The site's page says that nobody is signed in.
async fn refused(world: &World, browser: &Chromium) {
    assert!(browser.url().await.starts_with(&at_localhost(world)));
    assert!(
        browser.text("body").await.starts_with("You are not signed in"),
        "{}",
        browser.text("body").await
    );
}

fn signed_in(world: &World) -> usize {
    world.site.seen.lock().unwrap().len()
}

pub(crate) async fn a_browser_signs_in_once_and_goes_back_in_vain<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let (world, browser) = (world(serve, same).await, Chromium::start().await);
    to_consent(&world, &browser, "google").await;
    let consent = browser.url().await;
    browser.click("button[value=allow]").await;
    assert_eq!(browser.text("body").await, "hello Ada Lovelace");
    assert!(browser.cookies("oauth-").await.is_empty(), "the attempt's cookie is gone");

    browser.goto(&consent).await;
    browser.click("button[value=allow]").await;
    refused(&world, &browser).await;
    to_consent(&world, &browser, "google").await;
    browser.click("button[value=deny]").await;
    refused(&world, &browser).await;
    assert_eq!((signed_in(&world), world.redeemed()), (1, 1));
    assert_eq!(browser.complaints().await.iter().filter(|line| line.contains("Content Security")).count(), 0);
}

pub(crate) async fn a_page_of_another_site_signs_no_browser_in<F: Future<Output = String>>(
    serve: impl FnOnce(Site) -> F,
) {
    let (world, browser) = (world(serve, same).await, Chromium::start().await);
    // The victim has begun a sign-in; the attacker has the callback of one of their own.
    to_consent(&world, &browser, "google").await;
    let http = reqwest_client(|defaults| defaults).unwrap();
    let reply = http.get(format!("{}/auth/google/login", at_localhost(&world))).send().await.unwrap();
    let location = reply.headers()["location"].to_str().unwrap();
    let callback = world.emulator.browse(location, Consent::Allow).await.unwrap().into_url();
    browser.goto(&format!("data:text/html,<a href='{}'>Win</a>", callback.replace('&', "%26"))).await;
    browser.click("a").await;
    refused(&world, &browser).await;
    assert_eq!((signed_in(&world), world.redeemed()), (0, 0));
}

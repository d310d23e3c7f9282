//! The device grant of each provider that has one, in its own words, at the emulator.

use std::{sync::Arc, time::Duration};

use oauth_clients::{DeviceLogin, Error, LoginOptions, Provider};
use oauth_demo::client;
use oauth_emulator::{Consent, Emulator, Fault};

use super::device::Naps;

async fn at(name: &str) -> (Emulator, Arc<dyn Provider>) {
    let emulator = Emulator::builder().device_interval(Duration::ZERO).start().await.unwrap();
    let provider = client(&emulator, name).await.unwrap();
    (emulator, provider)
}

async fn begun(provider: &dyn Provider) -> DeviceLogin {
    let login = provider.start_device_login(LoginOptions::new()).await.unwrap();
    let timer = Arc::new(Naps::default());
    login.with_polling(|polling| polling.with_timer(timer))
}

async fn enter(emulator: &Emulator, login: &DeviceLogin, consent: Consent) {
    emulator.enter_code(&login.verification_uri, &login.user_code, consent).await.unwrap();
}

async fn signs_in(name: &str) {
    let (emulator, provider) = at(name).await;
    let mut login = begun(&*provider).await;
    let state = provider.poll_device_login(&mut login).await.unwrap();
    assert!(matches!(state, oauth_clients::DeviceState::Pending), "{state:?}");
    enter(&emulator, &login, Consent::Allow).await;
    let done = provider.finish_device_login(login).await.unwrap();
    provider.get_identity(&done.token).await.unwrap();
}

async fn code(error: Error) -> String {
    error.oauth_error().map(|error| error.code.clone()).unwrap_or_else(|| error.to_string())
}

async fn user_who_denies_is_not_signed_in(name: &str) {
    let (emulator, provider) = at(name).await;
    let login = begun(&*provider).await;
    enter(&emulator, &login, Consent::Deny).await;
    let error = provider.finish_device_login(login).await.unwrap_err();
    // What Facebook says then is not documented.
    assert!(name == "facebook" || code(error).await == "access_denied");
}

async fn expired_code_ends_it(name: &str) {
    let (emulator, provider) = at(name).await;
    let login = begun(&*provider).await;
    emulator.fault(name, Fault::ExpiredCode).unwrap();
    let error = provider.finish_device_login(login).await.unwrap_err();
    let code = code(error).await;
    // Twitch has one message for every code that is worth nothing.
    assert!(code == "expired_token" || (name == "twitch" && code == "invalid_grant"), "{code}");
}

async fn slow_down_is_heeded(name: &str) {
    let (emulator, provider) = at(name).await;
    let mut login = begun(&*provider).await;
    emulator.fault(name, Fault::SlowDown).unwrap();
    let before = login.interval();
    let state = provider.poll_device_login(&mut login).await.unwrap();
    assert!(matches!(state, oauth_clients::DeviceState::SlowedDown(_)), "{state:?}");
    assert!(login.interval() >= before + Duration::from_secs(5));
}

macro_rules! device {
    ($($module:ident = $name:literal),+ $(,)?) => {
        $(mod $module {
            #[tokio::test]
            async fn dg_04_signs_in() {
                super::signs_in($name).await;
            }

            #[tokio::test]
            async fn dg_02_user_who_denies_is_not_signed_in() {
                super::user_who_denies_is_not_signed_in($name).await;
            }

            #[tokio::test]
            async fn dg_02_expired_code_ends_it() {
                super::expired_code_ends_it($name).await;
            }

            #[tokio::test]
            async fn dg_03_slow_down_is_heeded() {
                super::slow_down_is_heeded($name).await;
            }
        })+
    };
}

device! {
    amazon = "amazon",
    auth0 = "auth0",
    authentik = "authentik",
    discord = "discord",
    facebook = "facebook",
    github = "github",
    gitlab = "gitlab",
    google = "google",
    huggingface = "huggingface",
    keycloak = "keycloak",
    logto = "logto",
    microsoft = "microsoft",
    okta = "okta",
    ping_id = "ping-id",
    salesforce = "salesforce",
    trakt = "trakt",
    twitch = "twitch",
    vercel = "vercel",
    yandex = "yandex",
    zitadel = "zitadel",
}

//! A sign-in by a device code (RFC 8628) as a stream of states, against the emulator, which plays the user too.
//!
//! ```text
//! cargo run -p oauth-native --example device
//! ```

use std::{error::Error, time::Duration};

use oauth_core::{ClientSecret, Endpoint, LoginOptions, OAuth2, Provider, Spec};
use oauth_emulator::{App, Consent, Emulator};
use oauth_native::{DeviceProgress, DeviceStates, qr_code};

const GITHUB: Spec = Spec {
    name: "github",
    endpoints: &[
        (Endpoint::Authorization, "https://github.com/login/oauth/authorize"),
        (Endpoint::Token, "https://github.com/login/oauth/access_token"),
        (Endpoint::DeviceAuthorization, "https://github.com/login/device/code"),
    ],
    scopes: &["read:user"],
    ..Spec::RFC6749
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let emulator = Emulator::builder()
        .app("github", App::default_of("github").with_client_auth([]))
        .device_interval(Duration::from_secs(1))
        .start()
        .await?;
    let client = OAuth2::from_spec(&GITHUB, "github-client-id", ClientSecret::NONE);
    let client = client.with_endpoints(|all| all.map(|url| emulator.local(url)));

    let mut states = DeviceStates::begin(&client, LoginOptions::new());
    while let Some(state) = states.next().await {
        match state? {
            DeviceProgress::Asked(code) => {
                println!("Open {} and enter {}", code.verification_uri, code.user_code);
                println!("{}", qr_code(&code.verification_uri).unwrap_or_default());
                // The user, at another device.
                emulator.enter_code(&code.verification_uri, &code.user_code, Consent::Allow).await?;
            }
            DeviceProgress::Waiting => println!("waiting for you"),
            DeviceProgress::SlowedDown(interval) => println!("asking every {} s now", interval.as_secs()),
            DeviceProgress::Unreachable(error) => println!("{error}; trying again"),
            DeviceProgress::Approved(login) => println!("signed in, with {:?}", login.token.scopes()),
            _ => {}
        }
    }
    Ok(())
}

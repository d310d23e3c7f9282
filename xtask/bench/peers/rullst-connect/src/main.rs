//! 64 logins at once with a provider of rullst-connect that has just been made: discovery, code exchange, verified ID token.

use std::{env, sync::Arc};

use rullst_connect::{
    Provider,
    provider::{ExchangeParams, JWKS_CACHE},
    providers::OidcProvider,
};
use tokio::task::JoinSet;

const LOGINS: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let issuer = arguments.next().ok_or("no issuer")?;
    let storms: usize = arguments.next().ok_or("no number of storms")?.parse()?;
    for _ in 0..storms {
        // The whole process has one; a cold one is what the row is about.
        JWKS_CACHE.write().await.clear();
        let provider = OidcProvider::discover(
            &issuer,
            "benchmark-client.apps.example".to_owned(),
            "secret".to_owned(),
            "https://app.example.com/auth/callback".to_owned(),
        );
        let provider = Arc::new(provider.await?);
        let mut logins = JoinSet::new();
        for number in 0..LOGINS {
            let provider = provider.clone();
            logins.spawn(async move {
                let nonce = format!("nonce-{number}");
                let callback =
                    ExchangeParams { auth_code: &nonce, code_verifier: None, expected_nonce: Some(&nonce) };
                provider.get_user(callback).await.map(|user| user.id)
            });
        }
        while let Some(login) = logins.join_next().await {
            assert_eq!(login??, "248289761001");
        }
    }
    Ok(())
}

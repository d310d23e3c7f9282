//! One kind of work of this library alone, without network, for a profiler: `oauth-bench profile url 1000` under callgrind.

use std::sync::Arc;

use anyhow::{Result, bail};
use oauth_core::{
    AuthorizationRequest, CodeVerifier, LoginOptions, OAuth2, OAuth2Token, Provider, Sealer, SealingKey,
    random_token,
};

use oauth_openid::{Expectations, OpenIDProvider};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager};

use crate::{
    fixed::Fixed,
    jwt::{Signer, claims},
    rows::ISSUER,
    server::TOKEN_REPLY,
    world::runtime,
};

pub fn run(work: &str, count: usize) -> Result<()> {
    const REDIRECT_URI: &str = "https://app.example.com/auth/callback";

    let client = OAuth2::new(
        crate::jwt::CLIENT_ID,
        "secret",
        "https://as.example/authorize",
        "https://as.example/token",
    )
    .with_scopes(["email", "profile", "calendar"])
    .with_http_client(Fixed::json(TOKEN_REPLY));
    let verifier = CodeVerifier::random()?;
    // The time that it takes to make an RSA key differs widely, which hides everything else of a short run.
    let signer = match work {
        "verify" => Signer::rs256()?,
        "verify-es256" => Signer::es256()?,
        _ => Signer::eddsa()?,
    };
    let key = signer.parsed()?;
    let id_token = signer.token(&claims(ISSUER, "nonce"));
    let id_tokens = crate::rows::verifying_client(&signer)?;
    let expected = Expectations::new().nonce("nonce");
    let live = TokenKey::new("oauth2", "user");
    let manager = TokenManager::builder(MemoryStore::new(), Sealer::new(SealingKey::random()?))
        .provider(Arc::new(client.clone()))
        .build()?;
    runtime()?.block_on(async {
        let started = client.start_login(REDIRECT_URI, LoginOptions::new()).await?;
        let sealer = Sealer::new(SealingKey::random()?);
        manager.put(&live, &serde_json::from_str(TOKEN_REPLY)?).await?;
        manager.get(&live).await?;
        for _ in 0..count {
            match work {
                "nothing" => {}
                "exchange" => {
                    client.get_access_token("code", REDIRECT_URI, Some(&verifier), &[]).await?;
                }
                "url" => {
                    let (state, verifier) = (random_token()?, CodeVerifier::random()?);
                    let request = AuthorizationRequest::new(REDIRECT_URI).state(&state).pkce(&verifier);
                    client.get_authorization_url(request).await?;
                }
                "login" => {
                    client.start_login(REDIRECT_URI, LoginOptions::new()).await?;
                }
                "parse" => {
                    std::hint::black_box(serde_json::from_str::<OAuth2Token>(TOKEN_REPLY)?);
                }
                "seal" => {
                    std::hint::black_box(sealer.seal(&started.attempt)?);
                }
                "open" => {
                    let sealed = sealer.seal(&started.attempt)?;
                    std::hint::black_box(sealer.open(&sealed, "oauth2", REDIRECT_URI)?);
                }
                "random" => {
                    std::hint::black_box(random_token()?);
                }
                "verify" | "verify-es256" | "verify-eddsa" => {
                    id_tokens.verify_id_token(&id_token, &expected).await?;
                }
                "verify-by-hand" => {
                    std::hint::black_box(crate::rows::by_hand(&id_token, &key));
                }
                "live" => {
                    std::hint::black_box(manager.get(&live).await?);
                }
                _ => bail!("there is no such work"),
            }
        }
        Ok(())
    })
}

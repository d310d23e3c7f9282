//! A login at an OpenID Provider with `openidconnect`: discovery, state, PKCE, nonce, and a verified ID token.

use std::{env, error::Error, io};

use openidconnect::{
    AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge,
    RedirectUrl, TokenResponse, core::{CoreClient, CoreProviderMetadata, CoreResponseType}, reqwest,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(env::var("ISSUER")?)?, &http).await?;
    let secret = ClientSecret::new(env::var("CLIENT_SECRET")?);
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(env::var("CLIENT_ID")?), Some(secret))
        .set_redirect_uri(RedirectUrl::new("http://localhost:8000/callback".to_owned())?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
    let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
    println!("{url}");
    let mut code = String::new();
    io::stdin().read_line(&mut code)?;
    let (state_found, code) = code.trim().split_once(' ').ok_or("state and code")?;
    assert_eq!(state_found, state.secret());
    let token = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))?
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await?;
    let id_token = token.id_token().ok_or("no ID token")?;
    println!("{:?}", id_token.claims(&client.id_token_verifier(), &nonce)?);
    Ok(())
}

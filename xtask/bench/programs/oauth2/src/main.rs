//! A login at GitHub with `oauth2`: state, PKCE, and a token.

use std::{env, error::Error, io};

use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, RedirectUrl, TokenResponse,
    TokenUrl, basic::BasicClient, reqwest,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = BasicClient::new(ClientId::new(env::var("CLIENT_ID")?))
        .set_client_secret(ClientSecret::new(env::var("CLIENT_SECRET")?))
        .set_auth_uri(AuthUrl::new("https://github.com/login/oauth/authorize".to_owned())?)
        .set_token_uri(TokenUrl::new("https://github.com/login/oauth/access_token".to_owned())?)
        .set_redirect_uri(RedirectUrl::new("http://localhost:8000/callback".to_owned())?);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();
    println!("{url}");
    let mut code = String::new();
    io::stdin().read_line(&mut code)?;
    let (state_found, code) = code.trim().split_once(' ').ok_or("state and code")?;
    assert_eq!(state_found, state.secret());
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let token = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await?;
    println!("{}", token.access_token().secret());
    Ok(())
}

//! A code exchange with reqwest as it comes.

use std::{env, error::Error, io};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let mut code = String::new();
    io::stdin().read_line(&mut code)?;
    let (id, secret) = (env::var("CLIENT_ID")?, env::var("CLIENT_SECRET")?);
    let form = [("client_id", &*id), ("client_secret", &secret), ("code", code.trim())];
    let reply = http.post("https://github.com/login/oauth/access_token").form(&form).send().await?;
    let token: serde_json::Value = serde_json::from_slice(&reply.bytes().await?)?;
    println!("{}", token["access_token"]);
    Ok(())
}

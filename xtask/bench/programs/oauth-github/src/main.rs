//! A login at GitHub with this library: state, PKCE, and who the user is.

use std::{env, error::Error, io};

use oauth_github::{GitHubOAuth2, oauth_core::{Callback, LoginOptions, Provider}};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let github = GitHubOAuth2::new(env::var("CLIENT_ID")?, env::var("CLIENT_SECRET")?);
    let started = github.start_login("http://localhost:8000/callback", LoginOptions::new()).await?;
    println!("{}", started.url);
    let mut query = String::new();
    io::stdin().read_line(&mut query)?;
    let login = github.finish_login(started.attempt, Callback::from_query(query.trim())).await?;
    println!("{:?}", github.get_identity(&login.token).await?);
    Ok(())
}

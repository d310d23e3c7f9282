//! A sign-in with every provider, over real HTTP, at an emulator in this process.

use oauth_clients::{
    EmailVerification, Endpoint, Error, ErrorKind, Identity, LoginOptions, OAuth2Token, OffsetDateTime,
    Provider,
};
use oauth_demo::{client, names};
use oauth_emulator::{App, Consent, Emulator};

const REDIRECT_URI: &str = "https://app.example/callback";

/// Signs in with all providers, prints a table, and fails if one of them does.
pub(crate) async fn sign_in_everywhere() -> Result<(), String> {
    let emulator = Emulator::builder()
        // GitHub gives refresh tokens to GitHub Apps, LinkedIn to approved partners.
        .app("github", App::default_of("github").with_refresh_tokens(true))
        .app("linkedin", App::default_of("linkedin").with_refresh_tokens(true))
        .start()
        .await
        .map_err(|cause| format!("the emulator did not start: {cause}"))?;
    let names = names();
    let widest = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for name in &names {
        print!("{name:<widest$}  ");
        match sign_in(&emulator, name).await {
            Ok(row) => {
                println!("signed in");
                rows.push(row);
            }
            Err(error) => {
                println!("FAILED");
                failures.push(format!("{name}: {error}"));
            }
        }
    }
    println!();
    print_table(&rows);
    println!("\n{} of {} providers signed in.", rows.len(), names.len());
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

async fn sign_in(emulator: &Emulator, name: &str) -> Result<[String; 7], Box<dyn std::error::Error>> {
    let provider = client(emulator, name).await?;
    let started = provider.start_login(REDIRECT_URI, LoginOptions::new()).await?;
    let callback = emulator.browse(&started.url, Consent::Allow).await?.callback();
    let login = provider.finish_login(started.attempt, callback).await?;
    let identity = provider.get_identity(&login.token).await?;
    let (token, refreshed) = refresh(&*provider, login.token).await?;
    let revoked = revoke(&*provider, &token).await?;
    let (email, verified) = email(&identity);
    let expiry = token.expires_at().map_or("never".to_owned(), |at| {
        let left = at.unix_timestamp() - OffsetDateTime::now_utc().unix_timestamp();
        format!("in {} min", (left + 59) / 60)
    });
    Ok([name.to_owned(), identity.subject, email, verified, expiry, refreshed.to_owned(), revoked.to_owned()])
}

async fn refresh(provider: &dyn Provider, token: OAuth2Token) -> Result<(OAuth2Token, &'static str), Error> {
    match token.refresh_token() {
        // The whole token: some providers want more of it than the refresh token.
        Some(_) => Ok((provider.refresh(&token, None).await?, "yes")),
        None => Ok((token, "not offered")),
    }
}

/// Revokes, and makes sure that the token is dead.
async fn revoke(
    provider: &dyn Provider,
    token: &OAuth2Token,
) -> Result<&'static str, Box<dyn std::error::Error>> {
    match provider.revoke_token(token.access_token(), None).await {
        Ok(()) if works(provider, token).await => Err("the revoked token still works".into()),
        Ok(()) => Ok("yes"),
        Err(error) if matches!(error.kind(), ErrorKind::Unsupported(_)) => Ok("not offered"),
        Err(error) if error.oauth_error().is_some_and(|error| error.code == "unsupported_token_type") => {
            Ok("refresh tokens only")
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a token still opens something: the profile or, where there is none, a refresh.
async fn works(provider: &dyn Provider, token: &OAuth2Token) -> bool {
    // Endpoints from discovery are known to a client that has read the metadata.
    let client = provider.oauth2().ready().await;
    let has_profile = client.is_ok_and(|client| client.endpoints().get(Endpoint::Profile).is_some());
    match token.refresh_token() {
        Some(_) if !has_profile => provider.refresh(token, None).await.is_ok(),
        _ => provider.get_profile(token.access_token()).await.is_ok(),
    }
}

fn email(identity: &Identity) -> (String, String) {
    match &identity.email {
        None => ("none".to_owned(), String::new()),
        Some(email) => {
            let verification = match email.verification {
                EmailVerification::Verified => "verified",
                EmailVerification::Unverified => "unverified",
                EmailVerification::Unknown => "unknown",
            };
            (email.address.clone(), verification.to_owned())
        }
    }
}

fn print_table(rows: &[[String; 7]]) {
    let head =
        ["provider", "id", "e-mail", "verification", "expires", "refreshed", "revoked"].map(str::to_owned);
    let table: Vec<_> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for (at, row) in table.iter().enumerate() {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
        if at == 0 {
            println!("{}", widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("  "));
        }
    }
}

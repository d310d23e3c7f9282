//! `login`: signs in and keeps the tokens.

use std::sync::Arc;

use oauth_clients::{LoginOptions, OAuth2Token, Provider};
use oauth_native::{Page, SignInError, SignInOptions, sign_in};
use oauth_tokens::{PutOptions, TokenManager};
use serde_json::json;

use crate::{
    accounts::{Account, Accounts},
    arguments::{Common, Login, Method},
    config,
    exit::{Failure, Outcome},
    output::{Output, plain},
    provider::{self, Target},
    tokens,
};

pub(crate) async fn run(login: &Login, common: &Common, output: Output) -> Outcome {
    let target = provider::target(&login.target, &login.client, common)?;
    let name = login.account.clone().unwrap_or_else(|| target.name.clone());
    check_name(&name)?;
    // Before the user is sent anywhere, so that nothing is lost for want of a place.
    let mut settings = target.profile.settings.clone();
    if settings.contains_key("client_secret") {
        return Err(Failure::Usage(
            "a client secret from standard input cannot be read again for a refresh; name a file with --client-secret-file or a \
             variable with --client-secret-env"
                .to_owned(),
        ));
    }
    settings.entry("provider").or_insert_with(|| target.name.clone().into());
    let account = Account::new(name.clone(), settings);
    let local = tokens::open(common).await?;
    if let Some(file) = local.key_file() {
        output.progress(&format!("warning: no keyring; the key of the tokens is in {}", file.display()));
    }
    let account = match login.method {
        Method::ClientCredentials => sign_in_as_client(login, account, common).await?,
        _ => sign_in_user(login, &target, account, common, output).await?,
    };
    let folder = config::data_folder(common.home.as_deref())?;
    Accounts::change(&folder, |accounts| {
        accounts.put(account.clone());
        Ok(())
    })?;
    let value = json!({
        "account": account.name, "issuer": account.issuer, "subject": account.subject, "email": account.email,
        "email_verified": account.email_is_verified, "scopes": account.scopes,
    });
    output.result(&value, || format!("signed in as {} ({})", plain(account.who()), account.name))
}

/// A name is shown in messages, written into files, and typed.
fn check_name(name: &str) -> Outcome {
    let is_plain = |char: char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_' | ':' | '@');
    match !name.is_empty() && name.len() <= 100 && name.chars().all(is_plain) {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "{name:?} is no name for an account; use letters, digits and . - _ : @"
        ))),
    }
}

async fn sign_in_user(
    login: &Login,
    target: &Target,
    account: Account,
    common: &Common,
    output: Output,
) -> Outcome<Account> {
    let provider = provider::build(&account.name, &target.profile, common).await?;
    let done = sign_in(&*provider, options(login, target)).await.map_err(failure)?;
    // A provider without a profile still gives tokens.
    let identity = match provider.get_identity(&done.token).await {
        Ok(identity) => Some(identity),
        Err(error) => {
            output.progress(&format!("signed in, but the provider does not say who: {error}"));
            None
        }
    };
    let mut account = match &identity {
        Some(identity) => account.with_identity(identity),
        None => account,
    };
    account.scopes = granted(&done.token, &*provider);
    let (manager, _) = manager_of(&account, common, provider).await?;
    let mut options = PutOptions::new();
    if let Some(identity) = &identity {
        options = options.with_identity(identity);
    }
    manager.put_with(&account.key(), &done.token, options).await?;
    finish(&manager).await?;
    Ok(account)
}

async fn manager_of(
    account: &Account,
    common: &Common,
    provider: Arc<dyn Provider>,
) -> Outcome<(TokenManager, Arc<dyn Provider>)> {
    let manager = tokens::open(common).await?.token_manager().provider(provider.clone()).build();
    let manager = manager.map_err(|error| Failure::Other(format!("{}: {error}", account.name)))?;
    Ok((manager, provider))
}

async fn sign_in_as_client(login: &Login, mut account: Account, common: &Common) -> Outcome<Account> {
    account.is_client = true;
    account.scopes.clone_from(&login.client.scopes);
    let (manager, _) = tokens::manager(&account, common).await?;
    manager.get(&account.key()).await?;
    finish(&manager).await?;
    Ok(account)
}

/// Waits until everything is saved.
pub(crate) async fn finish(manager: &TokenManager) -> Outcome {
    match manager.close().await.into_iter().next() {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}

fn granted(token: &OAuth2Token, provider: &dyn Provider) -> Vec<String> {
    match token.scopes() {
        Some(scopes) => scopes.into_iter().map(str::to_owned).collect(),
        // What is not said is as it was asked for (RFC 6749 section 5.1).
        None => provider.oauth2().scopes().iter().map(ToString::to_string).collect(),
    }
}

fn options(login: &Login, target: &Target) -> SignInOptions {
    let mut options = SignInOptions::new().time_limit(login.timeout).page(Page::new("oauth-clients")).method(
        match login.method {
            Method::Browser => oauth_native::Method::Loopback,
            Method::Device => oauth_native::Method::Device,
            Method::Paste => oauth_native::Method::Paste,
            Method::Auto | Method::ClientCredentials => oauth_native::Method::Auto,
        },
    );
    let mut request = LoginOptions::new();
    if let Some(prompt) = &login.prompt {
        request = request.prompt(prompt);
    }
    if let Some(hint) = &login.login_hint {
        request = request.login_hint(hint);
    }
    options = options.login(request);
    if let Some(uri) = &target.profile.redirect_uri {
        options = redirect(options, uri);
    }
    if let Some(port) = login.port {
        options = options.ports([port]);
    }
    options
}

/// A loopback redirect URI is listened at; the answer at any other is pasted.
fn redirect(options: SignInOptions, uri: &str) -> SignInOptions {
    match url::Url::parse(uri) {
        Ok(parsed) if parsed.scheme() == "http" => {
            let host = match parsed.host_str() {
                Some("localhost") => oauth_native::LoopbackHost::Localhost,
                Some("[::1]") => oauth_native::LoopbackHost::V6,
                _ => oauth_native::LoopbackHost::V4,
            };
            let options = options.host(host).path(parsed.path());
            match parsed.port() {
                Some(port) => options.ports([port]),
                None => options,
            }
        }
        _ => options.redirect_uri(uri),
    }
}

fn failure(error: SignInError) -> Failure {
    match error {
        SignInError::Login(error) => error.into(),
        SignInError::Options(_) | SignInError::PortsTaken { .. } => Failure::Usage(error.to_string()),
        SignInError::TimedOut { .. } => Failure::SignInAgain(error.to_string()),
        _ => Failure::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_can_be_typed() {
        for name in ["github", "login.example:8443", "me@work"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "a\nb", "..\\x"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}

//! `login`: signs in and keeps the tokens.

use std::sync::Arc;

use clap::ValueEnum;
use oauth_clients::{LoginOptions, OAuth2Token, Provider, Secret};
use oauth_native::{LoopbackBrowser, NativeSignInError, Page, SignInOptions, sign_in};
use oauth_tokens::{PutOptions, TokenManager};
use serde_json::json;

use crate::{
    accounts::{Account, Accounts},
    arguments::{Common, LoginArguments, LoginMethod},
    commands::logout::forget,
    config,
    exchange::{KeptExchange, Subject},
    exit::{CommandResult, Failure, in_words_of_this_tool},
    managers, mcp, metadata,
    output::{Output, plain},
    provider::{self, NamedClient, is_url},
    store,
    tokens::{self, AccountTokens},
};

pub(crate) async fn run(login: &LoginArguments, common: &Common, output: Output) -> CommandResult {
    let target = provider::target(&login.target, &login.client, common)?;
    let name = login.account.clone().unwrap_or_else(|| target.name.clone());
    check_name(&name)?;
    // Before the user is sent anywhere, so that no login is lost because there is no place for it.
    let mut settings = target.profile.settings.clone();
    if settings.contains_key("client_secret") {
        return Err(Failure::Usage(
            "a client secret from standard input cannot be read again for a refresh; name a file with --client-secret-file or a \
             variable with --client-secret-env"
                .to_owned(),
        ));
    }
    settings.entry("provider").or_insert_with(|| target.name.clone().into());
    let mut account = Account::new(name.clone(), settings);
    account.again = Some(again(login, common));
    if account.allows_plain_http() {
        output.warn("the configuration lets this account send secrets over plain http");
    }
    let method = match (&login.exchange, login.method) {
        (Some(_), LoginMethod::Auto) => LoginMethod::TokenExchange,
        (Some(_), method) if method != LoginMethod::TokenExchange => {
            return Err(Failure::Usage(
                "a token to exchange goes with --method token-exchange, which needs no browser".to_owned(),
            ));
        }
        (_, method) => method,
    };
    let local = store::open(common).await?;
    if let Some(file) = local.key_file() {
        output.warn(&format!("no keyring; the key of the tokens is in {}", file.display()));
    }
    let account = match method {
        LoginMethod::ClientCredentials if !login.mcp => {
            sign_in_as_client(login, account, None, common).await?
        }
        LoginMethod::TokenExchange if !login.mcp => {
            let Some(request) = &login.exchange else {
                return Err(Failure::Usage(
                    "which token is to be exchanged? --subject-account names an account, --subject-token-file a file"
                        .to_owned(),
                ));
            };
            let exchange = KeptExchange::of_arguments(request)?;
            if exchange.subject == Subject::Input {
                return Err(Failure::Usage(
                    "a token from standard input cannot be read again when another one is needed; name a file, or use `exchange`"
                        .to_owned(),
                ));
            }
            sign_in_as_client(login, account, Some(exchange), common).await?
        }
        _ if is_mcp(login, &target, common).await? => {
            sign_in_at_server(login, account, common, output).await?
        }
        _ => sign_in_user(login, &target, account, common, output).await?,
    };
    let folder = config::data_folder(common.home.as_deref())?;
    let former = Accounts::change(&folder, |accounts| Ok(accounts.put(account.clone())))?;
    if let Some(former) = former.filter(|former| !former.has_tokens_of(&account)) {
        // Nothing leads to the tokens of the user who had the name before.
        let outcome = forget(&former, common).await;
        let outcome = outcome.unwrap_or_else(|failure| format!("its tokens stay in the store: {failure}"));
        output.progress(&format!("{} was {} before: {outcome}", account.name, plain(former.who())));
    }
    let value = json!({
        "account": account.name, "issuer": account.issuer, "subject": account.subject, "email": account.email,
        "email_verified": account.email_is_verified, "scopes": account.scopes,
    });
    output.result(&value, || format!("signed in as {} ({})", plain(account.who()), account.name))
}

/// A name is shown in messages, written into files, and typed.
fn check_name(name: &str) -> CommandResult {
    let is_plain = |char: char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_' | ':' | '@');
    match !name.is_empty() && name.len() <= 100 && name.chars().all(is_plain) {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "{name:?} is not a name for an account; use letters, digits and . - _ : @"
        ))),
    }
}

async fn sign_in_user(
    login: &LoginArguments,
    target: &NamedClient,
    account: Account,
    common: &Common,
    output: Output,
) -> CommandResult<Account> {
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
    tokens::finish(&manager).await?;
    Ok(account)
}

/// Whether a URL is that of an MCP server: because the user says so, or because it has no metadata of an issuer.
async fn is_mcp(login: &LoginArguments, target: &NamedClient, common: &Common) -> CommandResult<bool> {
    if login.mcp
        || !is_url(&login.target)
        || target.profile.settings.get("provider") != Some(&"openid".into())
    {
        return Ok(login.mcp);
    }
    let http = provider::http_client(common)?;
    let mut answers = false;
    for place in metadata::places(&login.target) {
        let asked = metadata::ask(&*http, &place).await;
        if asked.document.is_some() {
            return Ok(false);
        }
        match asked.status {
            // An outage does not make it an MCP server.
            Some(500..) => return Ok(false),
            Some(_) => answers = true,
            None => {}
        }
    }
    Ok(answers)
}

async fn sign_in_at_server(
    login: &LoginArguments,
    mut account: Account,
    common: &Common,
    output: Output,
) -> CommandResult<Account> {
    if !matches!(login.method, LoginMethod::Auto | LoginMethod::Browser | LoginMethod::Paste) {
        return Err(Failure::Usage(
            "a sign-in at an MCP server takes a browser: --method browser or paste".to_owned(),
        ));
    }
    output.progress(&format!(
        "{} has no metadata of an issuer, or --mcp was given: asking it as an MCP server",
        login.target
    ));
    let secret = match (&login.client.client_secret_env, login.client.client_secret_file.as_deref()) {
        (Some(variable), _) => Some(std::env::var(variable).map_err(|_| {
            Failure::Usage(format!("--client-secret-env names {variable}, which is not set"))
        })?),
        (None, Some(file)) => Some(
            std::fs::read_to_string(file)
                .map_err(|error| Failure::Usage(format!("--client-secret-file {file}: {error}")))?,
        ),
        (None, None) => None,
    };
    let secret = secret.map(|secret| Secret::new(secret.trim()));
    let client = login.client.client_id.clone().map(|id| (id, secret));
    let mut authorizer = mcp::authorizer(common)?.with_default_scopes(login.client.scopes.clone());
    // A client that the user has registered is the one to use.
    if client.is_some() {
        authorizer = authorizer.registering(false);
    }
    let mut options = SignInOptions::new().time_limit(login.timeout).page(Page::new("oauth-clients")).method(
        match login.method {
            LoginMethod::Browser => oauth_native::Method::Loopback,
            LoginMethod::Paste => oauth_native::Method::Paste,
            _ => oauth_native::Method::Auto,
        },
    );
    if let Some(port) = login.port {
        options = options.ports([port]);
    }
    let browser = LoopbackBrowser::new(options).await.map_err(failure)?;
    let access = mcp::access(&login.target, &account.name, authorizer, common).await?;
    // Anew, because other scopes, another client or another user may be the reason to sign in again.
    let token = access.authorize_anew(&mcp::UserAtServer { browser, client }).await?;
    account.scopes = token.scopes().unwrap_or_default().into_iter().map(str::to_owned).collect();
    account.resource = Some(login.target.clone());
    account.settings = serde_json::Map::new();
    account.settings.insert("provider".to_owned(), "mcp".into());
    tokens::finish(access.tokens()).await?;
    Ok(account)
}

async fn manager_of(
    account: &Account,
    common: &Common,
    provider: Arc<dyn Provider>,
) -> CommandResult<(TokenManager, Arc<dyn Provider>)> {
    let manager = store::open(common).await?.token_manager().provider(provider.clone()).build();
    let manager = manager.map_err(|error| Failure::Other(format!("{}: {error}", account.name)))?;
    Ok((managers::watched(manager), provider))
}

async fn sign_in_as_client(
    login: &LoginArguments,
    mut account: Account,
    exchange: Option<KeptExchange>,
    common: &Common,
) -> CommandResult<Account> {
    account.is_client = true;
    account.exchange = exchange;
    account.scopes.clone_from(&login.client.scopes);
    let AccountTokens { manager, key, .. } = tokens::of(&account, common).await?;
    // What is kept may be another client's, or for something else.
    manager.delete(&key).await?;
    let outcome = manager.get(&key).await;
    tokens::finish(&manager).await?;
    outcome?;
    Ok(account)
}

/// What to type for the same sign-in, in the words of a shell.
fn again(login: &LoginArguments, common: &Common) -> String {
    let mut words = vec!["oauth-clients".to_owned()];
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    option("--config", common.config.as_ref().map(|file| file.display().to_string()));
    option("login", Some(login.target.clone()));
    option("--account", login.account.clone());
    option("--client-id", login.client.client_id.clone());
    option("--client-secret-env", login.client.client_secret_env.clone());
    option("--client-secret-file", login.client.client_secret_file.clone());
    for scope in &login.client.scopes {
        option("--scope", Some(scope.clone()));
    }
    for setting in &login.client.settings {
        option("--set", Some(setting.clone()));
    }
    if login.method != LoginMethod::Auto {
        option("--method", login.method.to_possible_value().map(|value| value.get_name().to_owned()));
    }
    option("--port", login.port.map(|port| port.to_string()));
    if let Some(request) = &login.exchange {
        option("--subject-account", request.subject_account.clone());
        option("--subject-token-file", request.subject_token_file.clone());
        option("--subject-token-type", request.subject_token_type.clone());
        for audience in &request.audiences {
            option("--audience", Some(audience.clone()));
        }
        for resource in &request.resources {
            option("--resource", Some(resource.clone()));
        }
        option("--requested-token-type", request.requested_token_type.clone());
    }
    if login.mcp {
        words.push("--mcp".to_owned());
    }
    if common.dangerously_allow_plain_http {
        words.push("--dangerously-allow-plain-http".to_owned());
    }
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "-_./:=@%+,".contains(char);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn granted(token: &OAuth2Token, provider: &dyn Provider) -> Vec<String> {
    match token.scopes() {
        Some(scopes) => scopes.into_iter().map(str::to_owned).collect(),
        // What is not said is as it was asked for (RFC 6749 section 5.1).
        None => provider.oauth2().scopes().iter().map(ToString::to_string).collect(),
    }
}

fn options(login: &LoginArguments, target: &NamedClient) -> SignInOptions {
    let mut options = SignInOptions::new().time_limit(login.timeout).page(Page::new("oauth-clients")).method(
        match login.method {
            LoginMethod::Browser => oauth_native::Method::Loopback,
            LoginMethod::Device => oauth_native::Method::Device,
            LoginMethod::Paste => oauth_native::Method::Paste,
            _ => oauth_native::Method::Auto,
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
    use oauth_native::LoopbackHost;

    let Ok(parsed) = url::Url::parse(uri) else { return options.redirect_uri(uri) };
    let host = match (parsed.scheme(), parsed.host_str()) {
        ("http", Some("localhost")) => LoopbackHost::Localhost,
        ("http", Some("127.0.0.1")) => LoopbackHost::V4,
        ("http", Some("[::1]")) => LoopbackHost::V6,
        _ => return options.redirect_uri(uri),
    };
    // As it is registered: a parsed URL has a slash where none was written.
    let has_path = uri.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let options = options.host(host).path(if has_path { parsed.path() } else { "" });
    match parsed.port() {
        Some(port) => options.ports([port]),
        None => options,
    }
}

fn failure(error: NativeSignInError) -> Failure {
    let text = in_words_of_this_tool(error.to_string());
    match error {
        NativeSignInError::Login(error) => error.into(),
        NativeSignInError::Options(_) | NativeSignInError::PortsTaken { .. } => Failure::Usage(text),
        NativeSignInError::TimedOut { .. } => {
            Failure::SignInAgain(format!("{text}; --timeout gives more time"))
        }
        _ => Failure::Other(text),
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

    #[test]
    fn what_to_type_again_is_quoted_for_a_shell() {
        for (word, shown) in [("a@b:8", "a@b:8"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''")] {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn a_redirect_uri_is_used_as_it_is_registered() {
        for (uri, shown) in [
            ("http://127.0.0.1:8080/cb", r#"path: "/cb""#),
            ("http://localhost:8080", r#"path: """#),
            ("http://localhost/", r#"path: "/""#),
            ("http://app.example/cb", r#"redirect_uri: Some("http://app.example/cb")"#),
            ("https://127.0.0.1/cb", r#"redirect_uri: Some("https://127.0.0.1/cb")"#),
        ] {
            let options = format!("{:?}", redirect(SignInOptions::new(), uri));
            assert!(options.contains(shown), "{uri}: {options}");
        }
    }
}

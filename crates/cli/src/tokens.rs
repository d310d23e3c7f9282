//! The tokens of this person on this machine.

use std::{
    fs,
    future::Future,
    io::Read,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use oauth_clients::{
    Provider, SecretSourceError, async_trait,
    fapi::{TokenExchange, TokenType},
};
use oauth_tokens::{ClientCredentials, ExchangeRequests, TokenExchangeSource, TokenKey, TokenManager};

use crate::{
    accounts::{Account, Accounts},
    arguments::Common,
    config::{self, ClientProfile},
    exchange::{KeptExchange, Subject},
    exit::{CommandResult, Failure},
    machine, managers, mcp, provider, store,
};

/// How many accounts one can be exchanged from, one after another.
const MOST_EXCHANGES: usize = 4;

/// The tokens of one account, with what refreshes them.
pub(crate) struct AccountTokens {
    pub(crate) manager: TokenManager,
    pub(crate) key: TokenKey,
    /// Who knows the user; nobody, for an account at an MCP server and for a client that signed in as itself.
    pub(crate) provider: Option<Arc<dyn Provider>>,
}

/// The tokens of one account.
pub(crate) async fn of(account: &Account, common: &Common) -> CommandResult<AccountTokens> {
    of_at_depth(account, 0, common).await
}

/// The tokens of an account from which others are exchanged, by how many. Boxed, because the account can be exchanged from another one.
pub(crate) fn of_at_depth<'a>(
    account: &'a Account,
    depth: usize,
    common: &'a Common,
) -> Pin<Box<dyn Future<Output = CommandResult<AccountTokens>> + 'a>> {
    Box::pin(async move {
        if depth > MOST_EXCHANGES {
            let name = &account.name;
            return Err(Failure::Usage(format!("the accounts are exchanged in a circle, among them {name}")));
        }
        if let Some(server) = &account.resource {
            let access = mcp::access(server, &account.name, mcp::authorizer(common)?, common).await?;
            let key = access.token_key().await?;
            let key = key.ok_or_else(|| Failure::SignInAgain(format!("nobody is signed in at {server}")))?;
            return Ok(AccountTokens { manager: access.tokens().clone(), key, provider: None });
        }
        let profile = ClientProfile { settings: account.settings.clone(), redirect_uri: None };
        let (builder, provider) = match (account.is_client, &account.exchange) {
            (false, _) => {
                let provider = provider::build(&account.name, &profile, common).await?;
                let tokens = store::open(common).await?;
                (tokens.token_manager().provider(provider.clone()), Some(provider))
            }
            (true, None) => {
                let client = machine::client(&account.name, &profile, common).await?;
                let source = ClientCredentials::new(client).with_scopes(account.scopes.clone());
                (store::open(common).await?.token_manager().source(source), None)
            }
            (true, Some(exchange)) => {
                let client = machine::client(&account.name, &profile, common).await?;
                let requests = requests(exchange, &account.scopes, depth, common).await?;
                let source = TokenExchangeSource::new(client, requests);
                (store::open(common).await?.token_manager().source(source), None)
            }
        };
        let manager = builder.build().map_err(|error| Failure::Other(error.to_string()))?;
        Ok(AccountTokens { manager: managers::watched(manager), key: account.key(), provider })
    })
}

/// The requests by which the tokens of an account are exchanged, for a source of tokens.
pub(crate) async fn requests(
    exchange: &KeptExchange,
    scopes: &[String],
    depth: usize,
    common: &Common,
) -> CommandResult<Requests> {
    let subject = match &exchange.subject {
        Subject::File(file) => TokenToExchange::File(file.clone()),
        Subject::Input => TokenToExchange::Text(read_input()?),
        Subject::Account(name) => {
            let accounts = Accounts::read(&config::data_folder(common.home.as_deref())?)?;
            let account = accounts.get(Some(name))?;
            TokenToExchange::Account(Box::new(of_at_depth(account, depth + 1, common).await?))
        }
    };
    Ok(Requests { exchange: exchange.clone(), scopes: scopes.to_vec(), subject })
}

/// Makes the request for each token that is exchanged.
pub(crate) struct Requests {
    exchange: KeptExchange,
    scopes: Vec<String>,
    subject: TokenToExchange,
}

enum TokenToExchange {
    Account(Box<AccountTokens>),
    File(PathBuf),
    Text(String),
}

impl Requests {
    /// The request that is due now.
    pub(crate) async fn next(&self) -> Result<TokenExchange, SecretSourceError> {
        let subject_type = TokenType::from(&*self.exchange.subject_type);
        let subject = match &self.subject {
            TokenToExchange::Text(text) => text.clone(),
            TokenToExchange::File(file) => read_file(file)?,
            TokenToExchange::Account(tokens) => {
                let token = tokens.manager.get_token(&tokens.key).await?;
                match subject_type {
                    TokenType::IdToken => token.id_token().ok_or("the account has no ID token")?.to_owned(),
                    _ => token.access_token().to_owned(),
                }
            }
        };
        let mut request = TokenExchange::new(subject, subject_type);
        for audience in &self.exchange.audiences {
            request = request.with_audience(audience);
        }
        for resource in &self.exchange.resources {
            request = request.with_resource(resource);
        }
        if let Some(requested) = &self.exchange.requested_type {
            request = request.with_requested_type(TokenType::from(&**requested));
        }
        Ok(match self.scopes.is_empty() {
            true => request,
            false => request.with_scopes(self.scopes.clone()),
        })
    }
}

#[async_trait]
impl ExchangeRequests for Requests {
    async fn exchange(&self, _key: &TokenKey) -> Result<TokenExchange, SecretSourceError> {
        self.next().await
    }
}

/// More is not read of a token.
const MOST: u64 = 1024 * 1024;

fn read_file(file: &Path) -> Result<String, SecretSourceError> {
    let mut text = String::new();
    let read = fs::File::open(file).and_then(|opened| opened.take(MOST).read_to_string(&mut text));
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.trim().to_owned())
}

fn read_input() -> CommandResult<String> {
    let mut text = String::new();
    std::io::stdin().lock().take(MOST).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// Waits until everything is saved.
pub(crate) async fn finish(manager: &TokenManager) -> CommandResult {
    let first = manager.close().await.into_iter().next();
    // An account that it was exchanged from has a manager of its own.
    let all = managers::finish_all().await;
    match first {
        None => all,
        Some(error) => Err(error.into()),
    }
}

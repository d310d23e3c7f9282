//! What can be asked on the command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::output::Color;

/// Signs in with OAuth 2.0 and OpenID Connect providers, and keeps the tokens fresh.
#[derive(Debug, Parser)]
#[command(name = "oauth-clients", version, propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Prints JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Tells no progress.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to use colors.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) color: Color,
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "OAUTH_CLIENTS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The folder that holds accounts and tokens.
    #[arg(long, global = true, value_name = "FOLDER", env = "OAUTH_CLIENTS_HOME")]
    pub(crate) home: Option<PathBuf>,
    /// Keeps the key of the tokens in a file that only you can read, where the system has no keyring.
    #[arg(long, global = true, env = "OAUTH_CLIENTS_KEY_FILE_ALLOWED")]
    pub(crate) allow_key_file: bool,
    /// A file of certificate authorities (PEM) to trust beside the system's.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Sends secrets over plain http as well. For test networks only.
    #[arg(long, global = true)]
    pub(crate) dangerously_allow_plain_http: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Signs in with a provider, an issuer or an MCP server.
    Login(LoginArguments),
    /// Prints a live access token, refreshed if it must be.
    Token(Token),
    /// Says who is signed in.
    Whoami(Whoami),
    /// Lists the accounts.
    #[command(alias = "accounts")]
    List,
    /// Makes an account the one that is meant where none is named.
    Use(OneAccount),
    /// Revokes an account's tokens at the provider, and forgets them.
    #[command(alias = "revoke")]
    Logout(Logout),
    /// Shows what is in a JWT, without verifying it.
    Decode(Decode),
    /// Verifies a JWT of an issuer.
    Verify(Verify),
    /// Sends a request with an account's access token.
    Curl(Curl),
    /// Runs a program with an access token in a variable.
    Exec(Exec),
    /// Exchanges one token for another (RFC 8693), and prints it without keeping it.
    Exchange(ExchangeArguments),
    /// Answers git, kubectl or docker.
    #[command(subcommand)]
    Credential(Credential),
    /// Shows where an issuer's or an MCP server's metadata are, and what they say.
    Discover(Discover),
    /// Says what is wrong with a configuration, an issuer or an MCP server.
    Doctor(Doctor),
    /// Starts the emulator, for programs in any language to test against.
    ServeEmulator(ServeEmulator),
    /// Prints the completions of a shell.
    Completions(Completions),
    /// Prints the manual page.
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// A table of the configuration, a provider such as github, or an issuer or MCP server such as https://login.example.
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) client: Client,
    /// The account's name; by default, that of what is signed in with.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// How to sign in.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) method: LoginMethod,
    /// The port of the loopback redirect; by default, any.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// `prompt`, such as login, consent or select_account.
    #[arg(long)]
    pub(crate) prompt: Option<String>,
    /// `login_hint`: the user that is expected.
    #[arg(long)]
    pub(crate) login_hint: Option<String>,
    /// How many seconds the sign-in may take.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) exchange: Option<ExchangeRequest>,
    /// The URL is that of an MCP server. Without this, a URL is an issuer if it has the metadata of one, and else an MCP server.
    #[arg(long)]
    pub(crate) mcp: bool,
}

/// Which client to be, where the configuration does not say it.
#[derive(Debug, Args)]
pub(crate) struct Client {
    /// The client id.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// The variable that holds the client secret.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) client_secret_env: Option<String>,
    /// The file that holds the client secret. It is read again at each refresh.
    #[arg(long, value_name = "FILE", conflicts_with = "client_secret_env")]
    pub(crate) client_secret_file: Option<String>,
    /// A scope to ask for. Can be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Another setting of the provider, such as tenant=organizations. Can be repeated.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<String>,
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoginMethod {
    /// The browser if there is one, else pasting.
    #[default]
    Auto,
    /// The browser, and a listener on this machine.
    Browser,
    /// A code that is typed into a page on any device.
    Device,
    /// The browser of another machine, whose last address is pasted here.
    Paste,
    /// No user: the client signs in as itself.
    ClientCredentials,
    /// No browser: a token that is there already is exchanged (RFC 8693), anew each time that a token is needed.
    TokenExchange,
}

/// What is exchanged, and for what (RFC 8693).
#[derive(Debug, Args)]
#[group(id = "subject", multiple = true)]
pub(crate) struct ExchangeRequest {
    /// The file that holds the token to exchange. It is read again for each exchange.
    #[arg(long, value_name = "FILE", conflicts_with = "subject_account")]
    pub(crate) subject_token_file: Option<String>,
    /// The account whose token is exchanged, refreshed if it must be.
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) subject_account: Option<String>,
    /// What kind of token is exchanged: access_token, id_token, jwt, saml1, saml2, or a URI. [default: access_token]
    #[arg(long, value_name = "TYPE")]
    pub(crate) subject_token_type: Option<String>,
    /// A service at which the new token is to be used, by its name. Can be repeated.
    #[arg(long = "audience", value_name = "NAME")]
    pub(crate) audiences: Vec<String>,
    /// An API at which the new token is to be used, by its URI (RFC 8707). Can be repeated.
    #[arg(long = "resource", value_name = "URI")]
    pub(crate) resources: Vec<String>,
    /// What kind of token to ask for.
    #[arg(long, value_name = "TYPE")]
    pub(crate) requested_token_type: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ExchangeArguments {
    /// A table of the configuration, a provider, or an issuer such as https://login.example.
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) client: Client,
    #[command(flatten)]
    pub(crate) request: ExchangeRequest,
    /// The form.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TokenFormat,
}

#[derive(Debug, Args)]
pub(crate) struct OneAccount {
    /// The account.
    pub(crate) account: String,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// The account; the one in use if none is named.
    pub(crate) account: Option<String>,
    /// How long the token must be good for, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) min_ttl: Option<Duration>,
    /// A scope to narrow the token to. Can be repeated.
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The resource that the token is for (RFC 8707).
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,
    /// The form.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: TokenFormat,
}

/// The form of a token on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenFormat {
    /// The token alone.
    #[default]
    Raw,
    /// `Authorization: Bearer …`.
    Header,
    /// An object with the token, its type and its expiry.
    Json,
    /// A configuration for `curl -K -`, so that the token is in no argument.
    Curl,
    /// `ACCESS_TOKEN='…'`, for a shell.
    Env,
}

#[derive(Debug, Args)]
pub(crate) struct Whoami {
    /// The account; the one in use if none is named.
    pub(crate) account: Option<String>,
    /// Asks the provider.
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The account; the one in use if none is named.
    #[arg(conflicts_with = "all")]
    pub(crate) account: Option<String>,
    /// Every account.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// A file that holds the JWT; - or nothing for standard input.
    #[arg(default_value = "-")]
    pub(crate) file: String,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A file that holds the JWT; - or nothing for standard input.
    #[arg(default_value = "-")]
    pub(crate) file: String,
    /// Who must have issued it. It is never taken from the token.
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: String,
    /// Whom it must be for: the client id, for an ID token.
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: String,
    /// The nonce of an ID token.
    #[arg(long)]
    pub(crate) nonce: Option<String>,
    /// What kind of token it must be.
    #[arg(long = "type", value_enum, default_value_t)]
    pub(crate) kind: JwtKind,
}

/// A kind of JWT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum JwtKind {
    /// An ID token (OpenID Connect Core section 2).
    #[default]
    Id,
    /// A logout token (OpenID Connect Back-Channel Logout section 2.4).
    Logout,
}

#[derive(Debug, Args)]
pub(crate) struct Curl {
    /// The account.
    pub(crate) account: String,
    /// Where to send the request; https, or a loopback address.
    pub(crate) url: String,
    /// The method.
    #[arg(long, short = 'X', default_value = "GET")]
    pub(crate) request: String,
    /// A header. Can be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The body; @FILE for a file, @- for standard input.
    #[arg(long, short = 'd')]
    pub(crate) data: Option<String>,
    /// Prints status and headers too.
    #[arg(long, short)]
    pub(crate) include: bool,
    /// Ends with exit code 1 where the status says that it failed.
    #[arg(long, short)]
    pub(crate) fail: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The account.
    pub(crate) account: String,
    /// The variable that gets the token.
    #[arg(long, value_name = "VARIABLE", default_value = "ACCESS_TOKEN")]
    pub(crate) variable: String,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    pub(crate) program: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Credential {
    /// A credential helper of git: `git config credential.https://git.example.helper '!oauth-clients credential git --account work'`.
    Git(GitCredential),
    /// An exec plugin of kubectl: prints an ExecCredential with the ID token.
    Kubectl(KubectlCredential),
    /// A credential helper of docker, for a script named docker-credential-….
    Docker(DockerCredential),
}

#[derive(Debug, Args)]
pub(crate) struct GitCredential {
    /// The account.
    #[arg(long)]
    pub(crate) account: String,
    /// The host that the account's token is for, such as git.example.
    #[arg(long)]
    pub(crate) host: String,
    /// The user name that goes with the token.
    #[arg(long, default_value = "oauth2")]
    pub(crate) username: String,
    /// What git asks.
    #[arg(value_enum)]
    pub(crate) action: HelperAction,
}

#[derive(Debug, Args)]
pub(crate) struct DockerCredential {
    /// The account.
    #[arg(long)]
    pub(crate) account: String,
    /// The server that the account's token is for, such as registry.example.
    #[arg(long)]
    pub(crate) host: String,
    /// The user name that goes with the token.
    #[arg(long, default_value = "oauth2")]
    pub(crate) username: String,
    /// What docker asks.
    #[arg(value_enum)]
    pub(crate) action: HelperAction,
}

/// What a program asks a credential helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HelperAction {
    /// For credentials.
    Get,
    /// To keep some, which this tool does not: it has its own.
    Store,
    /// To forget those that were refused.
    Erase,
    /// Which servers there are credentials for.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct KubectlCredential {
    /// The account.
    pub(crate) account: String,
    /// Gives the access token in place of the ID token.
    #[arg(long)]
    pub(crate) access_token: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Discover {
    /// The issuer or MCP server.
    pub(crate) url: String,
    /// It is an MCP server.
    #[arg(long)]
    pub(crate) mcp: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// A table of the configuration, or an issuer; by default, every table.
    pub(crate) target: Option<String>,
    /// The redirect URI that is registered.
    #[arg(long, value_name = "URI")]
    pub(crate) redirect_uri: Option<String>,
    /// An MCP server to look at as well.
    #[arg(long, value_name = "URL")]
    pub(crate) mcp: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeEmulator {
    /// The port on the loopback interface; 0 for any.
    #[arg(long, default_value_t = 8977)]
    pub(crate) port: u16,
    /// Accepts any loopback redirect URI and any scope, as a test of other programs wants.
    #[arg(long)]
    pub(crate) lenient: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let (number, unit) = match number.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (number, 1),
    };
    let number: u32 = number.parse().map_err(|_| "a number of seconds, such as 90, 90s or 5m".to_owned())?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

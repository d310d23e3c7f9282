//! Sign in with [Zoho](https://www.zoho.com/accounts/protocol/oauth/web-server-applications.html).
//!
//! ```
//! use oauth_zoho::{ZohoAuthorizeParams, ZohoOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let zoho = ZohoOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
//! // Zoho gives a refresh token the first time only, unless the user is asked again.
//! let params = ZohoAuthorizeParams { prompt: Some("consent".into()), ..Default::default() };
//! let options = LoginOptions::new().extras_params(&params);
//! let login = zoho.start_login("https://app.example/callback", options).await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Add a "Server-based Application" in the [API console](https://api-console.zoho.com) with each redirect URI exactly, and switch
//! "Multi-DC" on in its settings, or users of other regions cannot sign in.
//!
//! **Data centres.** An account is in one of Zoho's data centres, which have hosts of their own. Logins begin at `accounts.zoho.com`, or at
//! [`with_accounts_host`](ZohoOAuth2::with_accounts_host), and the callback names the user's own one (`accounts-server`, `location`). The code is
//! redeemed there, and a token that says its `api_domain` is refreshed, revoked and asked for the profile there. A host that is not on
//! Zoho's list gets neither the secret nor a token: such a login fails. What has an access token or a refresh token alone, such as
//! `get_id_email` and `refresh_token`, cannot tell where it is from, and asks the client's own data centre.
//!
//! **What you get.** The subject is the account's number (`ZUID`), under its data centre, `https://accounts.zoho.eu` and the like. An account can be
//! made on any address, and Zoho does not say whether it has verified it. Access tokens live an hour. A refresh token does not expire, and
//! a refresh brings no other; there can be twenty of a user. Revocation takes either token.
//!
//! **Surprises.** A bad code and a dead refresh token are both `invalid_code`, under HTTP 200. Too many requests are HTTP 400 with the error "Access
//! Denied", which is not the user's fault: it passes. Zoho wants a token that is revoked in the URL, where logs may keep it.
//!
//! Written from Zoho's pages and public programs as of 2026-11-29.

pub use oauth_core;
use oauth_core::{
    Callback, ClientAuth, CodeVerifier, Endpoint, Error, ErrorKind, Identity, LoginAttempt, LoginError,
    OAuth2, OAuth2Token, Operation, Provider, Result, Spec, async_trait,
    provider_kit::{
        AuthorizationSpec, ErrorSpec, ProfileSpec, RevocationSpec, TokenPlace, TokenSpec, text_at,
    },
    serde_json::Value,
};

/// Zoho's endpoints and dialect, at the data centre of the United States.
pub const SPEC: Spec = Spec {
    name: "zoho",
    display_name: "Zoho",
    color: "#e42527",
    docs: "https://www.zoho.com/accounts/protocol/oauth/web-server-applications.html",
    identity_issuer: Some("https://accounts.zoho.com"),
    parameters: &[("accounts_host", "accounts.zoho.com")],
    endpoints: &[
        (Endpoint::Authorization, "https://{accounts_host}/oauth/v2/auth"),
        (Endpoint::Token, "https://{accounts_host}/oauth/v2/token"),
        (Endpoint::Refresh, "https://{accounts_host}/oauth/v2/token"),
        (Endpoint::Revocation, "https://{accounts_host}/oauth/v2/token/revoke"),
        (Endpoint::Profile, "https://{accounts_host}/oauth/user/info"),
    ],
    scopes: &["AaaServer.profile.READ"],
    authorization: AuthorizationSpec {
        scope_separator: ",",
        params: &[("access_type", "offline")],
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec { invalid_grant_codes: &["invalid_code"], ..TokenSpec::RFC6749 },
    revocation: RevocationSpec {
        client_auth: Some(ClientAuth::None),
        token: TokenPlace::Query("token"),
        ..RevocationSpec::RFC7009
    },
    profile: ProfileSpec {
        id_at: "/ZUID",
        email_at: Some("/Email"),
        name_at: Some("/Display_Name"),
        name_parts_at: &["/First_Name", "/Last_Name"],
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        failed_at: Some("/response"),
        success: &["success"],
        code_at: Some("/cause"),
        codes: &[
            ("Access Denied", "temporarily_unavailable"),
            ("invalid_client_secret", "invalid_client"),
            ("INVALID_OAUTHTOKEN", "invalid_token"),
            ("INVALID_OAUTHSCOPE", "insufficient_scope"),
        ],
        ..ErrorSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// One of Zoho's data centres (<https://www.zoho.com/accounts/protocol/oauth/multi-dc.html>).
struct DataCentre {
    location: &'static str,
    accounts: &'static str,
    /// Where its APIs are: at `www` under it, and those of a sandbox and of a developer's edition at hosts beside that.
    apis: &'static str,
}

const fn centre(location: &'static str, accounts: &'static str, apis: &'static str) -> DataCentre {
    DataCentre { location, accounts, apis }
}

const DATA_CENTRES: &[DataCentre] = &[
    centre("us", "accounts.zoho.com", ".zohoapis.com"),
    centre("eu", "accounts.zoho.eu", ".zohoapis.eu"),
    centre("in", "accounts.zoho.in", ".zohoapis.in"),
    centre("au", "accounts.zoho.com.au", ".zohoapis.com.au"),
    centre("jp", "accounts.zoho.jp", ".zohoapis.jp"),
    centre("ca", "accounts.zohocloud.ca", ".zohoapis.ca"),
    centre("sa", "accounts.zoho.sa", ".zohoapis.sa"),
    centre("uk", "accounts.zoho.uk", ".zohoapis.uk"),
    centre("cn", "accounts.zoho.com.cn", ".zohoapis.com.cn"),
    centre("ae", "accounts.zoho.ae", ".zohoapis.ae"),
];

/// The parameter of a callback that names the user's data centre.
const ACCOUNTS_SERVER: &str = "accounts-server";

oauth_core::client! {
    /// Signs users in with Zoho.
    pub struct ZohoOAuth2 from SPEC, configured by { accounts_host: with_accounts_host };
}

oauth_core::authorize_params! {
    /// Zoho's own authorization parameters.
    pub struct ZohoAuthorizeParams {
        /// `online` for no refresh token, in place of `offline`.
        pub access_type: Option<String>,
        /// `consent` to ask the user again, which brings another refresh token.
        pub prompt: Option<String>,
    }
}

impl ZohoOAuth2 {
    /// Begins logins at another data centre, the one in which the application is registered, such as `accounts.zoho.eu`.
    ///
    /// # Errors
    ///
    /// A configuration error when Zoho has no such host, and where the endpoints were moved before.
    pub fn with_accounts_host(mut self, host: &str) -> Result<Self> {
        let Some(centre) = DATA_CENTRES.iter().find(|centre| centre.accounts == host) else {
            let problem =
                format!("accounts_host is {host:?}, which is none of Zoho's, such as accounts.zoho.eu");
            return Err(Error::configuration(SPEC.name, problem));
        };
        self.oauth2 = self.oauth2.with_parameter("accounts_host", centre.accounts)?;
        self.oauth2 = self.oauth2.with_identity_issuer(format!("https://{}", centre.accounts));
        Ok(self)
    }

    /// This client at a data centre. Endpoints that were moved elsewhere stay there.
    fn at(&self, centre: &DataCentre) -> OAuth2 {
        let moved = |url: &str| {
            let path = DATA_CENTRES.iter().find_map(|known| {
                let path = url.strip_prefix("https://")?.strip_prefix(known.accounts)?;
                path.starts_with('/').then_some(path)
            });
            path.map_or_else(|| url.to_owned(), |path| format!("https://{}{path}", centre.accounts))
        };
        let there = self.oauth2.clone().with_endpoints(|all| all.map(moved));
        match self.oauth2.is_moved() {
            true => there,
            false => there.with_identity_issuer(format!("https://{}", centre.accounts)),
        }
    }

    /// This client where a token is from, if the token says it.
    fn at_home_of(&self, token: &OAuth2Token) -> OAuth2 {
        let domain = token.get("api_domain").and_then(|domain| text_at(&domain, ""));
        let host = domain.as_deref().and_then(|domain| domain.strip_prefix("https://"));
        let known = DATA_CENTRES.iter().find(|centre| host.is_some_and(|host| host.ends_with(centre.apis)));
        known.map_or_else(|| self.oauth2.clone(), |centre| self.at(centre))
    }

    /// The data centre that a callback names; `None` if none, or the client's own server.
    fn data_centre(
        &self,
        server: Option<&str>,
        location: Option<&str>,
    ) -> Result<Option<&'static DataCentre>> {
        let found = match (server, location) {
            (Some(server), _) if self.oauth2.endpoints().token().starts_with(&format!("{server}/")) => {
                return Ok(None);
            }
            (Some(server), _) => DATA_CENTRES.iter().find(|centre| {
                server.strip_prefix("https://").map(|host| host.trim_end_matches('/'))
                    == Some(centre.accounts)
            }),
            (None, Some(location)) => DATA_CENTRES.iter().find(|centre| centre.location == location),
            (None, None) => return Ok(None),
        };
        let problem = "the callback names a server that is none of Zoho's; nothing was sent there";
        let refused = || {
            let kind = ErrorKind::Login(LoginError::ProviderCheck(problem.to_owned()));
            self.oauth2.error(Operation::FINISH_LOGIN, kind)
        };
        found.map(Some).ok_or_else(refused)
    }
}

#[async_trait]
impl Provider for ZohoOAuth2 {
    oauth_core::accessors!();

    /// Whoever can alter a callback must not choose who gets the secret.
    async fn check_callback(&self, _attempt: &LoginAttempt, callback: &Callback) -> Result<()> {
        self.data_centre(callback.get(ACCOUNTS_SERVER), callback.get("location")).map(|_| ())
    }

    /// Passes the user's data centre on to the exchange of the code.
    fn token_params(&self, callback: Option<&Callback>) -> Vec<(&'static str, String)> {
        let named = |callback: &Callback| {
            let centre = self.data_centre(callback.get(ACCOUNTS_SERVER), callback.get("location")).ok()??;
            Some((ACCOUNTS_SERVER, format!("https://{}", centre.accounts)))
        };
        callback.and_then(named).into_iter().collect()
    }

    /// Redeems the code at the data centre that the extra parameter `accounts-server` names, which is itself not sent.
    async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let (servers, extra): (Vec<_>, Vec<_>) =
            extra.iter().copied().partition(|(name, _)| *name == ACCOUNTS_SERVER);
        let server = servers.first().map(|(_, server)| *server);
        let there = match self.data_centre(server, None)? {
            Some(centre) => self.at(centre),
            None => self.oauth2.clone(),
        };
        there.get_access_token(code, redirect_uri, code_verifier, &extra).await
    }

    async fn refresh(&self, token: &OAuth2Token, scopes: Option<&[&str]>) -> Result<OAuth2Token> {
        self.at_home_of(token).refresh(token, scopes).await
    }

    async fn refresh_with(
        &self,
        token: &OAuth2Token,
        scopes: Option<&[&str]>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        self.at_home_of(token).refresh_with(token, scopes, extra).await
    }

    async fn revoke(&self, token: &OAuth2Token) -> Result<()> {
        self.at_home_of(token).revoke(token).await
    }

    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        self.at_home_of(token).get_identity(token).await
    }

    async fn read_profile(&self, _client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        self.at_home_of(token).read_profile(token).await
    }
}

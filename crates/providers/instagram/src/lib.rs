//! Sign in with [Instagram](https://developers.facebook.com/documentation/instagram-platform/instagram-api-with-instagram-login/business-login):
//! professional accounts, for businesses and creators.
//!
//! ```
//! use oauth_instagram::{InstagramOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let instagram = InstagramOAuth2::new("INSTAGRAM_APP_ID", "INSTAGRAM_APP_SECRET");
//! let login = instagram.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("scope=instagram_business_basic"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in Meta's [dashboard](https://developers.facebook.com/apps/), add "Instagram" with "API setup with Instagram
//! login", and enter each redirect URI under "Business login settings": https, on this machine too. Id and secret are those of the Instagram
//! app, not of the Meta app. Until the app is reviewed, only accounts with a role in it can sign in.
//!
//! **What you get.** The subject is the account's id in this app. There is no e-mail address. A login exchanges the code and then the
//! one-hour token for one of sixty days, as this API is made for; it is renewed by itself once it is a day old, so its
//! [`refresh_token`](oauth_core::OAuth2Token::refresh_token) is the access token, and a token manager keeps it alive. There is no
//! revocation: users remove an app in their settings.
//!
//! **Surprises.** Personal accounts cannot sign in. The second exchange and the refresh are GETs with the secret and the token in the query,
//! which is Meta's doing. Scopes have commas between them. Meta documents replies in a list named `data` and sends flat ones too; both are
//! read. Browsers come back with `#_` behind the code, which is no part of it. PKCE is not documented; a challenge is sent all the same, as
//! other libraries do in production.
//!
//! Read on 2026-11-23 and 2026-11-29: the vendor's pages and public programs.

pub use oauth_core;
use oauth_core::{
    CodeVerifier, Endpoint, Error, ErrorKind, Identity, OAuth2, OAuth2Token, Operation, Provider, Result,
    Spec, async_trait,
    http::Method,
    provider_kit::{
        AuthorizationSpec, ErrorSpec, NativeSpec, ProfileSpec, RefreshBy, RefreshSpec, RequestFormat,
        TokenSpec, text_at,
    },
    serde_json::{self, Map, Value},
};

/// Instagram's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "instagram",
    display_name: "Instagram",
    color: "#e4405f",
    docs: "https://developers.facebook.com/documentation/instagram-platform/instagram-api-with-instagram-login/business-login",
    endpoints: &[
        (Endpoint::Authorization, "https://www.instagram.com/oauth/authorize"),
        (Endpoint::Token, "https://api.instagram.com/oauth/access_token"),
        (Endpoint::Refresh, "https://graph.instagram.com/refresh_access_token"),
        (Endpoint::Profile, "https://graph.instagram.com/me"),
        (Endpoint::Other("long_lived"), "https://graph.instagram.com/access_token"),
    ],
    scopes: &["instagram_business_basic"],
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    token: TokenSpec {
        refresh: RefreshSpec {
            by: RefreshBy::AccessToken,
            grant_type: "ig_refresh_token",
            format: Some(RequestFormat::Query),
            ..RefreshSpec::RFC6749
        },
        ..TokenSpec::RFC6749
    },
    profile: ProfileSpec {
        email_at: None,
        name_at: Some("/name"),
        picture_at: Some("/profile_picture_url"),
        params: &[("fields", "id,user_id,username,name,account_type,profile_picture_url")],
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        // The token endpoint's way; the Graph API has an object `error`.
        failed_at: Some("/error_type"),
        message_at: Some("/error_message"),
        codes: &[
            ("2", "temporarily_unavailable"),
            ("4", "temporarily_unavailable"),
            ("17", "temporarily_unavailable"),
            ("32", "temporarily_unavailable"),
            ("613", "temporarily_unavailable"),
        ],
        ..ErrorSpec::RFC6749
    },
    native: NativeSpec { loopback_hosts: &[], ..NativeSpec::RFC8252 },
    ..Spec::RFC6749
};

/// The method [`InstagramOAuth2::get_long_lived_access_token`], in errors.
pub const GET_LONG_LIVED_ACCESS_TOKEN: Operation = Operation::new("get_long_lived_access_token");

oauth_core::client! {
    /// Signs professional accounts in with Instagram.
    pub struct InstagramOAuth2 from SPEC;
}

impl InstagramOAuth2 {
    /// Exchanges a one-hour access token for one of sixty days. A login does so by itself.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; a configuration error where the client has no secret.
    pub async fn get_long_lived_access_token(&self, access_token: &str) -> Result<OAuth2Token> {
        let operation = GET_LONG_LIVED_ACCESS_TOKEN;
        let url = self.oauth2.endpoints().other("long_lived").map_err(|error| error.at(SPEC.name))?;
        let Some(secret) = self.oauth2.reveal_client_secret(operation).await? else {
            let problem = "Instagram wants the client secret for a long-lived token".to_owned();
            return Err(self.oauth2.error(operation, ErrorKind::Configuration(problem)));
        };
        let query = [
            ("grant_type", "ig_exchange_token"),
            ("client_secret", secret.expose()),
            ("access_token", access_token),
        ];
        let request = self.oauth2.request(operation, Method::GET, url).query(&query);
        let outcome = request.hide(secret.expose()).hide(access_token).send().await;
        let outcome = outcome.and_then(|reply| reply.token(""));
        outcome.map(renewed_by_itself).map_err(|error| self.translate_error(error))
    }
}

#[async_trait]
impl Provider for InstagramOAuth2 {
    oauth_core::accessors!();

    /// Ends with the long-lived token. What goes wrong with it comes with the one-hour token, because the code is spent.
    async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let code = code.strip_suffix("#_").unwrap_or(code);
        let request = self.oauth2.exchange_request(code, redirect_uri, code_verifier, extra)?;
        let outcome = async {
            let reply = request.send().await?;
            let is_list = reply.json()?.pointer("/data/0").is_some();
            reply.token(if is_list { "/data/0" } else { "" })
        };
        let short = outcome.await.map_err(|error| self.translate_error(error))?;
        let outcome = self.get_long_lived_access_token(short.access_token()).await;
        outcome.map_err(|error| error.during(Operation::GET_ACCESS_TOKEN).with_tokens(short))
    }

    /// The first of a list, or the reply itself.
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let mut profile = client.read_profile(token).await?;
        Ok(match profile.pointer_mut("/data/0").map(Value::take) {
            Some(first) => first,
            None => profile,
        })
    }

    fn complete_identity(&self, identity: &mut Identity) {
        identity.name = identity.name.take().or_else(|| text_at(&identity.profile, "/username"));
    }

    /// The token endpoint has one code for everything; its sentences tell what is wrong.
    fn translate_error(&self, error: Error) -> Error {
        let Some(said) = error.oauth_error().filter(|said| said.code == "OAuthException") else {
            return error;
        };
        let text = said.description.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if is(&["client secret", "client_secret", "platform app", "client_id", "client id"]) {
            error.under_code("invalid_client")
        } else if is(&["redirect_uri", "redirect uri"]) {
            error.under_code("redirect_uri_mismatch")
        } else {
            error
        }
    }
}

/// The token with itself as what renews it.
fn renewed_by_itself(token: OAuth2Token) -> OAuth2Token {
    let mut fields = Map::from(token.clone());
    fields.insert("refresh_token".to_owned(), token.access_token().into());
    serde_json::from_value(Value::Object(fields)).unwrap_or(token)
}

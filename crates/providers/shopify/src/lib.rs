//! Sign in with [Shopify](https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant):
//! what signs in is a shop, or, with online tokens, a member of its staff.
//!
//! ```
//! use oauth_shopify::{ShopifyAuthorizeParams, ShopifyOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let shopify = ShopifyOAuth2::new("API_KEY", "API_SECRET", "my-shop")?;
//! let per_user = LoginOptions::new().extras_params(&ShopifyAuthorizeParams { per_user: true });
//! let login = shopify.start_login("https://app.example/callback", per_user).await?;
//! assert!(login.url.starts_with("https://my-shop.myshopify.com/admin/oauth/authorize?"));
//! assert!(ShopifyOAuth2::new("API_KEY", "API_SECRET", "evil.example/#").is_err());
//! # Ok(())
//! # }
//! ```
//!
//! **Who signs in.** With an offline token it is the shop: its id, its name, and its owner's address; anybody of the staff may have
//! been at the keyboard. With `per_user` it is the member of staff whom the token reply names (`associated_user`), under the issuer
//! `https://my-shop.myshopify.com`, with an address that Shopify has verified or not; who signs in people must ask for that. An
//! offline token is then refused, and an online one where none was asked for. `get_identity` takes the whole token of the login,
//! because a bare access token does not tell.
//!
//! **Set up.** Create an app in the [developer dashboard](https://dev.shopify.com/dashboard), enter the redirect URLs exactly, and request
//! access to protected customer data, to which addresses belong. New public apps are to use the GraphQL Admin API only, as this client does.
//!
//! **What you get.** Offline tokens expire in an hour and come with a refresh token of 90 days, which each refresh replaces; Shopify
//! refuses other tokens to public apps created since April 2026, and from January 2027 to all public ones. Custom apps may have permanent
//! ones: [`with_permanent_tokens`](ShopifyOAuth2::with_permanent_tokens). The profile is the
//! [shop](https://shopify.dev/docs/api/admin-graphql/latest/objects/Shop) by GraphQL; the subject is the number in its id.
//!
//! **Surprises.** A callback must carry Shopify's `hmac` and name the shop that the login was started for. Scopes have commas between
//! them. There is no revocation. Each version of the API is supported for a year:
//! [`with_api_version`](ShopifyOAuth2::with_api_version).
//!
//! **Signals.** [`ShopifySignals`] verifies the webhooks for shops that uninstall the app, and the mandatory privacy webhooks.

mod shop;
mod signals;

pub use oauth_core;
use oauth_core::{
    Callback, ClientSecret, CodeVerifier, Configure, Credentials, Email, EmailVerification, Endpoint, Error,
    ErrorKind, Identity, Login, LoginAttempt, LoginError, OAuth2, OAuth2Token, Operation, Pkce, Provider,
    ProviderConfig, Result, Spec, async_trait,
    provider_kit::{
        AuthorizationSpec, ConfirmedBy, ErrorSpec, LoginSpec, ProfileRequest, ProfileSpec, Restriction,
        TokenPlace, TokenSpec, check_subject, hmac_sha256_hex, text_at,
    },
    same_secret,
    serde_json::Value,
};
use serde::Serialize;

pub use crate::signals::{ShopifySignals, VERIFY_WEBHOOK};

/// Shopify's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "shopify",
    display_name: "Shopify",
    color: "#95bf47",
    docs: "https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/authorization-code-grant",
    parameters: &[("api_version", "2026-10")],
    endpoints: &[
        (Endpoint::Authorization, "https://{shop}.myshopify.com/admin/oauth/authorize"),
        (Endpoint::Token, "https://{shop}.myshopify.com/admin/oauth/access_token"),
        (Endpoint::Refresh, "https://{shop}.myshopify.com/admin/oauth/access_token"),
        (Endpoint::Profile, "https://{shop}.myshopify.com/admin/api/{api_version}/graphql.json"),
    ],
    scopes: &["read_customers"],
    authorization: AuthorizationSpec {
        scope_separator: ",",
        pkce: Pkce::Unsupported,
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec { invalid_grant_codes: &["invalid_request"], ..TokenSpec::RFC6749 },
    profile: ProfileSpec {
        id_at: "/shop/id",
        email_at: Some("/shop/email"),
        name_at: Some("/shop/name"),
        request: ProfileRequest::GraphQl("{ shop { id name email myshopifyDomain } }"),
        token: TokenPlace::Header("x-shopify-access-token"),
        ..ProfileSpec::RFC6749
    },
    errors: ErrorSpec {
        codes: &[
            ("THROTTLED", "temporarily_unavailable"),
            ("INTERNAL_SERVER_ERROR", "temporarily_unavailable"),
            ("TIMEOUT", "temporarily_unavailable"),
            ("ACCESS_DENIED", "insufficient_scope"),
        ],
        ..ErrorSpec::RFC6749
    },
    login: LoginSpec {
        restrictions: &[Restriction::parameter(GRANT_OPTIONS, ConfirmedBy::TokenReply, |_, reply| {
            text_at(reply, "/associated_user/id").map(|_| true)
        })],
        ..LoginSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// The parameter that asks for an online token.
const GRANT_OPTIONS: &str = "grant_options[]";
/// Its value.
const PER_USER: &str = "per-user";

/// What precedes the shop's number, in GraphQL.
const SHOP_ID: &str = "gid://shopify/Shop/";

/// Signs shops in with Shopify.
#[derive(Clone, Debug)]
pub struct ShopifyOAuth2 {
    oauth2: OAuth2,
    shop: String,
    expiring: bool,
}

/// Shopify's own authorization parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShopifyAuthorizeParams {
    /// Whether the token acts for the member of staff who signs in and expires with the session (an online token).
    pub per_user: bool,
}

impl ShopifyOAuth2 {
    /// A client with the key and the secret that Shopify issued to your application, for one shop: `my-shop`, or
    /// `my-shop.myshopify.com`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not a shop.
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        shop: &str,
    ) -> Result<Self> {
        let shop = shop::shop_name(shop).ok_or_else(|| {
            Error::configuration(
                SPEC.name,
                format!(
                    "shop is {shop:?}, but it must be the shop's name, such as my-shop of my-shop.myshopify.com"
                ),
            )
        })?;
        let oauth2 = OAuth2::from_spec(&SPEC, client_id, credentials);
        oauth2.check_credentials()?;
        let oauth2 = oauth2.with_parameter("shop", &*shop)?;
        Ok(Self { oauth2, shop, expiring: true })
    }

    /// Asks for offline tokens that do not expire, in place of those
    /// [that do](https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens) and come with a
    /// refresh token. Shopify's API refuses permanent ones to public apps.
    #[must_use]
    pub fn with_permanent_tokens(mut self) -> Self {
        self.expiring = false;
        self
    }

    /// Uses another version of the Admin API, such as `2026-04`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text has no place in a URL.
    pub fn with_api_version(mut self, version: &str) -> Result<Self> {
        self.oauth2 = self.oauth2.with_parameter("api_version", version)?;
        Ok(self)
    }
}

#[async_trait]
impl Provider for ShopifyOAuth2 {
    oauth_core::accessors!();

    /// The `hmac` of the other parameters, and the shop.
    async fn check_callback(&self, _attempt: &LoginAttempt, callback: &Callback) -> Result<()> {
        let operation = Operation::FINISH_LOGIN;
        let refuse = |why: &str| {
            Err(self.oauth2.error(operation, ErrorKind::Login(LoginError::ProviderCheck(why.to_owned()))))
        };
        // Everybody can sign with an empty secret.
        let secret = self.oauth2.reveal_client_secret(operation).await?;
        let Some(secret) = secret.filter(|secret| !secret.expose().is_empty()) else {
            return refuse("Shopify's hmac cannot be checked without the client secret");
        };
        let mut pairs: Vec<_> = callback.pairs().filter(|&(name, _)| name != "hmac").collect();
        pairs.sort_unstable();
        let message = oauth_core::provider_kit::form_encoded(&pairs);
        let expected = hmac_sha256_hex(secret.expose(), &message);
        if !callback.get("hmac").is_some_and(|hmac| same_secret(hmac, &expected)) {
            return refuse("the callback's hmac is missing or wrong: it does not come from Shopify");
        }
        if callback.get("shop") != Some(&*format!("{}.myshopify.com", self.shop)) {
            return refuse("the callback comes from another shop");
        }
        Ok(())
    }

    async fn get_access_token(
        &self,
        code: &str,
        redirect_uri: &str,
        code_verifier: Option<&CodeVerifier>,
        extra: &[(&str, &str)],
    ) -> Result<OAuth2Token> {
        let expiring = self.expiring.then_some(("expiring", "1"));
        let extra: Vec<_> = extra.iter().copied().chain(expiring).collect();
        self.oauth2.get_access_token(code, redirect_uri, code_verifier, &extra).await
    }

    /// An online token is a member of staff's, whom nobody asked for where it is the shop that signs in.
    async fn check_login(&self, attempt: &LoginAttempt, login: &Login) -> Result<()> {
        let is_per_user = attempt.restricted_to().iter().any(|restricted| restricted.name == GRANT_OPTIONS);
        match is_per_user || login.token.others().get("associated_user").is_none_or(Value::is_null) {
            true => Ok(()),
            false => {
                let reason = "Shopify issued a token of a member of staff, and one of the shop was asked for";
                Err(self.oauth2.restricted(Operation::FINISH_LOGIN, reason))
            }
        }
    }

    /// The member of staff, with an online token; else the shop.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let Some(user) = token.others().get("associated_user").filter(|user| !user.is_null()) else {
            let mut identity = self.oauth2.identity(self.get_profile_of(token).await?)?;
            // The number by which the older API knows the shop, too.
            let number = identity.subject.strip_prefix(SHOP_ID).unwrap_or_default();
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                let reason = format!("the shop's id is not {SHOP_ID} and a number");
                return Err(Error::in_profile(&self.oauth2, &identity.profile, reason));
            }
            identity.subject = number.to_owned();
            return Ok(identity);
        };
        let Some(id) = text_at(user, "/id") else {
            return Err(Error::in_profile(&self.oauth2, user, "associated_user has no id"));
        };
        check_subject(&id).map_err(|problem| {
            Error::in_profile(&self.oauth2, user, format!("the id of associated_user {problem}"))
        })?;
        // The numbers of shops and of their staff are counted apart.
        let issuer = format!("https://{}.myshopify.com", self.shop);
        let mut identity = Identity::new(issuer, id, user.clone());
        let verification = EmailVerification::of(user.get("email_verified"));
        identity.email = text_at(user, "/email").map(|address| Email::new(address, verification));
        let names = ["/first_name", "/last_name"].into_iter().filter_map(|part| text_at(user, part));
        identity.name = Some(names.collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty());
        Ok(identity.without_unusable())
    }
}

impl ShopifySignals {
    /// The webhooks of the app with this client secret. While a new secret replaces it, give both ([`ClientSecret::rotating`]): Shopify may
    /// sign with the old one for an hour.
    pub fn new(client_secret: impl Into<ClientSecret>) -> Self {
        Self::of(OAuth2::from_spec(&SPEC, "", client_secret.into()))
    }
}

impl Configure for ShopifyOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["shop", "api_version", "expiring_tokens"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, credentials) = config.credentials(Self::PARAMETERS)?;
        let mut client = Self::new(client_id, credentials, &config.required("shop")?)?;
        if let Some(version) = config.parameter("api_version") {
            client = client.with_api_version(&version)?;
        }
        client.expiring = match config.parameter("expiring_tokens").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err(Error::configuration(SPEC.name, "expiring_tokens is true or false")),
        };
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}

/// Written out: the parameter of the field `per_user` has another name and no boolean value, and is not sent where it is false.
impl Serialize for ShopifyAuthorizeParams {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.per_user.then_some((GRANT_OPTIONS, PER_USER)))
    }
}

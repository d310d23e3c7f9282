//! Sign in with [WeChat](https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Wechat_Login.html): on websites by
//! a QR code, or inside WeChat by an official account.
//!
//! ```
//! use oauth_wechat::{WeChatOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let wechat = WeChatOAuth2::new("APPID", "APPSECRET");
//! let login = wechat.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.ends_with("#wechat_redirect"));
//!
//! // For pages that are opened inside WeChat.
//! let inside = WeChatOAuth2::official_account("APPID", "APPSECRET");
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create a website application in the [open platform](https://open.weixin.qq.com), or an official account that may use
//! web authorization, and register the domain of the redirect URI. WeChat reviews both, and asks for a Chinese legal entity.
//!
//! **What you get.** The subject is the `unionid`, which is the same in all applications that are bound to one account of the open
//! platform, or else the `openid`, which is of one application. An official account that is bound later gets other subjects; bind it
//! first. There is no e-mail address. Access tokens live two hours; a refresh before that prolongs the same one. The refresh token
//! lives 30 days, and nothing prolongs it. There is no revocation.
//!
//! **Surprises.** The client id and secret are called `appid` and `secret`, and the token endpoints take a GET with both in its URL, which
//! no other way avoids: keep the URLs of requests out of your logs. Profiles need the `openid` of the token reply, so call
//! [`get_identity`](Provider::get_identity) with the whole token. Errors are numbers under HTTP 200. A user who refuses is not sent
//! back, or with `state` alone. PKCE does not exist.
//!
//! Read on 2026-11-29; more at [official accounts](https://developers.weixin.qq.com/doc/offiaccount/OA_Web_Apps/Wechat_webpage_authorization.html).

pub use oauth_core;
use oauth_core::{
    AuthorizationRequest, ClientAuth, Configure, Credentials, Endpoint, Error, Identity, OAuth2, Operation,
    Pkce, Provider, ProviderConfig, Result, Spec, async_trait,
    provider_kit::{
        AuthorizationSpec, ErrorSpec, ProfileSpec, RefreshSpec, RequestFormat, TokenPlace, TokenSpec,
        check_subject, text_at,
    },
};

/// WeChat's endpoints and dialect for websites.
pub const SPEC: Spec = Spec {
    name: "wechat",
    display_name: "WeChat",
    color: "#07c160",
    docs: "https://developers.weixin.qq.com/doc/oplatform/Website_App/WeChat_Login/Wechat_Login.html",
    endpoints: &[
        (Endpoint::Authorization, "https://open.weixin.qq.com/connect/qrconnect"),
        (Endpoint::Token, "https://api.weixin.qq.com/sns/oauth2/access_token"),
        (Endpoint::Refresh, "https://api.weixin.qq.com/sns/oauth2/refresh_token"),
        (Endpoint::Profile, "https://api.weixin.qq.com/sns/userinfo"),
    ],
    scopes: &["snsapi_login"],
    client_id_param: "appid",
    client_secret_param: "secret",
    errors: ErrorSpec {
        failed_at: Some("/errcode"),
        success: &["0"],
        message_at: Some("/errmsg"),
        codes: &[
            ("-1", "temporarily_unavailable"),
            ("40001", "invalid_client"),
            ("40013", "invalid_client"),
            ("40014", "invalid_token"),
            ("40029", "invalid_grant"),
            ("40030", "invalid_grant"),
            ("40125", "invalid_client"),
            ("40163", "invalid_grant"),
            ("41004", "invalid_client"),
            ("42001", "invalid_token"),
            ("42002", "invalid_grant"),
            ("42003", "invalid_grant"),
            ("42007", "invalid_grant"),
            ("45009", "temporarily_unavailable"),
            ("45011", "temporarily_unavailable"),
            ("48001", "insufficient_scope"),
        ],
        ..ErrorSpec::RFC6749
    },
    authorization: AuthorizationSpec {
        scope_separator: ",",
        pkce: Pkce::Unsupported,
        ..AuthorizationSpec::RFC6749
    },
    token: TokenSpec {
        format: RequestFormat::Query,
        omitted_params: &["redirect_uri"],
        refresh: RefreshSpec { client_auth: Some(ClientAuth::None), ..RefreshSpec::RFC6749 },
        ..TokenSpec::RFC6749
    },
    profile: ProfileSpec {
        id_at: "/openid",
        email_at: None,
        name_at: Some("/nickname"),
        picture_at: Some("/headimgurl"),
        params: &[("openid", "{token:/openid}"), ("lang", "zh_CN")],
        token: TokenPlace::Query("access_token"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// WeChat's endpoints and dialect for official accounts.
pub const SPEC_OFFICIAL_ACCOUNT: Spec = Spec {
    docs: "https://developers.weixin.qq.com/doc/offiaccount/OA_Web_Apps/Wechat_webpage_authorization.html",
    endpoints: &[
        (Endpoint::Authorization, "https://open.weixin.qq.com/connect/oauth2/authorize"),
        (Endpoint::Token, "https://api.weixin.qq.com/sns/oauth2/access_token"),
        (Endpoint::Refresh, "https://api.weixin.qq.com/sns/oauth2/refresh_token"),
        (Endpoint::Profile, "https://api.weixin.qq.com/sns/userinfo"),
    ],
    scopes: &["snsapi_userinfo"],
    ..SPEC
};

/// Signs users in with WeChat.
#[derive(Clone, Debug)]
pub struct WeChatOAuth2 {
    oauth2: OAuth2,
}

impl WeChatOAuth2 {
    /// A client with the id and the secret of your website application.
    pub fn new(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self { oauth2: OAuth2::from_spec(&SPEC, client_id, credentials) }
    }

    /// A client with the id and the secret of your official account, for pages that are opened inside WeChat.
    pub fn official_account(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        Self { oauth2: OAuth2::from_spec(&SPEC_OFFICIAL_ACCOUNT, client_id, credentials) }
    }
}

/// The setting is `official_account`: whether the application is one.
impl Configure for WeChatOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["official_account"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, client_secret) = config.credentials(Self::PARAMETERS)?;
        let mut client = match config.parameter("official_account").as_deref() {
            None | Some("false") => Self::new(client_id, client_secret),
            Some("true") => Self::official_account(client_id, client_secret),
            Some(_) => return Err(Error::configuration(SPEC.name, "official_account is true or false")),
        };
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}

/// In what order WeChat wants the parameters of an official account's request, which it compares with a pattern.
const ORDER: [&str; 5] = ["appid", "redirect_uri", "response_type", "scope", "state"];

#[async_trait]
impl Provider for WeChatOAuth2 {
    oauth_core::accessors!();

    /// WeChat wants the parameters in its own order, and a fragment, without which its page stays empty.
    async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        self.oauth2.check_credentials()?;
        let mut params = self.oauth2.authorization_params(request).await?;
        let mut pairs: Vec<_> =
            params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        pairs.sort_by_key(|(name, _)| ORDER.iter().position(|other| other == name).unwrap_or(ORDER.len()));
        params.clear();
        for (name, value) in pairs {
            params.push(name, value);
        }
        Ok(self.oauth2.authorization_url(params).await? + "#wechat_redirect")
    }

    /// One number is for a wrong secret and for a dead access token, and only requests for tokens have a secret.
    fn translate_error(&self, error: Error) -> Error {
        let is_for_tokens =
            [Operation::GET_ACCESS_TOKEN, Operation::REFRESH_TOKEN].contains(&error.operation());
        match error.oauth_error() {
            Some(said) if said.code == "invalid_client" && !is_for_tokens => {
                error.under_code("invalid_token")
            }
            _ => error,
        }
    }

    /// The identifier that all of a developer's applications see, where WeChat tells it.
    fn complete_identity(&self, identity: &mut Identity) {
        let unionid = text_at(&identity.profile, "/unionid");
        if let Some(unionid) = unionid.filter(|unionid| check_subject(unionid).is_ok()) {
            identity.subject = unionid;
        }
    }
}

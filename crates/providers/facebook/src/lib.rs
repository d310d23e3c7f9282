//! Sign in with [Facebook](https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow).
//!
//! ```
//! use oauth_facebook::{FacebookOAuth2, oauth_core::Provider};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! let facebook = FacebookOAuth2::new("APP_ID", "APP_SECRET").with_graph_version("v25.0")?;
//! let token = facebook.get_long_lived_access_token("SHORT_LIVED_TOKEN").await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Create an app in the [dashboard](https://developers.facebook.com/apps/) with the use case "Authenticate and
//! request data from users with Facebook Login", and enter each redirect URI under "Valid OAuth Redirect URIs": https, exactly.
//! Until the app is live, and `email` has advanced access, only people with a role in it can sign in.
//!
//! **What you get.** The subject is the user's id in this app. Facebook says nothing about whether an address is verified, and
//! a user may have none. There are no refresh tokens: exchange the short-lived token for one that lives about sixty days
//! ([`get_long_lived_access_token`](FacebookOAuth2::get_long_lived_access_token)). Revoking a token removes the application
//! from the user's account. With the scope `openid`, an ID token comes with the access token, and is verified; the one of
//! Limited Login, which the kits for mobile systems give to an application, is verified by
//! [`verify_id_token`](oauth_openid::OpenIDProvider::verify_id_token).
//!
//! **Surprises.** Each version of the Graph API works for two years:
//! [`with_graph_version`](FacebookOAuth2::with_graph_version). Errors are numbers, one of which can mean a wrong secret, a
//! redirect URI that differs or a code that is spent; they are told apart by `error_subcode`. Calls carry `appsecret_proof`
//! where the secret is known.
//!
//! **Signals.** [`FacebookSignals`] verifies the callbacks for users who remove the app, and for those who want their data deleted, which
//! Meta demands.

mod signals;

pub use oauth_core;
use oauth_core::{
    ClientAuth, Endpoint, Error, OAuth2, OAuth2Token, Operation, Provider, Response, Result, Spec,
    async_trait,
    http::Method,
    provider_kit::{
        AuthorizationSpec, DeviceSpec, LoopbackHost, LoopbackPort, NativeSpec, ProfileSpec, hmac_sha256_hex,
        text_at,
    },
    serde_json::{self, Value},
};
pub use oauth_openid;
use oauth_openid::{Issuers, VerificationPolicy};

pub use crate::signals::{FacebookSignals, VERIFY_SIGNED_REQUEST};

/// Facebook's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "facebook",
    display_name: "Facebook",
    color: "#0866ff",
    docs: "https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow",
    // ID tokens name it, see `policy`. Of callbacks, Facebook documents no issuer.
    identity_issuer: Some(ISSUER),
    parameters: &[("graph_version", "v26.0")],
    endpoints: &[
        (Endpoint::Authorization, "https://www.facebook.com/{graph_version}/dialog/oauth"),
        (Endpoint::Token, "https://graph.facebook.com/{graph_version}/oauth/access_token"),
        (Endpoint::Revocation, "https://graph.facebook.com/{graph_version}/me/permissions"),
        (Endpoint::DeviceAuthorization, "https://graph.facebook.com/{graph_version}/device/login"),
        (Endpoint::Other("device_status"), "https://graph.facebook.com/{graph_version}/device/login_status"),
        (Endpoint::Profile, "https://graph.facebook.com/{graph_version}/me?fields=id,name,email,picture"),
        (Endpoint::Jwks, "https://www.facebook.com/.well-known/oauth/openid/jwks/"),
    ],
    scopes: &["email", "public_profile"],
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    profile: ProfileSpec {
        name_at: Some("/name"),
        picture_at: Some("/picture/data/url"),
        ..ProfileSpec::RFC6749
    },
    native: NativeSpec {
        loopback_hosts: &[LoopbackHost::Localhost],
        loopback_port: LoopbackPort::Registered,
        device: DeviceSpec {
            client_auth: Some(ClientAuth::None),
            params: &[("access_token", "{client_id}|{client_token}"), ("scope", "{scope}")],
            poll_endpoint: Endpoint::Other("device_status"),
            poll_client_auth: Some(ClientAuth::None),
            poll_params: &[("access_token", "{client_id}|{client_token}"), ("code", "{device_code}")],
            code_at: Some("/error/error_subcode"),
            codes: &[
                ("1349174", "authorization_pending"),
                ("1349172", "slow_down"),
                ("1349152", "expired_token"),
            ],
            ..DeviceSpec::RFC8628
        },
        ..NativeSpec::RFC8252
    },
    ..Spec::RFC6749
};

/// The method [`FacebookOAuth2::get_long_lived_access_token`], in errors.
pub const GET_LONG_LIVED_ACCESS_TOKEN: Operation = Operation::new("get_long_lived_access_token");

oauth_openid::client! {
    /// Signs users in with Facebook.
    pub struct FacebookOAuth2 from SPEC, verified by policy(), configured by { graph_version: with_graph_version, client_token: with_client_token };
}

/// The issuer of ID tokens.
const ISSUER: &str = "https://www.facebook.com";

/// The Graph API knows users by the identifier that the ID token has.
fn policy() -> VerificationPolicy {
    VerificationPolicy::new().issuers(Issuers::OneOf(vec![ISSUER.to_owned()])).profile_id_claim("sub")
}

impl FacebookOAuth2 {
    /// Uses another version of the Graph API, such as `v24.0`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text has no place in a URL.
    pub fn with_graph_version(mut self, version: &str) -> Result<Self> {
        self.oauth2 = self.oauth2.with_parameter("graph_version", version)?;
        Ok(self)
    }

    /// Sets the client token, which the [device login](https://developers.facebook.com/docs/facebook-login/for-devices) needs: it is in the
    /// app's settings under "Advanced", and no secret.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is none.
    pub fn with_client_token(mut self, client_token: &str) -> Result<Self> {
        self.oauth2 = self.oauth2.with_parameter("client_token", client_token)?;
        Ok(self)
    }

    /// Exchanges a short-lived access token for a
    /// [long-lived one](https://developers.facebook.com/docs/facebook-login/guides/access-tokens/get-long-lived).
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    pub async fn get_long_lived_access_token(&self, access_token: &str) -> Result<OAuth2Token> {
        let form = [("grant_type", "fb_exchange_token"), ("fb_exchange_token", access_token)];
        let endpoint = self.oauth2.endpoints().token();
        let outcome = self.oauth2.request_token(GET_LONG_LIVED_ACCESS_TOKEN, endpoint, form).await;
        outcome.map_err(|error| self.translate_error(error))
    }

    /// Calls the Graph API, with the proof that the call comes from the application and not from a thief of the token.
    async fn graph(&self, operation: Operation, method: Method, url: &str, token: &str) -> Result<Response> {
        let request = self.oauth2.request(operation, method, url).bearer(token);
        let request = match self.oauth2.reveal_client_secret(operation).await? {
            Some(secret) if !secret.expose().is_empty() => {
                let proof = hmac_sha256_hex(secret.expose(), token);
                request.query(&[("appsecret_proof", &proof)]).hide(&proof)
            }
            _ => request,
        };
        // An error under a status of success is one too.
        let outcome = request.send().await.and_then(|reply| reply.accepted().map(|()| reply));
        outcome.map_err(|error| self.translate_error(error))
    }
}

impl FacebookSignals {
    /// The callback to which Meta posts when a user removes the app.
    #[must_use]
    pub fn deauthorization(client: &FacebookOAuth2) -> Self {
        Self::of(client.oauth2(), None)
    }

    /// The callback to which Meta posts when a user asks the app to delete their data.
    ///
    /// Meta is answered with a confirmation code, which is the signal's [`id`](oauth_core::Signal::id), and with the URL of a page that tells
    /// how far the deletion is: `status_url` with the code behind it, such as `https://app.example/deletion?code=` and `6c1f…`.
    #[must_use]
    pub fn data_deletion(client: &FacebookOAuth2, status_url: impl Into<String>) -> Self {
        Self::of(client.oauth2(), Some(status_url.into()))
    }
}

#[async_trait]
impl Provider for FacebookOAuth2 {
    oauth_core::accessors!();

    /// The numbers of the Graph API, of which one can mean several things
    /// ([errors](https://developers.facebook.com/docs/graph-api/guides/error-handling)).
    fn translate_error(&self, error: Error) -> Error {
        let said: Value = error.body().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let text = |pointer| text_at(&said, pointer).unwrap_or_default();
        let is_exchange =
            [Operation::GET_ACCESS_TOKEN, GET_LONG_LIVED_ACCESS_TOKEN].contains(&error.operation());
        match meaning(
            &text("/error/code"),
            &text("/error/error_subcode"),
            &text("/error/message"),
            is_exchange,
        ) {
            Some(code) => error.under_code(code),
            None => error,
        }
    }

    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let url = client.profile_endpoint()?;
        self.graph(Operation::GET_PROFILE, Method::GET, url, token.access_token()).await?.object()
    }

    /// Takes the application's permissions back (`DELETE /me/permissions`).
    async fn revoke_token(&self, token: &str, _token_type_hint: Option<&str>) -> Result<()> {
        let url = self.oauth2.revoke_endpoint()?;
        let reply = self.graph(Operation::REVOKE_TOKEN, Method::DELETE, url, token).await?;
        // The documentation has the literal true; other calls of the Graph API answer with an object.
        let answer = reply.json()?;
        if answer == true || answer["success"] == true {
            Ok(())
        } else {
            Err(reply.malformed("it is not true"))
        }
    }
}

/// The code of the standards for an error of the Graph API, if it has one.
fn meaning(code: &str, subcode: &str, message: &str, is_exchange: bool) -> Option<&'static str> {
    let says = |text: &str| message.to_ascii_lowercase().contains(text);
    match (code, subcode) {
        // A service that is down, and limits of requests: of the application, the user, the page, the account.
        ("2" | "4" | "17" | "32" | "341" | "613", _) => Some("temporarily_unavailable"),
        _ if !is_exchange => None,
        ("1" | "100" | "101", _) if says("client secret") => Some("invalid_client"),
        ("101", _) => Some("invalid_client"),
        ("191", _) | ("100", "36008") => Some("redirect_uri_mismatch"),
        // Expired, and used before.
        ("100", "36007" | "36009") => Some("invalid_grant"),
        ("100", "") if says("redirect_uri") => Some("redirect_uri_mismatch"),
        ("100", "") if says("code") => Some("invalid_grant"),
        _ => None,
    }
}

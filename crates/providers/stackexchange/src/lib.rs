//! Sign in with [Stack Exchange](https://api.stackexchange.com/docs/authentication), the network of Stack Overflow.
//!
//! ```
//! use oauth_stackexchange::{StackExchangeOAuth2, oauth_core::Provider};
//!
//! let stackexchange = StackExchangeOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "KEY");
//! let of_server_fault = stackexchange.with_site("serverfault")?;
//! # Ok::<(), oauth_stackexchange::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Register an application at <https://stackapps.com/apps/oauth/register>, with the domain of the redirect URI. Besides the
//! client id and secret you get a key, which every request to the API carries and which is no secret.
//!
//! **What you get.** The subject is the `account_id`, the person in the whole network; `user_id` is of one site. The profile is that of
//! one site, Stack Overflow unless [`with_site`](StackExchangeOAuth2::with_site) names another, where the user must have an account.
//! There is no e-mail address. Access tokens live a day, or for ever with the scope `no_expiry`; there are no refresh tokens.
//! Revoking a token ends it.
//!
//! **Surprises.** The token reply says in `expires`, not `expires_in`, when the token ends, so its expiry counts as unknown. The API
//! takes the access token in the query, and in the path to revoke it: keep the URLs of requests out of your logs. Errors of the API
//! are numbers. Names are escaped as HTML is. The API [compresses](https://api.stackexchange.com/docs/compression) its replies by gzip,
//! whatever a request accepts: the client unpacks those to its own requests, and your requests to the API must do so too.
//!
//! Read on 2026-11-29. No page mentions PKCE; a challenge is sent, as by another library in production.

use std::{io::Read, sync::Arc};

use flate2::read::GzDecoder;
pub use oauth_core;
use oauth_core::{
    Configure, Credentials, Endpoint, HttpClient, HttpError, HttpErrorKind, MAX_REPLY_BYTES, OAuth2,
    OAuth2Token, Operation, Provider, ProviderConfig, Result, Spec, async_trait,
    bytes::Bytes,
    default_http_client,
    http::{self, HeaderValue, Method, header},
    provider_kit::{AuthorizationSpec, ErrorSpec, ProfileSpec, RevocationSpec, TokenPlace},
    serde_json::Value,
};

/// Stack Exchange's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "stackexchange",
    display_name: "Stack Exchange",
    color: "#1e5397",
    docs: "https://api.stackexchange.com/docs/authentication",
    parameters: &[("site", "stackoverflow")],
    endpoints: &[
        (Endpoint::Authorization, "https://stackoverflow.com/oauth"),
        (Endpoint::Token, "https://stackoverflow.com/oauth/access_token/json"),
        (Endpoint::Revocation, "https://api.stackexchange.com/2.3/access-tokens"),
        (Endpoint::Profile, "https://api.stackexchange.com/2.3/me"),
    ],
    errors: ErrorSpec {
        failed_at: Some("/error_id"),
        message_at: Some("/error_message"),
        codes: &[
            ("401", "invalid_token"),
            ("402", "invalid_token"),
            ("403", "insufficient_scope"),
            ("405", "invalid_client"),
            ("406", "invalid_token"),
            ("500", "server_error"),
            ("502", "temporarily_unavailable"),
            ("503", "temporarily_unavailable"),
        ],
        ..ErrorSpec::RFC6749
    },
    authorization: AuthorizationSpec { scope_separator: ",", ..AuthorizationSpec::RFC6749 },
    revocation: RevocationSpec { access_tokens_only: true, ..RevocationSpec::RFC7009 },
    profile: ProfileSpec {
        id_at: "/items/0/account_id",
        email_at: None,
        name_at: Some("/items/0/display_name"),
        picture_at: Some("/items/0/profile_image"),
        params: &[("site", "{site}")],
        token: TokenPlace::Query("access_token"),
        ..ProfileSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Signs users in with Stack Exchange.
#[derive(Clone, Debug)]
pub struct StackExchangeOAuth2 {
    oauth2: OAuth2,
    key: String,
}

impl StackExchangeOAuth2 {
    /// A client with the id, the secret and the key of your application's registration.
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        key: impl Into<String>,
    ) -> Self {
        Self { oauth2: OAuth2::from_spec(&SPEC, client_id, credentials), key: key.into() }
    }

    /// Reads the profiles of this site, by its name in the API, such as `serverfault`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not a name of a site.
    pub fn with_site(mut self, site: &str) -> Result<Self> {
        self.oauth2 = self.oauth2.with_parameter("site", site)?;
        Ok(self)
    }
}

/// The client for requests to the API, which unpacks its replies.
fn unpacking(client: &OAuth2) -> Result<OAuth2> {
    let http = match client.chosen_http_client() {
        Some(http) => http.clone(),
        None => default_http_client().map_err(|error| error.at(SPEC.name))?,
    };
    Ok(client.clone().with_http_client(Unpacking(http)))
}

/// Unpacks what is compressed, as all replies of the API are, whatever the request accepts.
#[derive(Debug)]
struct Unpacking(Arc<dyn HttpClient>);

#[async_trait]
impl HttpClient for Unpacking {
    async fn send(&self, mut request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let mut reply = self.0.send(request).await?;
        // By the first bytes: a proxy may have unpacked it, and left the header.
        if reply.body().starts_with(b"\x1f\x8b") {
            let text = unpacked(reply.body()).map_err(|cause| {
                HttpError::new(HttpErrorKind::Other).with_status(reply.status()).caused_by(cause)
            })?;
            *reply.body_mut() = text.into();
            reply.headers_mut().remove(header::CONTENT_ENCODING);
            reply.headers_mut().remove(header::CONTENT_LENGTH);
        }
        Ok(reply)
    }
}

/// No more than one byte above the limit, by which whoever asked tells that it is too much.
fn unpacked(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(body).take(MAX_REPLY_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[async_trait]
impl Provider for StackExchangeOAuth2 {
    oauth_core::accessors!();

    /// Every request to the API has the application's key.
    async fn read_profile(&self, client: &OAuth2, token: &OAuth2Token) -> Result<Value> {
        let api = unpacking(client)?;
        let request = api.profile_request(token)?.query(&[("key", &self.key)]);
        let reply = request.send().await?;
        reply.object()
    }

    /// Ends the token, which is a part of the path.
    async fn revoke_token(&self, token: &str, _token_type_hint: Option<&str>) -> Result<()> {
        let segment: String = token.bytes().map(segment_byte).collect();
        let api = unpacking(&self.oauth2)?;
        let url = format!("{}/{segment}/invalidate", api.revoke_endpoint()?);
        let request = api.request(Operation::REVOKE_TOKEN, Method::GET, &url).query(&[("key", &self.key)]);
        let reply = request.send().await?;
        reply.accepted()
    }
}

/// A byte of a token as a path holds it: tokens have parentheses and asterisks.
fn segment_byte(byte: u8) -> String {
    match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    }
}

impl Configure for StackExchangeOAuth2 {
    const PARAMETERS: &'static [&'static str] = &["key", "site"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, credentials) = config.credentials(Self::PARAMETERS)?;
        let mut client = Self::new(client_id, credentials, config.required("key")?);
        if let Some(site) = config.parameter("site") {
            client = client.with_site(&site)?;
        }
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}

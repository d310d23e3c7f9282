//! Sign in with [Amazon Cognito](https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html)
//! user pools.
//!
//! ```
//! use oauth_amazon_cognito::{AmazonCognitoOAuth2, oauth_core::Provider};
//!
//! let cognito = AmazonCognitoOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "eu-central-1_aBcDeFgHi")?;
//! let issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_aBcDeFgHi";
//! assert_eq!(cognito.oauth2().issuer(), Some(issuer));
//! # Ok::<(), oauth_amazon_cognito::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Make an app client in the user pool with the authorization code grant, the scopes `openid`, `profile` and
//! `email`, and each callback URL exactly (https, or http on localhost); the pool needs a domain. Token revocation, and
//! rotation of refresh tokens, are switched on there.
//!
//! **What you get.** The user pool's id says in which region it is; the domain, where users sign in, comes from the metadata. A
//! pool of another partition, such as China, has another host: use [`OpenID`](oauth_openid::OpenID) with its issuer. An address
//! that comes from an upstream provider is unverified unless the pool maps that provider's `email_verified`. Refresh tokens
//! live 30 days unless set otherwise. With rotation, a refresh brings a new one and the old one lives up to 60 seconds longer;
//! without, the old one stays.
//!
//! **Surprises.** Only refresh tokens can be revoked, which takes everything with it that was made of them. UserInfo spells
//! booleans as texts. The logout endpoint is older than OpenID Connect's: use [`logout_url`](AmazonCognitoOAuth2::logout_url).
//! It does not sign the user out at an upstream provider.

pub use oauth_core;
use oauth_core::{
    Endpoint, Error, Operation, Provider, Result, Spec,
    provider_kit::{LoopbackHost, LoopbackPort, NativeSpec, form_encoded},
};
pub use oauth_openid;

/// Cognito's dialect; the endpoints come from discovery.
pub const SPEC: Spec = Spec {
    name: "amazon-cognito",
    display_name: "Amazon Cognito",
    color: "#c7131f",
    docs: "https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html",
    scopes: &["openid", "profile", "email"],
    native: NativeSpec {
        loopback_hosts: &[LoopbackHost::Localhost],
        loopback_port: LoopbackPort::Registered,
        ..NativeSpec::RFC8252
    },
    ..Spec::OPENID
};

oauth_openid::client! {
    /// Signs users in with Amazon Cognito.
    pub struct AmazonCognitoOAuth2 from SPEC, at issuer(user_pool_id);
}

/// The part before the underscore is the region. It becomes a label of a host below amazonaws.com, where other services
/// have hosts too, some of them run by their customers: `s3-eu-west-1` would name somebody's bucket.
fn issuer(user_pool_id: &str) -> Result<String> {
    let is_pool = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match user_pool_id.split_once('_') {
        Some((region, pool)) if is_region(region) && is_pool(pool) => {
            Ok(format!("https://cognito-idp.{region}.amazonaws.com/{user_pool_id}"))
        }
        _ => Err(Error::configuration(
            SPEC.name,
            format!(
                "user_pool_id is {user_pool_id:?}, but it must be like eu-central-1_aBcDeFgHi; for a region of another \
                 partition, such as China's, use OpenID with the pool's issuer"
            ),
        )),
    }
}

/// Whether a text is a region of the partition with hosts below amazonaws.com: two letters for the continent or country, words, and a
/// number, as `us-gov-west-1`.
fn is_region(region: &str) -> bool {
    let mut words: Vec<_> = region.split('-').collect();
    let number = words.pop().unwrap_or_default();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    matches!(number.len(), 1..=2)
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && words.len() >= 2
        && words[0].len() == 2
        && words[0] != "cn"
        && words.iter().all(is_word)
}

/// The method [`AmazonCognitoOAuth2::logout_url`], in errors.
pub const LOGOUT_URL: Operation = Operation::new("logout_url");

impl AmazonCognitoOAuth2 {
    /// Where to send the browser to sign out at Cognito too; it comes back to `logout_uri`, which must be registered
    /// for the app client
    /// ([documentation](https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html)).
    ///
    /// # Errors
    ///
    /// An unsupported-operation error where the metadata names no such endpoint, or any error of reading it.
    pub async fn logout_url(&self, logout_uri: &str) -> Result<String> {
        let client = self.oauth2.ready().await?;
        let Some(endpoint) = client.endpoints().get(Endpoint::EndSession) else {
            return Err(client.unsupported(LOGOUT_URL, "the metadata names no end_session_endpoint"));
        };
        let query = form_encoded(&[("client_id", client.client_id()), ("logout_uri", logout_uri)]);
        Ok(format!("{endpoint}?{query}"))
    }
}

impl Provider for AmazonCognitoOAuth2 {
    oauth_core::accessors!();
}

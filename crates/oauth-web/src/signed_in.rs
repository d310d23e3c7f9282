//! Who signed in.

use std::{any::Any, fmt, sync::Arc};

use http::HeaderMap;
use oauth_core::{Callback, Identity, LinkIntent, Login, OAuth2Token, Provider, serde_json::Value};

/// Somebody who signed in. `Debug` shows neither the headers, which hold the cookies, nor the application's data.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedIn {
    /// Where.
    pub provider: Arc<dyn Provider>,
    /// Who. [`Identity::key`] is what to look the account up by.
    pub identity: Identity,
    /// The tokens.
    pub token: OAuth2Token,
    /// What for: to sign in, or to have the identity attached to the account that [`SignIn::linking`](crate::SignIn::linking) named when
    /// the login began. Give it to [`LinkPolicy::decide`](oauth_core::LinkPolicy::decide). Whoever is signed in besides has not asked for
    /// anything.
    pub intent: LinkIntent<String>,
    /// Where the user wanted to go, a path of this site.
    pub return_to: Option<String>,
    /// The application's own data, from [`SignIn::on_login`](crate::SignIn::on_login).
    pub data: Value,
    /// The parameters of the callback, for what a provider sends nowhere else, such as the name at Apple.
    pub callback: Callback,
    /// The headers of the callback's request, for the application's own session.
    pub headers: HeaderMap,
    login: Login,
}

impl SignedIn {
    pub(crate) fn new(
        provider: Arc<dyn Provider>,
        identity: Identity,
        login: Login,
        intent: LinkIntent<String>,
        callback: Callback,
        headers: HeaderMap,
    ) -> Self {
        let mut data = login.data.clone();
        Self {
            provider,
            identity,
            token: login.token.clone(),
            intent,
            return_to: data.get("return_to").and_then(Value::as_str).map(str::to_owned),
            data: data.get_mut("data").map(Value::take).unwrap_or_default(),
            callback,
            headers,
            login,
        }
    }

    /// What the login brought besides, by its type: with OpenID Connect, `oauth_openid::IdToken`, the verified ID token.
    #[must_use]
    pub fn get<T: Any + Clone + Send + Sync>(&self) -> Option<&T> {
        self.login.get()
    }
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("provider", &self.provider.name())
            .field("identity", &self.identity)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

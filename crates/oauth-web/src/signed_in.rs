//! The result of a sign-in.

use std::{any::Any, fmt, sync::Arc};

use http::HeaderMap;
use oauth_core::{Callback, Identity, LinkIntent, Login, OAuth2Token, Provider, serde_json::Value};

/// A user who signed in. `Debug` shows neither the headers, which contain cookies, nor the application's data.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedIn {
    /// The provider that the user signed in with.
    pub provider: Arc<dyn Provider>,
    /// The user's identity. Look the account up by [`Identity::key`].
    pub identity: Identity,
    /// The tokens.
    pub token: OAuth2Token,
    /// The purpose of the login: to sign in, or to link the identity to the account that [`SignIn::linking`](crate::SignIn::linking)
    /// returned when the login began. Pass it to [`LinkPolicy::decide`](oauth_core::LinkPolicy::decide). That somebody else is signed in
    /// during the callback means nothing.
    pub intent: LinkIntent<String>,
    /// The path of this site that the user wanted to return to.
    pub return_to: Option<String>,
    /// Whether the sign-in is in a popup, which [`PopupPage`](crate::PopupPage) closes.
    pub is_popup: bool,
    /// The application's data from [`SignIn::on_login`](crate::SignIn::on_login).
    pub data: Value,
    /// The parameters of the callback, for what a provider sends nowhere else, such as the user's name at Apple.
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
            is_popup: data.get("popup").and_then(Value::as_bool).unwrap_or_default(),
            data: data.get_mut("data").map(Value::take).unwrap_or_default(),
            callback,
            headers,
            login,
        }
    }

    /// What else the login produced, by type. With OpenID Connect, `oauth_openid::IdToken` is the verified ID token.
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

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::{
    OAuth2,
    authorization::AuthorizationRequest,
    boxed::defaults,
    endpoints::Endpoints,
    error::Result,
    http_client::HttpClient,
    identity::Identity,
    login::{Callback, Login, LoginAttempt, LoginOptions, StartedLogin},
    pkce::CodeVerifier,
    procedures,
    spec::ClientAuth,
    token::OAuth2Token,
};

/// One provider: the generic client with, where needed, procedures of the provider's own.
///
/// Only the two accessors are required. The requests call the methods of the same names of [`OAuth2`], so that an
/// override can call them too. The trait is object-safe: `Arc<dyn Provider>` is a provider chosen at run time.
pub trait Provider: AsProvider + fmt::Debug + Send + Sync {
    /// The generic client underneath.
    fn oauth2(&self) -> &OAuth2;

    /// The generic client underneath, to be set up.
    fn oauth2_mut(&mut self) -> &mut OAuth2;

    /// The client's name, which is the provider's unless it was given another.
    fn name(&self) -> &str {
        self.oauth2().name()
    }

    defaults! {
        /// Begins a login: the URL to send the browser to, and the attempt to keep until it comes back.
        ///
        /// # Errors
        ///
        /// A configuration error; see [`get_authorization_url`](Self::get_authorization_url).
        async fn start_login<'a>(&self, redirect_uri: &'a str, options: LoginOptions) -> Result<StartedLogin> {
            procedures::start_login(self.as_provider(), redirect_uri, options)
        }

        /// Ends a login: checks that the callback belongs to the attempt, and exchanges the code.
        ///
        /// Nothing is sent unless everything matched. The attempt is used up.
        ///
        /// # Errors
        ///
        /// A login error that says which check failed, or any error of [`get_access_token`](Self::get_access_token).
        async fn finish_login<>(&self, attempt: LoginAttempt, callback: Callback) -> Result<Login> {
            procedures::finish_login(self.as_provider(), attempt, callback)
        }

        /// The provider's own check of a callback that brings a code, such as Shopify's `hmac`. It runs before anything is sent.
        ///
        /// # Errors
        ///
        /// A login error that says what is wrong with the callback.
        async fn check_callback<'a, 'b>(&self, _attempt: &'a LoginAttempt, _callback: &'b Callback) -> Result<()> {
            procedures::no_check()
        }

        /// The provider's own check of what a login ended with. It runs after the ID token, where there is one, was verified.
        ///
        /// # Errors
        ///
        /// An error that says which check failed; the token is then not handed out.
        async fn check_login<'a, 'b>(&self, _attempt: &'a LoginAttempt, _login: &'b Login) -> Result<()> {
            procedures::no_check()
        }

        /// Builds the URL to send the user's browser to. See [`OAuth2::get_authorization_url`].
        ///
        /// # Errors
        ///
        /// A configuration error that says what cannot be sent.
        async fn get_authorization_url<'a>(&self, request: AuthorizationRequest<'a>) -> Result<String> {
            procedures::get_authorization_url(self.oauth2(), request)
        }

        /// Exchanges an authorization code for tokens. See [`OAuth2::get_access_token`].
        ///
        /// # Errors
        ///
        /// Any [`Error`](crate::Error).
        async fn get_access_token<'a, 'b, 'c, 'd, 'e, 'g>(
            &self,
            code: &'a str,
            redirect_uri: &'b str,
            code_verifier: Option<&'c CodeVerifier>,
            extra: &'d [(&'e str, &'g str)],
        ) -> Result<OAuth2Token> {
            self.oauth2().get_access_token(code, redirect_uri, code_verifier, extra)
        }

        /// Gets a new access token for a refresh token. See [`OAuth2::refresh_token`].
        ///
        /// # Errors
        ///
        /// An unsupported-operation error where the provider has no refresh tokens; else any [`Error`](crate::Error).
        async fn refresh_token<'a, 'b, 'c>(
            &self,
            refresh_token: &'a str,
            scopes: Option<&'b [&'c str]>,
        ) -> Result<OAuth2Token> {
            self.oauth2().refresh_token(refresh_token, scopes)
        }

        /// Gets the successor of a whole token: what to call with a token that was kept.
        ///
        /// The refresh token, the ID token and the scope of the old one are kept where the reply has none. With OpenID Connect, a
        /// new ID token must be of the same user (Core section 12.2), which [`refresh_token`](Self::refresh_token) cannot know.
        ///
        /// # Errors
        ///
        /// An unsupported-operation error when the token has no refresh token; else as [`refresh_token`](Self::refresh_token).
        async fn refresh<'a, 'b, 'c>(
            &self,
            token: &'a OAuth2Token,
            scopes: Option<&'b [&'c str]>,
        ) -> Result<OAuth2Token> {
            procedures::refresh(self.as_provider(), token, scopes)
        }

        /// Revokes a token. See [`OAuth2::revoke_token`].
        ///
        /// # Errors
        ///
        /// An unsupported-operation error where the provider cannot revoke; else any [`Error`](crate::Error).
        async fn revoke_token<'a, 'b>(&self, token: &'a str, token_type_hint: Option<&'b str>) -> Result<()> {
            self.oauth2().revoke_token(token, token_type_hint)
        }

        /// Revokes a whole token: what to call with a token that was kept.
        ///
        /// The refresh token is what is revoked, because its access tokens go with it (RFC 7009 section 2.1); without one, or where
        /// the provider revokes access tokens only, the access token.
        ///
        /// # Errors
        ///
        /// As [`revoke_token`](Self::revoke_token).
        async fn revoke<'a>(&self, token: &'a OAuth2Token) -> Result<()> {
            procedures::revoke(self.as_provider(), token)
        }

        /// Reads the user's profile. See [`OAuth2::get_profile`].
        ///
        /// # Errors
        ///
        /// Any [`Error`](crate::Error).
        async fn get_profile<'a>(&self, access_token: &'a str) -> Result<Value> {
            self.oauth2().get_profile(access_token)
        }

        /// Reads who the user is: the profile, and what else it takes.
        ///
        /// # Errors
        ///
        /// Any [`Error`](crate::Error); a malformed-reply error when the profile has no identifier.
        async fn get_identity<'a>(&self, token: &'a OAuth2Token) -> Result<Identity> {
            procedures::get_identity(self.as_provider(), token)
        }

        /// Reads the profile, and checks that it is of the user of this token: with OpenID Connect, UserInfo must have the
        /// `sub` of the ID token (Core section 5.3.2).
        ///
        /// # Errors
        ///
        /// Any [`Error`](crate::Error).
        async fn get_profile_of<'a>(&self, token: &'a OAuth2Token) -> Result<Value> {
            procedures::get_profile_of(self.as_provider(), token)
        }

        /// The identity as a pair: the user's identifier, and the address unless the provider marks it as unverified.
        ///
        /// # Errors
        ///
        /// As [`get_identity`](Self::get_identity).
        async fn get_id_email<'a>(&self, access_token: &'a str) -> Result<(String, Option<String>)> {
            procedures::get_id_email(self.as_provider(), access_token)
        }
    }

    /// Completes an identity with what the [`Spec`](crate::Spec) has no words for: a name in two pieces, an address for which
    /// nobody vouches. [`get_identity`](Self::get_identity) ends with it, unless the provider has one of its own.
    fn complete_identity(&self, _identity: &mut Identity) {}

    /// Sends all requests with this HTTP client: `reqwest::Client`, or whatever implements [`HttpClient`].
    #[must_use]
    fn with_http_client(mut self, http: impl HttpClient + 'static) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_http_client(Arc::new(http));
        self
    }

    /// Moves the endpoints, one by one or all at once: `.with_endpoints(|all| all.at("https://gateway.example"))`.
    #[must_use]
    fn with_endpoints(mut self, moved: impl FnOnce(Endpoints) -> Endpoints) -> Self
    where
        Self: Sized,
    {
        let mut moved = Some(moved);
        self.oauth2_mut().move_endpoints(&mut |all| match moved.take() {
            Some(moved) => moved(all),
            None => all,
        });
        self
    }

    /// Asks for these scopes unless a request names others. An empty list sends none.
    #[must_use]
    fn with_scopes<S: Into<Cow<'static, str>>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_scopes(scopes);
        self
    }

    /// Authenticates this way at the token endpoint, where the client's registration decides it.
    #[must_use]
    fn with_client_auth(mut self, auth: ClientAuth) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_client_auth(auth);
        self
    }

    /// Authenticates this way at the revocation endpoint, if it differs from the token endpoint's.
    #[must_use]
    fn with_revoke_auth(mut self, auth: ClientAuth) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_revoke_auth(auth);
        self
    }

    /// Names the client, in errors and logins. Two clients of one provider need two names.
    #[must_use]
    fn with_name(mut self, name: impl Into<Cow<'static, str>>) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_name(name);
        self
    }

    /// Sends these parameters with every authorization request, unless it names others of the same name.
    #[must_use]
    fn with_authorize_params(mut self, params: &impl Serialize) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_authorize_params(params);
        self
    }

    /// Names the application to the provider in the `User-Agent` header.
    ///
    /// # Errors
    ///
    /// A configuration error when a header cannot carry the text.
    fn with_user_agent(mut self, user_agent: &str) -> Result<Self>
    where
        Self: Sized,
    {
        self.oauth2_mut().set_user_agent(user_agent)?;
        Ok(self)
    }

    /// Lets a sign-in take this long, in place of ten minutes.
    #[must_use]
    fn with_login_lifetime(mut self, lifetime: Duration) -> Self
    where
        Self: Sized,
    {
        self.oauth2_mut().set_login_lifetime(lifetime);
        self
    }
}

/// Any provider as `dyn Provider`, for the standard procedures. Nobody needs to implement it.
pub trait AsProvider {
    /// The provider itself.
    fn as_provider(&self) -> &dyn Provider;
}

impl<P: Provider> AsProvider for P {
    fn as_provider(&self) -> &dyn Provider {
        self
    }
}

/// The generic client is a provider too: the one that the others are made of.
impl Provider for OAuth2 {
    fn oauth2(&self) -> &OAuth2 {
        self
    }

    fn oauth2_mut(&mut self) -> &mut OAuth2 {
        self
    }
}

/// Writes what every provider crate would repeat word for word: the client type, `new`, and its [`Configure`].
///
/// ```
/// # use oauth_core::{Provider, Result, Spec};
/// # pub const SPEC: Spec = Spec { name: "example", parameters: &[("region", "eu")], ..Spec::RFC6749 };
/// oauth_core::client! {
///     /// Signs users in with Example.
///     pub struct ExampleOAuth2 from SPEC, configured by { region: with_region };
/// }
///
/// impl ExampleOAuth2 {
///     /// Signs in at this region.
///     pub fn with_region(mut self, region: &str) -> Result<Self> {
///         self.oauth2.set_parameter("region", region)?;
///         Ok(self)
///     }
/// }
///
/// impl Provider for ExampleOAuth2 {
///     oauth_core::accessors!();
/// }
///
/// let client = ExampleOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
/// assert_eq!(client.name(), "example");
/// ```
///
/// What stands behind `configured by` are the settings that a [`ProviderConfig`](crate::ProviderConfig) may hold for this
/// provider, with the methods that take them; leave it out where there are none.
///
/// [`Configure`]: crate::Configure
#[macro_export]
macro_rules! client {
    ($(#[$doc:meta])* pub struct $Client:ident from $SPEC:ident $(, configured by $settings:tt)?;) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Client {
            oauth2: $crate::OAuth2,
        }

        impl $Client {
            /// A client with the id and the secret that the provider issued to your application.
            pub fn new(
                client_id: impl Into<String>,
                client_secret: impl Into<$crate::ClientSecret>,
            ) -> Self {
                Self { oauth2: $crate::OAuth2::from_spec(&$SPEC, client_id, client_secret) }
            }
        }

        $crate::configure!($Client $(, configured by $settings)?);
    };
}

/// The [`Configure`](crate::Configure) of a client that has `new(client_id, client_secret)`; see [`client!`].
#[macro_export]
macro_rules! configure {
    ($Client:ident) => {
        $crate::configure!($Client, configured by {});
    };
    ($Client:ident, configured by { $($setting:ident: $with:ident),* }) => {
        impl $crate::Configure for $Client {
            const PARAMETERS: &'static [&'static str] = &[$(stringify!($setting)),*];

            fn from_config(config: &$crate::ProviderConfig) -> $crate::Result<Self> {
                let (client_id, client_secret) = config.credentials(Self::PARAMETERS)?;
                let mut client = Self::new(client_id, client_secret);
                config.apply_to(&mut client.oauth2);
                $(
                    let client = match config.parameter(stringify!($setting)) {
                        Some(value) => client.$with(&value)?,
                        None => client,
                    };
                )*
                Ok(client)
            }
        }
    };
}

/// The two required methods of a [`Provider`] whose generic client is the field `oauth2`.
#[macro_export]
macro_rules! accessors {
    () => {
        fn oauth2(&self) -> &$crate::OAuth2 {
            &self.oauth2
        }

        fn oauth2_mut(&mut self) -> &mut $crate::OAuth2 {
            &mut self.oauth2
        }
    };
}

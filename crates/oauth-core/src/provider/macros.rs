//! The macros that a provider crate is written with.

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
///         self.oauth2 = self.oauth2.with_parameter("region", region)?;
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
/// Behind `configured by` are the settings that a [`ProviderConfig`](crate::ProviderConfig) may hold for this
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
            /// A client with the id and the secret that the provider issued to your application, or with
            /// [`Credentials`]($crate::Credentials) of another kind.
            pub fn new(
                client_id: impl Into<String>,
                credentials: impl Into<$crate::Credentials>,
            ) -> Self {
                Self { oauth2: $crate::OAuth2::from_spec(&$SPEC, client_id, credentials) }
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
                client.oauth2 = config.apply_to(client.oauth2);
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

/// The two required methods of a [`Provider`](crate::Provider) whose generic client is the field `oauth2`.
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

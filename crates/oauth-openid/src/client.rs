//! The generic OpenID Connect client, and what the clients of provider crates are made of.

use std::sync::Arc;

use oauth_core::{Configure, Credentials, Error, OAuth2, Provider, ProviderConfig, Result, Spec};

use crate::{
    discovery::Discovery,
    issuer::Issuers,
    metadata::ProviderMetadata,
    openid_connect::{MetadataSource, OpenIDConnect},
    policy::VerificationPolicy,
    relying_party::OpenIDProvider,
    spec::SPEC,
};

/// The generic client for OpenID Connect providers, the original's `OpenID`.
#[derive(Clone, Debug)]
pub struct OpenID {
    oauth2: OAuth2,
}

impl OpenID {
    /// A client that asks the provider for its metadata when it is first needed, and anew now and then.
    ///
    /// Give the issuer, such as `https://login.example.com`, or, as for the original, the URL of its
    /// `/.well-known/openid-configuration`. [`Discovery`] is for those whose provider keeps its document elsewhere.
    ///
    /// # Errors
    ///
    /// A configuration error when the issuer is not a URL, or has a query or a fragment.
    pub fn lazy(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        issuer: impl Into<String>,
    ) -> Result<Self> {
        Discovery::new(issuer).client(client_id, credentials)
    }

    /// A client that asks the provider for its metadata now, and fails if the metadata cannot be read or used.
    ///
    /// # Errors
    ///
    /// Any [`Error`](oauth_core::Error): see [`Discovery::fetch`] and [`OpenID::new`].
    pub async fn discover(
        client_id: impl Into<String> + Send,
        credentials: impl Into<Credentials> + Send,
        issuer: &str,
    ) -> Result<Self> {
        Discovery::new(issuer).connect(client_id, credentials).await
    }

    /// A client of the provider that the metadata describes. No metadata is ever requested.
    ///
    /// The client authenticates by the first method of `token_endpoint_auth_methods_supported` that it knows.
    ///
    /// # Errors
    ///
    /// A configuration error when the metadata lacks an endpoint or names one that is not https, supports no client
    /// authentication that this client knows, or rules `S256` out (RFC 8414 section 2).
    pub fn new(
        client_id: impl Into<String>,
        credentials: impl Into<Credentials>,
        metadata: ProviderMetadata,
    ) -> Result<Self> {
        let metadata = Arc::new(metadata);
        let protocol = OpenIDConnect::new(
            MetadataSource::Given(metadata.clone()),
            VerificationPolicy::new().openid_always(),
        );
        let client = OAuth2::from_spec(&SPEC, client_id, credentials);
        client.check_credentials()?;
        let oauth2 = protocol.make_ready(&client, &metadata)?.with_participant(protocol);
        Ok(Self { oauth2 })
    }

    /// Takes these error codes of the token endpoint for `invalid_grant`, for a server that has words of its own for a code or a
    /// refresh token that is dead: LemonLDAP::NG says `invalid_request`.
    ///
    /// ```
    /// use oauth_openid::OpenID;
    ///
    /// # fn f() -> Result<(), oauth_openid::oauth_core::Error> {
    /// let client = OpenID::lazy("CLIENT_ID", "CLIENT_SECRET", "https://login.example.com")?
    ///     .with_invalid_grant_codes(&["invalid_request"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_invalid_grant_codes(mut self, codes: &'static [&'static str]) -> Self {
        self.oauth2 = self.oauth2.with_invalid_grant_codes(codes);
        self
    }
}

impl Discovery {
    /// A client that reads the metadata when it is first needed, and anew now and then. Nothing is sent yet, so that a provider
    /// that is down does not keep the application from starting.
    ///
    /// # Errors
    ///
    /// A configuration error when the issuer is not a URL, or has a query or a fragment.
    pub fn client(self, client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Result<OpenID> {
        let policy = VerificationPolicy::new().openid_always();
        Ok(OpenID { oauth2: self.client_of(&SPEC, policy, client_id.into(), credentials.into())? })
    }

    /// A client of a provider whose name, colour and scopes are known.
    fn client_of(
        &self,
        spec: &Spec,
        policy: VerificationPolicy,
        client_id: String,
        credentials: Credentials,
    ) -> Result<OAuth2> {
        let client = OAuth2::from_spec(spec, client_id, credentials);
        client.check_credentials()?;
        self.discovering(client, policy)
    }

    /// A client without a client id, for what is asked before there is one.
    pub(crate) fn anonymous_client(&self) -> Result<OpenID> {
        let client = OAuth2::from_spec(&SPEC, "", Credentials::NONE);
        Ok(OpenID { oauth2: self.discovering(client, VerificationPolicy::new().openid_always())? })
    }

    fn discovering(&self, client: OAuth2, policy: VerificationPolicy) -> Result<OAuth2> {
        let client = self.prepared(client);
        let policy = match &self.tenants {
            Some((template, tenants)) => {
                policy.issuers(Issuers::Tenants { template: template.clone(), tenants: tenants.clone() })
            }
            None => policy,
        };
        let discovered = self.discovered(client.spec().name)?;
        let source = MetadataSource::Discovered(Arc::new(discovered));
        Ok(client.with_participant(OpenIDConnect::new(source, policy)))
    }

    /// A client that has read the metadata, or the error that kept it from doing so.
    ///
    /// # Errors
    ///
    /// As [`fetch`](Self::fetch), and a configuration error when the metadata cannot be used.
    pub async fn connect(
        self,
        client_id: impl Into<String> + Send,
        credentials: impl Into<Credentials> + Send,
    ) -> Result<OpenID> {
        let client = self.client(client_id, credentials)?;
        client.oauth2().ready().await?;
        Ok(client)
    }
}

impl Provider for OpenID {
    oauth_core::accessors!();
}

impl OpenIDProvider for OpenID {}

impl Configure for OpenID {
    /// `issuer`, and `discovery_url` for a document that is elsewhere. One on another host than the issuer's can speak for the issuer,
    /// so `trust_discovery_url = true` must say that this is meant. `rfc_8414_document = true` is
    /// [`Discovery::with_rfc_8414_document`].
    const PARAMETERS: &'static [&'static str] =
        &["issuer", "discovery_url", "trust_discovery_url", "rfc_8414_document"];

    fn from_config(config: &ProviderConfig) -> Result<Self> {
        let (client_id, credentials) = config.credentials(Self::PARAMETERS)?;
        let issuer = config.required("issuer")?;
        let mut discovery = Discovery::new(&*issuer);
        if let Some(url) = config.parameter("discovery_url") {
            if !is_on(config, "trust_discovery_url")? && !is_same_origin(&issuer, &url) {
                let problem = "discovery_url is on another host than the issuer, and whoever runs that host can sign in as anybody of \
                               the issuer; set trust_discovery_url = true if this is meant";
                return Err(Error::configuration(SPEC.name, problem));
            }
            discovery = discovery.with_document_url(url);
        }
        if is_on(config, "rfc_8414_document")? {
            discovery = discovery.with_rfc_8414_document();
        }
        if config.dangerously_allow_plain_http {
            discovery = discovery.dangerously_allow_plain_http();
        }
        let mut client = discovery.client(client_id, credentials)?;
        client.oauth2 = config.apply_to(client.oauth2);
        Ok(client)
    }
}

/// A setting that is true or false.
fn is_on(config: &ProviderConfig, name: &str) -> Result<bool> {
    match config.parameter(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Error::configuration(SPEC.name, format!("the setting {name} is true or false"))),
    }
}

/// Whether two URLs have scheme, host and port in common.
fn is_same_origin(one: &str, other: &str) -> bool {
    let origin = |url: &str| url::Url::parse(url).ok().map(|url| url.origin());
    origin(one).is_some_and(|own| Some(own) == origin(other))
}

// Neither of these is generic, so that they are compiled once, and not in the crate of each provider.

/// A client of the provider that a [`Spec`] describes, endpoints and keys included: what [`client!`](crate::client) makes.
#[must_use]
pub fn client_of(
    spec: &Spec,
    policy: fn() -> VerificationPolicy,
    client_id: String,
    credentials: Credentials,
) -> OAuth2 {
    let protocol = OpenIDConnect::new(MetadataSource::Spec, policy());
    OAuth2::from_spec(spec, client_id, credentials).with_participant(protocol)
}

/// A client of the provider that a [`Spec`] describes, whose endpoints and keys are in the metadata of this issuer. If there is no
/// issuer, because a text that it is made of was refused, that error is returned in the provider's name.
///
/// # Errors
///
/// The issuer's, and as [`Discovery::client`].
pub fn client_at(
    issuer: Result<String>,
    spec: &Spec,
    policy: fn() -> VerificationPolicy,
    client_id: String,
    credentials: Credentials,
) -> Result<OAuth2> {
    let issuer = issuer.map_err(|error| error.at(spec.name))?;
    Discovery::new(issuer).client_of(spec, policy(), client_id, credentials)
}

/// Writes what every OpenID Connect provider's crate would repeat word for word: the client type, `new`, and its
/// [`Configure`].
///
/// Where the provider's endpoints are fixed, its `SPEC` has them, with `issuer` and `jwks`:
///
/// ```
/// # use oauth_openid::oauth_core::{self, Provider, Spec};
/// # pub const SPEC: Spec = Spec { name: "example", ..Spec::OPENID };
/// oauth_openid::client! {
///     /// Signs users in with Example.
///     pub struct ExampleOAuth2 from SPEC;
/// }
///
/// impl Provider for ExampleOAuth2 {
///     oauth_core::accessors!();
/// }
///
/// let client = ExampleOAuth2::new("CLIENT_ID", "CLIENT_SECRET");
/// ```
///
/// Where they are discovered, a function makes the issuer of the constructor's parameters:
///
/// ```
/// # use oauth_openid::oauth_core::{self, Provider, Result, Spec, parameter};
/// # pub const SPEC: Spec = Spec { name: "example", ..Spec::OPENID };
/// oauth_openid::client! {
///     /// Signs users in with Example.
///     pub struct ExampleOAuth2 from SPEC, at issuer(domain);
/// }
///
/// fn issuer(domain: &str) -> Result<String> {
///     Ok(format!("https://{}/", parameter::host("domain", domain)?))
/// }
///
/// impl Provider for ExampleOAuth2 {
///     oauth_core::accessors!();
/// }
///
/// let client = ExampleOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "login.example.com")?;
/// assert!(ExampleOAuth2::new("CLIENT_ID", "CLIENT_SECRET", "evil.example/#").is_err());
/// # Ok::<(), oauth_core::Error>(())
/// ```
///
/// What the provider's tokens need beyond [`VerificationPolicy::new`] comes after `verified by`, an expression; what comes after
/// `configured by` are settings with the methods that take them, as in [`oauth_core::client!`].
///
/// [`Configure`]: oauth_core::Configure
#[macro_export]
macro_rules! client {
    (
        $(#[$doc:meta])* pub struct $Client:ident from $SPEC:ident
        $(, verified by $policy:expr)?
        $(, configured by $settings:tt)?;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Client {
            oauth2: $crate::oauth_core::OAuth2,
        }

        impl $Client {
            /// A client with the id and the secret that the provider issued to your application.
            pub fn new(
                client_id: impl Into<String>,
                credentials: impl Into<$crate::oauth_core::Credentials>,
            ) -> Self {
                let policy = || {
                    let usual = $crate::VerificationPolicy::new();
                    $(let usual = { let _ = usual; $policy };)?
                    usual
                };
                Self { oauth2: $crate::client_of(&$SPEC, policy, client_id.into(), credentials.into()) }
            }
        }

        impl $crate::OpenIDProvider for $Client {}

        $crate::oauth_core::configure!($Client $(, configured by $settings)?);
    };
    (
        $(#[$doc:meta])* pub struct $Client:ident from $SPEC:ident, at $issuer:ident($($parameter:ident),+)
        $(, verified by $policy:expr)?;
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $Client {
            oauth2: $crate::oauth_core::OAuth2,
        }

        impl $Client {
            /// A client with the id and the secret that the provider issued to your application. The provider's metadata is read
            /// when it is first needed.
            ///
            /// # Errors
            ///
            /// A configuration error when a parameter is not what it should be.
            pub fn new(
                client_id: impl Into<String>,
                credentials: impl Into<$crate::oauth_core::Credentials>,
                $($parameter: &str),+
            ) -> $crate::oauth_core::Result<Self> {
                Self::made(client_id.into(), credentials.into(), $($parameter),+)
            }

            fn made(
                client_id: ::std::string::String,
                credentials: $crate::oauth_core::Credentials,
                $($parameter: &str),+
            ) -> $crate::oauth_core::Result<Self> {
                let policy = || {
                    let usual = $crate::VerificationPolicy::new().openid_always();
                    $(let usual = { let _ = usual; $policy };)?
                    usual
                };
                let issuer = $issuer($($parameter),+);
                Ok(Self { oauth2: $crate::client_at(issuer, &$SPEC, policy, client_id, credentials)? })
            }
        }

        impl $crate::OpenIDProvider for $Client {}

        impl $crate::oauth_core::Configure for $Client {
            const PARAMETERS: &'static [&'static str] = &[$(stringify!($parameter)),+];

            fn from_config(
                config: &$crate::oauth_core::ProviderConfig,
            ) -> $crate::oauth_core::Result<Self> {
                let (client_id, credentials) = config.credentials(Self::PARAMETERS)?;
                $(let $parameter = config.required(stringify!($parameter))?;)+
                let mut client = Self::made(client_id.to_owned(), credentials.into(), $(&$parameter),+)?;
                client.oauth2 = config.apply_to(client.oauth2);
                Ok(client)
            }
        }
    };
}

use std::sync::Arc;

use oauth_core::{
    ClientAuth, ClientSecret, CodeChallengeMethod, Configure, Endpoints, Error, OAuth2, Operation, Pkce,
    Provider, ProviderConfig, Result, Spec, async_trait,
    http::{Method, header::CONTENT_TYPE},
    serde_json::Value,
};

use crate::{discovery::Discovery, metadata::ProviderMetadata};

/// What holds for every OpenID Connect provider; the endpoints come from its metadata.
pub const SPEC: Spec = Spec { color: "#f78c40", ..Spec::OPENID };

/// The generic client for OpenID Connect providers, the original's `OpenID`.
#[derive(Clone, Debug)]
pub struct OpenID {
    oauth2: OAuth2,
    metadata: Arc<ProviderMetadata>,
}

impl OpenID {
    /// Asks the provider for its metadata and makes a client of it.
    ///
    /// Give the issuer, such as `https://login.example.com`, or, as for the original, the URL of its
    /// `/.well-known/openid-configuration`.
    ///
    /// # Errors
    ///
    /// Any [`Error`]: see [`Discovery::fetch`] and [`OpenID::new`].
    pub async fn discover(
        client_id: impl Into<String> + Send,
        client_secret: impl Into<ClientSecret> + Send,
        issuer: &str,
    ) -> Result<Self> {
        Discovery::new(issuer).connect(client_id, client_secret).await
    }

    /// A client of the provider that the metadata describes, with the scopes `openid` and `email`.
    ///
    /// The client authenticates by the first method of `token_endpoint_auth_methods_supported` that it knows.
    ///
    /// # Errors
    ///
    /// A configuration error when the metadata lacks an endpoint or names one that is not https, supports no client
    /// authentication that this client knows, or rules `S256` out (RFC 8414 section 2).
    pub fn new(
        client_id: impl Into<String>,
        client_secret: impl Into<ClientSecret>,
        metadata: ProviderMetadata,
    ) -> Result<Self> {
        Self::from_spec(&SPEC, client_id, client_secret, metadata)
    }

    /// The same for a provider whose name, colour and scopes are known: what a provider crate begins with.
    ///
    /// # Errors
    ///
    /// As [`OpenID::new`].
    pub fn from_spec(
        spec: &Spec,
        client_id: impl Into<String>,
        client_secret: impl Into<ClientSecret>,
        metadata: ProviderMetadata,
    ) -> Result<Self> {
        let client_secret = client_secret.into();
        let at = |error: Error| error.at(spec.name);
        let token = metadata.required("token_endpoint").map_err(at)?.to_owned();
        let authorize = metadata.required("authorization_endpoint").map_err(at)?.to_owned();
        if spec.pkce == Pkce::Challenge(CodeChallengeMethod::S256) && metadata.rules_out_s256() {
            return Err(at(Error::configuration(
                "openid",
                "the provider's code_challenge_methods_supported has no S256; a login there could not be protected",
            )));
        }
        let owned = |name| metadata.text(name).map(|url| url.to_owned().into());
        let mut endpoints = Endpoints {
            authorize: authorize.into(),
            refresh: metadata.supports_refresh().then(|| token.clone().into()),
            token: token.into(),
            revoke: owned("revocation_endpoint"),
            introspect: owned("introspection_endpoint"),
            device_authorization: owned("device_authorization_endpoint"),
            profile: owned("userinfo_endpoint"),
            jwks: owned("jwks_uri"),
            end_session: owned("end_session_endpoint"),
            others: Vec::new(),
        };
        let public = client_secret.is_none();
        let mut oauth2 = OAuth2::from_spec(spec, client_id, client_secret)
            .with_client_auth(auth(&metadata, "token_endpoint", public).map_err(at)?);
        // A provider whose revocation cannot be used is still one to sign in with.
        match auth(&metadata, "revocation_endpoint", public) {
            Ok(auth) => oauth2 = oauth2.with_revoke_auth(auth),
            Err(_) => endpoints.revoke = None,
        }
        oauth2.set_endpoints(endpoints);
        oauth2.set_issuer(metadata.issuer().to_owned());
        if metadata.flag("authorization_response_iss_parameter_supported") {
            oauth2.require_callback_issuer();
        }
        if metadata.allows_http {
            oauth2.dangerously_allow_plain_http();
        }
        oauth2.check_endpoints()?;
        Ok(Self { oauth2, metadata: Arc::new(metadata) })
    }

    /// The provider's metadata, the original's `openid_configuration`.
    #[must_use]
    pub fn metadata(&self) -> &ProviderMetadata {
        &self.metadata
    }
}

#[async_trait]
impl Provider for OpenID {
    oauth_core::accessors!();

    /// Reads UserInfo (OpenID Connect Core section 5.3).
    async fn get_profile(&self, access_token: &str) -> Result<Value> {
        let operation = Operation::GET_PROFILE;
        let url = self.oauth2.profile_endpoint()?;
        let reply = self.oauth2.call(operation, Method::GET, url).bearer(access_token).send().await?;
        if reply.header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/jwt")) {
            return Err(self
                .oauth2
                .unsupported(operation, "its UserInfo is signed, and signatures are not checked yet"));
        }
        reply.object()
    }
}

#[async_trait]
impl Configure for OpenID {
    const PARAMETERS: &'static [&'static str] = &["issuer", "discovery_url"];

    async fn from_config(config: &ProviderConfig) -> Result<Self> {
        config.allow(Self::PARAMETERS)?;
        let mut discovery = Discovery::new(config.required("issuer")?);
        if let Some(url) = config.parameter("discovery_url") {
            discovery = discovery.with_document_url(url);
        }
        if let Some(http) = &config.http_client {
            discovery = discovery.with_http_client(http.clone());
        }
        Ok(config.applied_to(discovery.connect(&*config.client_id, config.secret()?).await?))
    }
}

/// How the client authenticates at an endpoint: the first method in the provider's list that it knows, and
/// `client_secret_basic` where there is no list (OpenID Connect Discovery section 3, RFC 8414 section 2).
fn auth(metadata: &ProviderMetadata, endpoint: &str, public: bool) -> Result<ClientAuth> {
    if public {
        return Ok(ClientAuth::None);
    }
    let list = format!("{endpoint}_auth_methods_supported");
    let Some(methods) = metadata.list(&list) else { return Ok(ClientAuth::Basic) };
    let known = [ClientAuth::Basic, ClientAuth::Post];
    let first = methods.iter().find_map(|method| known.into_iter().find(|known| known.as_str() == *method));
    first.ok_or_else(|| {
        Error::configuration(
            "openid",
            format!("{list} has neither client_secret_basic nor client_secret_post, but {methods:?}"),
        )
    })
}

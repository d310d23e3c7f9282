//! Sign in with the single sign-on of [WorkOS](https://workos.com/docs/reference/sso).
//!
//! ```
//! use oauth_workos::{WorkOSOAuth2, oauth_core::{LoginOptions, Provider}};
//!
//! # async fn f() -> Result<(), oauth_core::Error> {
//! // The secret is the API key.
//! let workos = WorkOSOAuth2::new("CLIENT_ID", "sk_example").with_organization("org_01EHWNCE74X7JSDV0X3SZ3KJNY")?;
//! let login = workos.start_login("https://app.example/callback", LoginOptions::new()).await?;
//! assert!(login.url.contains("organization=org_01EHWNCE74X7JSDV0X3SZ3KJNY"));
//! # Ok(())
//! # }
//! ```
//!
//! **Set up.** Add each redirect URI in the [dashboard](https://dashboard.workos.com) under "Redirects", and a connection for
//! each organization. The client secret is the API key.
//!
//! **What you get.** The subject is the profile's id. The profile says in `connection_type` and `idp_id` who vouches for the
//! user, and nothing about whether the address is verified. An organization's users are told by its id, never by the domain of
//! an address: WorkOS refuses addresses of other domains unless the organization allows them
//! (`profile_not_allowed_outside_organization`), and with [`with_provider`](WorkOSOAuth2::with_provider) nobody does. There are
//! no refresh tokens, and nothing can be revoked.
//!
//! **Surprises.** WorkOS relays the sign-in to another identity provider, so a client needs to know to which: by
//! [`with_connection`](WorkOSOAuth2::with_connection), [`with_organization`](WorkOSOAuth2::with_organization) or
//! [`with_provider`](WorkOSOAuth2::with_provider), of which the last one counts; of settings, one can be there. Where that
//! depends on the user, make a client for each; clones are cheap. The browser can change the URL, so what was chosen is held
//! against the profile: its `connection_id`, `organization_id` or `connection_type` must be the same, or the login fails.
//! WorkOS's AuthKit is another product, which this is not.

pub use oauth_core;
use oauth_core::{
    AuthorizationRequest, Endpoint, Error, Provider, Result, Spec, async_trait, parameter,
    provider_kit::{ConfirmedBy, LoginSpec, ProfileSpec, Restriction},
};

/// WorkOS's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "workos",
    display_name: "WorkOS",
    color: "#6363f1",
    docs: "https://workos.com/docs/reference/sso",
    endpoints: &[
        (Endpoint::Authorization, "https://api.workos.com/sso/authorize"),
        (Endpoint::Token, "https://api.workos.com/sso/token"),
        (Endpoint::Profile, "https://api.workos.com/sso/profile"),
    ],
    profile: ProfileSpec {
        name_at: Some("/name"),
        name_parts_at: &["/first_name", "/last_name"],
        picture_at: Some("/raw_attributes/picture"),
        ..ProfileSpec::RFC6749
    },
    login: LoginSpec {
        restrictions: &[
            Restriction::parameter("connection", ConfirmedBy::Profile, |asked, profile| {
                Restriction::same_at("/connection_id", asked, profile)
            }),
            Restriction::parameter("organization", ConfirmedBy::Profile, |asked, profile| {
                Restriction::same_at("/organization_id", asked, profile)
            }),
            Restriction::parameter("provider", ConfirmedBy::Profile, |asked, profile| {
                Restriction::same_at("/connection_type", asked, profile)
            }),
        ],
        ..LoginSpec::RFC6749
    },
    ..Spec::RFC6749
};

/// Of these parameters, exactly one must be sent.
const SELECTORS: [&str; 3] = ["connection", "organization", "provider"];

oauth_core::client! {
    /// Signs users in with WorkOS.
    pub struct WorkOSOAuth2 from SPEC, configured by {
        connection: with_connection_alone,
        organization: with_organization_alone,
        provider: with_provider_alone
    };
}

impl WorkOSOAuth2 {
    /// Signs users in by this connection, such as `conn_01E4ZCR3C56J083X43JQXF3JK5`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not an identifier.
    pub fn with_connection(self, connection: &str) -> Result<Self> {
        self.selecting("connection", connection)
    }

    /// Signs users in by the connection of this organization, such as `org_01EHWNCE74X7JSDV0X3SZ3KJNY`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not an identifier.
    pub fn with_organization(self, organization: &str) -> Result<Self> {
        self.selecting("organization", organization)
    }

    /// Signs users in by this provider, such as `GoogleOAuth`.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not an identifier.
    pub fn with_provider(self, provider: &str) -> Result<Self> {
        self.selecting("provider", provider)
    }

    fn with_connection_alone(self, connection: &str) -> Result<Self> {
        self.alone()?.with_connection(connection)
    }

    fn with_organization_alone(self, organization: &str) -> Result<Self> {
        self.alone()?.with_organization(organization)
    }

    fn with_provider_alone(self, provider: &str) -> Result<Self> {
        self.alone()?.with_provider(provider)
    }

    /// That nothing was chosen yet: settings have no order in which one could take another's place.
    fn alone(self) -> Result<Self> {
        match self.oauth2.restricted_to().is_empty() {
            true => Ok(self),
            false => Err(Error::configuration(
                SPEC.name,
                "set one of connection, organization and provider, not several: WorkOS takes one, and the others would restrict nothing",
            )),
        }
    }

    fn selecting(mut self, selector: &'static str, value: &str) -> Result<Self> {
        let value = parameter::segment(selector, value).map_err(|error| error.at(SPEC.name))?;
        for other in SELECTORS {
            self.oauth2 = self.oauth2.without_authorize_param(other);
        }
        self.oauth2 = self.oauth2.with_authorize_param(selector, value.to_owned());
        Ok(self)
    }
}

#[async_trait]
impl Provider for WorkOSOAuth2 {
    oauth_core::accessors!();

    /// WorkOS shows an error page to the user where it is not told by whom to sign in.
    async fn get_authorization_url(&self, request: AuthorizationRequest<'_>) -> Result<String> {
        let params = self.oauth2.authorization_params(request).await?;
        match SELECTORS.iter().filter(|name| params.get(name).is_some()).count() {
            1 => self.oauth2.authorization_url(params).await,
            _ => Err(Error::configuration(
                SPEC.name,
                "set exactly one of connection, organization and provider: by whom users sign in",
            )),
        }
    }
}

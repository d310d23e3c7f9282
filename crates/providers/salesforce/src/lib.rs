//! Sign in with
//! [Salesforce](https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm&language=en_US&type=5).
//!
//! ```
//! use oauth_salesforce::{SalesforceOAuth2, oauth_core::Provider};
//!
//! // The organization's own domain.
//! let acme = SalesforceOAuth2::new("CONSUMER_KEY", "CONSUMER_SECRET").with_domain("acme.my.salesforce.com")?;
//! assert_eq!(acme.oauth2().issuer(), Some("https://acme.my.salesforce.com"));
//! // Or login.salesforce.com, and one organization, or all of them.
//! let one = SalesforceOAuth2::new("CONSUMER_KEY", "CONSUMER_SECRET").with_organizations(["00D000000000001EAA"]);
//! let everybody = SalesforceOAuth2::new("CONSUMER_KEY", "CONSUMER_SECRET").with_any_organization();
//! # Ok::<(), oauth_salesforce::oauth_core::Error>(())
//! ```
//!
//! **Set up.** Create an external client app in the setup of an organization ("External Client App Manager"), with each
//! callback URL exactly, and the scopes `openid`, `profile`, `email`, and `refresh_token` if it is wanted. PKCE is sent.
//!
//! **What you get.** The subject is a URL; the user's and the organization's ids are in the profile as `user_id` and
//! `organization_id`, and the API's address is in the token reply as `instance_url`. A refresh token needs the scope
//! `refresh_token`. The token reply does not say when the access token expires.
//!
//! **Surprises.** The domain is `login.salesforce.com` unless another is given: `test.salesforce.com` for sandboxes, or the
//! organization's My Domain. At the first two, users of all organizations sign in. So a login does not begin there before
//! [`with_organizations`](SalesforceOAuth2::with_organizations) or
//! [`with_any_organization`](SalesforceOAuth2::with_any_organization) said who may; the organization is in the ID token's
//! `sub`. With chosen ones, `get_identity` takes the whole token of the login. Whoever administers an organization decides what
//! it says of names and addresses.
//!
//! **Without a login.** With the feature `jwt`, `SalesforceOAuth2::get_token_as` gets a token for a user whom an administrator has allowed,
//! by the JWT bearer flow.

#[cfg(feature = "jwt")]
mod jwt_bearer;

pub use oauth_core;
use oauth_core::{
    ClientAuth, Credentials, Endpoint, Error, OAuth2, Operation, Provider, Result, Spec, parameter,
    provider_kit::{DeviceSpec, NativeSpec, TokenSpec, text_at},
    serde_json::Value,
};
pub use oauth_openid;
use oauth_openid::{OpenIDProvider, Tenants, VerificationPolicy};

/// Salesforce's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "salesforce",
    display_name: "Salesforce",
    color: "#00a1e0",
    docs: "https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm&language=en_US&type=5",
    issuer: Some("https://{domain}"),
    parameters: &[("domain", "login.salesforce.com")],
    endpoints: &[
        (Endpoint::Authorization, "https://{domain}/services/oauth2/authorize"),
        (Endpoint::Token, "https://{domain}/services/oauth2/token"),
        (Endpoint::Refresh, "https://{domain}/services/oauth2/token"),
        (Endpoint::Revocation, "https://{domain}/services/oauth2/revoke"),
        (Endpoint::Introspection, "https://{domain}/services/oauth2/introspect"),
        (Endpoint::DeviceAuthorization, "https://{domain}/services/oauth2/token"),
        (Endpoint::Profile, "https://{domain}/services/oauth2/userinfo"),
        (Endpoint::Jwks, "https://{domain}/id/keys"),
    ],
    scopes: &["openid", "profile", "email"],
    token: TokenSpec { client_auth: ClientAuth::Basic, ..TokenSpec::RFC6749 },
    native: NativeSpec {
        device: DeviceSpec {
            client_auth: Some(ClientAuth::None),
            params: &[("response_type", "device_code"), ("scope", "{scope}")],
            poll_params: &[("grant_type", "device"), ("code", "{device_code}")],
            ..DeviceSpec::RFC8628
        },
        ..NativeSpec::RFC8252
    },
    ..Spec::OPENID
};

/// Signs users in with Salesforce.
#[derive(Clone, Debug)]
pub struct SalesforceOAuth2 {
    oauth2: OAuth2,
    is_own_domain: bool,
    organizations: Option<Tenants>,
}

impl SalesforceOAuth2 {
    /// A client with the id and the secret that Salesforce issued to your application.
    pub fn new(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        let policy = || VerificationPolicy::new().tenants_by(organization, Tenants::Undecided);
        let oauth2 = oauth_openid::client_of(&SPEC, policy, client_id.into(), credentials.into());
        Self { oauth2, is_own_domain: false, organizations: None }
    }

    /// Signs users in at this host. If it is an organization's own, only its users can sign in; `login.salesforce.com`,
    /// `login.salesforce.mil` and the like are everybody's.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not a host name.
    pub fn with_domain(mut self, domain: &str) -> Result<Self> {
        let as_given = format!("https://{domain}");
        let domain = parameter::host("domain", domain).map_err(|error| error.at(SPEC.name))?;
        self.is_own_domain = is_own_domain(&domain);
        self.oauth2 = self.oauth2.with_parameter("domain", domain)?;
        self.oauth2 = self.oauth2.with_former_identity_issuer(as_given);
        Ok(self.decided())
    }

    /// Lets the users of these organizations sign in, by their ids, such as `00D000000000001EAA`, of 15 or 18 characters.
    #[must_use]
    pub fn with_organizations<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        let ids = ids.into_iter().map(|id| short_id(&id.into())).collect();
        self.organizations = Some(Tenants::OneOf(ids));
        self.decided()
    }

    /// Lets the users of all organizations sign in. Whoever administers one decides what it says of names and addresses.
    #[must_use]
    pub fn with_any_organization(mut self) -> Self {
        self.organizations = Some(Tenants::Any);
        self.decided()
    }

    /// Ids with spaces or commas between them, or `any`.
    fn with_organizations_of_text(self, organizations: &str) -> Result<Self> {
        Ok(match organizations.trim() {
            "any" => self.with_any_organization(),
            ids => self.with_organizations(ids.split([' ', ',']).filter(|id| !id.is_empty())),
        })
    }

    /// This client, accepting the chosen organizations, or else those that its domain implies.
    fn decided(self) -> Self {
        let organizations = match &self.organizations {
            Some(chosen) => chosen.clone(),
            None if self.is_own_domain => Tenants::Any,
            None => Tenants::Undecided,
        };
        self.with_policy(|policy| policy.tenants_by(organization, organizations))
    }
}

oauth_core::configure!(SalesforceOAuth2, configured by {
    domain: with_domain,
    organizations: with_organizations_of_text
});

/// Salesforce's own domains, those of its governmental and Chinese clouds among them.
const SHARED_DOMAINS: &[&str] = &["salesforce.com", "salesforce.mil", "sfcrmproducts.cn"];

/// Whether a host is an organization's own. Salesforce's others, such as `login.salesforce.com`, are for the users of all.
fn is_own_domain(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let before = SHARED_DOMAINS.iter().find_map(|shared| domain.strip_suffix(shared));
    match before {
        Some("") => false,
        Some(before) if before.ends_with('.') => before.ends_with(".my."),
        _ => true,
    }
}

/// The organization of a user, whose subject is `https://login.salesforce.com/id/ORGANIZATION/USER`.
fn organization(claims: &Value) -> Option<String> {
    let subject = text_at(claims, "/sub")?;
    let (rest, _user) = subject.rsplit_once('/')?;
    let (rest, organization) = rest.rsplit_once('/')?;
    (rest.ends_with("/id") && !organization.is_empty()).then(|| short_id(organization))
}

/// An id of 18 characters is one of 15, with three that say which of its letters are upper case.
fn short_id(id: &str) -> String {
    match (id.len(), id.get(..15)) {
        (18, Some(short)) => short.to_owned(),
        _ => id.to_owned(),
    }
}

impl OpenIDProvider for SalesforceOAuth2 {}

impl Provider for SalesforceOAuth2 {
    oauth_core::accessors!();

    /// Of a dead access token, UserInfo says so in a text under 403 (RFC 6750 section 3.1 has a code for it).
    fn translate_error(&self, error: Error) -> Error {
        let is_of_token = error.operation() == Operation::GET_PROFILE
            && error.body().is_some_and(|body| body.trim_ascii() == b"Bad_OAuth_Token");
        if is_of_token { error.under_code("invalid_token") } else { error }
    }
}

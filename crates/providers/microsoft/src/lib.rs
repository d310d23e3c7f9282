//! Sign in with [Microsoft](https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow): Entra ID
//! and personal accounts, with the profile of Microsoft Graph.
//!
//! ```
//! use oauth_microsoft::{MicrosoftGraphOAuth2, oauth_core::Provider};
//!
//! let one = MicrosoftGraphOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_tenant("72f988bf-86f1-41af-91ab-2d7cd011db47")?;
//! let everybody = MicrosoftGraphOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_any_tenant();
//! assert!(everybody.with_tenant("evil.example/#").is_err());
//! # Ok::<(), oauth_core::Error>(())
//! ```
//!
//! **Tenants.** Endpoints are those of a tenant: `common` (the default), `organizations`, `consumers`, a tenant's id or one of
//! its domains. The ID token names the user's own tenant, and that must be one that may sign in: the tenant whose id was given,
//! those of [`with_tenants`](MicrosoftGraphOAuth2::with_tenants), or, said in so many words, any.
//! A login does not begin before one of them was chosen. Microsoft Graph does not say of which tenant a user is, so with chosen
//! tenants a login asks for `openid` and `profile` whatever its scopes are, and
//! [`get_identity`](oauth_core::Provider::get_identity) takes the whole token of the login: with a bare access token, as with
//! `get_id_email`, it is a configuration error. `get_profile` reads Microsoft Graph for anybody's token.
//!
//! `prompt=login` is checked by the claim `auth_time`, an optional claim that the application's registration must add.
//!
//! **Set up.** Register the application in the [Entra admin center](https://entra.microsoft.com) under "App registrations": redirect URIs of the
//! platform "Web" (https, or http on localhost), a client secret, and which accounts it is for. In place of the secret, a certificate can
//! be uploaded, whose key signs who the application is: `PrivateKeyJwt::entra(key, certificate)` of `oauth-fapi` goes where the secret
//! goes. The optional claims `email`, `xms_edov` and `acct` are added to the ID token under "Token configuration".
//!
//! **Tenants for customers.** Entra External ID and Azure AD B2C are OpenID Connect providers of their own, without Microsoft Graph:
//! [`external_id`] and [`azure_ad_b2c`] know where they are.
//!
//! **Clouds.** The national clouds have hosts, applications and users of their own: [`with_cloud`](MicrosoftGraphOAuth2::with_cloud). Their
//! users are known under the cloud's host, `https://login.microsoftonline.us` and the like, and those of the global cloud under `microsoft`.
//!
//! **E-mail.** Microsoft Graph says neither of `mail` nor of `userPrincipalName` that the user owns it: an administrator
//! of any tenant can set them to anything. So the address is `mail`, else a `userPrincipalName` that is an address, and
//! its verification is unknown. Never link accounts by it. The claim `xms_edov` is delivered in the ID token alone, if the application's
//! registration asks for it, and the identity of the ID token (`IdToken::identity`) tells what it says: see [`tenant_addresses`] and
//! [`personal_addresses`].

mod customers;
mod email;
mod tenant;

pub use oauth_core;
use oauth_core::{
    Credentials, Email, EmailVerification, Endpoint, Error, Identity, OAuth2, OAuth2Token, Provider, Result,
    Spec, async_trait, parameter,
    provider_kit::{AuthorizationSpec, LoopbackHost, NativeSpec, ProfileSpec, text_at},
};
pub use oauth_openid;
use oauth_openid::{Issuers, OpenIDProvider, Tenants, VerificationPolicy};

pub use crate::customers::{azure_ad_b2c, external_id};
pub use crate::email::{personal_addresses, tenant_addresses};
use crate::{email::ISSUER, tenant::tenant_id};

/// Microsoft's endpoints and dialect.
pub const SPEC: Spec = Spec {
    name: "microsoft",
    display_name: "Microsoft",
    color: "#2f2f2f",
    docs: "https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow",
    parameters: &[
        ("tenant", "common"),
        ("login_host", "login.microsoftonline.com"),
        ("graph_host", "graph.microsoft.com"),
    ],
    endpoints: &[
        (Endpoint::Authorization, "https://{login_host}/{tenant}/oauth2/v2.0/authorize"),
        (Endpoint::Token, "https://{login_host}/{tenant}/oauth2/v2.0/token"),
        (Endpoint::Refresh, "https://{login_host}/{tenant}/oauth2/v2.0/token"),
        (Endpoint::DeviceAuthorization, "https://{login_host}/{tenant}/oauth2/v2.0/devicecode"),
        (Endpoint::Profile, "https://{graph_host}/v1.0/me"),
        (Endpoint::Jwks, "https://{login_host}/{tenant}/discovery/v2.0/keys"),
        (Endpoint::EndSession, "https://{login_host}/{tenant}/oauth2/v2.0/logout"),
    ],
    scopes: &["openid", "profile", "email", "offline_access", "User.Read"],
    authorization: AuthorizationSpec { params: &[("response_mode", "query")], ..AuthorizationSpec::RFC6749 },
    profile: ProfileSpec {
        email_at: Some("/mail"),
        // A claim of the ID token; Microsoft Graph has no such member.
        email_verified_at: Some("/xms_edov"),
        name_at: Some("/displayName"),
        ..ProfileSpec::RFC6749
    },
    native: NativeSpec {
        // 127.0.0.1 only by editing the application's manifest, and never [::1].
        loopback_hosts: &[LoopbackHost::Localhost],
        ..NativeSpec::RFC8252
    },
    ..Spec::RFC6749
};

/// Signs users in with Microsoft.
#[derive(Clone, Debug)]
pub struct MicrosoftGraphOAuth2 {
    oauth2: OAuth2,
    login_host: String,
    tenants: Tenants,
}

impl OpenIDProvider for MicrosoftGraphOAuth2 {}

/// Microsoft's clouds beside the global one, each with users of its own
/// ([documentation](https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MicrosoftCloud {
    /// Of the government of the United States.
    UsGovernment,
    /// Of China, operated by 21Vianet.
    China,
    /// The sovereign cloud of France.
    France,
}

impl MicrosoftCloud {
    /// The hosts that sign users in, and that have their profiles.
    fn hosts(self) -> (&'static str, &'static str) {
        match self {
            Self::UsGovernment => ("login.microsoftonline.us", "graph.microsoft.us"),
            Self::China => ("login.partner.microsoftonline.cn", "microsoftgraph.chinacloudapi.cn"),
            Self::France => ("login.sovcloud-identity.fr", "graph.svc.sovcloud.fr"),
        }
    }
}

/// Microsoft Graph knows users by another identifier than `sub`, which is of the application alone.
fn policy() -> VerificationPolicy {
    // `tid` and `oid` come with the scope `profile`.
    let policy = VerificationPolicy::new()
        .issuers(issuers(LOGIN_HOST, Tenants::Undecided))
        .restricting_scopes(&["profile"]);
    policy.profile_id_claim("oid").same_profile_id(is_same_user)
}

/// Microsoft Graph writes the number of a personal account without what makes an id of it: `00000000-0000-0000-66f3-3332eca7ea81`
/// is `66f33332eca7ea81` there.
fn is_same_user(oid: &str, id: &str) -> bool {
    let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let personal = oid.strip_prefix("00000000-0000-0000-").map(|digits| digits.replace('-', ""));
    oid == id || personal.and_then(|digits| number(&digits)).is_some_and(|own| number(id) == Some(own))
}

/// The host that signs users of the global cloud in.
const LOGIN_HOST: &str = "login.microsoftonline.com";

fn issuers(login_host: &str, tenants: Tenants) -> Issuers {
    Issuers::Tenants { template: ISSUER.replace(LOGIN_HOST, login_host), tenants }
}

impl MicrosoftGraphOAuth2 {
    /// A client with the id and the secret of your application's registration.
    pub fn new(client_id: impl Into<String>, credentials: impl Into<Credentials>) -> Self {
        let oauth2 = oauth_openid::client_of(&SPEC, policy, client_id.into(), credentials.into());
        Self { oauth2, login_host: LOGIN_HOST.to_owned(), tenants: Tenants::Undecided }
    }

    /// Signs in users of a cloud other than the global one.
    ///
    /// # Errors
    ///
    /// A configuration error after the endpoints were moved.
    pub fn with_cloud(self, cloud: MicrosoftCloud) -> Result<Self> {
        let (login_host, graph_host) = cloud.hosts();
        self.with_cloud_hosts(login_host, graph_host)
    }

    /// Signs in users of a cloud that [`MicrosoftCloud`] does not know yet, given the hosts of its sign-in and its Microsoft Graph.
    ///
    /// # Errors
    ///
    /// A configuration error when a text is not a host name, and after the endpoints were moved.
    pub fn with_cloud_hosts(mut self, login_host: &str, graph_host: &str) -> Result<Self> {
        let host = |name, host| parameter::host(name, host).map_err(|error| error.at(SPEC.name));
        let (login_host, graph_host) = (host("login_host", login_host)?, host("graph_host", graph_host)?);
        self.oauth2 = self.oauth2.with_parameter("login_host", &*login_host)?;
        self.oauth2 = self.oauth2.with_parameter("graph_host", graph_host)?;
        if self.oauth2.chosen_identity_issuer().is_none() {
            // Who has an id in one cloud is nobody in another.
            self.oauth2 = self.oauth2.with_identity_issuer(format!("https://{login_host}"));
        }
        self.login_host = login_host;
        Ok(self.decided())
    }

    /// Uses the endpoints of this tenant. If it is a tenant's id, or `consumers`, only accounts of that tenant can sign in; of
    /// a domain the id is not known, and `common` and `organizations` are not tenants: there,
    /// [`with_tenants`](Self::with_tenants) or [`with_any_tenant`](Self::with_any_tenant) has to say who may.
    ///
    /// # Errors
    ///
    /// A configuration error when the text is not a tenant.
    pub fn with_tenant(mut self, tenant: &str) -> Result<Self> {
        self.oauth2 = self.oauth2.with_parameter("tenant", tenant)?;
        Ok(match tenant_id(tenant) {
            Some(id) => self.with_tenants([id]),
            None => self,
        })
    }

    /// Lets accounts of these tenants sign in, by their ids.
    #[must_use]
    pub fn with_tenants<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        let ids = ids.into_iter().map(|id| id.into().to_ascii_lowercase()).collect();
        self.tenants = Tenants::OneOf(ids);
        self.decided()
    }

    /// Lets the accounts of all organizations and all personal accounts sign in, as far as the application's registration does.
    /// Whoever administers a tenant decides what its tokens say of names and addresses.
    #[must_use]
    pub fn with_any_tenant(mut self) -> Self {
        self.tenants = Tenants::Any;
        self.decided()
    }

    /// This client, accepting the issuers of its cloud for the chosen tenants.
    fn decided(self) -> Self {
        let issuers = issuers(&self.login_host, self.tenants.clone());
        self.with_policy(|policy| policy.issuers(issuers))
    }

    fn with_cloud_of_text(self, cloud: &str) -> Result<Self> {
        match cloud {
            "global" => Ok(self),
            "us-government" => self.with_cloud(MicrosoftCloud::UsGovernment),
            "china" => self.with_cloud(MicrosoftCloud::China),
            "france" => self.with_cloud(MicrosoftCloud::France),
            _ => Err(Error::configuration(SPEC.name, "cloud is global, us-government, china or france")),
        }
    }

    /// Ids with spaces or commas between them, or `any`.
    fn with_tenants_of_text(self, tenants: &str) -> Result<Self> {
        // Settings have no order in which the one could take the other back.
        let token_endpoint = self.oauth2.endpoints().token();
        let chosen = token_endpoint.split('/').find(|part| tenant_id(part).is_some());
        if let (Some(chosen), "any") = (chosen, tenants.trim()) {
            let problem = format!(
                "tenant lets accounts of {chosen} in alone, and tenants those of any; set one of them"
            );
            return Err(Error::configuration(SPEC.name, problem));
        }
        Ok(match tenants.trim() {
            "any" => self.with_any_tenant(),
            ids => self.with_tenants(ids.split([' ', ',']).filter(|id| !id.is_empty())),
        })
    }
}

oauth_core::configure!(MicrosoftGraphOAuth2, configured by {
    cloud: with_cloud_of_text,
    tenant: with_tenant,
    tenants: with_tenants_of_text
});

#[async_trait]
impl Provider for MicrosoftGraphOAuth2 {
    oauth_core::accessors!();

    /// Many accounts have no `mail`; a guest's `userPrincipalName` looks like an address and is none.
    async fn get_identity(&self, token: &OAuth2Token) -> Result<Identity> {
        let mut identity = self.oauth2.identity(self.get_profile_of(token).await?)?;
        let principal = || {
            text_at(&identity.profile, "/userPrincipalName")
                .filter(|name| name.contains('@') && !name.contains("#EXT#"))
        };
        let address = identity.email.as_ref().map(|email| email.address.clone()).or_else(principal);
        // Whatever the profile says, an administrator has written it.
        identity.email = address.map(|address| Email::new(address, EmailVerification::Unknown));
        Ok(identity.without_unusable())
    }
}

//! The provider facts, read from one file each.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use serde::Deserialize;

use crate::{
    app::ClientAuthMethod,
    device_facts::DeviceFacts,
    endpoint::EmulatedEndpoint,
    provider_files::FILES,
    redirect_uri::RedirectUris,
    signal_facts::SignalFacts,
    signing_alg::SigningAlg,
    urls::{self, Captures, Pattern},
    wire::{OneOrMany, ParamFormat, ProfileBody, ProviderFailure, ScopeReply, TokenPosition},
};

static TABLE: LazyLock<Result<Vec<Arc<EmulatedProvider>>, String>> =
    LazyLock::new(|| FILES.iter().map(|(name, text)| read(name, text)).collect());

/// All providers that the emulator plays by itself, by name.
///
/// # Errors
///
/// What is wrong with a file, which a test of this crate rules out.
pub(crate) fn providers() -> Result<&'static [Arc<EmulatedProvider>], String> {
    TABLE.as_deref().map_err(Clone::clone)
}

/// One entry of the table.
#[derive(Debug)]
pub(crate) struct EmulatedProvider {
    pub(crate) name: String,
    /// Whose applications, faults and dialect it has: its own name, or that of an entry that it is another generation of.
    pub(crate) family: String,
    pub(crate) facts: Facts,
    pub(crate) routes: Vec<Route>,
}

/// A URL and what it is for.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) pattern: Pattern,
    /// More than one where a provider serves several endpoints at one URL.
    pub(crate) endpoints: Vec<EmulatedEndpoint>,
    /// The name of an endpoint that only the dialect knows.
    pub(crate) other: Option<String>,
    /// Whether clients are asked for a certificate there.
    pub(crate) mutual_tls: bool,
}

/// The fields of a provider's file on which the emulator acts; `providers/README.md` explains them.
#[derive(Debug, Deserialize)]
pub(crate) struct Facts {
    pub(crate) display_name: String,
    pub(crate) protocol: ProtocolKind,
    pub(crate) issuer: Option<String>,
    pub(crate) discovery_url: Option<String>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) authorize_url: Option<String>,
    pub(crate) token_url: Option<String>,
    pub(crate) refresh_url: Option<String>,
    pub(crate) revoke_url: Option<String>,
    pub(crate) introspect_url: Option<String>,
    pub(crate) profile_url: Option<String>,
    pub(crate) userinfo_url: Option<String>,
    pub(crate) email_url: Option<String>,
    pub(crate) end_session_url: Option<String>,
    pub(crate) pushed_authorization_url: Option<String>,
    pub(crate) backchannel_authentication_url: Option<String>,
    pub(crate) device_authorization_url: Option<String>,
    #[serde(default)]
    pub(crate) device: DeviceFacts,
    #[serde(default = "client_id")]
    pub(crate) client_id_param: String,
    #[serde(default = "client_secret")]
    pub(crate) client_secret_param: String,
    pub(crate) token_auth: Option<ClientAuthMethod>,
    #[serde(default)]
    token_request: ParamFormat,
    #[serde(default)]
    pub(crate) token_params: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) token_omits: Vec<String>,
    #[serde(default)]
    pub(crate) token_repeats: Vec<String>,
    pub(crate) token_field: Option<String>,
    pub(crate) never_expires_in: Option<u64>,
    refresh_request: Option<ParamFormat>,
    refresh_auth: Option<Vec<ClientAuthMethod>>,
    #[serde(default)]
    pub(crate) refresh_with: RefreshWith,
    #[serde(default = "refresh_token")]
    pub(crate) refresh_grant_type: String,
    #[serde(default = "post")]
    pub(crate) revoke_method: String,
    #[serde(default = "token")]
    revoke_token: OneOrMany<TokenPosition>,
    pub(crate) revoke_refresh_token: Option<TokenPosition>,
    revoke_request: Option<ParamFormat>,
    #[serde(default)]
    pub(crate) revoke_params: BTreeMap<String, String>,
    #[serde(default = "get")]
    pub(crate) profile_method: String,
    #[serde(default)]
    pub(crate) profile_request: ProfileBody,
    #[serde(default)]
    pub(crate) profile_params: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) profile_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default = "bearer")]
    profile_token: OneOrMany<TokenPosition>,
    pub(crate) profile_fields: Option<String>,
    pub(crate) failure: Option<ProviderFailure>,
    #[serde(default)]
    pub(crate) pkce: PkceSupport,
    #[serde(default)]
    pub(crate) public_client: bool,
    #[serde(default = "space")]
    pub(crate) scope_separator: String,
    #[serde(default)]
    pub(crate) default_scopes: Vec<String>,
    pub(crate) id_field: Option<String>,
    pub(crate) email_field: Option<String>,
    pub(crate) email_verified_field: Option<String>,
    pub(crate) name_field: Option<String>,
    #[serde(default)]
    pub(crate) name_parts: Vec<String>,
    pub(crate) avatar_field: Option<String>,
    #[serde(default)]
    pub(crate) emulator: Manners,
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProtocolKind {
    OAuth2,
    Oidc,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum PkceSupport {
    #[serde(rename = "required")]
    Required,
    S256,
    #[serde(rename = "plain")]
    Plain,
    #[serde(rename = "none")]
    None,
    /// The table does not say; what is sent is checked.
    #[default]
    #[serde(skip)]
    Unknown,
}

/// The token by which a provider refreshes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefreshWith {
    #[default]
    RefreshToken,
    /// A live access token is traded for one that lives longer; there is no other token.
    AccessToken,
}

/// The fields of `[emulator]` in a provider's file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Manners {
    family: Option<String>,
    token_auth: Option<Vec<ClientAuthMethod>>,
    revoke_auth: Option<Vec<ClientAuthMethod>>,
    accepts: BTreeMap<String, Vec<String>>,
    aliases: BTreeMap<String, Vec<String>>,
    pub(crate) endpoints: BTreeMap<String, String>,
    metadata_urls: Vec<String>,
    pub(crate) mutual_tls: BTreeMap<String, String>,
    pub(crate) resource_urls: Vec<String>,
    pub(crate) grants: Vec<String>,
    pub(crate) assertion: AssertionFacts,
    pub(crate) request_objects: bool,
    pub(crate) signed_responses: bool,
    pub(crate) dpop_algs: Vec<SigningAlg>,
    pub(crate) dpop_binds_refresh_tokens_only: bool,
    pub(crate) dpop_jkt_required: bool,
    pub(crate) details_types: Vec<String>,
    pub(crate) metadata: BTreeMap<String, serde_json::Value>,
    pub(crate) required: Vec<String>,
    pub(crate) shortest: BTreeMap<String, usize>,
    pub(crate) longest: BTreeMap<String, usize>,
    pub(crate) redirect_uris: RedirectUris,
    pub(crate) scopes: Vec<String>,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) drops_unknown_scopes: bool,
    response_modes: Vec<String>,
    pub(crate) scopes_if_none: Vec<String>,
    pub(crate) profile_scopes: Vec<String>,
    pub(crate) email_scopes: Vec<String>,
    pub(crate) profile_methods: Vec<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) refresh_token_on_consent_only: bool,
    pub(crate) rotates: bool,
    pub(crate) refresh_expires_in: Option<u64>,
    pub(crate) expires_in: u64,
    pub(crate) permanent_unless_refreshed: bool,
    pub(crate) token_type: Option<String>,
    pub(crate) token_prefix: String,
    pub(crate) scope_reply_separator: Option<String>,
    pub(crate) scope_reply: ScopeReply,
    pub(crate) token_fields_on_refresh: Option<bool>,
    pub(crate) denial: BTreeMap<String, String>,
    pub(crate) revoke_status: Option<u16>,
    pub(crate) revoke_reply: Option<String>,
    pub(crate) revoke_ends_grant: bool,
    pub(crate) revoke_unlinks: bool,
    pub(crate) revokes_known_only: bool,
    pub(crate) iss_parameter: bool,
    pub(crate) id_token_always: bool,
    pub(crate) id_token_on_refresh: Option<bool>,
    pub(crate) id_token_alg: SigningAlg,
    pub(crate) id_token_algs: Vec<SigningAlg>,
    pub(crate) thin_id_token: bool,
    pub(crate) nonce_in_id_token: Option<bool>,
    pub(crate) audiences: Vec<String>,
    pub(crate) azp: bool,
    pub(crate) claims_parameter: bool,
    pub(crate) response_types: Vec<String>,
    pub(crate) userinfo_signed: bool,
    pub(crate) backchannel_logout: bool,
    values: Captures,
    pub(crate) revokes_refresh_tokens_only: bool,
    pub(crate) revokes_access_tokens_only: bool,
    pub(crate) id_type: IdType,
    pub(crate) signals: Option<SignalFacts>,
}

/// The fields of `[emulator.assertion]`: what the JWT of a grant by assertion (RFC 7523 section 2.1) must be.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AssertionFacts {
    pub(crate) audiences: Vec<String>,
    pub(crate) algs: Vec<SigningAlg>,
    pub(crate) lifetime: Option<i64>,
    /// Claims that must be there, with the values that they may have; none for any.
    pub(crate) claims: BTreeMap<String, Vec<String>>,
    pub(crate) scope_claim: bool,
    /// Whether the application does not authenticate besides: who signed it is who asks.
    pub(crate) names_the_client: bool,
    pub(crate) subject: AssertionSubject,
}

/// Whom an assertion can be about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AssertionSubject {
    /// A user, or the application itself.
    #[default]
    User,
    /// A user, or nobody: then it is about whoever signed it.
    Optional,
    /// Anybody or anything: not only a user, but an organization too.
    Any,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IdType {
    #[default]
    String,
    Number,
}

impl EmulatedProvider {
    pub(crate) fn is_oidc(&self) -> bool {
        self.facts.protocol == ProtocolKind::Oidc
    }

    /// The client authentication methods that the token endpoint takes from an application without its own list.
    pub(crate) fn token_auth(&self) -> Vec<ClientAuthMethod> {
        let mut methods = match (&self.facts.emulator.token_auth, self.facts.token_auth) {
            (Some(all), _) => all.clone(),
            (None, Some(one)) => vec![one],
            (None, None) => vec![ClientAuthMethod::Basic],
        };
        if self.facts.public_client && !methods.contains(&ClientAuthMethod::None) {
            methods.push(ClientAuthMethod::None);
        }
        methods
    }

    /// The client authentication that a refresh takes; no methods if the token alone is enough.
    pub(crate) fn refresh_auth(&self) -> AcceptedAuth {
        self.facts.refresh_auth.clone().map_or_else(|| self.token_auth().into(), AcceptedAuth::listed)
    }

    /// The client authentication that a revocation takes; no methods if the token alone is enough, as it is where the token is a
    /// credential of the request.
    pub(crate) fn revoke_auth(&self) -> AcceptedAuth {
        match &self.facts.emulator.revoke_auth {
            Some(listed) => AcceptedAuth::listed(listed.clone()),
            None if self.revokes_by_credential() => AcceptedAuth::none(),
            None => self.token_auth().into(),
        }
    }

    /// Where a revocation has the access token, or either token.
    pub(crate) fn revoke_places(&self) -> &[TokenPosition] {
        self.facts.revoke_token.as_slice()
    }

    /// Whether the token to revoke is what authorizes its revocation.
    pub(crate) fn revokes_by_credential(&self) -> bool {
        self.revoke_places().iter().any(|place| place.format().is_none())
    }

    /// Where a request to the API has the access token.
    pub(crate) fn profile_places(&self) -> &[TokenPosition] {
        self.facts.profile_token.as_slice()
    }

    /// How the parameters of a request to an endpoint are written; `None` where it has none.
    pub(crate) fn request_format(&self, endpoint: EmulatedEndpoint) -> Option<ParamFormat> {
        let facts = &self.facts;
        match endpoint {
            EmulatedEndpoint::Token => Some(facts.token_request),
            EmulatedEndpoint::Refresh => Some(facts.refresh_request.unwrap_or(facts.token_request)),
            EmulatedEndpoint::Introspect if facts.token_request == ParamFormat::Json => {
                Some(ParamFormat::Json)
            }
            EmulatedEndpoint::Revoke => facts.revoke_request.or_else(|| {
                let asks = !facts.revoke_params.is_empty() || !self.revoke_auth().methods.is_empty();
                match self.revoke_places() {
                    [one] => one.format().or(asks.then_some(ParamFormat::Form)),
                    _ => asks.then_some(ParamFormat::Form),
                }
            }),
            _ => Some(ParamFormat::Form),
        }
    }

    /// How the answer of an authorization request can come back, by the names of OAuth 2.0 Multiple Response Types.
    pub(crate) fn response_modes(&self) -> Vec<&str> {
        let manners = &self.facts.emulator;
        let fragment = (!manners.response_types.is_empty()).then_some("fragment");
        let further = manners.response_modes.iter().map(String::as_str);
        let mut modes: Vec<&str> = std::iter::once("query").chain(fragment).chain(further).collect();
        if manners.signed_responses {
            modes.extend(["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"]);
        }
        modes
    }

    /// What can be asked for at the authorization endpoint.
    pub(crate) fn response_types(&self) -> Vec<&str> {
        let further = self.facts.emulator.response_types.iter().map(String::as_str);
        std::iter::once("code").chain(further).collect()
    }

    /// Every algorithm that an application can register for its ID tokens.
    pub(crate) fn id_token_algs(&self) -> Vec<SigningAlg> {
        let manners = &self.facts.emulator;
        let mut algs = vec![manners.id_token_alg];
        algs.extend(manners.id_token_algs.iter().filter(|alg| **alg != manners.id_token_alg));
        algs
    }

    /// The real URL of an endpoint of this entry, with parameters filled in.
    pub(crate) fn url(&self, template: Option<&String>, captures: &Captures) -> Option<String> {
        let values = &self.facts.emulator.values;
        template.map(|template| urls::expand(&urls::expand(template, captures), values))
    }

    /// The issuer for the given parameters; a provider without one is named by its authorization endpoint's origin.
    pub(crate) fn issuer(&self, captures: &Captures) -> String {
        self.url(self.facts.issuer.as_ref(), captures)
            .unwrap_or_else(|| format!("https://{}.example", self.name))
    }
}

/// Reads the file of a provider.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn read(name: &str, text: &str) -> Result<Arc<EmulatedProvider>, String> {
    let facts: Facts = toml::from_str(text).map_err(|error| format!("providers/{name}.toml: {error}"))?;
    let family = facts.emulator.family.clone().unwrap_or_else(|| name.to_owned());
    let routes = routes(&facts);
    Ok(Arc::new(EmulatedProvider { name: name.to_owned(), family, facts, routes }))
}

/// The client authentication methods that an endpoint takes.
pub(crate) struct AcceptedAuth {
    pub(crate) methods: Vec<ClientAuthMethod>,
    /// Whether the client identifier alone is enough, for an application with a secret too.
    pub(crate) id_alone: bool,
}

impl AcceptedAuth {
    pub(crate) fn none() -> Self {
        Self { methods: Vec::new(), id_alone: false }
    }

    /// What the facts list for this endpoint.
    pub(crate) fn listed(methods: Vec<ClientAuthMethod>) -> Self {
        let id_alone = methods.contains(&ClientAuthMethod::None);
        Self { methods, id_alone }
    }
}

impl From<Vec<ClientAuthMethod>> for AcceptedAuth {
    fn from(methods: Vec<ClientAuthMethod>) -> Self {
        Self { methods, id_alone: false }
    }
}

/// All URLs of a provider; endpoints that share a URL share a route, in the order in which they are tried.
fn routes(facts: &Facts) -> Vec<Route> {
    let manners = &facts.emulator;
    let named = [
        ("authorize_url", &facts.authorize_url, EmulatedEndpoint::Authorize),
        ("token_url", &facts.token_url, EmulatedEndpoint::Token),
        ("refresh_url", &facts.refresh_url, EmulatedEndpoint::Refresh),
        ("revoke_url", &facts.revoke_url, EmulatedEndpoint::Revoke),
        ("introspect_url", &facts.introspect_url, EmulatedEndpoint::Introspect),
        ("profile_url", &facts.profile_url, EmulatedEndpoint::Profile),
        ("userinfo_url", &facts.userinfo_url, EmulatedEndpoint::UserInfo),
        ("email_url", &facts.email_url, EmulatedEndpoint::Emails),
        ("discovery_url", &facts.discovery_url, EmulatedEndpoint::Discovery),
        ("jwks_url", &facts.jwks_url, EmulatedEndpoint::Jwks),
        ("end_session_url", &facts.end_session_url, EmulatedEndpoint::EndSession),
        ("pushed_authorization_url", &facts.pushed_authorization_url, EmulatedEndpoint::PushedAuthorization),
        (
            "backchannel_authentication_url",
            &facts.backchannel_authentication_url,
            EmulatedEndpoint::BackchannelAuthentication,
        ),
        ("device_authorization_url", &facts.device_authorization_url, EmulatedEndpoint::DeviceAuthorization),
        ("device_page", &facts.device.page, EmulatedEndpoint::DevicePage),
        ("device_poll_url", &facts.device.poll_url, EmulatedEndpoint::DevicePoll),
    ];
    let mut all: Vec<(String, EmulatedEndpoint, Option<String>)> = Vec::new();
    for (key, url, endpoint) in named {
        let aliases = manners.aliases.get(key).into_iter().flatten().chain(manners.mutual_tls.get(key));
        all.extend(url.iter().chain(aliases).map(|url| (url.clone(), endpoint, None)));
    }
    all.extend(manners.resource_urls.iter().map(|url| (url.clone(), EmulatedEndpoint::Resource, None)));
    all.extend(manners.metadata_urls.iter().map(|url| (url.clone(), EmulatedEndpoint::Discovery, None)));
    all.extend(
        manners
            .endpoints
            .iter()
            .map(|(name, url)| (url.clone(), EmulatedEndpoint::Other, Some(name.clone()))),
    );

    let mut routes: Vec<Route> = Vec::new();
    for (url, endpoint, other) in all {
        let mutual_tls =
            endpoint == EmulatedEndpoint::Resource || manners.mutual_tls.values().any(|own| *own == url);
        for pattern in Pattern::compile(&url, &manners.accepts) {
            match routes.iter_mut().find(|route| route.pattern == pattern) {
                Some(route) => route.endpoints.push(endpoint),
                None => routes.push(Route {
                    pattern,
                    endpoints: vec![endpoint],
                    other: other.clone(),
                    mutual_tls,
                }),
            }
        }
    }
    routes
}

fn client_id() -> String {
    "client_id".to_owned()
}

fn client_secret() -> String {
    "client_secret".to_owned()
}

fn refresh_token() -> String {
    "refresh_token".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn post() -> String {
    "POST".to_owned()
}

/// RFC 7009, section 2.1.
fn token() -> OneOrMany<TokenPosition> {
    OneOrMany::One(TokenPosition::Field("token".to_owned()))
}

/// RFC 6750, section 2.1.
fn bearer() -> OneOrMany<TokenPosition> {
    OneOrMany::One(TokenPosition::Scheme("bearer".to_owned()))
}

fn space() -> String {
    " ".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that `providers/README.md` explains.
    const FIELDS: &[&str] = &[
        "authorize_extra",
        "authorize_url",
        "avatar_field",
        "backchannel_authentication_url",
        "client_id_param",
        "client_secret_param",
        "collected",
        "contract",
        "corrections",
        "default_scopes",
        "device",
        "device_authorization_url",
        "discovery_url",
        "display_name",
        "docs",
        "email_field",
        "email_url",
        "email_verified_field",
        "emulator",
        "end_session_url",
        "failure",
        "headers",
        "id_field",
        "introspect_url",
        "issuer",
        "jwks_url",
        "name_field",
        "name_parts",
        "never_expires_in",
        "parameters",
        "pkce",
        "profile_fields",
        "profile_headers",
        "profile_method",
        "profile_params",
        "profile_request",
        "profile_token",
        "profile_url",
        "protocol",
        "public_client",
        "pushed_authorization_url",
        "quirks",
        "references",
        "refresh_auth",
        "refresh_grant_type",
        "refresh_request",
        "refresh_url",
        "refresh_with",
        "revoke_method",
        "revoke_params",
        "revoke_refresh_token",
        "revoke_request",
        "revoke_token",
        "revoke_url",
        "scope_separator",
        "settings",
        "sources",
        "token_auth",
        "token_field",
        "token_omits",
        "token_params",
        "token_repeats",
        "token_request",
        "token_url",
        "unverified",
        "userinfo_url",
    ];

    #[test]
    fn every_file_has_a_source_and_a_date_and_no_unknown_field() {
        for (name, text) in FILES {
            let fields: toml::Table = text.parse().unwrap();
            for field in fields.keys() {
                assert!(FIELDS.contains(&field.as_str()), "providers/{name}.toml: unknown field {field}");
            }
            let docs = fields["docs"].as_str().unwrap();
            assert!(docs.starts_with("https://"), "providers/{name}.toml: docs is not a URL");
            let day = fields["collected"].as_str().unwrap();
            let digits = day.bytes().filter(u8::is_ascii_digit).count();
            assert!(day.len() == 10 && digits == 8, "providers/{name}.toml: collected is not a day: {day}");
            let sources = fields["sources"].as_array().unwrap();
            assert!(!sources.is_empty(), "providers/{name}.toml: no sources");
        }
    }

    #[test]
    fn every_file_is_readable_and_every_alias_names_an_endpoint() {
        for provider in providers().unwrap() {
            assert!(!provider.routes.is_empty(), "{}", provider.name);
            for key in provider.facts.emulator.aliases.keys() {
                assert!(key.ends_with("_url"), "{}: {key}", provider.name);
            }
            for route in &provider.routes {
                assert!(
                    route.pattern.text.starts_with("https://"),
                    "{}: {}",
                    provider.name,
                    route.pattern.text
                );
            }
        }
    }
}

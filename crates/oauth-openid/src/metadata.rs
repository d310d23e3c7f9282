//! The metadata of a provider (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).

use oauth_core::{
    ClientAuth, ClientAuthentication, CodeChallengeMethod, Credentials, Endpoint, Endpoints, Error, OAuth2,
    Pkce, RequestDemand, Result,
    serde_json::{Map, Value},
};

use crate::{algorithm::Algorithm, cached::JsonText, jws::quoted};

/// What a provider says of itself (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).
#[derive(Clone, Debug, PartialEq)]
pub struct ProviderMetadata {
    issuer: String,
    document: JsonText,
    /// The members that [`text`](Self::text) and its kin find.
    read: Map<String, Value>,
    pub(crate) allows_http: bool,
}

/// The most values in the members that are kept as such; real metadata has a few hundred. The rest is kept as text, which takes a
/// hundredth of the memory.
const MOST_VALUES: usize = 4096;

impl ProviderMetadata {
    /// Takes metadata that was written by hand or kept from an earlier request.
    ///
    /// # Errors
    ///
    /// A configuration error unless it is an object with a string `issuer`.
    pub fn new(document: Value) -> Result<Self> {
        let text = JsonText::of(&document);
        Self::of(text, document).map_err(|problem| Error::configuration("openid", problem))
    }

    /// The metadata of a document, which is there as text and as a tree.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn of(document: JsonText, members: Value) -> Result<Self, &'static str> {
        let Value::Object(members) = members else { return Err("the metadata is not a JSON object") };
        let issuer = members.get("issuer").and_then(Value::as_str).filter(|issuer| !issuer.is_empty());
        let issuer = issuer.ok_or("the metadata has no string issuer")?.to_owned();
        Ok(Self { issuer, document, read: bounded(members), allows_http: false })
    }

    /// Lets the client of this metadata send secrets over plain http as well, where everybody on the way can read them. For
    /// test networks only.
    #[must_use]
    pub fn dangerously_allow_plain_http(mut self) -> Self {
        self.allows_http = true;
        self
    }

    /// The issuer identifier, byte for byte as the provider writes it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// All members, as they came. They are read anew at each call.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        match self.document.read() {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }

    /// A member that is a string. One of another type, where the member is optional, counts as absent.
    ///
    /// Of metadata with several thousand values, this and its kin find the members that this library uses, and
    /// [`members`](Self::members) has all.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.read.get(member)?.as_str().filter(|text| !text.is_empty())
    }

    pub(crate) fn required(&self, member: &str) -> Result<&str> {
        self.text(member)
            .ok_or_else(|| Error::configuration("openid", format!("the provider's metadata has no {member}")))
    }

    /// The texts in a member that is a list. Whatever else is in it is left out.
    #[must_use]
    pub fn list(&self, member: &str) -> Option<Vec<&str>> {
        Some(self.read.get(member)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// Whether a member is there and true.
    #[must_use]
    pub fn flag(&self, member: &str) -> bool {
        self.read.get(member) == Some(&Value::Bool(true))
    }

    /// What the provider demands of authorization requests.
    pub(crate) fn demands_on_requests(&self) -> Vec<RequestDemand> {
        demands_in(&self.read)
    }

    pub(crate) fn rules_out_s256(&self) -> bool {
        self.list("code_challenge_methods_supported").is_some_and(|methods| !methods.contains(&"S256"))
    }
}

/// What metadata of a provider or a client demands of authorization requests (RFC 9126 sections 5 and 6, RFC 9101 section 10.5).
/// Whatever is not a plain no counts as yes.
pub(crate) fn demands_in(metadata: &Map<String, Value>) -> Vec<RequestDemand> {
    let demands = [
        ("require_pushed_authorization_requests", RequestDemand::Pushed),
        ("require_signed_request_object", RequestDemand::Signed),
    ];
    let is_demanded =
        |name: &str| !matches!(metadata.get(name), None | Some(Value::Null | Value::Bool(false)));
    demands.into_iter().filter(|(name, _)| is_demanded(name)).map(|(_, demand)| demand).collect()
}

/// How a public or confidential client may authenticate, of those methods that this library knows.
impl ProviderMetadata {
    /// The first method in the provider's list that the client knows, and `client_secret_basic` where there is no list
    /// (OpenID Connect Discovery section 3, RFC 8414 section 2).
    pub(crate) fn client_auth(&self, endpoint: &str, public: bool) -> Result<ClientAuth> {
        if public {
            return Ok(ClientAuth::None);
        }
        let list = format!("{endpoint}_auth_methods_supported");
        let Some(methods) = self.list(&list) else { return Ok(ClientAuth::Basic) };
        let known = [ClientAuth::Basic, ClientAuth::Post];
        let first =
            methods.iter().find_map(|method| known.into_iter().find(|known| known.as_str() == *method));
        first.ok_or_else(|| {
            let is_signed = |method: &&str| method.ends_with("_jwt") || method.ends_with("tls_client_auth");
            let what_to_do = match methods.iter().any(is_signed) {
                true => "; oauth-fapi has the methods that sign or show a certificate",
                false => "",
            };
            Error::configuration(
                "openid",
                format!(
                    "{list} has neither client_secret_basic nor client_secret_post, but {}{what_to_do}",
                    quoted(&methods.join(", "))
                ),
            )
        })
    }

    /// The client's credentials, those first that the provider offers to take at the token endpoint (RFC 8414 section 2).
    ///
    /// # Errors
    ///
    /// A configuration error when it takes none of them.
    pub(crate) fn chosen_credentials(&self, client: &OAuth2) -> Result<Credentials> {
        let endpoint = "token_endpoint";
        let choices = client.credentials().choices();
        let mut refused = None;
        for (place, choice) in choices.iter().enumerate() {
            let offered = match choice.own_authentication() {
                Some(authentication) => self.offers(endpoint, &**authentication),
                // What the application chose by itself is not chosen from the list.
                None if client.chosen_client_auth().is_some() => Ok(()),
                None => self.client_auth(endpoint, choice.are_none()).map(drop),
            };
            match offered {
                Ok(()) if place == 0 => return Ok(client.credentials().clone()),
                Ok(()) => {
                    let others = choices.iter().enumerate().filter(|(other, _)| *other != place);
                    let others = others.map(|(_, other)| other.clone());
                    return Ok(Credentials::any_of(std::iter::once(choice.clone()).chain(others)));
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match refused {
            Some(error) => Err(error),
            None => Ok(client.credentials().clone()),
        }
    }

    /// Checks that an endpoint takes this authentication and what it signs with, where the metadata has a list.
    ///
    /// # Errors
    ///
    /// A configuration error that says what the provider takes.
    pub(crate) fn offers(&self, endpoint: &str, authentication: &dyn ClientAuthentication) -> Result<()> {
        if !authentication.must_be_offered() {
            return Ok(());
        }
        let refused = |list: &str, wanted: &str, offered: &[&str]| {
            let offered = quoted(&offered.join(", "));
            let problem = format!("the provider's {list} has no {}, but {offered}", quoted(wanted));
            Err(Error::configuration("openid", problem))
        };
        let list = format!("{endpoint}_auth_methods_supported");
        if let Some(methods) = self.list(&list)
            && !methods.contains(&authentication.method())
        {
            return refused(&list, authentication.method(), &methods);
        }
        let list = format!("{endpoint}_auth_signing_alg_values_supported");
        if let (Some(offered), Some(own)) = (self.list(&list), authentication.signing_algorithm()) {
            // Ed25519 has two names.
            let is_own = |other: &&str| {
                **other == own || Algorithm::of(other).is_some_and(|other| Algorithm::of(&own) == Some(other))
            };
            if !offered.iter().any(is_own) {
                return refused(&list, &own, &offered);
            }
        }
        Ok(())
    }

    pub(crate) fn check(&self, client: &OAuth2) -> Result<()> {
        for (endpoint, name) in
            [(Endpoint::Token, "token_endpoint"), (Endpoint::Authorization, "authorization_endpoint")]
        {
            let is_needed = endpoint == Endpoint::Token || self.has_browser_logins();
            if is_needed && client.endpoints().get(endpoint).is_none() {
                self.required(name)?;
            }
        }
        if client.pkce() == Pkce::Challenge(CodeChallengeMethod::S256) && self.rules_out_s256() {
            return Err(Error::configuration(
                "openid",
                "the provider's code_challenge_methods_supported has no S256; a login there could not be protected",
            ));
        }
        Ok(())
    }

    /// Whether the provider has a grant that begins in the browser. Without one, as for machines alone or for CIBA, it need not have an
    /// authorization endpoint (RFC 8414 section 2). A list that is left out has those grants in it.
    fn has_browser_logins(&self) -> bool {
        const BY_BROWSER: [&str; 2] = ["authorization_code", "implicit"];
        let grants = self.list("grant_types_supported");
        grants.is_none_or(|grants| grants.iter().any(|grant| BY_BROWSER.contains(grant)))
    }

    /// The endpoints without those by which a provider elsewhere would send the client's requests to this machine: plain http on
    /// loopback is for providers that are there themselves.
    ///
    /// # Errors
    ///
    /// A configuration error when a login needs one of these.
    pub(crate) fn without_strange_schemes(&self, found: Endpoints) -> Result<Endpoints> {
        if self.allows_http || self.issuer().starts_with("http://") {
            return Ok(found);
        }
        let is_needed =
            |endpoint| matches!(endpoint, Endpoint::Authorization | Endpoint::Token | Endpoint::Jwks);
        let plain: Vec<_> = found.iter().filter(|(_, url)| !url.starts_with("https://")).collect();
        if let Some((_, url)) = plain.iter().find(|(endpoint, _)| is_needed(*endpoint)) {
            let url = url.split(['?', '#']).next().unwrap_or_default();
            let problem = format!(
                "the provider's metadata names {}, which is not https; in a test network, see dangerously_allow_plain_http",
                quoted(url)
            );
            return Err(Error::configuration("openid", problem));
        }
        // A relative URL or plain http elsewhere stays, so that whoever uses it is told.
        let here = plain.into_iter().filter(|(_, url)| url.starts_with("http://"));
        let here: Vec<_> = here.map(|(endpoint, _)| endpoint).collect();
        Ok(here.into_iter().fold(found, Endpoints::without))
    }

    /// The endpoints for mutual TLS (RFC 8705 section 5), those that are https.
    pub(crate) fn mtls_endpoints(&self) -> Endpoints {
        let aliases = self.read.get("mtls_endpoint_aliases");
        let of_document = |endpoint: Endpoint| {
            let url = aliases?.get(endpoint.metadata_name()?)?.as_str()?;
            url.starts_with("https://").then(|| (endpoint, url.to_owned()))
        };
        DISCOVERED.iter().copied().filter_map(of_document).collect()
    }

    pub(crate) fn endpoints(&self) -> Endpoints {
        let of_document = |endpoint: Endpoint| {
            let url = self.text(endpoint.metadata_name()?)?;
            Some((endpoint, url.to_owned()))
        };
        // `grant_types_supported` does not say whether a refresh token can be redeemed: several servers issue them and leave the
        // grant out. Whoever has one may try.
        DISCOVERED.iter().copied().filter_map(of_document).collect()
    }
}

/// The endpoints that a provider's metadata names.
const DISCOVERED: &[Endpoint] = &[
    Endpoint::Authorization,
    Endpoint::Token,
    Endpoint::Refresh,
    Endpoint::Revocation,
    Endpoint::Introspection,
    Endpoint::DeviceAuthorization,
    Endpoint::PushedAuthorization,
    Endpoint::BackchannelAuthentication,
    Endpoint::Registration,
    Endpoint::Profile,
    Endpoint::Jwks,
    Endpoint::EndSession,
];

/// Members beside the endpoints that this library uses.
const USED: &[&str] = &[
    "authorization_details_types_supported",
    "authorization_response_iss_parameter_supported",
    "authorization_signing_alg_values_supported",
    "code_challenge_methods_supported",
    "dpop_signing_alg_values_supported",
    "grant_types_supported",
    "id_token_signing_alg_values_supported",
    "introspection_endpoint_auth_methods_supported",
    "introspection_signing_alg_values_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "mtls_endpoint_aliases",
    "request_object_signing_alg_values_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "tls_client_certificate_bound_access_tokens",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "userinfo_signing_alg_values_supported",
];

/// The members that are kept as values: first those that are used, then whatever there is room for.
fn bounded(members: Map<String, Value>) -> Map<String, Value> {
    let is_used = |name: &str| {
        USED.contains(&name) || DISCOVERED.iter().any(|endpoint| endpoint.metadata_name() == Some(name))
    };
    let (used, others): (Vec<_>, Vec<_>) = members.into_iter().partition(|(name, _)| is_used(name));
    let mut room = MOST_VALUES;
    let fits = |(_, value): &(String, Value)| match room.checked_sub(values_in(value)) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    used.into_iter().chain(others).filter(fits).collect()
}

/// How many values there are in one, itself included.
fn values_in(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values_in).sum(),
        Value::Object(members) => members.values().map(values_in).sum(),
        _ => 0,
    }
}

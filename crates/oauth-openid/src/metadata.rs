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

#[cfg(test)]
mod tests {
    use oauth_core::{Provider, serde_json::json};

    use super::*;
    use crate::testing::Signs;

    fn metadata(others: Value) -> ProviderMetadata {
        let mut all = json!({"issuer": "https://op.example"});
        for (name, value) in others.as_object().unwrap() {
            all[name] = value.clone();
        }
        ProviderMetadata::new(all).unwrap()
    }

    #[test]
    fn md_members_of_another_type_count_as_absent() {
        let metadata = metadata(json!({"a": "text", "b": "", "c": ["x", 1, "y"], "d": true, "e": "true"}));
        assert_eq!((metadata.text("a"), metadata.text("b"), metadata.text("c")), (Some("text"), None, None));
        assert_eq!((metadata.list("c"), metadata.list("a")), (Some(vec!["x", "y"]), None));
        assert!(metadata.flag("d") && !metadata.flag("e") && !metadata.flag("f"));
        assert_eq!(metadata.members()["a"], "text");
        for wrong in [json!([]), json!({}), json!({"issuer": ""}), json!({"issuer": 1})] {
            assert!(ProviderMetadata::new(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn md_what_is_not_a_plain_no_is_demanded() {
        let pushed = "require_pushed_authorization_requests";
        let demands = |value: Value| metadata(json!({ pushed: value })).demands_on_requests();
        for no in [json!(null), json!(false)] {
            assert!(demands(no).is_empty());
        }
        for yes in [json!(true), json!("true"), json!(1)] {
            assert_eq!(demands(yes), [RequestDemand::Pushed]);
        }
        let signed = metadata(json!({"require_signed_request_object": true})).demands_on_requests();
        assert_eq!(signed, [RequestDemand::Signed]);
    }

    #[test]
    fn tk_06_the_first_method_that_a_secret_can_do_is_taken() {
        let auth = |methods: Value, public| {
            let metadata = metadata(json!({"token_endpoint_auth_methods_supported": methods}));
            metadata.client_auth("token_endpoint", public)
        };
        assert_eq!(auth(json!(null), false).unwrap(), ClientAuth::Basic);
        let both = json!(["private_key_jwt", "client_secret_post", "client_secret_basic"]);
        assert_eq!(auth(both.clone(), false).unwrap(), ClientAuth::Post);
        assert_eq!(auth(both, true).unwrap(), ClientAuth::None);
        for (method, names_fapi) in
            [("private_key_jwt", true), ("tls_client_auth", true), ("kerberos", false)]
        {
            let error = auth(json!([method]), false).unwrap_err().to_string();
            assert_eq!(error.contains("oauth-fapi"), names_fapi, "{error}");
        }
    }

    #[test]
    fn md_a_provider_without_browser_logins_needs_no_authorization_endpoint() {
        let has = |grants: Value| metadata(json!({"grant_types_supported": grants})).has_browser_logins();
        assert!(has(json!(null)) && has(json!(["authorization_code"])) && has(json!(["x", "implicit"])));
        assert!(!has(json!(["client_credentials"])) && !has(json!([])));
        assert!(metadata(json!({"code_challenge_methods_supported": ["plain"]})).rules_out_s256());
        assert!(!metadata(json!({"code_challenge_methods_supported": ["S256"]})).rules_out_s256());
        assert!(!metadata(json!({})).rules_out_s256());
    }

    #[test]
    fn md_endpoints_for_mutual_tls_are_https() {
        let aliases =
            json!({"token_endpoint": "https://mtls.example/token", "jwks_uri": "http://mtls.example"});
        let endpoints = metadata(json!({ "mtls_endpoint_aliases": aliases })).mtls_endpoints();
        assert_eq!(endpoints.get(Endpoint::Token), Some("https://mtls.example/token"));
        assert_eq!(endpoints.get(Endpoint::Jwks), None);
        assert_eq!(metadata(json!({})).mtls_endpoints().iter().count(), 0);
    }

    #[test]
    fn md_a_provider_elsewhere_sends_no_request_to_this_machine() {
        let plain = |issuer: &str, allows: bool, endpoint: &str| {
            let all = json!({"issuer": issuer, endpoint: "http://localhost:1/x?secret=1"});
            let mut metadata = ProviderMetadata::new(all).unwrap();
            metadata.allows_http = allows;
            metadata.without_strange_schemes(metadata.endpoints())
        };
        let https = "https://op.example";
        for needed in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            let error = plain(https, false, needed).unwrap_err().to_string();
            assert!(error.contains("http://localhost:1/x") && !error.contains("secret"), "{error}");
        }
        assert_eq!(plain(https, false, "revocation_endpoint").unwrap().iter().count(), 0);
        assert_eq!(plain(https, true, "revocation_endpoint").unwrap().iter().count(), 1);
        assert_eq!(plain("http://localhost:1", false, "revocation_endpoint").unwrap().iter().count(), 1);
    }

    #[test]
    fn md_the_values_that_are_kept_are_bounded() {
        let list = |count: usize| json!({ "others": vec![json!(1); count] });
        // The list itself is one, and the issuer another.
        assert!(metadata(list(MOST_VALUES - 2)).list("others").is_some());
        assert!(metadata(list(MOST_VALUES - 1)).list("others").is_none());
        assert_eq!(metadata(list(MOST_VALUES)).members()["others"].as_array().unwrap().len(), MOST_VALUES);
        assert_eq!(values_in(&json!({"a": [1, 2], "b": {"c": 3}})), 6);
    }

    #[test]
    fn tk_06_a_provider_takes_what_its_lists_name() {
        let offers = |others: Value, own: Signs| metadata(others).offers("token_endpoint", &own).is_ok();
        let signs = |algorithm| Signs("private_key_jwt", Some(algorithm));
        assert!(offers(json!({}), signs("ES256")));
        let methods = json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]});
        assert!(offers(methods.clone(), signs("ES256")));
        assert!(!offers(methods, Signs("tls_client_auth", None)));
        let algorithms = json!({"token_endpoint_auth_signing_alg_values_supported": ["PS256", "EdDSA"]});
        for (algorithm, is_offered) in [("PS256", true), ("EdDSA", true), ("Ed25519", true), ("ES256", false)]
        {
            assert_eq!(offers(algorithms.clone(), signs(algorithm)), is_offered, "{algorithm}");
        }
        assert!(offers(algorithms, Signs("private_key_jwt", None)));
    }

    #[test]
    fn tk_06_the_first_credentials_that_a_provider_takes_go_first() {
        let client = |credentials| {
            OAuth2::new("id", credentials, "https://op.example/auth", "https://op.example/token")
        };
        let chosen_by = |methods: Value, client: OAuth2| {
            let metadata = metadata(json!({"token_endpoint_auth_methods_supported": methods}));
            let chosen = metadata.chosen_credentials(&client).ok()?;
            let method = |one: &Credentials| one.own_authentication().map(|own| own.method().to_owned());
            Some(chosen.choices().iter().map(method).collect::<Vec<_>>())
        };
        let chosen = |methods, credentials| chosen_by(methods, client(credentials));
        let both = || {
            let by = |method| Credentials::authentication(Signs(method, None));
            Credentials::any_of([by("private_key_jwt"), by("tls_client_auth")])
        };
        let (key, certificate) = (Some("private_key_jwt".to_owned()), Some("tls_client_auth".to_owned()));
        let usual = Some(vec![key.clone(), certificate.clone()]);
        assert_eq!(chosen(json!(["private_key_jwt"]), both()), usual);
        assert_eq!(chosen(json!(["tls_client_auth"]), both()), Some(vec![certificate, key]));
        assert_eq!(chosen(json!(null), both()), usual);
        assert_eq!(chosen(json!(["client_secret_basic"]), both()), None);
        // A secret, too, goes first only where it is taken, unless the application has chosen how it is sent.
        let secret_or_key = || {
            let key = Credentials::authentication(Signs("private_key_jwt", None));
            client(Credentials::any_of(["secret".into(), key]))
        };
        let (only_key, key) = (json!(["private_key_jwt"]), Some("private_key_jwt".to_owned()));
        assert_eq!(chosen_by(only_key.clone(), secret_or_key()), Some(vec![key.clone(), None]));
        let posts = secret_or_key().with_client_auth(ClientAuth::Post);
        assert_eq!(chosen_by(only_key, posts), Some(vec![None, key]));
    }

    #[test]
    fn md_a_login_needs_its_endpoints_unless_they_were_set_by_hand() {
        let bare = OAuth2::new("id", "secret", "", "")
            .with_endpoints(|all| all.without(Endpoint::Token).without(Endpoint::Authorization));
        let set = OAuth2::new("id", "secret", "https://op.example/auth", "https://op.example/token");
        let check = |others: Value, client: &OAuth2| metadata(others).check(client).is_ok();
        let both = json!({"token_endpoint": "https://op.example/t", "authorization_endpoint": "https://op.example/a"});
        assert!(check(both, &bare) && check(json!({}), &set));
        assert!(!check(json!({"authorization_endpoint": "https://op.example/a"}), &bare));
        assert!(!check(json!({"token_endpoint": "https://op.example/t"}), &bare));
        let of_machines = json!({"token_endpoint": "https://op.example/t", "grant_types_supported": ["client_credentials"]});
        assert!(check(of_machines, &bare));
        assert!(!check(json!({"grant_types_supported": ["client_credentials"]}), &bare));
    }
}

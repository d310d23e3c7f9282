//! One provider's metadata and keys beside its facts.

use std::collections::BTreeMap;

use oauth_core::{HttpClient, bytes::Bytes, http};
use oauth_openid::JwkSet;
use serde_json::Value;

use crate::facts::PublishedFacts;

/// What came of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ComparisonOutcome {
    /// The provider publishes no metadata.
    Nothing,
    /// Why its metadata could not be compared.
    NotCompared(String),
    /// Where the metadata and the facts differ, a sentence each.
    Compared(Vec<String>),
}

pub(crate) async fn compare(
    facts: &PublishedFacts,
    parameters: &BTreeMap<String, String>,
    http: &dyn HttpClient,
) -> ComparisonOutcome {
    let Some(url) = &facts.discovery_url else { return ComparisonOutcome::Nothing };
    let url = match facts.filled(url, parameters) {
        Ok(url) => url,
        Err(name) => return ComparisonOutcome::NotCompared(format!("it needs {name}: --set {name}=…")),
    };
    let metadata = match fetch(http, &url).await {
        Ok(metadata) => metadata,
        Err(reason) => return ComparisonOutcome::NotCompared(format!("{url}: {reason}")),
    };
    let mut differences = Comparison { facts, parameters, metadata: &metadata, differences: Vec::new() };
    differences.urls();
    differences.methods();
    let mut differences = differences.differences;
    if let Some(url) = metadata["jwks_uri"].as_str() {
        differences.extend(keys_problem(http, url).await);
    }
    ComparisonOutcome::Compared(differences)
}

struct Comparison<'a> {
    facts: &'a PublishedFacts,
    parameters: &'a BTreeMap<String, String>,
    metadata: &'a Value,
    differences: Vec<String>,
}

impl Comparison<'_> {
    /// The issuer and the endpoints (RFC 8414 section 2).
    fn urls(&mut self) {
        let facts = self.facts;
        let userinfo = facts.userinfo_url.as_ref().or(facts.profile_url.as_ref());
        for (key, member, stated) in [
            ("issuer", "issuer", facts.issuer.as_ref()),
            ("authorize_url", "authorization_endpoint", facts.authorize_url.as_ref()),
            ("token_url", "token_endpoint", facts.token_url.as_ref()),
            ("revoke_url", "revocation_endpoint", facts.revoke_url.as_ref()),
            ("introspect_url", "introspection_endpoint", facts.introspect_url.as_ref()),
            (
                "device_authorization_url",
                "device_authorization_endpoint",
                facts.device_authorization_url.as_ref(),
            ),
            ("profile_url", "userinfo_endpoint", userinfo),
            ("jwks_url", "jwks_uri", facts.jwks_url.as_ref()),
            ("end_session_url", "end_session_endpoint", facts.end_session_url.as_ref()),
        ] {
            let published = self.metadata[member].as_str();
            let aliases = facts.emulator.aliases.get(key).into_iter().flatten();
            let known: Vec<_> = stated.into_iter().chain(aliases).collect();
            match (published, &known[..]) {
                // What is not published may be there all the same: the profile is often an API of another kind.
                (None, _) => {}
                (Some(published), []) => {
                    self.differences.push(format!("{member} is {published}, and the facts have no {key}"));
                }
                (Some(published), known) => {
                    let known: Vec<_> = known.iter().map(|url| self.filled(url)).collect();
                    if !known.iter().any(|url| is_same(url, published)) {
                        let known = known.join(" or ");
                        self.differences
                            .push(format!("{member} is {published}, and {key} in the facts {known}"));
                    }
                }
            }
        }
    }

    /// Methods and algorithms.
    fn methods(&mut self) {
        let listed = |member: &str| -> Option<Vec<&str>> {
            Some(self.metadata[member].as_array()?.iter().filter_map(Value::as_str).collect())
        };
        let mut found = Vec::new();
        for (key, stated, member) in [
            ("token_auth", self.facts.token_auth.as_deref(), "token_endpoint_auth_methods_supported"),
            (
                "id_token_alg",
                self.facts.emulator.id_token_alg.as_deref(),
                "id_token_signing_alg_values_supported",
            ),
        ] {
            if let (Some(stated), Some(listed)) = (stated, listed(member))
                && !listed.contains(&stated)
            {
                found.push(format!(
                    "{member} is {}, without {stated}, which is {key} in the facts",
                    listed.join(" ")
                ));
            }
        }
        let challenges = listed("code_challenge_methods_supported");
        match (self.facts.pkce.as_deref(), challenges) {
            (Some("S256" | "required"), Some(listed)) if !listed.contains(&"S256") => found.push(format!(
                "code_challenge_methods_supported is {}, without S256, which is pkce in the facts",
                listed.join(" ")
            )),
            (Some("none"), Some(listed)) if listed.contains(&"S256") => found
                .push("code_challenge_methods_supported has S256, and pkce is none in the facts".to_owned()),
            _ => {}
        }
        let announces = self.metadata["authorization_response_iss_parameter_supported"] == true;
        if announces && !self.facts.emulator.iss_parameter {
            found.push("it announces iss in callbacks (RFC 9207), and the facts do not".to_owned());
        }
        self.differences.append(&mut found);
    }

    /// A URL of the facts; parameters that nobody set stay in it, and match anything.
    fn filled(&self, url: &str) -> String {
        self.facts.filled(url, self.parameters).unwrap_or_else(|_| url.to_owned())
    }
}

/// Whether a published URL is one of the facts, in which a `{parameter}` that nobody set is any text.
fn is_same(stated: &str, published: &str) -> bool {
    let mut rest = published;
    let mut pieces = stated.split('{');
    let first = pieces.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    for piece in pieces {
        let literal = piece.split_once('}').map_or(piece, |(_, literal)| literal);
        if literal.is_empty() {
            return !rest.is_empty();
        }
        match rest.find(literal) {
            Some(at) if at > 0 => rest = &rest[at + literal.len()..],
            _ => return false,
        }
    }
    rest.is_empty()
}

/// What is wrong with the published keys.
async fn keys_problem(http: &dyn HttpClient, url: &str) -> Option<String> {
    match fetch(http, url).await {
        Err(reason) => Some(format!("the keys at {url}: {reason}")),
        Ok(document) => JwkSet::new(&document).err().map(|error| format!("the keys at {url}: {error}")),
    }
}

async fn fetch(http: &dyn HttpClient, url: &str) -> Result<Value, String> {
    let request = http::Request::get(url).header("accept", "application/json").body(Bytes::new());
    let reply =
        http.send(request.map_err(|error| error.to_string())?).await.map_err(|error| error.to_string())?;
    if !reply.status().is_success() {
        return Err(format!("HTTP {}", reply.status().as_u16()));
    }
    serde_json::from_slice(reply.body()).map_err(|error| format!("it is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use async_trait::async_trait;
    use oauth_core::{HttpError, HttpErrorKind};
    use serde_json::json;

    use super::*;

    /// Serves copies of documents by their URL.
    #[derive(Debug, Default)]
    struct Copies(HashMap<String, Value>);

    #[async_trait]
    impl HttpClient for Copies {
        async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
            match self.0.get(&request.uri().to_string()) {
                Some(document) => Ok(http::Response::new(document.to_string().into())),
                None => Err(HttpError::new(HttpErrorKind::Connect)),
            }
        }
    }

    const FACTS: &str = include_str!("../../../crates/oauth-emulator/providers/google.toml");
    const DISCOVERY: &str = "https://accounts.google.com/.well-known/openid-configuration";
    const KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

    /// What Google publishes, as far as it is compared.
    fn metadata() -> Value {
        json!({
            "issuer": "https://accounts.google.com",
            "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
            "device_authorization_endpoint": "https://oauth2.googleapis.com/device/code",
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
            "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
            "jwks_uri": KEYS,
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["plain", "S256"],
        })
    }

    /// The key of RFC 7517 appendix A.1.
    fn keys() -> Value {
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": "1",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]})
    }

    async fn compared(metadata: Value, keys: Value) -> ComparisonOutcome {
        let copies = Copies(HashMap::from([(DISCOVERY.to_owned(), metadata), (KEYS.to_owned(), keys)]));
        compare(&PublishedFacts::parse(FACTS).unwrap(), &BTreeMap::new(), &copies).await
    }

    #[tokio::test]
    async fn what_is_as_the_facts_say_differs_nowhere() {
        assert_eq!(compared(metadata(), keys()).await, ComparisonOutcome::Compared(Vec::new()));
        // An address that the facts know as another spelling.
        let mut older = metadata();
        older["authorization_endpoint"] = "https://accounts.google.com/o/oauth2/auth".into();
        assert_eq!(compared(older, keys()).await, ComparisonOutcome::Compared(Vec::new()));
    }

    #[tokio::test]
    async fn each_member_that_differs_is_named() {
        for (member, value, words) in [
            ("issuer", json!("https://accounts.google.com/"), "issuer is https://accounts.google.com/,"),
            ("authorization_endpoint", json!("https://a.example/auth"), "authorize_url in the facts"),
            ("token_endpoint", json!("https://oauth2.googleapis.com/token/v2"), "token_endpoint"),
            ("userinfo_endpoint", json!("https://u.example/"), "userinfo_endpoint"),
            ("revocation_endpoint", json!("https://r.example/"), "revocation_endpoint"),
            ("device_authorization_endpoint", json!("https://d.example/"), "device_authorization_endpoint"),
            ("end_session_endpoint", json!("https://e.example/"), "the facts have no end_session_url"),
            (
                "token_endpoint_auth_methods_supported",
                json!(["private_key_jwt"]),
                "without client_secret_post",
            ),
            ("code_challenge_methods_supported", json!(["plain"]), "without S256"),
            ("jwks_uri", json!("https://k.example/"), "the keys at https://k.example/"),
        ] {
            let mut changed = metadata();
            changed[member] = value;
            let ComparisonOutcome::Compared(differences) = compared(changed, keys()).await else {
                panic!("{member}")
            };
            assert!(differences.iter().any(|found| found.contains(words)), "{member}: {differences:?}");
        }
    }

    #[tokio::test]
    async fn keys_that_verify_nothing_are_a_difference() {
        for unusable in [json!({"keys": []}), json!({"keys": [{"kty": "oct", "k": "AA"}]}), json!([])] {
            let ComparisonOutcome::Compared(differences) = compared(metadata(), unusable).await else {
                panic!()
            };
            assert_eq!(differences.len(), 1, "{differences:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_reached_or_needs_a_parameter_is_not_compared() {
        let nothing = Copies::default();
        let google = PublishedFacts::parse(FACTS).unwrap();
        assert!(matches!(
            compare(&google, &BTreeMap::new(), &nothing).await,
            ComparisonOutcome::NotCompared(_)
        ));
        let okta = PublishedFacts::parse(
            "issuer = \"https://{domain}\"\ndiscovery_url = \"https://{domain}/.well-known/openid-configuration\"\n",
        )
        .unwrap();
        let ComparisonOutcome::NotCompared(reason) = compare(&okta, &BTreeMap::new(), &nothing).await else {
            panic!()
        };
        assert!(reason.contains("--set domain="), "{reason}");
        let copies = Copies(HashMap::from([(
            "https://dev.okta.example/.well-known/openid-configuration".to_owned(),
            json!({"issuer": "https://dev.okta.example"}),
        )]));
        let domain = BTreeMap::from([("domain".to_owned(), "dev.okta.example".to_owned())]);
        assert_eq!(compare(&okta, &domain, &copies).await, ComparisonOutcome::Compared(Vec::new()));
        assert_eq!(compare(&PublishedFacts::default(), &domain, &copies).await, ComparisonOutcome::Nothing);
    }

    #[test]
    fn a_parameter_that_nobody_set_is_any_text() {
        for (stated, published, same) in [
            ("https://{host}/{tenant}/token", "https://a.example/common/token", true),
            ("https://{host}/token", "https://a.example/token/2", false),
            ("https://a.example/{tenant}", "https://a.example/", false),
            ("https://a.example", "https://a.example", true),
            ("https://a.example/", "https://a.example", false),
        ] {
            assert_eq!(is_same(stated, published), same, "{stated} {published}");
        }
    }
}

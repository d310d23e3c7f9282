//! What the checks are about: the configuration, the documents, the keys, and whether the endpoints answer.

use std::{collections::BTreeMap, sync::Arc};

use oauth_clients::{Endpoint, HttpClient, Provider, bytes::Bytes, http};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::{
    config::ClientProfile,
    metadata::{self, Asked},
    urls::{has_user, is_loopback},
};

/// Everything that was found out about one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetFacts {
    /// The issuer as it is configured.
    pub(crate) issuer: Option<String>,
    /// What the configuration says of the client; `None` for an issuer alone.
    pub(crate) profile: Option<ClientProfile>,
    /// Whether the table says whose client it is, and not its name alone.
    pub(crate) names_provider: bool,
    /// The table cannot be read, and this is why.
    pub(crate) unreadable: Option<String>,
    /// The client that the table makes.
    pub(crate) client: Option<Arc<dyn Provider>>,
    /// Why it makes none.
    pub(crate) problem: Option<String>,
    /// The redirect URI that is registered.
    pub(crate) redirect_uri: Option<String>,
    /// The places that were asked for metadata.
    pub(crate) asked: Vec<Asked>,
    /// The reply of the keys' URL.
    pub(crate) keys: Option<Asked>,
    /// Endpoints that do not answer at all, with the reason.
    pub(crate) unreachable: BTreeMap<String, String>,
    /// How many seconds this machine's clock is ahead of the server's.
    pub(crate) ahead: Option<i64>,
    /// The authorities that are trusted beside the system's.
    pub(crate) ca_file: Option<String>,
    pub(crate) allows_http: bool,
}

impl TargetFacts {
    /// The document that counts: the first that was found.
    pub(crate) fn document(&self) -> Option<&Map<String, Value>> {
        self.asked.iter().find_map(|asked| asked.document.as_ref())
    }

    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.document()?.get(member)?.as_str()
    }

    pub(crate) fn list(&self, member: &str) -> Option<Vec<&str>> {
        Some(self.document()?.get(member)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// Asks an issuer for all that the checks need. Only GET is used.
    pub(crate) async fn gather(mut self, http: &dyn HttpClient) -> Self {
        let before = OffsetDateTime::now_utc();
        if let Some(issuer) = self.issuer.clone().filter(|issuer| self.may_ask(issuer)) {
            for place in metadata::places(&issuer) {
                self.asked.push(metadata::ask(http, &place).await);
            }
        }
        self.ahead = self.asked.iter().find_map(|asked| {
            let date = httpdate::parse_http_date(asked.date.as_deref()?).ok()?;
            Some((before - OffsetDateTime::from(date)).whole_seconds())
        });
        if let Some(url) = self.text("jwks_uri").filter(|url| self.may_ask(url)).map(str::to_owned) {
            self.keys = Some(metadata::ask(http, &url).await);
        }
        for (member, url) in self.endpoints() {
            if !self.may_ask(&url) || self.unreachable.contains_key(&member) {
                continue;
            }
            // Any answer will do: what the endpoint thinks of a GET does not matter.
            if let Ok(request) = http::Request::get(&url).body(Bytes::new())
                && let Err(error) = http.send(request).await
            {
                self.unreachable.insert(member, error.to_string());
            }
        }
        self
    }

    /// The provider's name, for a sentence.
    pub(crate) fn provider_name(&self) -> &str {
        self.profile.as_ref().and_then(|profile| profile.text("provider")).unwrap_or("the provider")
    }

    pub(crate) fn may_ask(&self, url: &str) -> bool {
        if url::Url::parse(url).is_ok_and(|url| has_user(&url)) {
            return false;
        }
        url.starts_with("https://") || is_loopback(url) || (self.allows_http && url.starts_with("http://"))
    }

    /// The endpoints of the document, by the member that names each; those of the client, where there is no issuer to publish any.
    pub(crate) fn endpoints(&self) -> Vec<(String, String)> {
        let Some(document) = self.document() else {
            let Some(client) = self.client.as_ref().filter(|_| self.issuer.is_none()) else {
                return Vec::new();
            };
            // A request without a token to any other place says nothing.
            let named =
                [(Endpoint::Authorization, "authorization_endpoint"), (Endpoint::Token, "token_endpoint")];
            let endpoints = client.oauth2().endpoints();
            let found =
                named.into_iter().filter_map(|(endpoint, name)| Some((name, endpoints.get(endpoint)?)));
            return found.map(|(name, url)| (name.to_owned(), url.to_owned())).collect();
        };
        let is_endpoint = |name: &str| name.ends_with("_endpoint") || name == "jwks_uri";
        let urls = document.iter().filter(|(name, _)| is_endpoint(name));
        urls.filter_map(|(name, url)| Some((name.clone(), url.as_str()?.to_owned()))).collect()
    }
}

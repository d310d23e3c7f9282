//! What an issuer publishes of itself, and where.

use oauth_clients::{HttpClient, HttpErrorKind, bytes::Bytes, http};
use serde::Serialize;
use serde_json::{Map, Value};

/// One place that was asked.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Asked {
    pub(crate) url: String,
    /// The status, where there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// Why there is no document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    /// In which way the request failed, where there was no answer.
    #[serde(skip)]
    pub(crate) failure: Option<HttpErrorKind>,
    /// The server's clock.
    #[serde(skip)]
    pub(crate) date: Option<String>,
    /// The document.
    #[serde(skip)]
    pub(crate) document: Option<Map<String, Value>>,
}

impl Asked {
    /// The place and what came of it, in a few words.
    pub(crate) fn line(&self) -> String {
        let outcome = match (self.status, &self.problem) {
            (Some(status), Some(problem)) => format!("{status}, {problem}"),
            (Some(status), None) => status.to_string(),
            (None, problem) => problem.clone().unwrap_or_default(),
        };
        format!("{} ({outcome})", self.url)
    }
}

/// The places of an issuer's metadata, in the order in which they are asked (RFC 8414 sections 3.1 and 5, OpenID Connect Discovery
/// section 4.1).
pub(crate) fn places(issuer: &str) -> Vec<String> {
    let trimmed = issuer.strip_suffix('/').unwrap_or(issuer);
    let scheme = trimmed.find("://").map_or(0, |at| at + 3);
    let path_at = trimmed[scheme..].find('/').map_or(trimmed.len(), |at| scheme + at);
    let (origin, path) = trimmed.split_at(path_at);
    let mut places = vec![
        format!("{trimmed}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{origin}/.well-known/openid-configuration{path}"));
    }
    places
}

/// Reads a document of metadata.
pub(crate) async fn ask(http: &dyn HttpClient, url: &str) -> Asked {
    let url = url.to_owned();
    let mut asked = Asked { url, status: None, problem: None, failure: None, date: None, document: None };
    let request = http::Request::get(&asked.url).header("accept", "application/json").body(Bytes::new());
    let reply = match request {
        Ok(request) => http.send(request).await.map_err(|error| (Some(error.kind()), error.to_string())),
        Err(error) => Err((None, error.to_string())),
    };
    match reply {
        Err((failure, problem)) => (asked.failure, asked.problem) = (failure, Some(problem)),
        Ok(reply) => {
            asked.status = Some(reply.status().as_u16());
            asked.date = reply.headers().get("date").and_then(|date| date.to_str().ok()).map(str::to_owned);
            match serde_json::from_slice(reply.body()) {
                Ok(Value::Object(document)) if reply.status().is_success() => asked.document = Some(document),
                _ if reply.status().is_redirection() => {
                    asked.problem = Some("it redirects, which a client does not follow".to_owned());
                }
                _ if reply.status().is_success() => {
                    asked.problem = Some("it is not a JSON object".to_owned())
                }
                _ => {}
            }
        }
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_an_issuer_with_and_without_a_path() {
        assert_eq!(
            places("https://a.example/"),
            [
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server"
            ]
        );
        assert_eq!(
            places("https://a.example/t/x"),
            [
                "https://a.example/t/x/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/t/x",
                "https://a.example/.well-known/openid-configuration/t/x",
            ]
        );
    }
}

//! MCP servers and authorization servers that exist in memory, and a log of what they were asked.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use oauth_core::{Callback, HttpClient, HttpError, HttpErrorKind, async_trait};
use oauth_mcp::{Access, Authorizer, Browser, Challenge, PendingLogin, ServerUrl, Step};
use serde_json::{Value, json};

pub(crate) const MCP: &str = "https://mcp.example/mcp";
pub(crate) const AS: &str = "https://as.example";
pub(crate) const PRM: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:4173/callback";

type Answer = Arc<dyn Fn(&Asked) -> Response<Bytes> + Send + Sync>;

/// What a server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
    }
}

/// Answers to `METHOD URL`; what is not there is 404.
#[derive(Clone, Default)]
pub(crate) struct World {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

#[async_trait]
impl HttpClient for World {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let what = format!("{} {}", request.method(), request.uri());
        let asked = Asked {
            what: what.clone(),
            headers: request.headers().clone(),
            body: String::from_utf8(request.body().to_vec()).unwrap(),
        };
        self.asked.lock().unwrap().push(asked.clone());
        tokio::task::yield_now().await;
        let answer = self.answers.lock().unwrap().get(&what).cloned();
        let reply = answer.map_or_else(|| reply(404, "", json!(null)), |answer| answer(&asked));
        match reply.status().as_u16() {
            // A number that no server sends means that none answered.
            599 => Err(HttpError::new(HttpErrorKind::Connect)),
            _ => Ok(reply),
        }
    }
}

pub(crate) fn reply(status: u16, challenge: &str, body: Value) -> Response<Bytes> {
    let mut reply = Response::builder().status(status).header("content-type", "application/json");
    if !challenge.is_empty() {
        reply = reply.header("www-authenticate", challenge);
    }
    reply.body(Bytes::from(body.to_string())).unwrap()
}

impl World {
    pub(crate) fn on(&self, what: &str, answer: impl Fn(&Asked) -> Response<Bytes> + Send + Sync + 'static) {
        self.answers.lock().unwrap().insert(what.to_owned(), Arc::new(answer));
    }

    pub(crate) fn json(&self, what: &str, body: Value) {
        self.on(what, move |_| reply(200, "", body.clone()));
    }

    pub(crate) fn status(&self, what: &str, status: u16) {
        self.on(what, move |_| reply(status, "", json!(null)));
    }

    /// The URLs that were asked, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.what.clone()).collect()
    }

    pub(crate) fn all(&self, what: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.what == what).cloned().collect()
    }

    pub(crate) fn last(&self, what: &str) -> Asked {
        self.all(what).pop().unwrap_or_else(|| panic!("{what} was not asked, but {:?}", self.asked()))
    }

    pub(crate) fn forget(&self) {
        self.asked.lock().unwrap().clear();
    }

    /// An authorization server that registers clients and issues a token for each code and refresh token.
    pub(crate) fn authorization_server(&self, issuer: &str) {
        self.authorization_server_with(issuer, json!({}));
    }

    /// An authorization server with other members in its metadata; `null` takes one out.
    pub(crate) fn authorization_server_with(&self, issuer: &str, members: Value) {
        let origin = issuer.trim_end_matches('/');
        self.json(&format!("GET {origin}/.well-known/oauth-authorization-server"), metadata(issuer, members));
        let registered = format!("client-of-{origin}");
        self.on(&format!("POST {origin}/register"), move |_| {
            reply(201, "", json!({ "client_id": registered }))
        });
        let issued = Arc::new(Mutex::new(0));
        let name = origin.trim_start_matches("https://").to_owned();
        self.on(&format!("POST {origin}/token"), move |_| {
            let mut issued = issued.lock().unwrap();
            *issued += 1;
            let token = json!({
                "access_token": format!("{name}-token-{issued}"), "token_type": "Bearer", "expires_in": 3600,
                "refresh_token": format!("{name}-refresh-{issued}"),
            });
            reply(200, "", token)
        });
    }

    /// An MCP server whose metadata names one authorization server, and which takes every token that begins with its name.
    pub(crate) fn mcp_server(&self, issuer: &str) {
        self.json(&format!("GET {PRM}"), json!({ "resource": MCP, "authorization_servers": [issuer] }));
        let prefix = issuer.trim_end_matches('/').trim_start_matches("https://").to_owned();
        self.on(&format!("POST {MCP}"), move |asked| match asked.bearer() {
            Some(token) if token.starts_with(&prefix) => reply(200, "", json!({})),
            Some(_) => reply(401, &challenge(r#"error="invalid_token""#), json!({})),
            None => reply(401, &challenge(r#"scope="read""#), json!({})),
        });
    }
}

/// The world of most tests.
pub(crate) fn usual() -> World {
    let world = World::default();
    world.authorization_server(AS);
    world.mcp_server(AS);
    world
}

pub(crate) fn challenge(parameters: &str) -> String {
    format!(r#"Bearer {parameters}, resource_metadata="{PRM}""#)
}

pub(crate) fn metadata(issuer: &str, members: Value) -> Value {
    let origin = issuer.trim_end_matches('/');
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"),
        "registration_endpoint": format!("{origin}/register"),
        "code_challenge_methods_supported": ["S256"],
    });
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(metadata.as_object_mut().unwrap().remove(name)),
            value => metadata[name] = value.clone(),
        }
    }
    metadata
}

pub(crate) fn authorizer(world: &World) -> Authorizer {
    Authorizer::new("Tests").with_http_client(world.clone())
}

pub(crate) fn server() -> ServerUrl {
    ServerUrl::parse(MCP).unwrap()
}

pub(crate) fn access(authorizer: Authorizer) -> Access {
    Access::in_memory(authorizer, server()).unwrap()
}

pub(crate) fn parsed(header: &str) -> Challenge {
    Challenge::parse(header).pop().unwrap()
}

/// The login that begins after a usual challenge.
pub(crate) async fn begun(authorizer: &Authorizer) -> Result<Box<PendingLogin>, oauth_mcp::McpError> {
    let challenge = parsed(&challenge(r#"scope="read""#));
    let target = authorizer.discover(&server(), Some(&challenge)).await?;
    match authorizer.begin(&target, REDIRECT, &[]).await? {
        Step::OpenUrl(pending) => Ok(pending),
        other => panic!("{other:?}"),
    }
}

/// A parameter of a URL.
pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
}

pub(crate) fn post() -> Request<Bytes> {
    Request::post(MCP).body(Bytes::from_static(b"{}")).unwrap()
}

/// A user who says yes at once, and is counted.
#[derive(Default)]
pub(crate) struct Robot {
    pub(crate) shown: Mutex<Vec<String>>,
    /// What the callback has beside code and state.
    pub(crate) more: String,
}

#[async_trait]
impl Browser for Robot {
    fn redirect_uri(&self) -> &str {
        REDIRECT
    }

    async fn sign_in(
        &self,
        login: &PendingLogin,
    ) -> Result<Callback, Box<dyn std::error::Error + Send + Sync>> {
        self.shown.lock().unwrap().push(login.url().to_owned());
        tokio::task::yield_now().await;
        Ok(Callback::from_query(&format!("code=c&state={}{}", login.state(), self.more)))
    }
}

impl Robot {
    pub(crate) fn times(&self) -> usize {
        self.shown.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> String {
        self.shown.lock().unwrap().last().unwrap().clone()
    }
}

//! As much of MCP's Streamable HTTP as the suite looks at.

use std::error::Error;

use oauth_core::{
    bytes::Bytes,
    http::{HeaderValue, Request, Response},
    serde_json::{self, Value, json},
};
use oauth_mcp::{Access, Browser, Revision, ServerUrl};

type Anything = Box<dyn Error + Send + Sync>;

pub(crate) struct Session<'a> {
    access: &'a Access,
    browser: &'a dyn Browser,
    revision: Revision,
    session_id: Option<HeaderValue>,
    is_connected: bool,
    next_id: u64,
}

impl<'a> Session<'a> {
    pub(crate) fn new(access: &'a Access, browser: &'a dyn Browser, revision: Revision) -> Self {
        Self { access, browser, revision, session_id: None, is_connected: false, next_id: 1 }
    }

    /// Shakes hands, which the newest revision does not.
    pub(crate) async fn connect(&mut self) -> Result<(), Anything> {
        if self.revision >= Revision::V2026_07_28 {
            self.request("server/discover", None, json!({})).await?;
            return Ok(());
        }
        self.request("initialize", None, initialize(self.revision)).await?;
        self.is_connected = true;
        self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }), None).await?;
        Ok(())
    }

    pub(crate) async fn tools(&mut self) -> Result<Vec<String>, Anything> {
        let result = self.request("tools/list", None, json!({})).await?;
        let tools = result["tools"].as_array().cloned().unwrap_or_default();
        Ok(tools.iter().filter_map(|tool| tool["name"].as_str()).map(str::to_owned).collect())
    }

    pub(crate) async fn call(&mut self, tool: &str) -> Result<Value, Anything> {
        self.request("tools/call", Some(tool), json!({ "name": tool, "arguments": {} })).await
    }

    async fn request(
        &mut self,
        method: &str,
        name: Option<&str>,
        mut params: Value,
    ) -> Result<Value, Anything> {
        if self.revision >= Revision::V2026_07_28 {
            params["_meta"] = meta(self.revision);
        }
        let id = self.next_id;
        self.next_id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let reply = self.send(message, name).await?;
        let mut answer = read(&reply)?;
        match answer.get("error") {
            Some(error) => Err(format!("{method}: {error}").into()),
            None => Ok(answer["result"].take()),
        }
    }

    async fn send(&mut self, message: Value, name: Option<&str>) -> Result<Response<Bytes>, Anything> {
        let mut request = Request::post(self.access.server().as_str())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if self.is_connected || self.revision >= Revision::V2026_07_28 {
            request = request.header("mcp-protocol-version", self.revision.as_str());
        }
        if let Some(id) = &self.session_id {
            request = request.header("mcp-session-id", id);
        }
        if self.revision >= Revision::V2026_07_28 {
            request = request.header("mcp-method", message["method"].as_str().unwrap_or_default());
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
        }
        let request = request.body(Bytes::from(message.to_string()))?;
        let reply = self.access.send(&request, self.browser).await?;
        if let Some(id) = reply.headers().get("mcp-session-id") {
            self.session_id = Some(id.clone());
        }
        match reply.status().is_success() {
            true => Ok(reply),
            false => Err(format!("the MCP server answered HTTP {}", reply.status().as_u16()).into()),
        }
    }
}

/// The first request of a session, without a token.
pub(crate) fn greeting(server: &ServerUrl, revision: Revision) -> Result<Request<Bytes>, Anything> {
    let (method, params) = match revision >= Revision::V2026_07_28 {
        true => ("tools/list", json!({ "_meta": meta(revision) })),
        false => ("tools/list", json!({})),
    };
    let message = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params });
    Ok(Request::post(server.as_str())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", revision.as_str())
        .header("mcp-method", method)
        .body(Bytes::from(message.to_string()))?)
}

fn initialize(revision: Revision) -> Value {
    json!({
        "protocolVersion": revision.as_str(),
        "capabilities": capabilities(),
        "clientInfo": client_info(),
    })
}

fn meta(revision: Revision) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": revision.as_str(),
        "io.modelcontextprotocol/clientCapabilities": capabilities(),
        "io.modelcontextprotocol/clientInfo": client_info(),
    })
}

fn capabilities() -> Value {
    json!({
        "extensions": {
            "io.modelcontextprotocol/oauth-client-credentials": {},
            "io.modelcontextprotocol/enterprise-managed-authorization": {},
        },
    })
}

fn client_info() -> Value {
    json!({ "name": "mcp-conformance", "version": env!("CARGO_PKG_VERSION") })
}

/// The message in a reply: JSON, or the last one of a stream of events.
fn read(reply: &Response<Bytes>) -> Result<Value, Anything> {
    let text = std::str::from_utf8(reply.body())?;
    let content_type =
        reply.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !content_type.starts_with("text/event-stream") {
        return Ok(serde_json::from_str(text)?);
    }
    let messages = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let mut answers = messages.filter_map(|data| serde_json::from_str::<Value>(data.trim()).ok());
    answers.rfind(|message| message.get("id").is_some()).ok_or_else(|| "the stream has no answer".into())
}

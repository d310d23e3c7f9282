//! `curl`: a request with an account's access token.

use std::{
    fs,
    io::{self, Read, Write},
    process::ExitCode,
};

use oauth_clients::{bytes::Bytes, http};
use oauth_tokens::AccessToken;

use crate::{
    arguments::{Common, Curl},
    commands::token::{account, with_advice},
    exit::{CommandResult, Failure},
    output::plain,
    provider,
    tokens::{self, AccountTokens},
};

pub(crate) async fn run(curl: &Curl, common: &Common) -> CommandResult<ExitCode> {
    let body = body(curl)?;
    let url = url::Url::parse(&curl.url).map_err(|error| Failure::Usage(format!("{}: {error}", curl.url)))?;
    if url.scheme() != "https" && !crate::urls::is_loopback(&curl.url) && !common.dangerously_allow_plain_http
    {
        return Err(Failure::Usage(format!("{url} is not https: everybody on the way could read the token")));
    }
    let account = account(Some(&curl.account), common)?;
    if let Some(server) = &account.resource
        && !is_of_server(&url, server)
    {
        return Err(Failure::Usage(format!("the token of {} is for {server} alone", account.name)));
    }
    let AccountTokens { manager, key, .. } = tokens::of(&account, common).await?;
    let http = provider::http_client(common)?;
    let token = manager.get(&key).await.map_err(|error| with_advice(error.into(), &account))?;
    let send = async |token: &AccessToken| {
        let request = request(curl, token, body.clone())?;
        http.send(request).await.map_err(|error| Failure::TryLater(format!("{url}: {error}")))
    };
    let mut reply = send(&token).await;
    if reply.as_ref().is_ok_and(|reply| reply.status() == http::StatusCode::UNAUTHORIZED) {
        // It may have been revoked before its time.
        let fresh = manager.get_after_rejection(&key, token.access_token()).await;
        match fresh {
            Ok(fresh) if fresh.access_token() != token.access_token() => reply = send(&fresh).await,
            _ => {}
        }
    }
    // A token that was refreshed is saved, also where the API was not reached.
    tokens::finish(&manager).await?;
    let reply = reply?;
    let mut out = io::stdout().lock();
    if curl.include {
        writeln!(out, "{:?} {}", reply.version(), reply.status())?;
        for (name, value) in reply.headers() {
            writeln!(out, "{name}: {}", plain(&String::from_utf8_lossy(value.as_bytes())))?;
        }
        writeln!(out)?;
    }
    out.write_all(reply.body())?;
    out.flush()?;
    match curl.fail && !reply.status().is_success() {
        true => Err(Failure::Other(format!("{} from {}", reply.status(), url))),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Whether a URL is that of an MCP server or below it: its token must not get to anybody else.
fn is_of_server(url: &url::Url, server: &str) -> bool {
    url::Url::parse(server).is_ok_and(|server| {
        let rest = url.path().strip_prefix(server.path().trim_end_matches('/'));
        url.origin() == server.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn request(curl: &Curl, token: &AccessToken, body: Option<Bytes>) -> CommandResult<http::Request<Bytes>> {
    let wrong = |problem: String| Failure::Usage(problem);
    let method = match (&body, &*curl.request) {
        (Some(_), "GET") => "POST",
        (_, method) => method,
    };
    let mut request = http::Request::builder().method(method).uri(&curl.url);
    let mut has_type = false;
    let mut has_agent = false;
    for header in &curl.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| wrong(format!("--header takes NAME: VALUE, and got {header:?}")))?;
        if name.trim().eq_ignore_ascii_case("authorization") {
            return Err(wrong("the Authorization header is this command's own".to_owned()));
        }
        has_type |= name.trim().eq_ignore_ascii_case("content-type");
        has_agent |= name.trim().eq_ignore_ascii_case("user-agent");
        request = request.header(name.trim(), value.trim());
    }
    // Some APIs, such as GitHub's, refuse a request without one.
    if !has_agent {
        request = request.header("user-agent", concat!("oauth-clients/", env!("CARGO_PKG_VERSION")));
    }
    if body.is_some() && !has_type {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    let bearer = http::HeaderValue::try_from(format!("Bearer {}", token.bearer()?));
    let mut bearer = bearer
        .map_err(|_| Failure::Other("the token has characters that a header cannot carry".to_owned()))?;
    bearer.set_sensitive(true);
    let request = request.header(http::header::AUTHORIZATION, bearer).body(body.unwrap_or_default());
    request.map_err(|error| wrong(error.to_string()))
}

fn body(curl: &Curl) -> CommandResult<Option<Bytes>> {
    let Some(data) = &curl.data else { return Ok(None) };
    let read = match data.strip_prefix('@') {
        None => Ok(data.clone().into_bytes()),
        Some("-") => {
            let mut body = Vec::new();
            io::stdin().lock().read_to_end(&mut body).map(|_| body)
        }
        Some(file) => fs::read(file),
    };
    read.map(|body| Some(body.into())).map_err(|error| Failure::Usage(format!("--data {data}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_an_mcp_server_is_for_that_server() {
        let is_its = |url: &str| is_of_server(&url::Url::parse(url).unwrap(), "https://mcp.example/mcp");
        assert!(is_its("https://mcp.example/mcp") && is_its("https://MCP.example:443/mcp/x?y"));
        for other in [
            "https://other.example/mcp",
            "https://mcp.example/mcp2",
            "https://mcp.example/",
            "http://mcp.example/mcp",
            "https://mcp.example/mcp/../x",
        ] {
            assert!(!is_its(other), "{other}");
        }
    }
}

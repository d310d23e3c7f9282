//! The client that the official conformance suite of the Model Context Protocol runs: it connects, lists the tools, calls each and ends.
//!
//! The suite gives the server's URL as the last argument and the rest by the environment; see `docs/mcp.md`. The protocol around the
//! authorization is written by hand, because it takes a page.

mod protocol;

use std::{env, error::Error, process::ExitCode, sync::Arc};

use oauth_core::{
    Callback, Credentials, HttpClient, OAuth2, Provider, Secret, async_trait,
    bytes::Bytes,
    default_http_client,
    http::{Request, header::LOCATION},
    serde_json::{self, Value},
};
use oauth_fapi::{Dpop, DpopKey, PrivateKeyJwt, SigningKey, oauth_openid::Algorithm};
use oauth_mcp::{
    Access, Authorizer, Browser, Challenge, ClientIdQuestion, ClientIdUrl, Enterprise, Grant, KnownClient,
    PendingLogin, Revision, ServerUrl, SubjectKind, WorkloadIdentity,
};

use crate::protocol::Session;

type Anything = Box<dyn Error + Send + Sync>;

/// What the suite expects as the URL of the client's metadata document. It is never fetched.
const CLIENT_ID_URL: &str = "https://conformance-test.local/client-metadata.json";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Anything> {
    let url = env::args().next_back().ok_or("the last argument is the server's URL")?;
    let scenario = env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    let context = env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_else(|_| "{}".to_owned());
    let context: Value = serde_json::from_str(&context)?;
    let version = env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").ok();
    let revision = version.as_deref().and_then(Revision::of).unwrap_or(Revision::V2025_11_25);
    let server = ServerUrl::parse(&url)?;
    let http = default_http_client()?;

    let mut authorizer = Authorizer::new("mcp-conformance")
        // The wire is that of `revision`; the checks are those of the newest revision, which older servers pass too.
        .with_metadata_document(ClientIdUrl::parse(CLIENT_ID_URL)?, Credentials::NONE);
    if scenario.contains("2025-03-26") {
        authorizer = authorizer.with_legacy_fallback();
    }
    if scenario.starts_with("auth/dpop") {
        let key = DpopKey::generate()?;
        authorizer =
            authorizer.with_client_setup(move |client| client.with_participant(Dpop::new(key.clone())));
    }
    let browser = Automatic { http: http.clone(), context: context.clone() };
    authorizer = without_user(authorizer, &scenario, &context, &server, &*http, revision).await?;

    let access = Access::in_memory(authorizer, server)?;
    let mut session = Session::new(&access, &browser, revision);
    session.connect().await?;
    let tools = session.tools().await?;
    for tool in &tools {
        session.call(tool).await?;
    }
    if scenario.ends_with("authorization-server-migration") {
        session.tools().await?;
    }
    Ok(())
}

/// The grants of the extensions, where the scenario is about one. The suite does not say at which issuer its client is registered, so
/// that is found out first.
async fn without_user(
    authorizer: Authorizer,
    scenario: &str,
    context: &Value,
    server: &ServerUrl,
    http: &dyn HttpClient,
    revision: Revision,
) -> Result<Authorizer, Anything> {
    let text = |name: &str| context[name].as_str().unwrap_or_default().to_owned();
    let grant = match scenario {
        "auth/client-credentials-basic" | "auth/client-credentials-jwt" => Grant::ClientCredentials,
        "auth/enterprise-managed-authorization" | "auth/cross-app-access-complete-flow" => {
            let idp = OAuth2::new(
                text("idp_client_id"),
                Credentials::NONE,
                text("idp_issuer"),
                text("idp_token_endpoint"),
            );
            let id_token = Secret::from(text("idp_id_token"));
            let subjects = move |_: &str| Ok((SubjectKind::IdToken, id_token.clone()));
            Grant::EnterpriseManaged(Enterprise::new(idp, subjects))
        }
        "auth/wif-jwt-bearer" => {
            let assertion = text("valid_jwt");
            Grant::WorkloadIdentity(WorkloadIdentity::new(move |_: &_| Ok(assertion.clone())))
        }
        _ => return Ok(authorizer),
    };
    let reply = http.send(protocol::greeting(server, revision)?).await?;
    let target = authorizer.discover(server, Challenge::of_reply(reply.headers()).as_ref()).await?;
    let credentials = match (context["client_secret"].as_str(), context["private_key_pem"].as_str()) {
        (Some(secret), _) => Credentials::from(secret),
        (None, Some(pem)) => {
            let name = context["signing_algorithm"].as_str().unwrap_or("ES256");
            let algorithm = Algorithm::of(name).ok_or("the signing algorithm is not known")?;
            Credentials::authentication(PrivateKeyJwt::new(SigningKey::from_pem(pem, algorithm)?))
        }
        (None, None) => Credentials::NONE,
    };
    let client = KnownClient::new(target.issuer(), text("client_id"), credentials);
    Ok(authorizer.with_client(client).with_grant(grant))
}

/// A browser without a user: it asks for the URL and reads where the answer leads.
struct Automatic {
    http: Arc<dyn HttpClient>,
    context: Value,
}

#[async_trait]
impl Browser for Automatic {
    fn redirect_uri(&self) -> &str {
        "http://127.0.0.1:4173/callback"
    }

    async fn sign_in(&self, login: &PendingLogin) -> Result<Callback, Anything> {
        let reply = self.http.send(Request::get(login.url()).body(Bytes::new())?).await?;
        let location = reply.headers().get(LOCATION).ok_or("the authorization server did not redirect")?;
        Ok(Callback::from_url(location.to_str()?))
    }

    async fn client_id(&self, _: &ClientIdQuestion) -> Option<(String, Option<Secret>)> {
        let client_id = self.context["client_id"].as_str()?;
        Some((client_id.to_owned(), self.context["client_secret"].as_str().map(Secret::from)))
    }
}

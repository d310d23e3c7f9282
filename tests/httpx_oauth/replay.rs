//! One recorded call, made with this library.

use std::sync::{Arc, Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use oauth_clients::{
    AuthorizationRequest, Callback, ClientAuth, ClientSecret, CodeChallengeMethod, CodeVerifier, Endpoint,
    Error, HttpClient, HttpError, HttpErrorKind, OAuth2, OAuth2Token, Provider, async_trait,
    discord::DiscordOAuth2,
    facebook::FacebookOAuth2,
    franceconnect::FranceConnectOAuth2,
    github::GitHubOAuth2,
    google::GoogleOAuth2,
    kakao::KakaoOAuth2,
    linkedin::{LEGACY_SCOPES, LinkedInOAuth2},
    microsoft::MicrosoftGraphOAuth2,
    naver::NaverOAuth2,
    okta::OktaOAuth2,
    openid::Discovery,
    reddit::RedditOAuth2,
    shopify::ShopifyOAuth2,
};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{Case, Recording, Reply};
use crate::support::{Sent, query_of};

/// What came of a call here.
pub(super) struct Replayed {
    pub(super) requests: Vec<Sent>,
    pub(super) result: Result<Value, Failure>,
}

/// Why a call gave no value.
#[derive(Debug)]
pub(super) enum Failure {
    Error(Error),
    /// The call does not compile here.
    Unwritable(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

pub(super) async fn replay(recording: &Recording, case: &Case) -> Replayed {
    let wire = Wire::new(recording, case);
    let result = call(recording, case, &wire).await;
    // Constructors are asked how they authenticate, which is no part of the call.
    let sent = wire.sent();
    let requests =
        if case.method == "new" { sent[..sent.len().min(case.replies.len())].to_vec() } else { sent };
    Replayed { requests, result }
}

async fn call(recording: &Recording, case: &Case, wire: &Wire) -> Result<Value, Failure> {
    match &*case.provider {
        "token" => return token(recording, case),
        "fastapi" => return callback(recording, case, wire).await,
        _ => {}
    }
    let text = |name: &str| case.args.get(name).and_then(Value::as_str);
    let token = text("token").unwrap_or_default();
    let dictionary = |token: OAuth2Token| json!(token);
    // Methods of one provider, and those that have another name here.
    match (&*case.provider, &*case.method) {
        ("facebook", "get_long_lived_access_token") => {
            return Ok(dictionary(facebook(wire)?.get_long_lived_access_token(token).await?));
        }
        ("github", "get_emails") => return Ok(json!(github(recording, wire).get_emails(token).await?)),
        ("google", "get_profile") => return Ok(google(wire).get_people_profile(token).await?),
        ("linkedin", "get_profile") => return Ok(linkedin(wire).get_legacy_profile(token).await?),
        ("linkedin", "get_email") => return Ok(linkedin(wire).get_email(token).await?),
        _ => {}
    }

    let client = client(recording, case, wire).await?;
    match &*case.method {
        "new" => Ok(attributes(&*client, wire).await),
        "get_authorization_url" => {
            let url = client.get_authorization_url(request(&case.args)?).await?;
            Ok(json!({"url": url, "query": query_of(&url)}))
        }
        "get_access_token" => {
            let verifier = text("code_verifier").map(CodeVerifier::new).transpose()?;
            let (code, redirect_uri) = (text("code").unwrap(), text("redirect_uri").unwrap());
            Ok(dictionary(client.get_access_token(code, redirect_uri, verifier.as_ref(), &[]).await?))
        }
        "refresh_token" => Ok(dictionary(client.refresh_token(text("refresh_token").unwrap(), None).await?)),
        "revoke_token" => {
            client.revoke_token(token, text("token_type_hint")).await?;
            Ok(Value::Null)
        }
        "get_profile" => Ok(client.get_profile(token).await?),
        "get_id_email" => Ok(json!(client.get_id_email(token).await?)),
        method => panic!("{}: nobody knows the method {method}", case.id),
    }
}

/// The arguments of `get_authorization_url`.
fn request(args: &Map<String, Value>) -> Result<AuthorizationRequest<'_>, Failure> {
    let text = |name: &str| args.get(name).and_then(Value::as_str);
    let mut request = AuthorizationRequest::new(text("redirect_uri").unwrap());
    if let Some(state) = text("state") {
        request = request.state(state);
    }
    request = match args.get("scope") {
        None | Some(Value::Null) => request,
        Some(Value::Array(scopes)) => request.scopes(scopes.iter().filter_map(Value::as_str)),
        Some(_) => return Err(Failure::Unwritable("scopes are a list")),
    };
    request = match (text("code_challenge"), text("code_challenge_method")) {
        (None, None) => request,
        (Some(challenge), Some("S256")) => request.code_challenge(challenge, CodeChallengeMethod::S256),
        (Some(challenge), Some("plain")) => request.code_challenge(challenge, CodeChallengeMethod::Plain),
        _ => return Err(Failure::Unwritable("a challenge and its method are one argument pair")),
    };
    Ok(match args.get("extras_params") {
        Some(extras) => request.extras_params(extras),
        None => request,
    })
}

/// The client of a case: as the original's, with its endpoints and scopes.
async fn client(recording: &Recording, case: &Case, wire: &Wire) -> Result<Box<dyn Provider>, Failure> {
    let argument = |name: &str| case.new.get(name).or_else(|| recording.new_defaults.get(name));
    let text = |name: &str| argument(name).and_then(Value::as_str);
    let (id, secret) = (text("client_id").unwrap(), secret(text("client_secret")));
    let mut client: Box<dyn Provider> = match &*case.provider {
        "oauth2" => Box::new(generic(case, id, secret)?.with_http_client(wire.clone())),
        "openid" => {
            let discovery = Discovery::new(text("openid_configuration_endpoint").unwrap());
            Box::new(discovery.with_http_client(wire.clone()).connect(id, secret).await?)
        }
        "okta" => {
            let okta = OktaOAuth2::new(id, secret, text("okta_domain").unwrap())?;
            let okta = okta.with_http_client(wire.clone()).with_scopes(["openid", "email"]);
            // The original reads the metadata when the client is made.
            okta.oauth2().ready().await?;
            Box::new(okta)
        }
        "discord" => Box::new(
            DiscordOAuth2::new(id, secret)
                .with_endpoints(|all| {
                    all.with(Endpoint::Authorization, "https://discord.com/api/oauth2/authorize")
                })
                .with_http_client(wire.clone()),
        ),
        "facebook" => Box::new(facebook(wire)?),
        "franceconnect" => {
            let integration = argument("integration").is_some();
            let version_1 = if integration {
                FranceConnectOAuth2::version_1_integration
            } else {
                FranceConnectOAuth2::version_1
            };
            Box::new(version_1(id, secret).with_http_client(wire.clone()))
        }
        "github" => Box::new(github(recording, wire)),
        "google" => Box::new(google(wire)),
        "kakao" => Box::new(
            KakaoOAuth2::new(id, secret)
                .with_endpoints(|all| {
                    all.with(
                        Endpoint::Profile,
                        "https://kapi.kakao.com/v2/user/me?property_keys=%5B%22kakao_account.email%22%5D",
                    )
                })
                .with_http_client(wire.clone()),
        ),
        "linkedin" => Box::new(linkedin(wire)),
        "microsoft" => {
            let microsoft = MicrosoftGraphOAuth2::new(id, secret).with_scopes(["User.Read"]);
            let microsoft = microsoft.with_tenant(text("tenant").unwrap_or("common"))?;
            Box::new(microsoft.with_http_client(wire.clone()))
        }
        "naver" => Box::new(NaverOAuth2::new(id, secret).with_http_client(wire.clone())),
        "reddit" => Box::new(RedditOAuth2::new(id, secret).with_http_client(wire.clone())),
        "shopify" => Box::new(
            ShopifyOAuth2::new(id, secret, text("shop").unwrap())?
                .with_api_version(text("api_version").unwrap_or("2023-04"))?
                .with_permanent_tokens()
                .with_scopes(["read_orders"])
                .with_http_client(wire.clone()),
        ),
        provider => panic!("{}: nobody knows the provider {provider}", case.id),
    };
    if let Some(scopes) = case.new.get("scopes").or_else(|| case.new.get("base_scopes")) {
        // Reddit's None stands for the default.
        if !(scopes.is_null() && case.provider == "reddit") {
            let scopes = scopes.as_array().into_iter().flatten().filter_map(Value::as_str);
            *client.oauth2_mut() = client.oauth2().clone().with_scopes(scopes.map(str::to_owned));
        }
    }
    if let Some(name) = text("name") {
        *client.oauth2_mut() = client.oauth2().clone().with_name(name.to_owned());
    }
    Ok(client)
}

fn secret(text: Option<&str>) -> ClientSecret {
    text.map_or(ClientSecret::NONE, Into::into)
}

fn generic(case: &Case, id: &str, secret: ClientSecret) -> Result<OAuth2, Failure> {
    let text = |name: &str| case.new.get(name).and_then(Value::as_str).map(str::to_owned);
    let auth = |name: &str| {
        Ok(match text(name).as_deref() {
            None => None,
            Some("client_secret_post") => Some(ClientAuth::Post),
            Some("client_secret_basic") => Some(ClientAuth::Basic),
            Some("none") => Some(ClientAuth::None),
            Some(_) => return Err(Failure::Unwritable("there is no such ClientAuth")),
        })
    };
    let (authorize, token) = (text("authorize_endpoint").unwrap(), text("access_token_endpoint").unwrap());
    let mut client = OAuth2::new(id, secret, authorize, token);
    if let Some(url) = text("refresh_token_endpoint") {
        client = client.with_refresh_endpoint(url);
    }
    if let Some(url) = text("revoke_token_endpoint") {
        client = client.with_revoke_endpoint(url);
    }
    if let Some(auth) = auth("token_endpoint_auth_method")? {
        client = client.with_client_auth(auth);
    }
    if let Some(auth) = auth("revocation_endpoint_auth_method")? {
        client = client.with_revoke_auth(auth);
    }
    Ok(client)
}

fn facebook(wire: &Wire) -> Result<FacebookOAuth2, Error> {
    let facebook = FacebookOAuth2::new("CLIENT_ID", "CLIENT_SECRET").with_graph_version("v5.0")?;
    Ok(facebook
        .with_endpoints(|all| {
            all.with(Endpoint::Profile, "https://graph.facebook.com/v5.0/me?fields=id,email")
                .without(Endpoint::Revocation)
        })
        .with_http_client(wire.clone()))
}

fn github(recording: &Recording, wire: &Wire) -> GitHubOAuth2 {
    let text = |name: &str| recording.new_defaults[name].as_str().unwrap().to_owned();
    GitHubOAuth2::new(text("client_id"), text("client_secret"))
        .with_scopes(["user", "user:email"])
        .with_endpoints(|all| all.without(Endpoint::Revocation))
        .with_http_client(wire.clone())
}

fn google(wire: &Wire) -> GoogleOAuth2 {
    GoogleOAuth2::new("CLIENT_ID", "CLIENT_SECRET")
        .with_scopes([
            "https://www.googleapis.com/auth/userinfo.profile",
            "https://www.googleapis.com/auth/userinfo.email",
        ])
        .with_endpoints(|all| {
            all.with(Endpoint::Revocation, "https://accounts.google.com/o/oauth2/revoke").with(
                Endpoint::Profile,
                "https://people.googleapis.com/v1/people/me?personFields=emailAddresses",
            )
        })
        .with_http_client(wire.clone())
}

fn linkedin(wire: &Wire) -> LinkedInOAuth2 {
    LinkedInOAuth2::new("CLIENT_ID", "CLIENT_SECRET")
        .with_scopes(LEGACY_SCOPES)
        .with_endpoints(|all| all.with(Endpoint::Profile, "https://api.linkedin.com/v2/me?projection=(id)"))
        .with_http_client(wire.clone())
}

/// What the original's objects have as attributes. How the client authenticates shows in what it sends.
async fn attributes(client: &dyn Provider, wire: &Wire) -> Value {
    let method_of = |sent: Option<&Sent>| {
        let sent = sent?;
        Some(if sent.header("authorization").is_some_and(|value| value.starts_with("Basic ")) {
            "client_secret_basic"
        } else if sent.body.contains("client_secret=") {
            "client_secret_post"
        } else {
            "none"
        })
    };
    let before = wire.sent().len();
    let _ = client.get_access_token("C", "https://app.example/callback", None, &[]).await;
    let token_auth = method_of(wire.sent().get(before));
    let before = wire.sent().len();
    let _ = client.revoke_token("T", None).await;
    let revoke_auth = method_of(wire.sent().get(before));

    // A client that is refused when it is used has its attributes all the same.
    let ready = client.oauth2().ready().await.unwrap_or_else(|_| client.oauth2().clone());
    let endpoints = ready.endpoints();
    json!({
        "name": client.name(),
        "base_scopes": client.oauth2().scopes(),
        "authorize_endpoint": endpoints.authorization(),
        "access_token_endpoint": endpoints.token(),
        "refresh_token_endpoint": endpoints.get(Endpoint::Refresh),
        "revoke_token_endpoint": endpoints.get(Endpoint::Revocation),
        "token_endpoint_auth_method": token_auth,
        "revocation_endpoint_auth_method": revoke_auth,
        "display_name": client.oauth2().spec().display_name,
        "profile_endpoint": endpoints.get(Endpoint::Profile),
    })
}

/// `OAuth2Token(dictionary)`, at the time of the recording. The recorded dictionaries often have nothing but an expiry,
/// which is not a token here, so they get an access token; only the empty one stays as it is.
fn token(recording: &Recording, case: &Case) -> Result<Value, Failure> {
    let mut fields = case.args["token_dict"].as_object().unwrap().clone();
    if !fields.is_empty() {
        fields.entry("access_token").or_insert("A".into());
    }
    if case.method == "is_expired" {
        // A case has a second left, which must not end while it runs.
        while OffsetDateTime::now_utc().millisecond() > 900 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let later = OffsetDateTime::now_utc().unix_timestamp() - recording.time;
        let moved = match fields.get("expires_at") {
            Some(Value::Number(at)) => at.as_f64().map(|at| json!(at + later as f64)),
            Some(Value::String(at)) => at.parse().ok().map(|at: i64| json!((at + later).to_string())),
            _ => None,
        };
        fields.extend(moved.map(|at| ("expires_at".to_owned(), at)));
    }
    match serde_json::from_value::<OAuth2Token>(Value::Object(fields)) {
        Ok(token) if case.method == "is_expired" => Ok(json!(token.is_expired())),
        Ok(token) => Ok(json!(token)),
        // A stored token that cannot be read is an error of serde's; the same rules make it one of ours in a reply.
        Err(error) => Err(Error::configuration("token", error.to_string()).into()),
    }
}

/// `OAuth2AuthorizeCallback`, with the low-level calls that do the same.
async fn callback(recording: &Recording, case: &Case, wire: &Wire) -> Result<Value, Failure> {
    let redirect_uri = match (case.new.get("route_name"), case.new.get("redirect_url")) {
        (Some(Value::String(name)), None) if name == "callback" => "https://app.example/callback",
        (None, Some(Value::String(url))) if !url.is_empty() => url,
        _ => return Err(Failure::Unwritable("there is one redirect URI, and no route name")),
    };
    let callback = Callback::from_url(case.args["url"].as_str().unwrap());
    let client = github(recording, wire);
    let code = client.oauth2().code_of(&callback)?;
    let token = client.get_access_token(code, redirect_uri, None, &[]).await?;
    Ok(json!({"status": 200, "body": {"token": token, "state": callback.get("state")}}))
}

/// Serves the replies of a case in order, and keeps what was asked. After the last one, the connection is down.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    replies: Vec<Result<http::Response<Bytes>, HttpErrorKind>>,
    requests: Vec<Sent>,
}

impl Wire {
    pub(super) fn new(recording: &Recording, case: &Case) -> Self {
        let replies = case.replies.iter().rev().map(|reply| answer(recording, reply)).collect();
        Self(Arc::new(Mutex::new(Kept { replies, requests: Vec::new() })))
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap().requests.clone()
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let mut kept = self.0.lock().unwrap();
        kept.requests.push(Sent::of(&request));
        kept.replies.pop().unwrap_or(Err(HttpErrorKind::Connect)).map_err(HttpError::new)
    }
}

fn answer(recording: &Recording, reply: &Reply) -> Result<http::Response<Bytes>, HttpErrorKind> {
    let (status, headers, body) = match reply {
        Reply::Failure { exception } => {
            return Err(match &**exception {
                "ConnectError" => HttpErrorKind::Connect,
                "ReadTimeout" => HttpErrorKind::Timeout,
                _ => HttpErrorKind::Other,
            });
        }
        Reply::Http { status, headers, body, body_base64, body_name } => {
            let body = match (body, body_base64, body_name) {
                (Some(text), _, _) => text.clone().into_bytes(),
                (_, Some(text), _) => STANDARD.decode(text).unwrap(),
                (_, _, Some(name)) => recording.bodies[name].clone().into_bytes(),
                _ => panic!("a reply without a body"),
            };
            (status, headers, body)
        }
    };
    let mut response = http::Response::builder().status(*status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(body.into()).unwrap())
}

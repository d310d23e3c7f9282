//! An adapter for hyper alone, written from the documentation of `oauth-web`: what it offers is enough for a framework.

use std::{convert::Infallible, sync::Arc};

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use oauth_clients::{
    LinkIntent, Provider, Sealer, SealingKey, github::GitHubOAuth2, reqwest, reqwest_client,
};
use oauth_emulator::{Consent, Emulator};
use oauth_web::{SignIn, SignInRequest, SignedIn};

/// The routes of a site whose tenants are in the path.
async fn answer(sign_in: Arc<SignIn>, request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let [tenant, "auth", provider, route] = segments[..] else { return Ok(plain(StatusCode::NOT_FOUND)) };
    let request = SignInRequest::new(parts, [("tenant", tenant), ("provider", provider)]);
    let (result, headers) = match (request.method.as_str(), route) {
        ("GET", "login") => {
            let answer = sign_in.login(&request).await;
            (answer.result, answer.headers)
        }
        ("POST", "link") if sign_in.can_link() => {
            let answer = sign_in.link(&request).await;
            (answer.result, answer.headers)
        }
        ("GET" | "POST", "callback") => {
            let answer = sign_in.callback(&request, body).await;
            (answer.result.map(welcome), answer.headers)
        }
        _ => return Ok(plain(StatusCode::NOT_FOUND)),
    };
    let mut response = result.unwrap_or_else(|error| error.page());
    headers.apply(response.headers_mut());
    Ok(response)
}

fn welcome(user: SignedIn) -> Response<String> {
    let purpose = match user.intent {
        LinkIntent::LinkTo(account) => format!("linked to {account}"),
        LinkIntent::SignIn => "signed in".to_owned(),
    };
    let mut response = Response::new(format!("{} {purpose}", user.identity.subject));
    response.headers_mut().insert("set-cookie", "session=1".parse().unwrap());
    response
}

fn plain(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}

async fn serve(emulator: &Emulator) -> String {
    let github = GitHubOAuth2::new("github-client-id", "github-client-secret");
    let github = github.with_http_client(emulator.http_client().unwrap());
    let sign_in = SignIn::new(Sealer::new(SealingKey::from_bytes([1; 32])))
        .resolve_with(move |name, request| {
            let found = name == "github" && request.param("tenant") == Some("acme");
            let github: Arc<dyn Provider> = Arc::new(github.clone());
            async move { Ok(found.then_some(github)) }
        })
        .linking(|request| {
            let account = request.headers.get("x-account").map(|value| value.to_str().unwrap().to_owned());
            async move { Ok(account) }
        });
    let sign_in = Arc::new(sign_in);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let sign_in = sign_in.clone();
            let service = service_fn(move |request| answer(sign_in.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    url
}

/// Sends a request; gives status, the first parts of the cookies that were set, the address to go to, and the text.
async fn send(request: reqwest::RequestBuilder) -> (u16, Vec<String>, Option<String>, String) {
    let reply = request.send().await.unwrap();
    let all = |name: &str| -> Vec<String> {
        reply.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    let cookies = all("set-cookie").iter().map(|all| all.split(';').next().unwrap().to_owned()).collect();
    (reply.status().as_u16(), cookies, all("location").pop(), reply.text().await.unwrap())
}

#[tokio::test]
async fn an_adapter_from_the_documentation_alone_signs_in_and_links() {
    let emulator = Emulator::start().await.unwrap();
    let site = serve(&emulator).await;
    let http = reqwest_client(|defaults| defaults).unwrap();
    let login = http.get(format!("{site}/acme/auth/github/login"));
    let link = http
        .post(format!("{site}/acme/auth/github/link"))
        .header("sec-fetch-site", "same-origin")
        .header("x-account", "ada");
    for (begin, purpose) in [(login, "signed in"), (link, "linked to ada")] {
        let (status, cookies, location, _) = send(begin).await;
        assert_eq!((status, cookies.len()), (303, 1));
        let callback = emulator.browse(&location.unwrap(), Consent::Allow).await.unwrap().into_url();
        assert!(callback.starts_with(&format!("{site}/acme/auth/github/callback?")), "{callback}");
        let back = || http.get(&callback).header("cookie", &cookies[0]).header("x-account", "ada");
        let (status, set, _, text) = send(back()).await;
        assert_eq!((status, text), (200, format!("1815121018521127 {purpose}")));
        let name = cookies[0].split('=').next().unwrap();
        assert_eq!(set, ["session=1".to_owned(), format!("{name}=")], "the application's cookie stays");
        assert_eq!(send(back()).await.0, 400, "once");
    }
    let (status, _, _, text) = send(http.get(format!("{site}/other/auth/github/login"))).await;
    assert!(status == 404 && text.contains("There is no such provider"), "{text}");
}

//! The server that all contenders talk to: a token endpoint and an OpenID Provider, over http and https, in a process of its
//! own, so that its processor time is not theirs. It counts connections, TLS handshakes and requests.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::jwt::JwtSigner;

/// The server as its clients know it.
pub struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub hello: Hello,
}

#[derive(Serialize, Deserialize)]
pub struct Hello {
    pub http: String,
    pub https: String,
    /// The certificate of the authority that signed the server's.
    pub ca: PathBuf,
}

/// How to slow a reply down, so that calls which could be one overlap.
pub const SLOW: Duration = Duration::from_millis(50);

impl Server {
    pub fn start(folder: &Path) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let input = child.stdin.take().context("no pipe to the server")?;
        let mut output = BufReader::new(child.stdout.take().context("no pipe from the server")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let hello = serde_json::from_str(&line).context("the server said nothing")?;
        Ok(Self { child, input, output, hello })
    }

    /// What it has counted so far.
    pub fn counts(&mut self) -> Vec<(String, u64)> {
        let mut line = String::new();
        let asked = writeln!(self.input).and_then(|()| self.output.read_line(&mut line));
        asked.expect("the server answers");
        let counts: BTreeMap<String, u64> = serde_json::from_str(&line).expect("the server counts");
        counts.into_iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    handshakes: AtomicU64,
    requests: Mutex<BTreeMap<String, u64>>,
}

struct BenchServerState {
    counts: Counts,
    signer: JwtSigner,
    authorities: [String; 2],
}

/// The server's process: it counts until its standard input ends.
pub fn serve(folder: &Path) -> Result<()> {
    crate::measure::pin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (http, https) = runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        anyhow::Ok((TcpListener::bind(any).await?, TcpListener::bind(any).await?))
    })?;
    let (tls, ca) = certificates(folder)?;
    let authorities = [http.local_addr()?, https.local_addr()?].map(|address| address.to_string());
    let hello = Hello {
        http: format!("http://{}", authorities[0]),
        https: format!("https://{}", authorities[1]),
        ca,
    };
    let state = Arc::new(BenchServerState { counts: Counts::default(), signer: JwtSigner::es256()?, authorities });
    println!("{}", serde_json::to_string(&hello)?);

    let counted = state.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if line.is_err() {
                break;
            }
            let counts = &counted.counts;
            let mut all = counts.requests.lock().expect("nobody panics").clone();
            all.insert("connections".to_owned(), counts.connections.load(Ordering::SeqCst));
            all.insert("TLS handshakes".to_owned(), counts.handshakes.load(Ordering::SeqCst));
            println!("{}", serde_json::to_string(&all).expect("numbers are JSON"));
        }
        std::process::exit(0);
    });

    runtime.block_on(async {
        tokio::spawn(accept(http, None, state.clone()));
        accept(https, Some(tls), state).await;
    });
    Ok(())
}

async fn accept(listener: TcpListener, tls: Option<tokio_rustls::TlsAcceptor>, state: Arc<BenchServerState>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        state.counts.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            match tls {
                None => serve_connection(TokioIo::new(stream), false, state).await,
                Some(tls) => {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    state.counts.handshakes.fetch_add(1, Ordering::SeqCst);
                    serve_connection(TokioIo::new(stream), true, state).await;
                }
            }
        });
    }
}

async fn serve_connection(
    io: impl hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    secure: bool,
    state: Arc<BenchServerState>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(request, secure, &state).await) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(io, service)
        .await;
}

async fn answer(request: Request<Incoming>, secure: bool, state: &BenchServerState) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    *state.counts.requests.lock().expect("nobody panics").entry(path.clone()).or_default() += 1;
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return reply(400, r#"{"error":"invalid_request"}"#.to_owned()),
    };
    match &*path {
        "/token" => reply(200, TOKEN_REPLY.to_owned()),
        "/slow/token" => {
            tokio::time::sleep(SLOW).await;
            reply(200, TOKEN_REPLY.to_owned())
        }
        "/op/.well-known/openid-configuration" => {
            tokio::time::sleep(SLOW).await;
            reply(200, metadata(&issuer(secure, state)).to_string())
        }
        "/op/jwks" => {
            tokio::time::sleep(SLOW).await;
            reply(200, state.signer.jwks().to_string())
        }
        // The code says which nonce the ID token is to hold, because there is no authorization endpoint to remember it.
        "/op/token" => {
            let code = form_urlencoded::parse(&body).find(|(name, _)| name == "code");
            let nonce = code.map(|(_, code)| code.into_owned()).unwrap_or_default();
            let claims = crate::jwt::claims(&issuer(secure, state), &nonce);
            let mut token: serde_json::Value = serde_json::from_str(TOKEN_REPLY).expect("it is JSON");
            token["id_token"] = state.signer.token(&claims).into();
            reply(200, token.to_string())
        }
        _ => reply(404, "{}".to_owned()),
    }
}

/// What token endpoints usually send.
pub const TOKEN_REPLY: &str = concat!(
    r#"{"access_token":"ya29.a0AfB_byDZ4cXb1pM5n7qK2sT9vW3xY6zR8uE1iO4lJ0hG5fD2aS7wQ","token_type":"Bearer","#,
    r#""expires_in":3599,"refresh_token":"1//0gK3mN6pQ9sT2vX5yZ8bC1eF4hJ7kL0nR3tU6wA9","scope":"openid email profile"}"#
);

fn reply(status: u16, body: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json;charset=UTF-8")
        .header("cache-control", "no-store")
        .body(Full::new(Bytes::from(body)))
        .expect("the headers are valid")
}

fn issuer(secure: bool, state: &BenchServerState) -> String {
    match secure {
        false => format!("http://{}/op", state.authorities[0]),
        true => format!("https://{}/op", state.authorities[1]),
    }
}

fn metadata(issuer: &str) -> serde_json::Value {
    serde_json::json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
    })
}

/// An authority of this run's own, and the server's certificate from it.
fn certificates(folder: &Path) -> Result<(tokio_rustls::TlsAcceptor, PathBuf)> {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(rcgen::DnType::CommonName, "oauth-bench");
    let key = KeyPair::generate()?;
    let certificate = authority.self_signed(&key)?;
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, certificate.pem())?;
    let issuer = Issuer::new(authority, key);

    let mut own = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    own.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    own.use_authority_key_identifier_extension = true;
    let own_key = KeyPair::generate()?;
    let own = own.signed_by(&own_key, &issuer)?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(own_key.serialize_der())
        .map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((tokio_rustls::TlsAcceptor::from(Arc::new(config)), ca))
}

//! How a reply is read here and by others.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use oauth_core::{
    CodeVerifier, HttpClient, HttpError, OAuth2, Provider, async_trait,
    bytes::Bytes,
    http,
    serde_json::{self, Value},
};
use serde::Deserialize;

use crate::replies::Reply;

/// What a library makes of a reply.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Reading {
    access_token: Option<String>,
    refresh_token: Option<String>,
    /// In small letters, because the type is compared without regard to case.
    token_type: Option<String>,
    expires_in: Option<i64>,
    refused: bool,
    /// The OAuth error code, where there is one.
    code: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Golang,
    OpenIdClient,
}

/// Answers each request with the same reply.
#[derive(Debug)]
struct Canned(Reply);

#[async_trait]
impl HttpClient for Canned {
    async fn send(&self, _: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let mut reply = http::Response::builder().status(self.0.status);
        if let Some(kind) = self.0.content_type {
            reply = reply.header("content-type", kind);
        }
        Ok(reply.body(Bytes::from_static(self.0.body.as_bytes())).unwrap())
    }
}

impl Reading {
    /// What this library makes of it.
    pub(crate) async fn here(reply: &Reply) -> Self {
        let client = OAuth2::new("id", "secret", "https://as.example/authorize", "https://as.example/token")
            .with_http_client(Canned(*reply));
        let verifier = CodeVerifier::new("a-code-verifier-of-at-least-forty-three-characters").unwrap();
        match client
            .get_access_token("the-authorization-code", "https://app.example/callback", Some(&verifier), &[])
            .await
        {
            Ok(token) => {
                // A part of a second has passed since then.
                let expires_in = token.expires_at().map(|at| {
                    let left = at - oauth_core::OffsetDateTime::now_utc();
                    (left.as_seconds_f64().ceil() as i64).max(0)
                });
                Self {
                    access_token: Some(token.access_token().to_owned()),
                    refresh_token: token.refresh_token().map(str::to_owned),
                    token_type: token.token_type().map(str::to_ascii_lowercase),
                    expires_in,
                    refused: false,
                    code: None,
                }
            }
            Err(error) => Self {
                refused: true,
                code: error.oauth_error().map(|error| error.code.to_string()),
                ..Self::default()
            },
        }
    }
}

impl Peer {
    /// What this one makes of them; `None` where Go or its module is missing, which is said.
    pub(crate) fn read(self, replies: &[Reply]) -> Option<Vec<Reading>> {
        let mut program = match self {
            Self::Golang => golang()?,
            Self::OpenIdClient => openid_client(),
        };
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let replies: Vec<Value> = replies.iter().map(Reply::json).collect();
        let mut input = child.stdin.take().unwrap();
        input.write_all(Value::from(replies).to_string().as_bytes()).unwrap();
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{self:?}: {}", output.status);
        let mut readings: Vec<Reading> = serde_json::from_slice(&output.stdout).unwrap();
        for reading in &mut readings {
            reading.token_type = reading.token_type.take().map(|kind| kind.to_ascii_lowercase());
        }
        Some(readings)
    }
}

fn golang() -> Option<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("token-replies-go");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(folder);
    build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly");
    let Ok(output) = build.output() else {
        eprintln!("not checked: golang.org/x/oauth2, because there is no Go");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let cannot_be_had = ["dial tcp", "no such host", "lookup disabled", "i/o timeout", "requires go >="];
    if cannot_be_had.iter().any(|why| said.contains(why)) {
        eprintln!("not checked: golang.org/x/oauth2, because Go cannot fetch or build it here: {said}");
        return None;
    }
    assert!(output.status.success(), "{said}");
    Some(Command::new(program))
}

fn openid_client() -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("node");
    let is_there = folder.join("node_modules/openid-client").exists();
    assert!(is_there, "openid-client is missing; `cargo xtask test` installs it");
    let mut node = Command::new("node");
    node.arg("read.mjs").current_dir(folder);
    node
}

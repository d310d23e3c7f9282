//! A strict authorization server and API of the tests' own, with switches for what a client must not put up with.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::{
    Router,
    body::Bytes as Body,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_clients::OAuth2;
use serde_json::{Value, json};

use crate::support::pairs;

/// What the server does.
#[derive(Clone, Debug)]
pub(crate) struct Switches {
    /// How nonces of the authorization server are demanded.
    pub(crate) nonces: Nonces,
    /// How nonces of the API are demanded.
    pub(crate) api_nonces: Nonces,
    pub(crate) token_type: &'static str,
    /// What each token reply says besides.
    pub(crate) extra: Value,
    /// The error of all token requests, in place of what they deserve.
    pub(crate) error: Option<&'static str>,
    /// Binds refresh tokens to their keys, as for public clients.
    pub(crate) binds_refresh_tokens: bool,
    /// Answers of the API to a proof that is right.
    pub(crate) api_challenge: Option<&'static str>,
    pub(crate) date: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonces {
    Never,
    /// Each is good for one request, and each reply brings the next.
    Rotating,
    /// Whatever is sent is refused.
    Always,
    /// Demanded without giving one.
    Withheld,
    /// With characters that no nonce has.
    Bad,
    /// Two at once.
    Twice,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) form: Vec<(String, String)>,
    /// The header and the claims of the proof.
    pub(crate) proof: Option<(Value, Value)>,
    pub(crate) jkt: Option<String>,
    pub(crate) status: u16,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }

    pub(crate) fn claims(&self) -> &Value {
        &self.proof.as_ref().expect("a proof").1
    }
}

struct Kept {
    switches: Switches,
    seen: Vec<Seen>,
    jtis: HashSet<String>,
    /// The nonces that were given last, by the authorization server and by the API.
    nonces: [String; 2],
    /// The nonces that were given and not used.
    good: [HashSet<String>; 2],
    issued: usize,
    /// Which key each token is bound to.
    bound: HashMap<String, String>,
    /// Which key a code is bound to by `dpop_jkt` or at PAR.
    codes: HashMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) origin: String,
    kept: Arc<Mutex<Kept>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let switches = Switches {
            nonces: Nonces::Never,
            api_nonces: Nonces::Never,
            token_type: "DPoP",
            extra: json!({}),
            error: None,
            binds_refresh_tokens: true,
            api_challenge: None,
            date: None,
        };
        let kept = Kept {
            switches,
            seen: Vec::new(),
            jtis: HashSet::new(),
            nonces: ["as-0".to_owned(), "api-0".to_owned()],
            good: Default::default(),
            issued: 0,
            bound: HashMap::new(),
            codes: HashMap::new(),
        };
        let server = Self { origin, kept: Arc::new(Mutex::new(kept)) };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Switches)) -> Self {
        let server = Self::start().await;
        server.switch(change);
        server
    }

    pub(crate) fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.kept().switches);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// A client of it without DPoP.
    pub(crate) fn client(&self, secret: &str) -> OAuth2 {
        OAuth2::new("id", secret, self.url("/authorize"), self.url("/token"))
            .with_refresh_endpoint(self.url("/token"))
            .with_profile_endpoint(self.url("/me"))
    }

    /// Makes the nonces that clients have good for nothing.
    pub(crate) fn expire_nonces(&self) {
        self.kept().good = Default::default();
    }

    /// Lets a code be redeemed by this key only.
    pub(crate) fn bind_code(&self, code: &str, jkt: &str) {
        self.kept().codes.insert(code.to_owned(), jkt.to_owned());
    }

    /// What came since the last call.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.kept().seen)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }
}

async fn answer(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut kept = server.kept();
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let form = pairs(std::str::from_utf8(&body).unwrap_or_default());
    let htu = server.url(uri.path());
    let is_api = authorization.as_deref().is_some_and(|text| !text.starts_with("Basic "))
        || !["/token", "/par"].contains(&uri.path());
    let token = authorization.as_deref().and_then(|text| text.split_once(' ')).map(|(_, token)| token);
    let checked = check(&mut kept, &headers, &method, &htu, token.filter(|_| is_api), usize::from(is_api));
    let mut seen = Seen {
        path: uri.path().to_owned(),
        authorization: authorization.clone(),
        form: form.clone(),
        proof: checked.proof,
        jkt: checked.jkt.clone(),
        status: 200,
    };
    let outcome = match checked.error {
        Some(error) => Err(error),
        None if is_api => api(&kept, token, authorization.as_deref(), checked.jkt.as_deref()),
        None => token_reply(&mut kept, uri.path(), &form, checked.jkt),
    };
    let mut reply = match outcome {
        Ok(body) => (StatusCode::OK, body.to_string()).into_response(),
        Err(error) if is_api => {
            let challenge = format!("Bearer realm=\"api\", dPoP error=\"{error}\", algs=\"ES256 PS256\"");
            (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)], "no").into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error}).to_string()).into_response(),
    };
    give_nonces(&mut kept, usize::from(is_api), &mut reply);
    if let Some(date) = kept.switches.date {
        reply.headers_mut().insert("date", date.parse().unwrap());
    }
    seen.status = reply.status().as_u16();
    kept.seen.push(seen);
    reply
}

fn give_nonces(kept: &mut Kept, role: usize, reply: &mut Response) {
    let mode = [kept.switches.nonces, kept.switches.api_nonces][role];
    let headers = reply.headers_mut();
    let mut give = |nonce: &str| headers.append("dpop-nonce", nonce.parse().unwrap());
    match mode {
        Nonces::Never | Nonces::Withheld => {}
        Nonces::Rotating | Nonces::Always => {
            give(&kept.nonces[role]);
        }
        Nonces::Bad => {
            give("with a \"quote\"");
        }
        Nonces::Twice => {
            give("one");
            give("two");
        }
    }
}

struct Checked {
    proof: Option<(Value, Value)>,
    jkt: Option<String>,
    error: Option<&'static str>,
}

/// What RFC 9449 section 4.3 demands of a proof.
fn check(
    kept: &mut Kept,
    headers: &HeaderMap,
    method: &Method,
    htu: &str,
    token: Option<&str>,
    role: usize,
) -> Checked {
    let proofs: Vec<_> = headers.get_all("dpop").iter().collect();
    let [proof] = &*proofs else {
        let error = (proofs.len() > 1).then_some("invalid_dpop_proof");
        return Checked { proof: None, jkt: None, error };
    };
    let proof = proof.to_str().unwrap();
    let parts: Vec<_> = proof.split('.').collect();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let (header, claims): (Value, Value) = (
        serde_json::from_slice(&decoded(parts[0])).unwrap(),
        serde_json::from_slice(&decoded(parts[1])).unwrap(),
    );
    let jwk = &header["jwk"];
    let coordinate = |name: &str| decoded(jwk[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let signed = format!("{}.{}", parts[0], parts[1]);
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    let is_signed = key.verify(signed.as_bytes(), &decoded(parts[2])).is_ok();
    let is_new = kept.jtis.insert(claims["jti"].as_str().unwrap().to_owned());
    let hashed = |text: &str| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        URL_SAFE_NO_PAD.encode(hash)
    };
    let jkt = hashed(&format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]));
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let is_right = is_signed
        && is_new
        && header["typ"] == "dpop+jwt"
        && header["alg"] == "ES256"
        && header.as_object().unwrap().len() == 3
        && jwk.as_object().unwrap().len() == 4
        && claims["jti"].as_str().unwrap().len() >= 22
        && claims["htm"] == method.as_str()
        && claims["htu"] == htu
        && (claims["iat"].as_i64().unwrap() - now).abs() < 10
        && claims.get("ath").cloned() == token.map(|token| hashed(token).into());
    let mode = [kept.switches.nonces, kept.switches.api_nonces][role];
    let has_nonce = claims["nonce"].as_str().is_some_and(|nonce| kept.good[role].remove(nonce));
    if mode == Nonces::Rotating {
        // The next one, whatever this one was.
        let number = kept.jtis.len();
        kept.nonces[role] = format!("{}-{number}", ["as", "api"][role]);
        let next = kept.nonces[role].clone();
        kept.good[role].insert(next);
    }
    let error = match mode {
        _ if !is_right => Some("invalid_dpop_proof"),
        Nonces::Never => None,
        Nonces::Rotating if has_nonce => None,
        _ => Some("use_dpop_nonce"),
    };
    Checked { proof: Some((header, claims)), jkt: Some(jkt), error }
}

fn api(
    kept: &Kept,
    token: Option<&str>,
    authorization: Option<&str>,
    jkt: Option<&str>,
) -> Result<Value, &'static str> {
    if let Some(error) = kept.switches.api_challenge {
        return Err(error);
    }
    let bound = token.and_then(|token| kept.bound.get(token)).map(String::as_str);
    let scheme = if bound.is_some() { "DPoP " } else { "Bearer " };
    match authorization.is_some_and(|text| text.starts_with(scheme)) && bound == jkt {
        true => Ok(json!({"id": 1, "sub": "1"})),
        false => Err("invalid_token"),
    }
}

fn token_reply(
    kept: &mut Kept,
    path: &str,
    form: &[(String, String)],
    jkt: Option<String>,
) -> Result<Value, &'static str> {
    let field = |name: &str| form.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    if let Some(error) = kept.switches.error {
        return Err(error);
    }
    if path == "/par" {
        return match (field("dpop_jkt"), &jkt) {
            (Some(named), Some(proved)) if named != *proved => Err("invalid_dpop_proof"),
            _ => Ok(json!({"request_uri": "urn:x", "expires_in": 60})),
        };
    }
    let credential = field("code")
        .and_then(|code| kept.codes.get(&code).cloned())
        .or_else(|| field("refresh_token").and_then(|token| kept.bound.get(&token).cloned()));
    if credential.is_some_and(|expected| Some(expected) != jkt) {
        return Err("invalid_grant");
    }
    kept.issued += 1;
    let (access, refresh) = (format!("AT{}", kept.issued), format!("RT{}", kept.issued));
    if let Some(jkt) = jkt {
        if kept.switches.token_type == "DPoP" {
            kept.bound.insert(access.clone(), jkt.clone());
        }
        if kept.switches.binds_refresh_tokens {
            kept.bound.insert(refresh.clone(), jkt);
        }
    }
    let mut reply = json!({
        "access_token": access,
        "refresh_token": refresh,
        "token_type": kept.switches.token_type,
        "expires_in": 3600,
    });
    reply.as_object_mut().unwrap().extend(kept.switches.extra.as_object().unwrap().clone());
    Ok(reply)
}

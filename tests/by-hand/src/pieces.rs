//! The pieces of work, each beside the same by hand.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher},
    hint::black_box,
    pin::pin,
    sync::{Arc, RwLock},
    task::{Context, Poll, Waker},
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_by_hand::{AUTHORIZE, Aead, CLIENT_ID, Fixed, REDIRECT_URI, SCOPES};
use oauth_core::{
    AuthorizationRequest, CodeVerifier, HttpClient, LoginOptions, OAuth2, OAuth2Token, Provider, Sealer,
    SealingKey, random_token,
};
use oauth_openid::{Expectations, OpenID, OpenIDProvider, ProviderMetadata};
use oauth_tokens::{MemoryStore, TokenKey, TokenManager};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const TOKEN: &str = "https://accounts.example.com/token";
const SECRET: &str = "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";
const CODE: &str = "4/0AeaYSHBz1pQ6wX3cV8nM2kL5jH7gF9dS";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REFRESH_TOKEN: &str = "1//0gK3mN6pQ9sT2vX5yZ8bC1eF4hJ7kL0nR3tU6wA9";
const KEYS: usize = 1_000;

/// Work that has a budget.
pub(crate) struct Piece<'a> {
    pub(crate) name: &'static str,
    pub(crate) works: Vec<(Role, Work<'a>)>,
}

type Work<'a> = Box<dyn Fn() + 'a>;

/// What a work is to its piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Library,
    ByHand,
    /// What the library cannot do without, and what would hide the rest: it is taken off before the two are compared.
    InBoth,
}

impl Role {
    /// By which `cargo xtask budgets` knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::ByHand => "by hand",
            Self::InBoth => "in both",
        }
    }
}

impl<'a> Piece<'a> {
    fn new<T, U>(name: &'static str, library: impl Fn() -> T + 'a, by_hand: impl Fn() -> U + 'a) -> Self {
        let piece = Self { name, works: Vec::new() };
        piece.with(Role::Library, library).with(Role::ByHand, by_hand)
    }

    fn with<T>(mut self, role: Role, work: impl Fn() -> T + 'a) -> Self {
        // What it makes is dropped too, because its user must.
        self.works.push((role, Box::new(move || drop(black_box(work())))));
        self
    }
}

/// All of them. What must wait for something, while they are prepared, waits in the runtime.
pub(crate) fn all(runtime: &Runtime) -> Vec<Piece<'static>> {
    let mut pieces = requests();
    pieces.push(parse());
    pieces.extend(sealed());
    pieces.extend(id_tokens(runtime));
    pieces.push(live_token(runtime));
    pieces
}

/// What comes of work that does not wait: no runtime counts its own instructions among the work's.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here has anything to wait for"),
    }
}

fn requests() -> Vec<Piece<'static>> {
    let reply = oauth_by_hand::token_reply(1024);
    // Without `openid`, so that it makes no nonce, as nobody does by hand.
    let client = OAuth2::new(CLIENT_ID, SECRET, AUTHORIZE, TOKEN)
        .with_scopes(["email", "profile", "calendar"])
        .with_refresh_endpoint(TOKEN)
        .with_http_client(Fixed::json(reply.clone()));
    let verifier = CodeVerifier::new(VERIFIER).expect("it is valid");
    let url: http::Uri = TOKEN.parse().expect("it is a URL");
    let http = Arc::new(Fixed::json(reply));
    let by_hand = move |form: &[(&str, &str)]| {
        let request = oauth_by_hand::token_request(&url, form);
        let reply = ready(http.send(request)).expect("there is a reply");
        assert!(reply.status().is_success());
        oauth_by_hand::read_token(reply.body())
    };
    let [of_url, of_login, of_exchange, of_refresh] = std::array::from_fn(|_| client.clone());
    let refresh_by_hand = by_hand.clone();
    vec![
        Piece::new(
            "authorization URL with fresh state and PKCE",
            move || {
                let state = random_token().expect("there are random bytes");
                let verifier = CodeVerifier::random().expect("there are random bytes");
                let request = AuthorizationRequest::new(REDIRECT_URI).state(&state).pkce(&verifier);
                let url = ready(of_url.get_authorization_url(request)).expect("it is a URL");
                (url, state, verifier)
            },
            oauth_by_hand::authorization_url,
        ),
        Piece::new(
            "start_login",
            move || ready(of_login.start_login(REDIRECT_URI, LoginOptions::new())).expect("it starts"),
            oauth_by_hand::authorization_url,
        ),
        Piece::new(
            "code exchange",
            move || {
                let exchange = of_exchange.get_access_token(CODE, REDIRECT_URI, Some(&verifier), &[]);
                ready(exchange).expect("there is a token")
            },
            move || {
                by_hand(&[
                    ("grant_type", "authorization_code"),
                    ("code", CODE),
                    ("redirect_uri", REDIRECT_URI),
                    ("code_verifier", VERIFIER),
                    ("client_id", CLIENT_ID),
                    ("client_secret", SECRET),
                ])
            },
        ),
        Piece::new(
            "refresh",
            move || ready(of_refresh.refresh_token(REFRESH_TOKEN, None)).expect("there is a token"),
            move || {
                refresh_by_hand(&[
                    ("grant_type", "refresh_token"),
                    ("refresh_token", REFRESH_TOKEN),
                    ("client_id", CLIENT_ID),
                    ("client_secret", SECRET),
                ])
            },
        ),
    ]
}

fn parse() -> Piece<'static> {
    let (body, same) = (oauth_by_hand::token_reply(1024), oauth_by_hand::token_reply(1024));
    Piece::new(
        "token parse, 1 KB",
        move || serde_json::from_slice::<OAuth2Token>(&body).expect("it is a token"),
        move || oauth_by_hand::read_token(&same),
    )
}

fn sealed() -> [Piece<'static>; 2] {
    let client = OAuth2::new(CLIENT_ID, SECRET, AUTHORIZE, TOKEN).with_scopes(SCOPES);
    let options = LoginOptions::new().data("/where/the/user/was?page=2");
    let attempt = ready(client.start_login(REDIRECT_URI, options)).expect("it starts").attempt;
    let text = serde_json::to_vec(&attempt).expect("it is JSON");
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    let sealed = sealer.seal(&attempt).expect("it is sealed");
    let (seal_bare, open_bare) = (Aead::default(), Aead::default());
    let bare = open_bare.sealed(&text);
    let opener = sealer.clone();
    [
        Piece::new(
            "login attempt, sealed",
            move || sealer.seal(&attempt).expect("it is sealed"),
            move || seal_bare.seal(&text),
        ),
        Piece::new(
            "login attempt, opened",
            move || opener.open(&sealed, "oauth2", REDIRECT_URI).expect("it opens"),
            move || open_bare.open(&bare),
        ),
    ]
}

/// Tokens that are good until 2100, with public keys whose private halves nobody has kept: another signature would take another
/// number of instructions.
const ID_TOKENS: &str = include_str!("id_tokens.json");

fn id_tokens(runtime: &Runtime) -> Vec<Piece<'static>> {
    let all: Vec<Value> = serde_json::from_str(ID_TOKENS).expect("it is JSON");
    let text = |value: &Value| value.as_str().expect("it is a string").to_owned();
    let pieces = all.into_iter().map(|one| {
        let (name, jwk, token) = (text(&one["alg"]), &one["jwk"], text(&one["token"]));
        let claims = oauth_by_hand::read_id_token(&token).claims;
        let client = verifying_client(&claims.iss, &name, jwk);
        let expected = Expectations::new().nonce(claims.nonce.expect("there is a nonce"));
        runtime.block_on(client.verify_id_token(&token, &expected)).expect("it is right");
        let key = parsed(jwk);
        let (by_hand, signed) = (token.clone(), token.clone());
        let name = match &*name {
            "RS256" => "ID token, verified with warm keys, RS256",
            "ES256" => "ID token, verified with warm keys, ES256",
            _ => "ID token, verified with warm keys, EdDSA",
        };
        Piece::new(
            name,
            move || ready(client.verify_id_token(&token, &expected)).expect("it is right"),
            move || drop(black_box(oauth_by_hand::read_id_token(&by_hand))),
        )
        .with(Role::InBoth, {
            let signature = oauth_by_hand::read_id_token(&signed).signature;
            move || {
                let (signed, _) = signed.rsplit_once('.').expect("it has parts");
                key.verify_sig(signed.as_bytes(), &signature).expect("it is right");
            }
        })
    });
    pieces.collect()
}

fn verifying_client(issuer: &str, algorithm: &str, jwk: &Value) -> OpenID {
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": AUTHORIZE,
        "token_endpoint": TOKEN,
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
    });
    let metadata = ProviderMetadata::new(metadata).expect("it is valid");
    let client = OpenID::new(CLIENT_ID, SECRET, metadata).expect("it is valid");
    client.with_http_client(Fixed::json(json!({"keys": [jwk]}).to_string()))
}

/// The key as aws-lc-rs verifies with it fastest.
fn parsed(jwk: &Value) -> ParsedPublicKey {
    let bytes = |name: &str| {
        let encoded = jwk[name].as_str().expect("the key has it");
        URL_SAFE_NO_PAD.decode(encoded).expect("it is base64url")
    };
    let parsed = match jwk["kty"].as_str() {
        Some("RSA") => {
            let components = RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") };
            return components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).expect("it is a key");
        }
        Some("EC") => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], bytes("x"), bytes("y")].concat())
        }
        _ => ParsedPublicKey::new(&ED25519, bytes("x")),
    };
    parsed.expect("it is a key")
}

fn live_token(runtime: &Runtime) -> Piece<'static> {
    let client = OAuth2::new(CLIENT_ID, SECRET, AUTHORIZE, TOKEN);
    let sealer = Sealer::new(SealingKey::from_bytes([7; 32]));
    let builder = TokenManager::builder(MemoryStore::new(), sealer).provider(Arc::new(client));
    let manager = builder.build().expect("it is valid");
    let body = oauth_by_hand::token_reply(1024);
    let token: OAuth2Token = serde_json::from_slice(&body).expect("it is a token");
    let keys: Vec<_> = (0..KEYS).map(|user| TokenKey::new("oauth2", format!("user-{user}"))).collect();
    // A hasher without a random seed, so that each run takes the same steps.
    let mut map: HashMap<_, _, BuildHasherDefault<DefaultHasher>> = HashMap::default();
    for key in &keys {
        runtime.block_on(manager.put(key, &token)).expect("it is stored");
        runtime.block_on(manager.get(key)).expect("it is live");
        map.insert(key.clone(), Arc::new(token.clone()));
    }
    let map = RwLock::new(map);
    let same = keys.clone();
    // A key keeps its hash, which has a random seed; over many keys that evens out.
    Piece::new(
        "1,000 live tokens from the manager",
        move || {
            for key in &keys {
                black_box(ready(manager.get(key)).expect("it is live"));
            }
        },
        move || {
            for key in &same {
                let map = map.read().expect("nobody panics");
                black_box(map.get(key).map(Arc::clone));
            }
        },
    )
}

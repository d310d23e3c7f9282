//! A login attempt in a cookie: sealed, and opened again.

use anyhow::Result;
use cookie::{Cookie, CookieJar, Key};
use oauth_by_hand::{Aead, REDIRECT_URI};
use oauth_core::{LoginOptions, OAuth2, Provider, Sealer, SealingKey};

use crate::{
    measure::{MeasuredTime, Contender, interleave},
    report::{Cast, Row, times},
    world::{World, nobody, runtime},
};

const FLOOR: &str = "ChaCha20-Poly1305 alone";
const SHORT: &str = "ChaCha20-Poly1305 alone, of as many bytes as are sealed";
const OURS: &str = "oauth-clients";
const COOKIE: &str = "private cookie of `cookie`";

pub fn row(world: &mut World) -> Result<Row> {
    let client = OAuth2::new(
        crate::jwt::CLIENT_ID,
        "secret",
        "https://accounts.example.com/authorize",
        "https://accounts.example.com/token",
    )
    .with_scopes(["openid", "email", "profile"]);
    let options = LoginOptions::new().data("/where/the/user/was?page=2");
    let attempt = runtime()?.block_on(client.start_login(REDIRECT_URI, options))?.attempt;
    let sealer = Sealer::new(SealingKey::random()?);
    let sealed = sealer.seal(&attempt)?;
    let text = serde_json::to_string(&attempt)?;

    let key = Key::generate();
    let private = {
        let mut jar = CookieJar::new();
        jar.private_mut(&key).add(Cookie::new("login", text.clone()));
        jar.get("login").map(|cookie| cookie.value().to_owned()).unwrap_or_default()
    };
    let aead = Aead::default();
    // What is sealed beside the 17 bytes of head and nonce and the 16 of the tag, in base64 without padding.
    let short = "x".repeat(sealed.len() * 3 / 4 - 33);
    let (bare_text, bare_short) = (aead.sealed(text.as_bytes()), aead.sealed(short.as_bytes()));
    let seal_bare = |text: &str, count| {
        for _ in 0..count {
            std::hint::black_box(aead.seal(text.as_bytes()));
        }
    };
    let open_bare = |bare: &[u8], count| {
        for _ in 0..count {
            std::hint::black_box(aead.open(bare));
        }
    };

    let seal = vec![
        Contender::new(FLOOR, |count| seal_bare(&text, count)),
        Contender::new(SHORT, |count| seal_bare(&short, count)),
        Contender::new(OURS, |count| {
            for _ in 0..count {
                std::hint::black_box(sealer.seal(&attempt).expect("it is sealed"));
            }
        }),
        Contender::new(COOKIE, |count| {
            for _ in 0..count {
                let text = serde_json::to_string(&attempt).expect("it is JSON");
                let mut jar = CookieJar::new();
                jar.private_mut(&key).add(Cookie::new("login", text));
                std::hint::black_box(jar.get("login").map(|cookie| cookie.value().len()));
            }
        }),
    ];
    let sealing = interleave(seal, world.plan(20_000), &mut nobody);
    let open = vec![
        Contender::new(FLOOR, |count| open_bare(&bare_text, count)),
        Contender::new(SHORT, |count| open_bare(&bare_short, count)),
        Contender::new(OURS, |count| {
            for _ in 0..count {
                let attempt = sealer.open(&sealed, "oauth2", REDIRECT_URI);
                std::hint::black_box(attempt.expect("it opens"));
            }
        }),
        Contender::new(COOKIE, |count| {
            for _ in 0..count {
                let jar = CookieJar::new();
                let cookie =
                    jar.private(&key).decrypt(Cookie::new("login", private.clone())).expect("it opens");
                let attempt: oauth_core::LoginAttempt =
                    serde_json::from_str(cookie.value()).expect("it is an attempt");
                std::hint::black_box(attempt);
            }
        }),
    ];
    let opening = interleave(open, world.plan(20_000), &mut nobody);
    let cast = Cast { ours: &[OURS], floors: &[FLOOR, SHORT], base: FLOOR };
    let tables = [("seal", sealing), ("open", opening)].map(|(title, measured)| {
        times(title, &measured, &cast, MeasuredTime::Cpu).with_goal(
            "CPU ≤ that of the private jar of `cookie`",
            &measured,
            (OURS, COOKIE),
            MeasuredTime::Cpu,
            1.0,
        )
    });
    Ok(Row {
        id: "seal",
        title: "Sealed login attempt",
        method: format!(
            "{} in each round, of one attempt whose JSON has {} bytes. The library seals a compact form of {} bytes, which is {} \
             characters as a cookie. The AEAD alone gets the JSON as bytes, or as many bytes as the compact form has, copies them, and \
             seals them with a fresh random nonce, or opens them; it neither writes nor reads an attempt or base64, and has its key \
             ready. The private cookie (AES-256-GCM) holds the JSON, written and read each time, as {} characters.",
            world.plan(20_000).iterations,
            text.len(),
            short.len(),
            sealed.len(),
            private.len()
        ),
        tables: tables.into(),
    })
}

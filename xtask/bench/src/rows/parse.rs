//! A token reply, from bytes to a token.

use anyhow::Result;
use oauth_core::OAuth2Token;
use serde_json::json;

use crate::{
    flat,
    measure::{Clock, Contender, interleave},
    report::{Cast, Row, times},
    world::{World, nobody},
};

const FLOOR: &str = "serde_json into a flat struct";
const OURS: &str = "oauth-clients";

pub fn row(world: &mut World) -> Result<Row> {
    let mut tables = Vec::new();
    for (title, size) in [("1 KB", 1024), ("8 KB", 8192)] {
        let body = reply(size);
        let contenders = vec![
            Contender::new(FLOOR, |count| {
                for _ in 0..count {
                    let token: flat::Token = serde_json::from_slice(&body).expect("it is a token");
                    std::hint::black_box(token);
                }
            }),
            Contender::new(OURS, |count| {
                for _ in 0..count {
                    let token: OAuth2Token = serde_json::from_slice(&body).expect("it is a token");
                    std::hint::black_box(token);
                }
            }),
            Contender::new("oauth2", |count| {
                use oauth2::basic::BasicTokenResponse;
                for _ in 0..count {
                    let token: BasicTokenResponse = serde_json::from_slice(&body).expect("it is a token");
                    std::hint::black_box(token);
                }
            }),
        ];
        let measured = interleave(contenders, world.plan(50_000), &mut nobody);
        let cast = Cast { ours: &[OURS], floors: &[FLOOR], base: FLOOR };
        tables.push(times(title, &measured, &cast, Clock::Cpu).with_goal(
            "CPU ≤ 1.3 × floor",
            &measured,
            (OURS, FLOOR),
            Clock::Cpu,
            1.3,
        ));
    }
    Ok(Row {
        id: "parse",
        title: "Token parse",
        method: format!(
            "{} replies in each round. Access token, refresh token and ID token fill the size in equal parts; beside them stand \
             `token_type`, `expires_in` and `scope`. This library keeps every member, refuses a member that stands twice, and wipes \
             the three tokens from memory in the end, which is part of what is measured; the flat struct does none of this. The \
             reader is that of the code exchange.",
            world.plan(50_000).iterations
        ),
        tables,
    })
}

/// A reply of about this size, most of which is tokens, as it is in life.
fn reply(size: usize) -> Vec<u8> {
    let text = |length: usize| -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..length).map(|at| alphabet[(at * 37 + length) % 64] as char).collect()
    };
    let each = (size - 160) / 3;
    json!({
        "access_token": text(each), "token_type": "Bearer", "expires_in": 3599, "refresh_token": text(each),
        "scope": "openid email profile", "id_token": text(each),
    })
    .to_string()
    .into_bytes()
}

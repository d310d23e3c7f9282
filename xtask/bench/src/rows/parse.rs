//! A token reply, from bytes to a token.

use anyhow::Result;
use oauth_core::OAuth2Token;

use crate::{
    measure::{MeasuredTime, Contender, interleave},
    report::{Cast, Row, times},
    world::{World, nobody},
};

const FLOOR: &str = "serde_json into a flat struct";
const OAUTH2: &str = "oauth2";
const OURS: &str = "oauth-clients";

pub fn row(world: &mut World) -> Result<Row> {
    let mut tables = Vec::new();
    for (title, size) in [("1 KB", 1024), ("8 KB", 8192)] {
        let body = oauth_by_hand::token_reply(size);
        let contenders = vec![
            Contender::new(FLOOR, |count| {
                for _ in 0..count {
                    std::hint::black_box(oauth_by_hand::read_token(&body));
                }
            }),
            Contender::new(OURS, |count| {
                for _ in 0..count {
                    let token: OAuth2Token = serde_json::from_slice(&body).expect("it is a token");
                    std::hint::black_box(token);
                }
            }),
            Contender::new(OAUTH2, |count| {
                use oauth2::basic::BasicTokenResponse;
                for _ in 0..count {
                    let token: BasicTokenResponse = serde_json::from_slice(&body).expect("it is a token");
                    std::hint::black_box(token);
                }
            }),
        ];
        let measured = interleave(contenders, world.plan(50_000), &mut nobody);
        let cast = Cast { ours: &[OURS], floors: &[FLOOR], base: FLOOR };
        tables.push(times(title, &measured, &cast, MeasuredTime::Cpu).with_goal(
            "CPU ≤ oauth2's",
            &measured,
            (OURS, OAUTH2),
            MeasuredTime::Cpu,
            1.0,
        ));
    }
    Ok(Row {
        id: "parse",
        title: "Token parse",
        method: format!(
            "{} replies in each round. Access token, refresh token and ID token fill the size in equal parts; beside them stand \
             `token_type`, `expires_in` and `scope`. This library keeps every member, refuses a member that occurs twice, and wipes \
             the three tokens from memory in the end, which is part of what is measured; the flat struct does none of this. The \
             reader is that of the code exchange.",
            world.plan(50_000).iterations
        ),
        tables,
    })
}

//! `decode`: shows what is in a JWT.

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    arguments::Decode,
    exit::CommandResult,
    jwt,
    output::{Output, to_json},
    words::in_words,
};

/// Claims that are moments (RFC 7519 section 4.1, OpenID Connect Core section 2).
const MOMENTS: &[&str] = &["auth_time", "exp", "iat", "nbf", "toe", "updated_at"];

pub(crate) fn run(decode: &Decode, output: Output) -> CommandResult {
    let parts = jwt::parts(&jwt::read(&decode.file)?)?;
    let value = json!({ "verified": false, "header": parts.header, "claims": parts.claims });
    let pretty = to_json(&json!({ "header": parts.header, "claims": parts.claims }))?;
    output.result(&value, || pretty)?;
    if let Some(Value::Object(claims)) = &parts.claims {
        for line in moments(claims) {
            output.progress(&line);
        }
    }
    output.progress(match parts.claims {
        Some(_) => "not verified: anybody can write such a token. `oauth-clients verify` checks it",
        None => "encrypted: only its header can be shown",
    });
    Ok(())
}

fn moments(claims: &Map<String, Value>) -> Vec<String> {
    let now = OffsetDateTime::now_utc();
    let moment = |name: &&str| {
        let seconds = claims.get(*name)?.as_f64()?;
        let time = OffsetDateTime::from_unix_timestamp(seconds as i64).ok()?;
        let text = time.format(&Rfc3339).ok()?;
        Some(format!("{name} is {text}, {}", in_words((time - now).whole_seconds())))
    };
    MOMENTS.iter().filter_map(moment).collect()
}

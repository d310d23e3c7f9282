//! A JWT taken apart, without a word about whether it is genuine.

use std::{
    fs,
    io::{self, Read},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::exit::{CommandResult, Failure};

/// More is not read.
const MOST: u64 = 1024 * 1024;

/// What is in a JWT.
pub(crate) struct Parts {
    pub(crate) header: Map<String, Value>,
    /// `None` for an encrypted one.
    pub(crate) claims: Option<Value>,
}

/// Reads a token from a file, or from standard input for `-`.
pub(crate) fn read(file: &str) -> CommandResult<String> {
    let mut text = String::new();
    let read = match file {
        "-" => io::stdin().lock().take(MOST).read_to_string(&mut text),
        // Whoever pastes the token as the argument is told how it is done, and the error does not quote it.
        _ if file.matches('.').count() >= 2 && file.len() > 100 => {
            let advice = "give the token on standard input: other users of this machine can see arguments";
            return Err(Failure::Usage(advice.to_owned()));
        }
        _ => fs::File::open(file).and_then(|opened| opened.take(MOST).read_to_string(&mut text)),
    };
    read.map_err(|error| {
        Failure::Usage(format!("cannot read {}: {error}", if file == "-" { "standard input" } else { file }))
    })?;
    // As it is copied from a header.
    let token = text.trim();
    let token = token.strip_prefix("Authorization:").unwrap_or(token).trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
    match token.is_empty() {
        true => Err(Failure::Usage("the input holds no token".to_owned())),
        false => Ok(token.to_owned()),
    }
}

/// Takes a JWT in compact form apart.
pub(crate) fn parts(token: &str) -> CommandResult<Parts> {
    let wrong = |problem: &str| Failure::Other(format!("this is not a JWT: {problem}"));
    let pieces: Vec<&str> = token.split('.').collect();
    let json = |piece: &str, name: &str| -> CommandResult<Value> {
        let bytes = URL_SAFE_NO_PAD
            .decode(piece.trim_end_matches('='))
            .map_err(|_| wrong(&format!("its {name} is not base64url")))?;
        serde_json::from_slice(&bytes).map_err(|_| wrong(&format!("its {name} is not JSON")))
    };
    let header = |piece: &str| match json(piece, "header")? {
        Value::Object(header) => Ok(header),
        _ => Err(wrong("its header is not an object")),
    };
    match &*pieces {
        [first, payload, _signature] => {
            Ok(Parts { header: header(first)?, claims: Some(json(payload, "payload")?) })
        }
        [first, _, _, _, _] => Ok(Parts { header: header(first)?, claims: None }),
        _ => Err(wrong(&format!(
            "it has {} parts, and a JWT has three, or five if it is encrypted",
            pieces.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_has_three_parts_or_five() {
        let parts_of = |header: &str, payload: &str| {
            parts(&format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload)))
        };
        let read = parts_of(r#"{"alg":"RS256"}"#, r#"{"sub":"a"}"#).unwrap();
        assert_eq!(
            (read.header["alg"].as_str(), read.claims.unwrap()["sub"].as_str()),
            (Some("RS256"), Some("a"))
        );
        let encrypted = parts(&format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode(r#"{"alg":"dir"}"#))).unwrap();
        assert!(encrypted.claims.is_none());
        for wrong in ["", "a", "a.b", "a.b.c.d", "!.!.!"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
        assert!(parts_of("[]", "{}").is_err() && parts_of("{}", "no").is_err());
    }
}

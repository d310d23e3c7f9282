//! The rules for ID tokens and logout tokens, written a second time, from the specifications and not from the code that they judge.

use std::{collections::HashSet, fmt};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::serde_json::{self, Value};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{
    members::{Member, member},
    signer_key::{SignerKey, now},
};

/// What the rules say of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every rule holds.
    Accept,
    /// This one does not.
    Refuse(&'static str),
    /// The rules leave it open, such as with which key a token of an unknown `kid` is verified.
    Open,
}

/// A token before it is written down, with what is expected of it.
#[derive(Clone, Debug)]
pub(crate) struct MadeToken {
    pub(crate) header: Vec<Member>,
    pub(crate) claims: Vec<Member>,
    pub(crate) key: SignerKey,
    pub(crate) is_damaged: bool,
    pub(crate) nonce: Option<String>,
    pub(crate) access_token: Option<String>,
    pub(crate) max_age: Option<u64>,
    pub(crate) acr: Vec<String>,
}

impl MadeToken {
    pub(crate) fn claim(&self, name: &str) -> Option<&Value> {
        member(&self.claims, name)
    }

    pub(crate) fn in_header(&self, name: &str) -> Option<&Value> {
        member(&self.header, name)
    }
}

const LEEWAY: f64 = 60.0;
const ISSUER: &str = "https://op.example";
const CLIENT: &str = "client-1";

/// The verdict on an ID token (OpenID Connect Core section 3.1.3.7, RFC 8725).
pub(crate) fn of_id_token(made: &MadeToken) -> Verdict {
    let checks = [
        signature(made, &["jwt", "jws", "jose", "id_token", "id+jwt"]),
        audience(made),
        subject(made),
        times(made),
        no_other_kind(made),
        nonce(made),
        access_token_hash(made),
        authentication(made),
    ];
    worst(checks)
}

/// The verdict on a logout token (OpenID Connect Back-Channel Logout section 2.6).
pub(crate) fn of_logout_token(made: &MadeToken) -> Verdict {
    const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
    let audiences = match made.claim("aud") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            all.iter().filter_map(Value::as_str).collect()
        }
        _ => return Verdict::Refuse("aud"),
    };
    let text = |name: &str| match made.claim(name) {
        None => Some(false),
        Some(Value::String(text)) if !text.is_empty() => Some(true),
        Some(_) => None,
    };
    let iat = date(made, "iat");
    let checks = [
        signature(made, &["jwt", "jws", "jose", "logout+jwt", "logout_token"]),
        rule(audiences.contains(&CLIENT), "aud"),
        times(made),
        // Not older than ten minutes.
        rule(iat.flatten().is_some_and(|iat| now() - iat <= 600.0 + LEEWAY), "the age"),
        rule(made.claim("events").is_some_and(|events| events[EVENT].is_object()), "events"),
        rule(made.claim("nonce").is_none(), "nonce"),
        rule(matches!((text("sub"), text("sid")), (Some(a), Some(b)) if a || b), "sub and sid"),
        rule(text("jti") == Some(true), "jti"),
    ];
    worst(checks)
}

pub(crate) fn worst(checks: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut verdict = Verdict::Accept;
    for check in checks {
        match check {
            Verdict::Refuse(_) => return check,
            Verdict::Open => verdict = Verdict::Open,
            Verdict::Accept => {}
        }
    }
    verdict
}

pub(crate) fn rule(holds: bool, name: &'static str) -> Verdict {
    if holds { Verdict::Accept } else { Verdict::Refuse(name) }
}

pub(crate) fn is_repeated(members: &[Member]) -> bool {
    let mut seen = HashSet::new();
    !members.iter().all(|(name, _)| seen.insert(name))
}

fn signature(made: &MadeToken, types: &[&str]) -> Verdict {
    let kind = match made.in_header("typ") {
        None => true,
        Some(Value::String(kind)) => {
            let kind = kind.to_ascii_lowercase();
            types.contains(&kind.strip_prefix("application/").unwrap_or(&kind))
        }
        Some(_) => false,
    };
    worst([rule(kind, "typ"), signature_of_any_type(made)])
}

/// All rules for a signature and who has made it, but for the type.
pub(crate) fn signature_of_any_type(made: &MadeToken) -> Verdict {
    let alg = made.in_header("alg").and_then(Value::as_str).unwrap_or_default();
    let (own, fits) = match made.key {
        SignerKey::Es256 => ("es", alg == "ES256"),
        SignerKey::EdDsa => ("ed", alg == "EdDSA" || alg == "Ed25519"),
        SignerKey::Rs256 => ("rsa", alg == "RS256"),
        SignerKey::Ps256 => ("rsa", alg == "PS256"),
        // Nobody registered HS256, and a stranger is a stranger.
        SignerKey::Stranger | SignerKey::ClientSecret | SignerKey::PublicKeyAsSecret => ("", false),
    };
    let kid = match made.in_header("kid") {
        None => Verdict::Accept,
        Some(kid) => rule(kid == own, "kid"),
    };
    let critical = ["crit", "b64", "zip"].iter().any(|name| made.in_header(name).is_some());
    worst([
        rule(!is_repeated(&made.header) && !is_repeated(&made.claims), "a member is there twice"),
        rule(!made.is_damaged, "the signature"),
        rule(fits, "alg and key"),
        kid,
        rule(!critical, "crit"),
        rule(made.claim("iss").is_some_and(|iss| iss == ISSUER), "iss"),
    ])
}

fn audience(made: &MadeToken) -> Verdict {
    let all: Vec<&Value> = match made.claim("aud") {
        Some(one @ Value::String(_)) => vec![one],
        Some(Value::Array(all)) => all.iter().collect(),
        _ => return Verdict::Refuse("aud"),
    };
    worst([
        rule(!all.is_empty() && all.iter().all(|one| *one == CLIENT), "aud"),
        rule(made.claim("azp").is_none_or(|azp| azp == CLIENT), "azp"),
    ])
}

fn subject(made: &MadeToken) -> Verdict {
    let subject = made.claim("sub").and_then(Value::as_str).unwrap_or_default();
    let is_graphic = |byte: u8| (0x20..0x7f).contains(&byte);
    rule(
        (1..=255).contains(&subject.len())
            && subject.bytes().all(is_graphic)
            && !subject.starts_with(' ')
            && !subject.ends_with(' '),
        "sub",
    )
}

/// `None` if the claim is missing, `Some(None)` if it is not a date of the years 1970 to 9999.
#[expect(clippy::option_option, reason = "missing and wrong are two things")]
fn date(made: &MadeToken, name: &str) -> Option<Option<f64>> {
    let date = made.claim(name)?.as_f64();
    Some(date.filter(|date| (0.0..=253_402_300_799.0).contains(date)))
}

fn times(made: &MadeToken) -> Verdict {
    worst([
        rule(matches!(date(made, "exp"), Some(Some(exp)) if exp > now() - LEEWAY), "exp"),
        rule(matches!(date(made, "iat"), Some(Some(iat)) if iat <= now() + LEEWAY), "iat"),
        rule(date(made, "nbf").is_none_or(|nbf| nbf.is_some_and(|nbf| nbf <= now() + LEEWAY)), "nbf"),
    ])
}

fn no_other_kind(made: &MadeToken) -> Verdict {
    let kinds = ["typ", "token_use", "token_type"].iter().filter_map(|name| made.claim(name));
    let is_id_token = |kind: &Value| {
        let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
        ["id", "id_token", "id-token", "idtoken", "jwt"].contains(&kind.trim())
    };
    worst([
        rule(kinds.into_iter().all(is_id_token), "typ, token_use or token_type among the claims"),
        rule(
            ["scope", "scp", "scopes", "events"].iter().all(|name| made.claim(name).is_none()),
            "scope or events",
        ),
    ])
}

fn nonce(made: &MadeToken) -> Verdict {
    let Some(expected) = &made.nonce else { return Verdict::Accept };
    rule(made.claim("nonce").is_some_and(|nonce| nonce == expected.as_str()), "nonce")
}

fn access_token_hash(made: &MadeToken) -> Verdict {
    let (Some(access_token), Some(found)) = (&made.access_token, made.claim("at_hash")) else {
        return Verdict::Accept;
    };
    let hash = match made.key {
        // Of Ed25519 no specification says which hash it is.
        SignerKey::EdDsa => return Verdict::Open,
        _ => digest::digest(&digest::SHA256, access_token.as_bytes()),
    };
    let hash = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]);
    rule(found == hash.as_str(), "at_hash")
}

#[expect(clippy::cast_precision_loss, reason = "an age of the tests has few digits")]
fn authentication(made: &MadeToken) -> Verdict {
    let age = match (made.max_age, date(made, "auth_time")) {
        (None, _) => Verdict::Accept,
        (Some(max_age), Some(Some(at))) => {
            rule(at <= now() + LEEWAY && now() - at <= max_age as f64 + LEEWAY, "auth_time")
        }
        (Some(_), _) => Verdict::Refuse("auth_time"),
    };
    let acr = made.claim("acr").and_then(Value::as_str);
    let has_acr = made.acr.is_empty() || acr.is_some_and(|acr| made.acr.iter().any(|one| one == acr));
    worst([age, rule(has_acr, "acr")])
}

/// Whether an object anywhere in a JSON text names a member twice; `false` for what is not JSON.
pub(crate) fn repeats_a_member(text: &str) -> bool {
    serde_json::from_str::<Members>(text).is_ok_and(|Members(repeats)| repeats)
}

struct Members(bool);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> DeserializeSeed<'de> for MembersVisitor {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let mut repeats = false;
        while let Some(item) = items.next_element_seed(MembersVisitor)? {
            repeats |= item;
        }
        Ok(repeats)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let (mut seen, mut repeats) = (HashSet::new(), false);
        while let Some(name) = members.next_key::<String>()? {
            repeats |= !seen.insert(name);
            repeats |= members.next_value_seed(MembersVisitor)?;
        }
        Ok(repeats)
    }
}

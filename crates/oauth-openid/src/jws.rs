//! Compact JWS (RFC 7515 section 7.1), read by the strictest rule: three parts of base64url without padding, and a JSON object
//! that names no member twice as header and as claims.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth_core::{JwtCheck, JwtUse, serde_json::Value};

use crate::{
    algorithm::Algorithm,
    claims::{Claims, ClaimsExt, parse_object, parse_object_repeating},
};

/// The most characters of a token. Real ones have a few thousand.
const MOST_CHARACTERS: usize = 128 * 1024;

/// Values of `typ` that say no more than that it is a signed token.
const PLAIN_TYPES: &[&str] = &["jwt", "jws", "jose"];

/// Why a text is not the token that it should be.
pub(crate) type JwtRefusal = (JwtCheck, String);

/// A signed token, taken apart. Nothing of it is verified.
#[derive(Clone, Debug)]
pub(crate) struct Jws {
    pub(crate) header: Claims,
    pub(crate) claims: Claims,
    pub(crate) signature: Vec<u8>,
    /// Up to where the text was signed.
    signed: usize,
}

/// How many parts of base64url a text has: three for a JWS, five for a JWE.
pub(crate) fn parts(token: &str) -> usize {
    token.split('.').count()
}

impl Jws {
    /// Takes a token apart and checks its form.
    pub(crate) fn parse(token: &str) -> Result<Self, JwtRefusal> {
        Self::parse_with(token, parse_object)
    }

    /// Takes a token of this kind apart and checks its form.
    pub(crate) fn parse_as(kind: JwtUse, token: &str) -> Result<Self, JwtRefusal> {
        match kind {
            // Keycloak writes the same `iss` twice (its issue 44563).
            JwtUse::AuthorizationResponse => {
                Self::parse_with(token, |claims| parse_object_repeating(claims, "iss"))
            }
            _ => Self::parse(token),
        }
    }

    fn parse_with(
        token: &str,
        read_claims: impl Fn(&[u8]) -> Result<Option<Claims>, String>,
    ) -> Result<Self, JwtRefusal> {
        let wrong = |what: &str| (JwtCheck::Form, what.to_owned());
        if token.len() > MOST_CHARACTERS {
            return Err(wrong("it is too long to be a token"));
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(wrong("it is not three parts with dots between them, as a signed token is"));
        };
        let bytes = |part: &str| {
            URL_SAFE_NO_PAD.decode(part).map_err(|_| wrong("a part of it is not base64url without padding"))
        };
        let object = |read: Result<Option<Claims>, String>, name: &str| match read {
            Ok(Some(object)) => Ok(object),
            Ok(None) => Err(wrong(&format!("its {name} is not a JSON object"))),
            Err(problem) => Err(wrong(&format!("its {name} cannot be read: {problem}"))),
        };
        Ok(Self {
            header: object(parse_object(&bytes(header)?), "header")?,
            signature: bytes(signature)?,
            claims: object(read_claims(&bytes(claims)?), "claims")?,
            signed: header.len() + 1 + claims.len(),
        })
    }

    /// The part of the token that was signed.
    pub(crate) fn signed<'t>(&self, token: &'t str) -> &'t [u8] {
        token.as_bytes().get(..self.signed).unwrap_or_default()
    }

    /// A member of the header that is a text.
    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        self.header.text(name)
    }

    /// The algorithm, if the header names one that the client accepts.
    ///
    /// Keys in the header (`jwk`, `jku`, `x5c`, `x5u`) are not even looked at (RFC 8725 section 3.10).
    pub(crate) fn algorithm(&self, accepted: &[Algorithm]) -> Result<Algorithm, JwtRefusal> {
        let wrong = |what: String| Err((JwtCheck::Algorithm, what));
        let Some(name) = self.header_text("alg") else {
            return wrong("its header has no alg".to_owned());
        };
        match Algorithm::of(name).filter(|algorithm| accepted.contains(algorithm)) {
            Some(algorithm) => Ok(algorithm),
            None if accepted.is_empty() => {
                wrong(format!("its alg is {}, and the client accepts none at all", quoted(name)))
            }
            None => wrong(format!(
                "its alg is {}, and accepted are {}",
                quoted(name),
                accepted.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// That the header demands nothing that is not understood here, which is everything that can be demanded.
    pub(crate) fn check_critical(&self) -> Result<(), JwtRefusal> {
        // An unencoded payload (RFC 7797) would be signed differently, whether `crit` says so or not.
        match ["crit", "b64", "zip"].into_iter().find(|name| self.header.contains_key(*name)) {
            None => Ok(()),
            Some(name) => {
                Err((JwtCheck::Critical, format!("its header has {name}, which is not understood")))
            }
        }
    }

    /// Checks that `typ` is absent, says nothing, or is one of these: an access token or a logout token is not an ID token (RFC 8725
    /// section 3.11).
    ///
    /// It is a list of what is accepted, because what a server may write there to say "something else" has no end.
    pub(crate) fn check_type<'o>(&self, own: impl IntoIterator<Item = &'o str>) -> Result<(), JwtRefusal> {
        let Some(found) = self.header.get("typ") else { return Ok(()) };
        let kind = media_type(found.as_str().unwrap_or_default());
        if PLAIN_TYPES.contains(&&*kind) || own.into_iter().any(|own| media_type(own) == kind) {
            return Ok(());
        }
        Err((JwtCheck::Type, format!("its typ is {}: a token for something else", shown(Some(found)))))
    }

    /// Checks that `typ` is one of these (RFC 8725 section 3.11).
    pub(crate) fn require_type<'o>(&self, own: impl IntoIterator<Item = &'o str>) -> Result<(), JwtRefusal> {
        let found = self.header.get("typ");
        let kind = media_type(found.and_then(Value::as_str).unwrap_or_default());
        match own.into_iter().any(|own| media_type(own) == kind) {
            true => Ok(()),
            false => Err((
                JwtCheck::Type,
                format!("its typ is {}: a token for something else, or one that does not say", shown(found)),
            )),
        }
    }
}

/// A media type in the short form of RFC 7515 section 4.1.9, without its parameters.
fn media_type(text: &str) -> String {
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.strip_prefix("application/") {
        Some(short) => short.to_owned(),
        None => kind,
    }
}

/// A text of a token, fit for an error: short, on one line, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut short: String = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    format!("{short:?}")
}

/// A claim, fit for an error.
pub(crate) fn shown(claim: Option<&Value>) -> String {
    match claim {
        None => "missing".to_owned(),
        Some(Value::String(text)) => quoted(text),
        Some(other) => {
            let text = other.to_string();
            quoted(&text).trim_matches('"').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(claims), encode("signatures"))
    }

    fn check(token: &str) -> JwtCheck {
        Jws::parse(token).unwrap_err().0
    }

    #[test]
    fn jk_15_only_the_compact_form_is_read() {
        let good = token(r#"{"alg":"RS256"}"#, r#"{"sub":"1"}"#);
        assert!(Jws::parse(&good).is_ok());
        for bad in [
            String::new(),
            "a.b".to_owned(),
            format!("{good}.x"),
            format!("{good}="),
            format!("{good}\n"),
            format!(" {good}"),
            good.replacen("ey", "e+", 1),
            good.replacen("ey", "e/", 1),
            format!("{good}{}", "A".repeat(10_000_000)),
            r#"{"payload":"","signatures":[]}"#.to_owned(),
        ] {
            assert_eq!(check(&bad), JwtCheck::Form, "{}", &bad[..bad.len().min(40)]);
        }
    }

    #[test]
    fn jk_15_bits_that_belong_to_no_byte_are_refused() {
        // The last character of a part has bits to spare; two texts would be one signature.
        let good = token(r#"{"alg":"RS256"}"#, "{}");
        let last = good.chars().last().unwrap();
        let other = char::from_u32(u32::from(last) + 1).unwrap();
        let bad = format!("{}{other}", &good[..good.len() - 1]);
        assert_eq!(check(&bad), JwtCheck::Form);
    }

    #[test]
    fn tk_21_a_member_named_twice_is_refused() {
        let twice = token(r#"{"alg":"RS256"}"#, r#"{"sub":"1","sub":"2"}"#);
        assert_eq!(check(&twice), JwtCheck::Form);
        let twice = token(r#"{"alg":"RS256","alg":"none"}"#, "{}");
        assert_eq!(check(&twice), JwtCheck::Form);
    }

    #[test]
    fn jk_10_an_algorithm_is_taken_from_the_clients_list_only() {
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"NONE"}"#,
            r#"{"alg":"nOnE"}"#,
            r#"{"alg":"HS256"}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            "{}",
        ] {
            let jws = Jws::parse(&token(header, "{}")).unwrap();
            let refusal = jws.algorithm(Algorithm::WITH_PUBLIC_KEYS).unwrap_err();
            assert_eq!(refusal.0, JwtCheck::Algorithm, "{header}");
        }
    }

    #[test]
    fn jk_16_what_is_critical_is_refused() {
        for header in [
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"RS256","b64":false}"#,
        ] {
            let jws = Jws::parse(&token(header, "{}")).unwrap();
            assert_eq!(jws.check_critical().unwrap_err().0, JwtCheck::Critical, "{header}");
        }
    }

    #[test]
    fn jk_17_another_kind_of_token_is_refused() {
        let of =
            |kind: &str| Jws::parse(&token(&format!(r#"{{"alg":"RS256","typ":{kind}}}"#), "{}")).unwrap();
        for kind in [
            "\"at+jwt\"",
            "\"application/AT+JWT\"",
            "\"at+jwt;v=1\"",
            "\"at+jwt \"",
            "\" Application/at+JWT ; v=1\"",
            "\"logout+jwt\"",
            "\"logout_token\"",
            "\"dpop+jwt\"",
            "\"access_token\"",
            "\"jwt+at\"",
            "\"at+jwt\\u200b\"",
            "1",
            "null",
            "\"\"",
            "[\"JWT\"]",
        ] {
            assert!(of(kind).check_type(["id_token"]).is_err(), "{kind}");
        }
        for kind in ["\"JWT\"", "\"jwt\"", "\"application/jwt\"", "\"JWT;v=1\"", "\"JOSE\"", "\"id_token\""] {
            assert!(of(kind).check_type(["id_token"]).is_ok(), "{kind}");
        }
        assert!(of("\"logout+jwt\"").check_type(["logout+jwt"]).is_ok());
    }

    #[test]
    fn a_type_that_is_required_is_there() {
        let of = |header: &str| Jws::parse(&token(header, "{}")).unwrap().require_type(["secevent+jwt"]);
        assert!(of(r#"{"typ":"secevent+jwt"}"#).is_ok());
        assert!(of(r#"{"typ":"application/SecEvent+JWT"}"#).is_ok());
        for other in ["{}", r#"{"typ":"JWT"}"#, r#"{"typ":""}"#, r#"{"typ":1}"#] {
            assert_eq!(of(other).unwrap_err().0, JwtCheck::Type, "{other}");
        }
    }

    #[test]
    fn what_an_error_quotes_is_short_and_on_one_line() {
        assert_eq!(quoted("a\nb"), r#""a\nb""#);
        assert_eq!(quoted(&"a".repeat(120)), format!("\"{}\"", "a".repeat(120)));
        assert_eq!(quoted(&"a".repeat(121)), format!("\"{}…\"", "a".repeat(120)));
        assert_eq!(shown(None), "missing");
        assert_eq!(shown(Some(&Value::from("a"))), r#""a""#);
        assert_eq!(shown(Some(&Value::from(7))), "7");
    }

    #[test]
    fn the_longest_token_is_read_and_no_longer_one() {
        let good = token(r#"{"alg":"RS256"}"#, "{}");
        let padded = |length: usize| {
            let signature = "A".repeat(length - good.rfind('.').unwrap() - 1);
            format!("{}.{signature}", &good[..good.rfind('.').unwrap()])
        };
        Jws::parse(&padded(MOST_CHARACTERS)).unwrap();
        let (_, reason) = Jws::parse(&padded(MOST_CHARACTERS + 1)).unwrap_err();
        assert_eq!(reason, "it is too long to be a token");
    }

    #[test]
    fn an_iss_may_be_repeated_in_an_authorization_response_alone() {
        let twice = token(r#"{"alg":"RS256"}"#, r#"{"iss":"a","iss":"a"}"#);
        assert!(Jws::parse_as(JwtUse::AuthorizationResponse, &twice).is_ok());
        assert_eq!(Jws::parse_as(JwtUse::IdToken, &twice).unwrap_err().0, JwtCheck::Form);
        let none = Jws::parse(&token(r#"{"alg":"RS256"}"#, "{}")).unwrap();
        assert!(none.algorithm(&[]).unwrap_err().1.contains("accepts none at all"));
        assert!(none.algorithm(&[Algorithm::ES256]).unwrap_err().1.contains("accepted are ES256"));
    }
}

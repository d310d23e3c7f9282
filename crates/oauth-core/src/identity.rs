//! Who signed in: the account's key, addresses and name.

pub(crate) mod linking;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::printable::is_printable;

/// Who signed in.
///
/// [`key`](Self::key) is the only thing to look a user up by: addresses change hands, and not every provider verifies
/// them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Identity {
    /// The issuer whose user this is: the `iss` of the ID token, or else the issuer of the client; where the provider has none, its name;
    /// for a generic client, the URL of its token endpoint. What the application calls its client does not matter.
    pub issuer: String,
    /// The user's identifier at the issuer: 1 to 255 printable characters without white space at the ends. It never changes. Compare and
    /// store it byte for byte, in a column whose collation is binary.
    pub subject: String,
    /// The e-mail address, if the provider gave one.
    pub email: Option<Email>,
    /// The name to show.
    pub name: Option<String>,
    /// The URL of a picture, which is https or http.
    pub picture: Option<String>,
    /// All that the provider said.
    pub profile: Value,
    /// What earlier versions of this library wrote in place of the issuer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) former_issuers: Vec<String>,
}

/// An e-mail address, and whether the provider vouches for it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Email {
    /// The address, as the provider wrote it; one with a line break or another control character counts as none.
    pub address: String,
    /// Whether it is the user's.
    pub verification: EmailVerification,
}

/// Whether the provider vouches that an address is the user's.
// Whoever decides by it must decide for every case, so it is not `non_exhaustive`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailVerification {
    /// It says so.
    Verified,
    /// It says that it does not.
    Unverified,
    /// It does not say.
    Unknown,
}

impl Identity {
    /// An identity with nothing but its key.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>, profile: Value) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            email: None,
            name: None,
            picture: None,
            profile,
            former_issuers: Vec::new(),
        }
    }

    /// Issuer and subject: the only key of a user.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.issuer, &self.subject)
    }

    /// The identity without what must not be used: a picture that is not https or http, and an address that would be several lines of a
    /// mail's header. Whatever reads an identity ends with it.
    #[must_use]
    pub fn without_unusable(mut self) -> Self {
        self.picture = self.picture.filter(|picture| is_web_address(picture));
        self.email = self.email.filter(|email| email.address.chars().all(is_on_one_line));
        self
    }

    /// Does not believe that the address is verified, for a provider whose word says nothing about who owns the mailbox: a yes counts as
    /// unknown, and a no stays a no.
    pub fn distrust_email(&mut self) {
        if let Some(email) = self.email.as_mut().filter(|email| email.is_verified()) {
            email.verification = EmailVerification::Unknown;
        }
    }

    /// The keys that earlier versions of this library gave this user, for a migration of stored keys to [`key`](Self::key).
    ///
    /// Never sign a user in by one of them. A key was changed because users of two servers could share it, so the account
    /// under a former key may be somebody else's. Rename stored keys once, and only where all accounts under the former issuer
    /// came from this client; the changelog names the clients whose keys changed.
    #[must_use]
    pub fn former_keys(&self) -> Vec<(&str, &str)> {
        self.former_issuers.iter().map(|issuer| (&**issuer, &*self.subject)).collect()
    }

    /// Adds what an earlier version wrote in place of the issuer, for [`former_keys`](Self::former_keys).
    #[must_use]
    pub fn with_former_issuer(mut self, issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        if issuer != self.issuer && !self.former_issuers.contains(&issuer) {
            self.former_issuers.push(issuer);
        }
        self
    }

    /// The original's pair: the subject and the address, the latter unless the provider marks it as unverified.
    #[must_use]
    pub fn into_id_email(self) -> (String, Option<String>) {
        let usable = self.email.filter(|email| email.verification != EmailVerification::Unverified);
        (self.subject, usable.map(|email| email.address))
    }
}

impl Email {
    /// An address with what the provider says of it.
    pub fn new(address: impl Into<String>, verification: EmailVerification) -> Self {
        Self { address: address.into(), verification }
    }

    /// Whether the provider vouches for it.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verification == EmailVerification::Verified
    }
}

impl EmailVerification {
    /// Reads a provider's flag, which some send as a string or a number.
    #[must_use]
    pub fn of(flag: Option<&Value>) -> Self {
        match flag {
            Some(Value::Bool(true)) => Self::Verified,
            Some(Value::Bool(false)) => Self::Unverified,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") || text == "1" => Self::Verified,
            Some(Value::Number(number)) if number.as_i64() == Some(1) => Self::Verified,
            None | Some(Value::Null) => Self::Unknown,
            // Anything that is there and does not say yes says no.
            Some(_) => Self::Unverified,
        }
    }
}

/// Checks that a text can be a user's identifier: 1 to 255 printable characters, without white space at the ends. Databases take texts
/// that differ in such characters for the same one, or cut them.
///
/// # Errors
///
/// What is wrong with it, worded to follow a name for it.
pub fn check_subject(subject: &str) -> Result<(), &'static str> {
    if subject.is_empty() {
        Err("is empty")
    } else if subject.chars().count() > MOST_SUBJECT_CHARACTERS {
        Err("has more than 255 characters")
    } else if subject.trim().len() != subject.len() {
        Err("begins or ends with white space")
    } else if !subject.chars().all(is_printable) {
        Err("has a character that cannot be seen")
    } else {
        Ok(())
    }
}

/// OpenID Connect Core section 2.
const MOST_SUBJECT_CHARACTERS: usize = 255;

/// Whether a text is an https or http URL as it is, and not only after what browsers drop.
fn is_web_address(text: &str) -> bool {
    let is_clean = text.chars().all(|character| is_printable(character) && !character.is_whitespace());
    is_clean
        && url::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "https" | "http") && text.contains("://"))
}

fn is_on_one_line(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{2028}' | '\u{2029}')
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Personal data has no place in logs either.
        f.debug_struct("Identity")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").field("verification", &self.verification).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flag_that_does_not_say_yes_says_no() {
        for yes in [json!(true), json!("true"), json!("TRUE"), json!("1"), json!(1)] {
            assert_eq!(EmailVerification::of(Some(&yes)), EmailVerification::Verified, "{yes}");
        }
        for no in [json!(false), json!("false"), json!("yes"), json!(0), json!(2), json!({}), json!([])] {
            assert_eq!(EmailVerification::of(Some(&no)), EmailVerification::Unverified, "{no}");
        }
        assert_eq!(EmailVerification::of(None), EmailVerification::Unknown);
        assert_eq!(EmailVerification::of(Some(&Value::Null)), EmailVerification::Unknown);
    }

    #[test]
    fn a_subject_is_1_to_255_printable_characters() {
        let longest = "\u{e4}".repeat(255);
        for good in ["1", "a b", "auth0|1", "\u{e4}\u{1f600}", &longest, "https://login.example/id/1", "="] {
            assert_eq!(check_subject(good), Ok(()), "{good:?}");
        }
        let too_long = "a".repeat(256);
        for bad in [
            "",
            " ",
            "1 ",
            " 1",
            "1\t",
            "\n1",
            "1\u{a0}",
            "\u{3000}1",
            "1\u{2003}",
            "1\u{85}",
            "1\0",
            "a\tb",
            "a\u{7f}b",
            "a\u{200b}b",
            "1\u{200b}",
            "a\u{202e}b",
            "\u{feff}1",
            "a\u{2028}b",
            "1\u{ad}",
            "1\u{3164}",
            "1\u{fe0f}",
            "1\u{e0041}",
            &too_long,
        ] {
            assert!(check_subject(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_picture_is_a_web_address_and_an_address_one_line() {
        let with = |picture: &str, address: &str| {
            let mut identity = Identity::new("example", "1", Value::Null);
            identity.picture = Some(picture.to_owned());
            identity.email = Some(Email::new(address, EmailVerification::Verified));
            identity.without_unusable()
        };
        for good in ["https://p.example/a.png?x=1#y", "HTTP://p.example", "https://b\u{e4}nk.example/\u{e4}"]
        {
            assert!(with(good, "a@b.example").picture.is_some(), "{good}");
        }
        for bad in [
            "",
            "a.png",
            "/a.png",
            "//p.example/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "java\nscript:alert(1)",
            "ftp://p.example/",
            " https://p.example",
            "https://p.example/\n",
            "https:p.example",
            "https://",
            "file:///etc/passwd",
            "https://p.example/\u{202e}gnp",
        ] {
            assert_eq!(with(bad, "a@b.example").picture, None, "{bad:?}");
        }
        for bad in [
            "a@b.example\r\nBcc: c@d.example",
            "a\n@b.example",
            "a@b.example\0",
            "a@b.example\u{2028}",
            "a\u{85}@b.example",
        ] {
            assert_eq!(with("https://p.example", bad).email, None, "{bad:?}");
        }
        assert!(with("", "\u{e4}@b.example").email.is_some());
    }

    #[test]
    fn an_unverified_address_is_never_handed_out_as_the_users() {
        let mut identity = Identity::new("example", "1", Value::Null);
        for (verification, expected) in [
            (EmailVerification::Verified, Some("a@b.example".to_owned())),
            (EmailVerification::Unknown, Some("a@b.example".to_owned())),
            (EmailVerification::Unverified, None),
        ] {
            identity.email = Some(Email::new("a@b.example", verification));
            assert_eq!(identity.clone().into_id_email(), ("1".to_owned(), expected));
        }
    }

    #[test]
    fn an_identity_is_written_and_read_in_its_own_words() {
        let mut identity = Identity::new("https://as.example", "1", json!({"b": 1, "a": [null]}));
        let written = r#"{"issuer":"https://as.example","subject":"1","email":null,"name":null,"picture":null,"profile":{"a":[null],"b":1}}"#;
        assert_eq!(serde_json::to_string(&identity).unwrap(), written);
        assert_eq!(serde_json::from_str::<Identity>(written).unwrap(), identity);
        identity.email = Some(Email::new("a@b.example", EmailVerification::Unknown));
        (identity.name, identity.picture) = (Some("A".to_owned()), Some("https://p.example".to_owned()));
        let written = r#"{"issuer":"https://as.example","subject":"1","email":{"address":"a@b.example","verification":"unknown"},"name":"A","picture":"https://p.example","profile":{"a":[null],"b":1}}"#;
        assert_eq!(serde_json::to_string(&identity).unwrap(), written);
        assert_eq!(serde_json::from_str::<Identity>(written).unwrap(), identity);
        // What is not there is not known, and what a later version may add is left alone.
        let least = r#"{"issuer":"i","subject":"s","profile":null,"added":{"later":true}}"#;
        assert_eq!(serde_json::from_str::<Identity>(least).unwrap(), Identity::new("i", "s", Value::Null));
    }

    #[test]
    fn an_identity_that_is_damaged_is_refused() {
        let whole = json!({"issuer": "i", "subject": "s", "email": null, "profile": {}});
        for missing in ["issuer", "subject", "profile"] {
            let mut damaged = whole.clone();
            damaged.as_object_mut().unwrap().remove(missing);
            let error = serde_json::from_value::<Identity>(damaged).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
        for (name, wrong) in [
            ("issuer", json!(null)),
            ("subject", json!(1)),
            ("name", json!(["A"])),
            ("picture", json!(true)),
            ("email", json!("a@b.example")),
            ("email", json!({"address": "a@b.example"})),
            ("email", json!({"verification": "verified"})),
            ("email", json!({"address": "a@b.example", "verification": "Verified"})),
            ("email", json!({"address": null, "verification": "verified"})),
        ] {
            let mut damaged = whole.clone();
            damaged[name] = wrong;
            assert!(serde_json::from_value::<Identity>(damaged.clone()).is_err(), "{damaged}");
        }
        for other in
            ["null", "1", "\"i\"", "{}", r#"{"issuer":"i","issuer":"i","subject":"s","profile":null}"#]
        {
            assert!(serde_json::from_str::<Identity>(other).is_err(), "{other}");
        }
        let email = Email::new("a@b.example", EmailVerification::Verified);
        let written = r#"{"address":"a@b.example","verification":"verified"}"#;
        assert_eq!(serde_json::to_string(&email).unwrap(), written);
        assert_eq!(serde_json::from_str::<Email>(written).unwrap(), email);
    }

    #[test]
    fn an_address_is_not_printed() {
        let email = Email::new("ann@example.com", EmailVerification::Verified);
        assert_eq!(format!("{email:?}"), "Email { verification: Verified, .. }");
    }
}

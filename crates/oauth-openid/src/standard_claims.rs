//! The standard claims of OpenID Connect Core section 5.1.

use std::fmt;

use oauth_core::{
    Email, EmailVerification, OffsetDateTime,
    provider_kit::text_at,
    serde_json::{Map, Value},
};

use crate::claims::moment;

/// The claims of OpenID Connect Core section 5.1. Those of another type than the specification's are left out.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct StandardClaims {
    /// The full name.
    pub name: Option<String>,
    /// The given name or names.
    pub given_name: Option<String>,
    /// The surname or surnames.
    pub family_name: Option<String>,
    /// The middle name or names.
    pub middle_name: Option<String>,
    /// The casual name.
    pub nickname: Option<String>,
    /// The name that the user wants to be called by. It is not unique, and changes.
    pub preferred_username: Option<String>,
    /// The URL of the profile page.
    pub profile: Option<String>,
    /// The URL of a picture.
    pub picture: Option<String>,
    /// The URL of the user's own page.
    pub website: Option<String>,
    /// The e-mail address; see [`email`](Self::email).
    pub email: Option<String>,
    /// Whether the provider vouches for the address.
    pub email_verified: Option<bool>,
    /// The gender.
    pub gender: Option<String>,
    /// The birthday, as `YYYY-MM-DD`, with `0000` for a year that is not told, or as `YYYY`.
    pub birthdate: Option<String>,
    /// The time zone, such as `Europe/Paris`.
    pub zoneinfo: Option<String>,
    /// The language (BCP 47).
    pub locale: Option<String>,
    /// The telephone number.
    pub phone_number: Option<String>,
    /// Whether the provider vouches for the number.
    pub phone_number_verified: Option<bool>,
    /// The postal address (section 5.1.1). What a provider sends as a text is in `formatted`.
    pub address: Option<Address>,
    /// When any of this was last changed.
    pub updated_at: Option<OffsetDateTime>,
}

/// A postal address (OpenID Connect Core section 5.1.1).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address {
    /// All of it, with line breaks, for a label.
    pub formatted: Option<String>,
    /// Street and house number, possibly on several lines.
    pub street_address: Option<String>,
    /// The city.
    pub locality: Option<String>,
    /// The state, province or region.
    pub region: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The country.
    pub country: Option<String>,
}

impl StandardClaims {
    /// Reads the claims of a token or of UserInfo.
    #[must_use]
    pub fn of(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let flag = |name: &str| match EmailVerification::of(claims.get(name)) {
            EmailVerification::Verified => Some(true),
            EmailVerification::Unverified => Some(false),
            EmailVerification::Unknown => None,
        };
        Self {
            name: text("name"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            middle_name: text("middle_name"),
            nickname: text("nickname"),
            preferred_username: text("preferred_username"),
            profile: text("profile"),
            picture: text("picture"),
            website: text("website"),
            email: text("email"),
            email_verified: flag("email_verified"),
            gender: text("gender"),
            birthdate: text("birthdate"),
            zoneinfo: text("zoneinfo"),
            locale: text("locale"),
            phone_number: text("phone_number"),
            phone_number_verified: flag("phone_number_verified"),
            address: claims.get("address").and_then(Address::of),
            updated_at: claims.get("updated_at").and_then(moment),
        }
    }

    /// The address with what the provider says of it.
    #[must_use]
    pub fn email(&self) -> Option<Email> {
        let verification = match self.email_verified {
            Some(true) => EmailVerification::Verified,
            Some(false) => EmailVerification::Unverified,
            None => EmailVerification::Unknown,
        };
        self.email.as_ref().map(|address| Email::new(address, verification))
    }
}

impl Address {
    fn of(claim: &Value) -> Option<Self> {
        let text = |name: &str| text_at(claim, &format!("/{name}"));
        match claim {
            Value::String(formatted) => Some(Self { formatted: Some(formatted.clone()), ..Self::default() }),
            Value::Object(_) => Some(Self {
                formatted: text("formatted"),
                street_address: text("street_address"),
                locality: text("locality"),
                region: text("region"),
                postal_code: text("postal_code"),
                country: text("country"),
            }),
            _ => None,
        }
    }
}

// Personal data has no place in logs.
impl fmt::Debug for StandardClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandardClaims").finish_non_exhaustive()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_core::serde_json::json;

    use super::*;

    #[test]
    fn id_24_standard_claims_are_tolerant() {
        let of = |claims: Value| StandardClaims::of(claims.as_object().unwrap());
        let claims = of(json!({
            "name": "Ada", "locale": 5, "updated_at": "1700000000", "address": "1 Road", "email_verified": "false",
            "email": "a@b.example", "phone_number_verified": 1, "website": null,
        }));
        assert_eq!(claims.name.as_deref(), Some("Ada"));
        assert_eq!((claims.locale.as_ref(), claims.website.as_ref()), (None, None));
        assert_eq!(claims.updated_at.map(OffsetDateTime::unix_timestamp), Some(1_700_000_000));
        assert_eq!(claims.address.clone().unwrap().formatted.as_deref(), Some("1 Road"));
        assert_eq!(claims.email().unwrap().verification, EmailVerification::Unverified);
        assert_eq!(claims.phone_number_verified, Some(true));
        let address = of(json!({"address": {"locality": "Paris", "postal_code": 75001}})).address.unwrap();
        assert_eq!(
            (address.locality.as_deref(), address.postal_code.as_deref()),
            (Some("Paris"), Some("75001"))
        );
        assert_eq!(of(json!({"updated_at": 1e300})).updated_at, None);
    }

    #[test]
    fn personal_data_is_not_shown() {
        let claims = json!({"name": "Ada", "address": {"locality": "Paris"}});
        let claims = StandardClaims::of(claims.as_object().unwrap());
        assert_eq!(format!("{claims:?}"), "StandardClaims { .. }");
        assert_eq!(format!("{:?}", claims.address.unwrap()), "Address { .. }");
    }
}

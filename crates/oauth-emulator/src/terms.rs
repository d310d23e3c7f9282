//! What a token is bound to, whom it is for, and what it allows beyond its scopes.

use serde_json::{Map, Value, json};

/// The number of a grant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct GrantId(pub(crate) usize);

/// The terms of an access token; a refresh token is bound alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TokenTerms {
    /// The thumbprint of the key that proves possession (RFC 9449 section 6.1).
    pub(crate) jkt: Option<String>,
    /// The thumbprint of the key that the refresh token alone is bound to.
    pub(crate) refresh_jkt: Option<String>,
    /// The thumbprint of the certificate (RFC 8705 section 3.1).
    pub(crate) x5t: Option<String>,
    /// The resources that it is for (RFC 8707); empty: any.
    pub(crate) audience: Vec<String>,
    /// What was granted of `authorization_details` (RFC 9396).
    pub(crate) details: Option<Value>,
    /// Who acts for the user (RFC 8693 section 4.1).
    pub(crate) actor: Option<Value>,
}

impl TokenTerms {
    pub(crate) fn is_bound(&self) -> bool {
        self.jkt.is_some() || self.x5t.is_some()
    }

    /// How the token is called in the reply (RFC 9449 section 5; RFC 8705 leaves it as it is).
    pub(crate) fn token_type(&self) -> &'static str {
        if self.jkt.is_some() { "DPoP" } else { "Bearer" }
    }

    /// The members that say all this, in a JWT access token (RFC 9068) and in an introspection reply (RFC 7662).
    pub(crate) fn tell(&self, members: &mut Map<String, Value>) {
        let mut confirmation = Map::new();
        confirmation.extend(self.jkt.as_ref().map(|jkt| ("jkt".to_owned(), json!(jkt))));
        confirmation.extend(self.x5t.as_ref().map(|x5t| ("x5t#S256".to_owned(), json!(x5t))));
        if !confirmation.is_empty() {
            members.insert("cnf".to_owned(), Value::Object(confirmation));
        }
        match &self.audience[..] {
            [] => {}
            [one] => {
                members.insert("aud".to_owned(), json!(one));
            }
            all => {
                members.insert("aud".to_owned(), json!(all));
            }
        }
        if let Some(details) = &self.details {
            members.insert("authorization_details".to_owned(), details.clone());
        }
        if let Some(actor) = &self.actor {
            members.insert("act".to_owned(), actor.clone());
        }
    }
}

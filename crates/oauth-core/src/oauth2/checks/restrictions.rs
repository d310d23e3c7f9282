//! Whether an answer confirms what a login was restricted to.

use serde_json::Value;

use crate::{
    authorization::Params,
    error::{Error, ErrorKind, LoginError, Operation, Result},
    oauth2::OAuth2,
    spec::restriction::{AskedBy, ConfirmedBy, RestrictedTo, Restriction},
    token::OAuth2Token,
};

impl OAuth2 {
    /// The restrictions that this client asks for in each login, by its own parameters and scopes.
    #[must_use]
    pub fn restricted_to(&self) -> Vec<RestrictedTo> {
        self.asked_for(&self.sent_params(&Params::default()), self.scopes().iter().map(|scope| &**scope))
    }

    /// What one login is restricted to: the client's own restrictions, and what this login adds to them.
    ///
    /// # Errors
    ///
    /// What is wrong, when a value is empty, or differs from the client's own.
    pub(crate) fn restrictions_of_login<'s>(
        &self,
        extras: &Params,
        scopes: impl Iterator<Item = &'s str>,
    ) -> Result<Vec<RestrictedTo>, String> {
        let own = self.restricted_to();
        let mut all = self.asked_for(&self.sent_params(extras), scopes);
        for own in &own {
            // A login narrows what the client is restricted to, and never replaces it.
            if let Some(other) = all.iter().find(|other| other.name == own.name && other.value != own.value) {
                return Err(format!(
                    "the client is restricted to {}={}, and this login asks for {:?}; make a client for each",
                    own.name, own.value, other.value
                ));
            }
            if !all.contains(own) {
                all.push(own.clone());
            }
        }
        match all.iter().find(|one| one.value.is_empty()) {
            Some(empty) => Err(format!("{} restricts who may sign in, and is empty", empty.name)),
            None => Ok(all),
        }
    }

    fn asked_for<'s>(&self, params: &Params, scopes: impl Iterator<Item = &'s str>) -> Vec<RestrictedTo> {
        let restrictions = self.spec().login.restrictions;
        if restrictions.is_empty() {
            return Vec::new();
        }
        let named = |restriction: &Restriction, value: &str| RestrictedTo {
            name: restriction.name.to_owned(),
            value: value.to_owned(),
        };
        let scopes: Vec<&str> = scopes.flat_map(|scopes| scopes.split([' ', ','])).collect();
        let mut asked = Vec::new();
        for restriction in restrictions {
            match restriction.asked_by {
                AskedBy::Parameter => {
                    asked.extend(params.get(restriction.name).map(|value| named(restriction, value)));
                }
                AskedBy::Scope => {
                    let values = scopes.iter().filter_map(|scope| scope.strip_prefix(restriction.name));
                    asked.extend(values.map(|value| named(restriction, value)));
                }
            }
        }
        asked
    }

    /// The scopes of the client's own restrictions that are not among these.
    pub(crate) fn restricting_scopes<'s>(&self, scopes: impl Iterator<Item = &'s str>) -> Vec<String> {
        let asked: Vec<&str> = scopes.flat_map(|scopes| scopes.split([' ', ','])).collect();
        let by_scope = |own: &RestrictedTo| {
            let named =
                self.spec().login.restrictions.iter().find(|restriction| restriction.name == own.name);
            named.is_some_and(|restriction| restriction.asked_by == AskedBy::Scope)
        };
        let own = self.restricted_to().into_iter().filter(by_scope);
        own.map(|own| format!("{}{}", own.name, own.value))
            .filter(|scope| !asked.contains(&&**scope))
            .collect()
    }

    /// The restriction of this client's provider that has this name.
    fn restriction(&self, operation: Operation, name: &str) -> Result<&'static Restriction> {
        let found = self.spec().login.restrictions.iter().find(|restriction| restriction.name == name);
        found.ok_or_else(|| {
            self.restricted(operation, format!("this client does not know the restriction {name:?}"))
        })
    }

    /// Holds restrictions against a token: against its ID token, which is verified for that, and against what else came in the
    /// token reply. Returns those that only the profile can confirm.
    ///
    /// # Errors
    ///
    /// A login error when one of them is refuted, or not confirmed; a configuration error when this token cannot tell, because
    /// it is a bare access token; any error of verifying the ID token.
    pub(crate) async fn confirm_by_token(
        &self,
        operation: Operation,
        asked: &[RestrictedTo],
        token: &OAuth2Token,
    ) -> Result<Vec<RestrictedTo>> {
        let mut restricts = false;
        for participant in self.participants() {
            restricts |= match participant.restricts(self) {
                // Nobody has said who may sign in. A login does not come so far; whoever reads an identity without one asks for
                // no restriction.
                Err(_) if operation == Operation::GET_IDENTITY => false,
                restricts => restricts.map_err(|error| error.during(operation))?,
            };
        }
        let mut by_id_token = restricts;
        for one in asked {
            let place = self.restriction(operation, &one.name)?.confirmed_by;
            by_id_token |= matches!(place, ConfirmedBy::IdToken | ConfirmedBy::IdTokenOrProfile);
        }
        let claims = if by_id_token { self.verified_claims(operation, token).await? } else { None };
        if restricts && claims.is_none() {
            return Err(self.bare(operation));
        }
        let reply = Value::Object(token.others().clone());
        let mut open = Vec::new();
        for one in asked {
            let restriction = self.restriction(operation, &one.name)?;
            let is_met = |answer: &Value| (restriction.is_met)(&one.value, answer);
            let verdict = match restriction.confirmed_by {
                ConfirmedBy::Profile => None,
                ConfirmedBy::TokenReply => is_met(&reply),
                ConfirmedBy::IdToken | ConfirmedBy::IdTokenOrProfile => claims.as_ref().and_then(is_met),
            };
            match (verdict, restriction.confirmed_by) {
                (Some(true), _) => {}
                (Some(false), _) => return Err(self.refuted(operation, one)),
                (None, ConfirmedBy::Profile | ConfirmedBy::IdTokenOrProfile) => open.push(one.clone()),
                (None, ConfirmedBy::IdToken) if claims.is_none() => return Err(self.bare(operation)),
                (None, ConfirmedBy::TokenReply) if token.others().is_empty() => {
                    return Err(self.bare(operation));
                }
                (None, _) => return Err(self.unconfirmed(operation, one)),
            }
        }
        Ok(open)
    }

    /// The claims of a token's ID token, once it was verified.
    async fn verified_claims(&self, operation: Operation, token: &OAuth2Token) -> Result<Option<Value>> {
        for participant in self.participants() {
            if let Some(claims) = participant.verified_claims(self, operation, token).await? {
                return Ok(Some(claims));
            }
        }
        Ok(None)
    }

    /// Holds restrictions against the profile.
    ///
    /// # Errors
    ///
    /// A login error when one of them is refuted, or not confirmed; a configuration error when the ID token could have told.
    pub(crate) fn confirm_by_profile(
        &self,
        operation: Operation,
        asked: &[RestrictedTo],
        token: &OAuth2Token,
        profile: &Value,
    ) -> Result<()> {
        for one in asked {
            let restriction = self.restriction(operation, &one.name)?;
            match (restriction.is_met)(&one.value, profile) {
                Some(true) => {}
                Some(false) => return Err(self.refuted(operation, one)),
                None if restriction.confirmed_by == ConfirmedBy::IdTokenOrProfile
                    && token.id_token().is_none() =>
                {
                    return Err(self.bare(operation));
                }
                None => return Err(self.unconfirmed(operation, one)),
            }
        }
        Ok(())
    }

    /// Checks that a profile does not refute what this client is restricted to, before an identity is made of it.
    ///
    /// # Errors
    ///
    /// A login error.
    pub(crate) fn check_profile_of_identity(&self, profile: &Value) -> Result<()> {
        let operation = Operation::GET_IDENTITY;
        for one in self.restricted_to() {
            let restriction = self.restriction(operation, &one.name)?;
            match (restriction.confirmed_by, (restriction.is_met)(&one.value, profile)) {
                (ConfirmedBy::Profile, None) => return Err(self.unconfirmed(operation, &one)),
                (ConfirmedBy::Profile | ConfirmedBy::IdTokenOrProfile, Some(false)) => {
                    return Err(self.refuted(operation, &one));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The error for a token that does not tell whether its user may sign in.
    fn bare(&self, operation: Operation) -> Error {
        let problem = "the client is restricted, and this token does not tell whether its user may sign in; use the whole \
                       token of the login with get_identity, or get_profile for what the provider says of anybody";
        self.error(operation, ErrorKind::Configuration(problem.to_owned()))
    }

    fn refuted(&self, operation: Operation, one: &RestrictedTo) -> Error {
        self.restricted(
            operation,
            format!("{}={} was asked for, and the account is of another", one.name, one.value),
        )
    }

    fn unconfirmed(&self, operation: Operation, one: &RestrictedTo) -> Error {
        self.restricted(operation, format!("nothing in the answer confirms {}={}", one.name, one.value))
    }

    /// The error for an account that may not sign in with this client.
    pub fn restricted(&self, operation: Operation, reason: impl Into<String>) -> Error {
        self.error(operation, ErrorKind::Login(LoginError::Restricted(reason.into())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        provider::{Provider, provider_kit::LoginSpec},
        spec::Spec,
    };

    const fn named(confirmed_by: ConfirmedBy) -> [Restriction; 1] {
        [Restriction::parameter("organization", confirmed_by, |asked, answer| {
            Restriction::same_at("/organization", asked, answer)
        })]
    }

    fn client(restrictions: &'static [Restriction]) -> OAuth2 {
        let spec = Spec { login: LoginSpec { restrictions, ..LoginSpec::RFC6749 }, ..Spec::RFC6749 };
        OAuth2::from_spec(&spec, "id", "secret").with_authorize_params(&json!({ "organization": "A" }))
    }

    #[test]
    fn no_identity_is_made_of_the_profile_of_somebody_else() {
        const BY_PROFILE: &[Restriction] = &named(ConfirmedBy::Profile);
        const BY_EITHER: &[Restriction] = &named(ConfirmedBy::IdTokenOrProfile);
        const BY_ID_TOKEN: &[Restriction] = &named(ConfirmedBy::IdToken);
        for (restrictions, profile, is_refused) in [
            (BY_PROFILE, json!({ "id": 1, "organization": "A" }), false),
            (BY_PROFILE, json!({ "id": 1, "organization": "B" }), true),
            (BY_PROFILE, json!({ "id": 1 }), true),
            (BY_EITHER, json!({ "id": 1, "organization": "B" }), true),
            // The ID token may have said it.
            (BY_EITHER, json!({ "id": 1 }), false),
            (BY_ID_TOKEN, json!({ "id": 1, "organization": "B" }), false),
        ] {
            let found = client(restrictions).identity(profile.clone());
            let refused =
                found.err().map(|error| matches!(error.kind(), ErrorKind::Login(LoginError::Restricted(_))));
            assert_eq!(refused, is_refused.then_some(true), "{profile}");
        }
    }
}

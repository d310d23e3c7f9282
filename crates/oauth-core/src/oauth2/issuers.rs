//! The names of the issuer: in callbacks, and for the users of a client.

use super::OAuth2;
use crate::{
    endpoints::{Endpoint, normalized, origin_of},
    spec::Spec,
};

impl OAuth2 {
    /// The issuer identifier, where the provider has one.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.chosen_issuer().or(self.0.issuers.of_provider.as_deref())
    }

    /// The issuer that was set in place of the provider's, if one was.
    #[must_use]
    pub fn chosen_issuer(&self) -> Option<&str> {
        self.0.issuers.set.as_deref()
    }

    /// What the `iss` of a callback must be; `None` where nothing is known to compare it with.
    #[must_use]
    pub fn callback_issuer(&self) -> Option<&str> {
        self.0.issuers.of_callbacks.as_deref().or(self.issuer())
    }

    /// The name that was set for identities alone, if one was.
    #[must_use]
    pub fn chosen_identity_issuer(&self) -> Option<&str> {
        self.0.issuers.of_identities.as_deref()
    }

    /// Whether the endpoints were moved to another host, so that nothing but an ID token tells whose users these are.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        self.chosen_issuer().is_none() && self.moved_endpoint().is_some()
    }

    /// The issuer under which the users of this client are known, where no ID token names one.
    #[must_use]
    pub fn identity_issuer(&self) -> String {
        let issuers = &self.0.issuers;
        let known = issuers.of_identities.as_deref().or(issuers.set.as_deref());
        match (known, self.moved_endpoint()) {
            (Some(known), _) => known.to_owned(),
            // Whoever answers at another host has users of its own.
            (None, Some(moved)) => normalized(moved),
            (None, None) => match issuers.of_identities_by_spec.or(issuers.of_provider.as_deref()) {
                Some(known) => known.to_owned(),
                // One host can serve many tenants, each of which has a user "1".
                None if self.is_generic() => normalized(self.endpoints().token()),
                None => self.spec().name.to_owned(),
            },
        }
    }

    /// The issuers under which earlier versions knew the users of this client.
    pub(crate) fn former_identity_issuers(&self) -> Vec<String> {
        let issuers = &self.0.issuers;
        let mut former = issuers.former.clone();
        let by_provider = issuers.of_identities_by_spec.or(issuers.of_provider.as_deref());
        former.push(match issuers.set.as_deref().or(by_provider) {
            Some(known) => known.to_owned(),
            None if self.is_generic() => origin_of(self.endpoints().token()).to_owned(),
            None => self.spec().name.to_owned(),
        });
        // Nobody was known under the template of many issuers.
        former.retain(|issuer| !issuer.contains('{'));
        former
    }

    /// Whether this is the generic client, whose endpoints are all that is known of the provider.
    fn is_generic(&self) -> bool {
        self.spec().name == Spec::RFC6749.name
    }

    /// The endpoint by which the client was moved to another host than the provider's: its tokens, or who they are of, come from
    /// there. A generic client has no other place.
    fn moved_endpoint(&self) -> Option<&str> {
        let (home, now) = (&self.0.home, self.endpoints());
        let moved = |endpoint| {
            let (home, now) = (home.get(endpoint)?, now.get(endpoint)?);
            (origin_of(&normalized(home)) != origin_of(&normalized(now))).then_some(now)
        };
        moved(Endpoint::Token).or_else(|| moved(Endpoint::Profile))
    }
}

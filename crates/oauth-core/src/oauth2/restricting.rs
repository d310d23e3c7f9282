//! Settings that decide who may sign in, and how sure the provider must be of them.

use super::OAuth2;
use crate::error::{Error, Result};

impl OAuth2 {
    /// Asks for a scope by which the provider restricts who may sign in, in place of another that begins alike: the name of a
    /// [`Restriction`](crate::provider_kit::Restriction), and its value. Scopes that are set later come beside it.
    #[must_use]
    pub fn with_restricting_scope(mut self, name: &str, value: &str) -> Self {
        let settings = self.settings();
        settings.restricting_scopes.retain(|scope| !scope.starts_with(name));
        settings.restricting_scopes.push(format!("{name}{value}").into());
        let others = settings.scopes.iter().filter(|scope| !scope.starts_with(name)).cloned().collect();
        self.replace_scopes(others);
        self
    }

    /// Accepts no user below this level of assurance, one of [`LoginSpec::acr_levels`](crate::provider_kit::LoginSpec::acr_levels), and asks for it unless a request names
    /// another.
    ///
    /// # Errors
    ///
    /// A configuration error when the provider has no such level.
    pub fn with_minimum_acr(mut self, level: &str) -> Result<Self> {
        let levels = self.spec().login.acr_levels;
        let Some((level, _)) = levels.iter().find(|(known, _)| *known == level) else {
            let known: Vec<_> = levels.iter().map(|(known, _)| known).collect();
            let problem = format!("the provider has no level {level:?}, only {known:?}");
            return Err(Error::configuration(self.name().to_owned(), problem));
        };
        let asked = self.authorize_params().get("acr_values").unwrap_or_default().to_owned();
        let rank = |acr: &str| levels.iter().find(|(known, _)| *known == acr).map(|(_, rank)| *rank);
        let least_asked = asked.split(' ').filter_map(rank).min();
        let settings = self.settings();
        settings.minimum_acr = Some((*level).into());
        // A higher level that was asked for before stays, and so does what is not a level.
        if least_asked < rank(level) {
            let others = asked.split(' ').filter(|acr| !acr.is_empty() && rank(acr).is_none());
            let values: Vec<_> = [*level].into_iter().chain(others).collect();
            settings.authorize_params.set("acr_values".into(), values.join(" ").into());
        }
        Ok(self)
    }

    /// The least level of assurance that the client accepts, if one was set.
    #[must_use]
    pub fn minimum_acr(&self) -> Option<&str> {
        self.0.minimum_acr.as_deref()
    }
}

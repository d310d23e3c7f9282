//! Which scopes are asked for (MCP, scope selection strategy and step-up).

use crate::{
    metadata::{ResourceMetadata, ServerMetadata},
    revision::Revision,
};

const OFFLINE_ACCESS: &str = "offline_access";

/// What decides which scopes a sign-in asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScopeSources<'a> {
    pub(crate) revision: Revision,
    /// Of the challenge.
    pub(crate) challenged: Option<&'a [String]>,
    pub(crate) resource: Option<&'a ResourceMetadata>,
    pub(crate) server: &'a ServerMetadata,
    /// The application's, for servers that say nothing and want a scope all the same.
    pub(crate) defaults: &'a [String],
    pub(crate) wants_refresh: bool,
}

impl ScopeSources<'_> {
    /// The scopes to ask for; `None` to send no `scope` at all.
    pub(crate) fn choose(&self) -> Option<Vec<String>> {
        let server_has_offline =
            self.server.list("scopes_supported").is_some_and(|scopes| scopes.contains(&OFFLINE_ACCESS));
        let supported = || {
            let scopes =
                self.resource.filter(|_| self.revision.takes_supported_scopes())?.scopes_supported()?;
            // Whether there are refresh tokens is for the authorization server to say.
            Some(scopes.into_iter().filter(|scope| *scope != OFFLINE_ACCESS).map(str::to_owned).collect())
        };
        let chosen: Option<Vec<String>> = self.challenged.map(<[String]>::to_vec).or_else(supported);
        let chosen = chosen.filter(|scopes| !scopes.is_empty());
        let defaults = || (!self.defaults.is_empty()).then(|| self.defaults.to_vec());
        let mut scopes = chosen.or_else(defaults)?;
        if self.wants_refresh && server_has_offline {
            add(&mut scopes, OFFLINE_ACCESS);
        }
        Some(unique(scopes))
    }
}

/// What was asked for before and what is asked for now, in this order and without doubles.
pub(crate) fn union(before: &[String], more: impl IntoIterator<Item = String>) -> Vec<String> {
    unique(before.iter().cloned().chain(more))
}

fn unique(scopes: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for scope in scopes {
        add(&mut all, &scope);
    }
    all
}

fn add(scopes: &mut Vec<String>, scope: &str) {
    if !scopes.iter().any(|other| other == scope) {
        scopes.push(scope.to_owned());
    }
}

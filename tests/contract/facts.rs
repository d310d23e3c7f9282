//! What the emulator's facts lead a test to expect. They are read from the emulator's files and not from the crates under test.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

/// The part of `crates/oauth-emulator/providers/<name>.toml` that the contract tests read.
#[derive(Deserialize)]
pub(crate) struct Facts {
    pub(super) refresh_url: Option<String>,
    pub(super) profile_url: Option<String>,
    revoke_url: Option<String>,
    pub(super) id_field: Option<String>,
    pub(super) email_field: Option<String>,
    name_field: Option<String>,
    #[serde(default)]
    name_parts: Vec<String>,
    #[serde(default)]
    client_secret_param: Option<String>,
    token_request: Option<String>,
    refresh_request: Option<String>,
    #[serde(default)]
    profile_params: BTreeMap<String, String>,
    #[serde(default)]
    profile_headers: BTreeMap<String, String>,
    profile_token: Option<toml::Value>,
    revoke_token: Option<toml::Value>,
    #[serde(default)]
    pub(super) default_scopes: Vec<String>,
    pub(super) emulator: Manners,
    #[serde(default)]
    contract: Expectations,
}

/// The part of `[emulator]` that the contract tests read.
#[derive(Deserialize)]
pub(super) struct Manners {
    refresh_token: Option<String>,
    #[serde(default)]
    pub(super) revokes_access_tokens_only: bool,
    #[serde(default)]
    revoke_ends_grant: bool,
    #[serde(default)]
    revoke_unlinks: bool,
}

/// `[contract]`: what a client makes of the facts, where that is not what anybody would expect.
#[derive(Default, Deserialize)]
struct Expectations {
    subject: Option<String>,
    name: Option<bool>,
    email_without_one: Option<String>,
}

/// What it takes to get a refresh token.
pub(super) enum RefreshTokenFor {
    /// Every application gets one, or none does.
    Everybody,
    /// Only some applications get one, whatever they ask for.
    SomeApplications,
    /// This scope asks for one.
    Scope(String),
    /// This parameter of the authorization request asks for one.
    Parameter(String, String),
}

impl Facts {
    pub(crate) fn of(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/oauth-emulator/providers");
        let text = fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{name}.toml: {error}"))
    }

    /// The subject of a user with this identifier.
    pub(crate) fn subject(&self, id: &str) -> String {
        self.contract.subject.as_deref().unwrap_or("{id}").replace("{id}", id)
    }

    /// Whether a sign-in with the usual scopes brings the user's name.
    pub(super) fn brings_name(&self) -> bool {
        self.contract.name.unwrap_or(self.name_field.is_some() || !self.name_parts.is_empty())
    }

    /// Whether a revocation ends more than the one token.
    pub(super) fn revocation_ends_grant(&self) -> bool {
        self.emulator.revoke_ends_grant || self.emulator.revoke_unlinks
    }

    /// Whether the access token is all that it takes to ask who the user is.
    pub(super) fn access_token_is_enough(&self) -> bool {
        let fields = [&self.id_field, &self.email_field].into_iter().flatten();
        let mut sent = self.profile_params.values().chain(self.profile_headers.values());
        self.profile_url.is_some()
            && !fields.map(String::as_str).any(|path| path.starts_with("token:"))
            && !sent.any(|value| value.contains("{token:"))
    }

    /// The parameters of a query in which this provider demands secrets.
    pub(super) fn secrets_in_queries(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let query = Some("query");
        if self.token_request.as_deref() == query {
            names.extend(["code", "code_verifier"]);
        }
        if self.token_request.as_deref() == query || self.refresh_request.as_deref() == query {
            names.extend(["access_token", "refresh_token"]);
            names.push(self.client_secret_param.as_deref().unwrap_or("client_secret"));
        }
        for place in [&self.profile_token, &self.revoke_token].into_iter().flatten() {
            names.extend(place.as_str().and_then(|place| place.strip_prefix("query:")));
        }
        names
    }

    /// Whether a URL without its query is that of a revocation whose path has the token.
    pub(super) fn has_token_in_path(&self, url: &str) -> bool {
        let parts = self.revoke_url.as_deref().and_then(|url| url.split_once("{token}"));
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        parts.is_some_and(|(before, after)| {
            let before = before.split_once("://").map_or(before, |(_, rest)| rest);
            path.starts_with(before) && path.ends_with(after)
        })
    }

    /// The address of a user who has none there.
    pub(super) fn email_without_one(&self) -> Option<&str> {
        self.contract.email_without_one.as_deref()
    }

    pub(super) fn refresh_token_for(&self) -> RefreshTokenFor {
        match self.emulator.refresh_token.as_deref() {
            None => RefreshTokenFor::SomeApplications,
            Some("always" | "never") => RefreshTokenFor::Everybody,
            Some(rule) => match rule.split_once('=') {
                Some((name, value)) => RefreshTokenFor::Parameter(name.to_owned(), value.to_owned()),
                None => RefreshTokenFor::Scope(rule.to_owned()),
            },
        }
    }
}

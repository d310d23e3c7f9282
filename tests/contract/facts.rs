//! What the emulator's facts lead a test to expect. They are read from the emulator's files and not from the crates under test.

use std::{fs, path::Path};

use serde::Deserialize;

/// The part of `crates/oauth-emulator/providers/<name>.toml` that the contract tests read.
#[derive(Deserialize)]
pub(crate) struct Facts {
    pub(super) refresh_url: Option<String>,
    pub(super) profile_url: Option<String>,
    pub(super) email_field: Option<String>,
    name_field: Option<String>,
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
    pub(super) revoke_ends_grant: bool,
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
        self.contract.name.unwrap_or(self.name_field.is_some())
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

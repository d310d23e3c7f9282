//! The contract tests: which rules of `tests/contract/rules.rs` apply to a provider, by the emulator's facts about it.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{facts, provider::ProviderCrate, workspace};

/// What is not a provider crate: the generic client, which the emulator's imaginary server has.
const GENERIC: &str = "oauth2";

/// The facts that decide which rules apply.
#[derive(Deserialize)]
struct RuleFacts {
    refresh_url: Option<String>,
    #[serde(default)]
    refresh_with: RefreshedBy,
    revoke_url: Option<String>,
    profile_url: Option<String>,
    token_auth: Option<String>,
    email_field: Option<String>,
    email_verified_field: Option<String>,
    emulator: RuleManners,
    #[serde(default)]
    contract: ContractExpectations,
}

/// The token by which a provider refreshes.
#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RefreshedBy {
    #[default]
    RefreshToken,
    AccessToken,
}

#[derive(Deserialize)]
struct RuleManners {
    #[serde(default)]
    email_scopes: Vec<String>,
    refresh_token: Option<String>,
    #[serde(default)]
    rotates: bool,
    #[serde(default)]
    revokes_refresh_tokens_only: bool,
    #[serde(default)]
    revokes_access_tokens_only: bool,
}

/// `[contract]`, which departs from what follows from the rest.
#[derive(Default, Deserialize)]
struct ContractExpectations {
    email_verified: Option<bool>,
    wrong_secret: Option<bool>,
    #[serde(default)]
    confirmed_addresses_only: bool,
}

impl RuleFacts {
    fn of(name: &str) -> Result<Self> {
        let path = facts::folder().join(format!("{name}.toml"));
        toml::from_str(&workspace::read(&path)?).with_context(|| workspace::short(&path))
    }

    /// Whether a client can tell if an address is verified.
    fn tells_verified(&self) -> bool {
        self.contract.email_verified.unwrap_or(self.email_verified_field.is_some())
    }
}

/// What the table of providers says about the e-mail address: what the contract tests hold the client to.
pub(crate) fn email_verification(name: &str) -> Result<&'static str> {
    let facts = RuleFacts::of(name)?;
    Ok(match () {
        () if facts.email_field.is_none() && facts.emulator.email_scopes.is_empty() => "no e-mail",
        () if facts.tells_verified() || facts.contract.confirmed_addresses_only => "yes",
        () => "no",
    })
}

/// Each provider's name and the rules that apply to it.
pub(crate) fn calls(crates: &[ProviderCrate]) -> Result<String> {
    let played = facts::names()?;
    let mut providers: Vec<_> = crates.iter().map(|of| (of.name.as_str(), of.module())).collect();
    providers.push((GENERIC, GENERIC.to_owned()));
    providers.sort();
    let mut calls = String::new();
    for (name, module) in providers {
        if !played.iter().any(|played| played == name) {
            bail!(
                "there are no facts about {name}: write them down in crates/oauth-emulator/providers/{name}.toml, as \
                 docs/adding-a-provider.md says"
            );
        }
        let facts = RuleFacts::of(name)?;
        calls +=
            &format!("contract! {{\n    {module} = {name:?}:\n    {}\n}}\n", rules(&facts).join(",\n    "));
    }
    Ok(calls)
}

fn rules(facts: &RuleFacts) -> Vec<&'static str> {
    let mut rules = vec![
        "signs_in",
        "token_comes_back_from_storage_as_it_was",
        "user_who_denies_is_not_signed_in",
        "faults_have_the_right_class",
        "expired_code_means_to_sign_in_again",
        "spent_code_means_to_sign_in_again",
        "tk_07_no_secret_is_in_any_url",
    ];
    let has_secret = !matches!(facts.token_auth.as_deref(), Some("none" | "private_key_jwt"));
    if has_secret && facts.contract.wrong_secret.unwrap_or(true) {
        rules.push("wrong_secret_is_a_matter_of_configuration");
    }
    if facts.email_field.is_some() {
        rules.push(match facts.tells_verified() {
            _ if facts.contract.confirmed_addresses_only => "address_that_is_there_is_verified",
            true => "unverified_address_is_not_handed_out",
            false => "address_is_not_called_verified",
        });
        rules.push("user_without_an_address_signs_in");
    }
    let manners = &facts.emulator;
    let refreshes = facts.refresh_url.is_some() && manners.refresh_token.as_deref() != Some("never");
    if refreshes {
        rules.push(match (manners.rotates, &facts.refresh_with) {
            // The new access token is what the next refresh takes.
            (true, _) | (_, RefreshedBy::AccessToken) => "refresh_rotates",
            (false, RefreshedBy::RefreshToken) => "refresh_keeps_the_refresh_token",
        });
        rules.push("dead_refresh_token_means_to_sign_in_again");
    }
    if facts.revoke_url.is_none() {
        rules.extend(["revocation_is_unsupported", "rv_03_a_manager_says_that_it_only_forgot"]);
        return rules;
    }
    rules.push("rv_03_what_a_manager_revokes_is_dead");
    if manners.revokes_refresh_tokens_only {
        rules.extend(["access_token_cannot_be_revoked", "rv_03_an_access_token_alone_is_not_called_revoked"]);
    } else if facts.profile_url.is_some() || refreshes {
        rules.push("revoked_access_token_is_dead");
    }
    if refreshes {
        rules.push("rv_03_a_manager_revokes_an_expired_login");
        if !manners.revokes_access_tokens_only {
            rules.push("revoked_refresh_token_is_dead");
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(facts: &str) -> Vec<&'static str> {
        rules(&toml::from_str(facts).unwrap())
    }

    #[test]
    fn the_facts_decide_which_rules_apply() {
        let plain = of("token_auth = 'client_secret_basic'\n[emulator]");
        assert!(plain.contains(&"signs_in") && plain.contains(&"wrong_secret_is_a_matter_of_configuration"));
        assert!(plain.contains(&"revocation_is_unsupported"));
        assert!(!plain.iter().any(|rule| rule.contains("refresh") || rule.contains("address")));

        let rotating = of("refresh_url = ''\nrevoke_url = ''\n[emulator]\nrotates = true");
        assert!(rotating.contains(&"refresh_rotates") && rotating.contains(&"revoked_access_token_is_dead"));
        assert!(!rotating.contains(&"refresh_keeps_the_refresh_token"));
        assert!(!rotating.contains(&"revocation_is_unsupported"));

        let limited = of("revoke_url = ''\n[emulator]\nrevokes_refresh_tokens_only = true");
        assert!(limited.contains(&"access_token_cannot_be_revoked"));
        assert!(!limited.contains(&"revoked_access_token_is_dead"));

        let by_access_token = of("refresh_url = ''\nrefresh_with = 'access_token'\n[emulator]");
        assert!(by_access_token.contains(&"refresh_rotates"));

        // The token reply names the user, and nothing can be asked later.
        let without_calls = of("revoke_url = ''\n[emulator]");
        assert!(!without_calls.contains(&"revoked_access_token_is_dead"));
    }

    #[test]
    fn expectations_of_the_contract_come_first() {
        let told =
            of("email_field = 'email'\n[emulator]\n[contract]\nemail_verified = true\nwrong_secret = false");
        assert!(told.contains(&"unverified_address_is_not_handed_out"));
        assert!(!told.contains(&"wrong_secret_is_a_matter_of_configuration"));
        let confirmed = of("email_field = 'email'\n[emulator]\n[contract]\nconfirmed_addresses_only = true");
        assert!(confirmed.contains(&"address_that_is_there_is_verified"));
        assert!(!confirmed.contains(&"address_is_not_called_verified"));
    }
}

//! `credential git`: a credential helper of git (gitcredentials(7), git-credential(1)).

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use oauth_tokens::AccessToken;

use crate::{
    arguments::{Common, GitCredential, HelperAction},
    commands::token::{account, live},
    exit::CommandResult,
    output::print_line,
};

pub(crate) async fn run(git: &GitCredential, common: &Common) -> CommandResult {
    let mut input = String::new();
    io::stdin().lock().take(64 * 1024).read_to_string(&mut input)?;
    let asked = parse(&input);
    // Nothing to say is said by printing nothing; git then asks the next helper.
    if git.action != HelperAction::Get || !is_meant(&asked, &git.host) {
        return Ok(());
    }
    let account = account(Some(&git.account), common)?;
    let token = live(&account, common).await?;
    print_line(&answer(&asked, &token, &git.username))
}

/// The attributes, one in each line; unknown ones are for later versions of git.
fn parse(input: &str) -> Vec<(&str, &str)> {
    input.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once('=')).collect()
}

/// Whether it is the host whose token this is, over https.
fn is_meant(asked: &[(&str, &str)], host: &str) -> bool {
    let asked: BTreeMap<&str, &str> = asked.iter().copied().collect();
    let is_loopback = |host: &str| crate::urls::is_loopback(&format!("http://{host}"));
    asked.get("host").is_some_and(|asked| asked.eq_ignore_ascii_case(host))
        && (asked.get("protocol") == Some(&"https")
            || (asked.get("protocol") == Some(&"http") && is_loopback(host)))
}

/// Whether the server takes the token as it is. Many servers, such as GitLab and Gitea, take it as the password of Basic only; git hands
/// on what they said (since 2.41).
fn takes_bearer(asked: &[(&str, &str)]) -> bool {
    let challenges = || asked.iter().filter(|(name, _)| *name == "wwwauth[]");
    let is_bearer = |challenge: &str| {
        challenge.split_whitespace().next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
    };
    challenges().next().is_none() || challenges().any(|&(_, challenge)| is_bearer(challenge))
}

fn answer(asked: &[(&str, &str)], token: &AccessToken, username: &str) -> String {
    let mut lines = Vec::new();
    let knows_schemes = asked.contains(&("capability[]", "authtype"));
    match knows_schemes && takes_bearer(asked) {
        // Since git 2.46: the header as it is, and nothing for another helper to keep.
        true => lines.extend([
            "capability[]=authtype".to_owned(),
            "authtype=Bearer".to_owned(),
            format!("credential={}", token.access_token()),
            "ephemeral=1".to_owned(),
        ]),
        false => lines.extend([format!("username={username}"), format!("password={}", token.access_token())]),
    }
    if let Some(expires_at) = token.expires_at() {
        lines.push(format!("password_expiry_utc={}", expires_at.unix_timestamp()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_its_host_alone_and_over_https() {
        for (input, is) in [
            ("protocol=https\nhost=git.example\n\n", true),
            ("protocol=https\nhost=GIT.example\nwwwauth[]=Basic\n", true),
            ("protocol=http\nhost=git.example\n", false),
            ("protocol=https\nhost=evil.example\n", false),
            ("protocol=https\nhost=git.example.evil.example\n", false),
            ("protocol=https\n\nhost=git.example\n", false),
            ("", false),
        ] {
            assert_eq!(is_meant(&parse(input), "git.example"), is, "{input:?}");
        }
        assert!(is_meant(&parse("protocol=http\nhost=127.0.0.1:3000\n"), "127.0.0.1:3000"));
    }

    #[test]
    fn a_token_is_a_password_where_the_server_takes_basic_only() {
        for (input, is) in [
            ("capability[]=authtype\nprotocol=https\nhost=git.example\n", true),
            ("wwwauth[]=Basic realm=\"GitLab\"\n", false),
            ("wwwauth[]=Basic realm=\"a\"\nwwwauth[]=bearer realm=\"b\"\n", true),
            ("wwwauth[]=Negotiate\n", false),
        ] {
            assert_eq!(takes_bearer(&parse(input)), is, "{input:?}");
        }
    }
}

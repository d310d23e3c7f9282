//! `credential docker`: a credential helper of docker (docker-credential-helpers).

use std::{
    io::{self, Read},
    process::ExitCode,
};

use serde_json::json;

use crate::{
    arguments::{Common, DockerCredential, HelperAction},
    commands::token::{account, live},
    exit::CommandResult,
    output::print_line,
};

/// What docker compares the output with to see that there are none.
const NOT_FOUND: &str = "credentials not found in native keychain";

pub(crate) async fn run(docker: &DockerCredential, common: &Common) -> CommandResult<ExitCode> {
    match docker.action {
        HelperAction::Get => {}
        HelperAction::List => {
            print_line(&json!({ format!("https://{}", docker.host): docker.username }).to_string())?;
            return Ok(ExitCode::SUCCESS);
        }
        // Its tokens come from `login`, and go with `logout`.
        HelperAction::Store | HelperAction::Erase => return Ok(ExitCode::SUCCESS),
    }
    let mut server = String::new();
    io::stdin().lock().take(64 * 1024).read_to_string(&mut server)?;
    let server = server.trim();
    if !is_meant(server, &docker.host) {
        print_line(NOT_FOUND)?;
        return Ok(ExitCode::FAILURE);
    }
    let account = account(Some(&docker.account), common)?;
    let token = live(&account, common).await?;
    let value = json!({ "ServerURL": server, "Username": docker.username, "Secret": token.access_token() });
    print_line(&value.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Docker gives the host, with https:// and a path or without.
fn is_meant(server: &str, host: &str) -> bool {
    let rest = match server.split_once("://") {
        Some(("https", rest)) => rest,
        Some(_) => return false,
        None => server,
    };
    rest.split('/').next().is_some_and(|asked| asked.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_its_host_with_or_without_https() {
        for server in ["registry.example", "https://registry.example/v1/", "https://REGISTRY.example"] {
            assert!(is_meant(server, "registry.example"), "{server}");
        }
        for server in
            ["http://registry.example", "registry.example.evil.example", "evil.example/registry.example", ""]
        {
            assert!(!is_meant(server, "registry.example"), "{server}");
        }
    }
}

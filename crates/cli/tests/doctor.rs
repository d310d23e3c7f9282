//! The doctor and broken set-ups, as a user runs it: what is found, what is to be done, and the exit code.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn doctor(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oauth-clients"));
    command
        .args(["doctor", "--json"])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("OAUTH_CLIENTS_HOME", home.join("data"))
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    command.output().unwrap()
}

/// What the doctor says of a configuration.
fn findings(text: &str) -> (Option<i32>, Value) {
    let home = tempfile::tempdir().unwrap();
    of(home.path(), text)
}

fn of(home: &Path, text: &str) -> (Option<i32>, Value) {
    let file = home.join("config.toml");
    std::fs::write(&file, text).unwrap();
    let output = doctor(home, &["--config", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), report)
}

#[track_caller]
fn assert_finds(report: &Value, check: &str, level: &str, text: &str) {
    let all = report["findings"].as_object().unwrap().values().flat_map(|found| found.as_array().unwrap());
    let is_there = all.clone().any(|finding| {
        finding["check"] == check
            && finding["level"] == level
            && finding["message"].as_str().unwrap().contains(text)
    });
    assert!(is_there, "no {check} ({level}) about {text:?} in {report:#}");
}

#[test]
fn each_broken_configuration_is_named_with_what_to_do_and_fails() {
    for (text, check, problem) in [
        ("[a", "DO-30", "is not TOML"),
        ("a = 1", "DO-30", "is not a table"),
        ("[a]\nprovider = \"githb\"\nclient_id = \"c\"", "DO-30", "nobody knows"),
        ("[github]\nscopes = [\"user\"]", "DO-30", "client_id is missing"),
        ("[github]\nclient_id = \"c\"\nclient_secret = \"S3CRET\"", "DO-30", "client_secret_env"),
        ("[github]\nclient_id = \"c\"\nclient_secret_env = \"NOBODY_SETS_THIS\"", "DO-30", "export it"),
        ("[github]\nclient_id = \"c\"\nclient_secret_file = \"/nowhere/secret\"", "DO-30", "/nowhere/secret"),
        (
            "[github]\nclient_id = \"c\"\nclient_secret_cmd = \"no-such-program x\"",
            "DO-30",
            "not on the PATH",
        ),
        ("[github]\nclient_id = \"c\"\nclient_auth = \"magic\"", "DO-30", "client_auth"),
        ("[github]\nclient_id = \"c\"\nscopes = \"user\"", "DO-30", "scopes"),
        ("[github]\nclient_id = \"c\"\nscope = [\"user\"]", "DO-30", "write scopes"),
        ("[github]\nclient-id = \"c\"", "DO-30", "write client_id"),
        ("[a]\nprovider = \"openid\"\nclient_id = \"c\"", "DO-30", "issuer is missing"),
        ("[a]\nprovider = \"oauth2\"\nclient_id = \"c\"", "DO-30", "authorize_endpoint"),
        (
            "[a]\nprovider = \"openid\"\nclient_id = \"c\"\nissuer = \"http://login.example\"",
            "DO-05",
            "plain http",
        ),
        ("[a]\nprovider = \"openid\"\nclient_id = \"c\"\nissuer = \"login.example\"", "DO-02", "not a URL"),
        (
            "[a]\nprovider = \"openid\"\nclient_id = \"c\"\nissuer = \"http://127.0.0.1:9/.well-known/openid-configuration\"",
            "DO-02",
            "write http://127.0.0.1:9",
        ),
        (
            "[a]\nprovider = \"openid\"\nclient_id = \"c\"\nissuer = \"http://127.0.0.1:9\"",
            "DO-01",
            "cannot reach",
        ),
        ("[github]\nclient_id = \"c\"\nredirect_uri = \"http://app.example/cb\"", "DO-15", "plain http"),
        ("[github]\nclient_id = \"c\"\nredirect_uri = \"myapp:/cb\"", "DO-15", "com.example.myapp"),
        ("[github]\nclient_id = \"c\"\nredirect_uri = \"https://app.example/cb#x\"", "DO-15", "fragment"),
        (
            "[github]\nclient_id = \"c\"\nredirect_uri = \"http://localhost:99999/cb\"",
            "DO-15",
            "invalid port number",
        ),
        ("[github]\nclient_id = \"c\"\nredirect_uri = \"http://127.0.0.1:0/cb\"", "DO-15", "0 is not a port"),
        (
            "[github]\nclient_id = \"c\"\nredirect_uri = \"http://0.0.0.0:8123/cb\"",
            "DO-15",
            "Register http://127.0.0.1:8123/cb",
        ),
        (
            "[github]\nclient_id = \"c\"\nredirect_uri = \"urn:ietf:wg:oauth:2.0:oob\"",
            "DO-15",
            "Register http://127.0.0.1/callback",
        ),
        ("[github]\nclient_id = \"c\"\nredirect_uri = \"javascript:alert(1)\"", "DO-15", "by that scheme"),
        ("[github]\nclient_id = 42", "DO-30", "put it between quotes"),
        ("[github]\nclient_id = \"\"", "DO-30", "client_id is empty"),
        ("[work]\nclient_id = \"c\"", "DO-30", "such as provider = \"openid\""),
        ("[GitHub]\nclient_id = \"c\"", "DO-30", "did you mean \"github\""),
        ("[okta]\nclient_id = \"c\"", "DO-30", "the setting domain is missing; add it"),
        (
            "[github]\nclient_id = \"c\"\nclient_secret_env = \"PATH\"\nclient_secret_file = \"/etc/hostname\"",
            "DO-30",
            "client_secret_env and client_secret_file both say",
        ),
        (
            "[github]\nclient_id = \"c\"\nclient_secret_env = \"S3CRET+/=\"",
            "DO-30",
            "not the name of a variable",
        ),
        (
            "[github]\nclient_id = \"c\"\ndangerously_allow_plain_http = \"true\"",
            "DO-30",
            "dangerously_allow_plain_http is neither true nor false",
        ),
        (
            "[a]\nprovider = \"oauth2\"\nclient_id = \"c\"\nauthorize_endpoint = \"/authorize\"\ntoken_endpoint = \"token\"",
            "DO-30",
            "authorize_endpoint is \"/authorize\", which is not a whole URL",
        ),
        (
            "[a]\nprovider = \"oauth2\"\nclient_id = \"c\"\nauthorize_endpoint = \"/authorize\"\ntoken_endpoint = \"token\"",
            "DO-30",
            "token_endpoint is \"token\", which is not a whole URL",
        ),
        (
            "[a]\nprovider = \"openid\"\nclient_id = \"c\"\nissuer = \"http://127.0.0.1:9\"\ndiscovery_url = \"login\"",
            "DO-30",
            "discovery_url is \"login\"",
        ),
        (
            "[github]\nclient_id = \"c\"\nprivate_key_file = \"/nowhere\"",
            "DO-30",
            "the private key file /nowhere",
        ),
    ] {
        let (code, report) = findings(text);
        assert_eq!(code, Some(1), "{text}: {report:#}");
        assert_finds(&report, check, "fail", problem);
        assert!(!report.to_string().contains("S3CRET"), "{report:#}");
    }
}

#[test]
fn one_broken_table_does_not_hide_the_others() {
    let (code, report) =
        findings("[bad]\nclient_secret = \"x\"\n[worse]\nprovider = \"githb\"\nclient_id = \"c\"");
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-30", "fail", "holds a client_secret");
    assert_finds(&report, "DO-30", "fail", "nobody knows");
}

#[test]
fn do_16_the_rules_of_each_provider_for_redirect_uris_of_this_machine() {
    for (text, advice) in [
        (
            "[okta]\nclient_id = \"c\"\ndomain = \"d.okta.com\"\nredirect_uri = \"http://127.0.0.1/cb\"",
            "compares the port",
        ),
        ("[auth0]\nclient_id = \"c\"\ndomain = \"d.auth0.com\"", "name one as redirect_uri"),
        (
            "[microsoft]\nclient_id = \"c\"\nredirect_uri = \"http://[::1]/cb\"",
            "does not take [::1]: register http://localhost/cb",
        ),
        (
            "[github]\nclient_id = \"c\"\nredirect_uri = \"http://127.0.0.1:8123/cb\"",
            "register http://127.0.0.1/cb without 8123",
        ),
        (
            "[yahoo]\nclient_id = \"c\"\nredirect_uri = \"http://127.0.0.1/cb\"",
            "takes no redirect URI of this machine",
        ),
    ] {
        let (_, report) = findings(text);
        assert_finds(&report, "DO-16", "warn", advice);
    }
}

#[test]
fn do_21_an_account_of_another_client_or_issuer() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let account = serde_json::json!({ "accounts": [{
        "name": "a", "signed_in_at": "2026-01-01T00:00:00Z", "again": "oauth-clients login a",
        "settings": { "provider": "openid", "client_id": "old", "issuer": "http://127.0.0.1:9/old" },
    }] });
    std::fs::write(data.join("accounts.json"), account.to_string()).unwrap();
    let (code, report) = of(
        home.path(),
        "[a]\nprovider = \"openid\"\nclient_id = \"new\"\nissuer = \"http://127.0.0.1:9/new\"",
    );
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-21", "fail", "issued to the client old");
    assert_finds(&report, "DO-21", "fail", "belongs to http://127.0.0.1:9/old");
    assert_finds(&report, "DO-21", "fail", "`oauth-clients login a`");
}

#[cfg(unix)]
#[test]
fn do_22_and_23_what_is_stored_is_looked_at_and_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    let (_, report) = of(home.path(), "[github]\nclient_id = \"c\"");
    assert_finds(&report, "DO-23", "warn", "--allow-key-file");
    assert!(!home.path().join("data").exists(), "the doctor makes nothing");

    let tokens = home.path().join("data/tokens");
    std::fs::create_dir_all(&tokens).unwrap();
    std::fs::write(tokens.join("key"), "AAAA").unwrap();
    std::fs::set_permissions(tokens.join("key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", tokens.join("link")).unwrap();
    let account = serde_json::json!({ "accounts": [{
        "name": "a", "signed_in_at": "2026-01-01T00:00:00Z", "settings": { "provider": "github", "client_id": "c" },
    }] });
    std::fs::write(home.path().join("data/accounts.json"), account.to_string()).unwrap();
    let (code, report) = of(home.path(), "[github]\nclient_id = \"c\"");
    assert_eq!(code, Some(1));
    assert_finds(&report, "DO-23", "warn", "chmod 600");
    assert_finds(&report, "DO-23", "fail", "symbolic link");

    std::fs::write(home.path().join("data/accounts.json"), "{").unwrap();
    let (_, report) = of(home.path(), "[github]\nclient_id = \"c\"");
    assert_finds(&report, "DO-22", "fail", "is damaged");
}

#[test]
fn what_may_work_and_is_worth_a_look_is_a_warning() {
    for (text, check, advice) in [
        (
            "[github]\nclient_id = \"c\"\nredirect_uri = \"https://localhost:8123/cb\"",
            "DO-16",
            "register http://localhost:8123/cb",
        ),
        ("[github]\nclient_id = \"c\"\nscopes = [\"user repo\"]", "DO-12", "write each as a text of its own"),
        ("[google]\nclient_id = \"1234\"", "DO-26", "ends with .apps.googleusercontent.com"),
        ("[microsoft]\nclient_id = \"my app\"", "DO-26", "a GUID"),
        (
            "[a]\nprovider = \"openid\"\nclient_id = \"c\"\nissuer = \"https://login.microsoftonline.com/common/v2.0\"",
            "DO-26",
            "use provider = \"microsoft\"",
        ),
    ] {
        let (_, report) = findings(text);
        assert_finds(&report, check, "warn", advice);
    }
}

#[test]
fn do_26_what_is_known_of_a_provider_and_bites() {
    for (text, advice) in [
        ("[microsoft]\nclient_id = \"c\"\nresource = \"api://x\"", "send scope api://x/.default"),
        ("[github]\nclient_id = \"c\"", "Enable Device Flow"),
        (
            "[google]\nclient_id = \"c\"\nscopes = [\"openid\", \"https://www.googleapis.com/auth/calendar\"]",
            "not allowed for device clients",
        ),
    ] {
        let (_, report) = findings(text);
        assert_finds(&report, "DO-26", "warn", advice);
    }
}

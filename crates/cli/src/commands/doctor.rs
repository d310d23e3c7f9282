//! `doctor`: what is wrong, and what to do.

use std::{collections::BTreeMap, process::ExitCode};

use oauth_clients::{ErrorClass, Provider};
use serde_json::json;

use crate::{
    accounts::Accounts,
    arguments::{Common, Doctor},
    config,
    doctor::{self, Finding, Level, TargetFacts},
    exit::{CommandResult, Failure},
    mcp::{self, Greeting},
    output::{Output, plain, print_line, to_json},
    provider::{self, is_url},
};

pub(crate) async fn run(doctor: &Doctor, common: &Common, output: Output) -> CommandResult<ExitCode> {
    let http = provider::http_client(common)?;
    let mut findings: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for (name, mut facts) in targets(doctor, common)? {
        output.progress(&format!("looking at {name} …"));
        if let Some(profile) = facts.profile.as_ref().filter(|_| facts.unreadable.is_none()) {
            match doctor::build(&name, profile, &http).await {
                Ok(client) => {
                    facts.issuer = facts.issuer.or_else(|| published_issuer(profile, &*client));
                    facts.client = Some(client);
                }
                Err(problem) => facts.problem = Some(problem),
            }
        }
        let facts = facts.gather(&*http).await;
        let mut found = doctor::check(&facts);
        if !found.iter().any(|finding| finding.level == Level::Fail) {
            found.push(Finding::ok("DO-00", "nothing prevents a sign-in"));
        }
        findings.insert(name, found);
    }
    if doctor.target.as_deref().is_none_or(|target| !is_url(target)) && doctor.mcp.is_none() {
        let tables = config::read_each(common.config.as_deref())?;
        let tables = tables.into_iter().filter_map(|(name, table)| Some((name, table.ok()?))).collect();
        findings.insert("this machine".to_owned(), doctor::machine(&tables, common).await?);
    }
    if let Some(url) = &doctor.mcp {
        output.progress(&format!("looking at {url} …"));
        findings.insert(url.clone(), server(url, common).await?);
    }
    let has_failed = findings.values().flatten().any(|finding| finding.level == Level::Fail);
    match output.json {
        true => print_line(&to_json(&json!({ "ok": !has_failed, "findings": findings }))?)?,
        false => {
            for (name, findings) in &findings {
                print_line(name)?;
                for finding in findings {
                    let level = match finding.level {
                        Level::Ok => output.green("ok  "),
                        Level::Warn => output.yellow("warn"),
                        Level::Fail => output.red("fail"),
                    };
                    print_line(&format!("  {level} {} {}", finding.check, plain(&finding.message)))?;
                }
            }
        }
    }
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn targets(doctor: &Doctor, common: &Common) -> CommandResult<Vec<(String, TargetFacts)>> {
    let new = || TargetFacts {
        redirect_uri: doctor.redirect_uri.clone(),
        ca_file: common.ca_file.as_ref().map(|file| file.display().to_string()),
        allows_http: common.dangerously_allow_plain_http,
        ..TargetFacts::default()
    };
    if let Some(issuer) = doctor.target.as_deref().filter(|target| is_url(target)) {
        return Ok(vec![(issuer.to_owned(), TargetFacts { issuer: Some(issuer.to_owned()), ..new() })]);
    }
    let tables = config::read_each(common.config.as_deref())?;
    let chosen: Vec<_> = match &doctor.target {
        None => tables.into_iter().collect(),
        Some(name) => match tables.into_iter().find(|(other, _)| other == name) {
            Some(table) => vec![table],
            None => {
                let advice = match name.contains('.') {
                    true => format!("; an issuer is written whole, such as https://{name}"),
                    false => String::new(),
                };
                return Err(Failure::Usage(format!("the configuration has no table [{name}]{advice}")));
            }
        },
    };
    if chosen.is_empty() && (doctor.mcp.is_some() || has_accounts(common)) {
        return Ok(Vec::new());
    }
    if chosen.is_empty() {
        let path = config::path(common.config.as_deref())?;
        return Err(Failure::Usage(format!("{} has no tables; name an issuer to look at", path.display())));
    }
    let facts = |(name, table): (String, Result<config::ClientProfile, String>)| {
        let mut profile = match table {
            Ok(profile) => profile,
            Err(problem) => return (name, TargetFacts { unreadable: Some(problem), ..new() }),
        };
        let names_provider = profile.settings.contains_key("provider");
        profile.settings.entry("provider").or_insert_with(|| name.clone().into());
        let facts = TargetFacts {
            names_provider,
            issuer: profile.text("issuer").map(str::to_owned),
            redirect_uri: doctor.redirect_uri.clone().or_else(|| profile.redirect_uri.clone()),
            profile: Some(profile),
            ..new()
        };
        (name, facts)
    };
    Ok(chosen.into_iter().map(facts).collect())
}

/// Whether this machine is something to look at, although there is no configuration.
fn has_accounts(common: &Common) -> bool {
    let accounts = config::data_folder(common.home.as_deref()).and_then(|folder| Accounts::read(&folder));
    // A list that is damaged is something to tell.
    accounts.map_or(true, |accounts| !accounts.is_empty())
}

/// The providers that somebody runs under an address of their own, and whose clients know the issuer by it.
const WITH_METADATA: &[&str] = &["auth0", "authentik", "keycloak", "logto", "okta", "onelogin", "zitadel"];

fn published_issuer(profile: &config::ClientProfile, client: &dyn Provider) -> Option<String> {
    let is_one = WITH_METADATA.contains(&profile.text("provider")?);
    client.oauth2().issuer().filter(|_| is_one).map(str::to_owned)
}

/// What prevents a sign-in at an MCP server.
async fn server(url: &str, common: &Common) -> CommandResult<Vec<Finding>> {
    let server = mcp::server_url(url, common)?;
    let (greeting, target) = mcp::discover(&server, common).await?;
    let mut findings = Vec::new();
    greeted(url, &greeting, &mut findings);
    let target = match target {
        Ok(target) => target,
        Err(error) => {
            findings.push(not_found(&error, &greeting));
            return Ok(findings);
        }
    };
    let metadata = target.server_metadata();
    let issuer = target.issuer();
    let methods = metadata.list("code_challenge_methods_supported");
    if methods.as_ref().is_none_or(|methods| !methods.contains(&"S256")) {
        let found = methods.map_or("nothing".to_owned(), |methods| format!("{methods:?}"));
        findings.push(Finding::fail(
            "DO-07",
            format!("{issuer} does not list S256 ({found}), and MCP forbids going on: whoever runs it must list what it takes"),
        ));
    }
    match (metadata.flag("client_id_metadata_document_supported"), metadata.text("registration_endpoint")) {
        (true, Some(_)) => {}
        (false, Some(_)) => findings.push(Finding::ok(
            "DO-25",
            format!("{issuer} registers clients by dynamic registration alone, which newer revisions of MCP call deprecated"),
        )),
        (true, None) => findings.push(Finding::warn(
            "DO-25",
            format!("{issuer} registers no clients and takes client ID metadata documents; this tool has none, so give --client-id"),
        )),
        (false, None) => findings.push(Finding::warn(
            "DO-25",
            format!("no way to register: give a client id for {issuer} (redirect URI http://127.0.0.1:PORT/callback)"),
        )),
    }
    if !target.is_legacy() {
        let facts = TargetFacts {
            issuer: Some(issuer.to_owned()),
            ca_file: common.ca_file.as_ref().map(|file| file.display().to_string()),
            allows_http: common.dangerously_allow_plain_http,
            ..TargetFacts::default()
        };
        let facts = facts.gather(&*provider::http_client(common)?).await;
        findings.extend(doctor::check_authorization_server(&facts));
    }
    findings.extend(doctor::accounts_at(&server, issuer, common).await?);
    if findings.iter().all(|finding| finding.level != Level::Fail) {
        findings.push(Finding::ok("DO-00", format!("{issuer} lets clients in")));
    }
    Ok(findings)
}

/// What the server's answer to a first message without a token tells.
fn greeted(url: &str, greeting: &Greeting, findings: &mut Vec<Finding>) {
    let (level, check, text) = match greeting {
        Greeting::Challenged => return,
        Greeting::Unchallenged(status @ (401 | 403)) => (
            Level::Fail,
            "DO-24",
            format!(
                "{url} answers {status} without a Bearer challenge: its WWW-Authenticate header must name resource_metadata (RFC 9728 \
                 section 5.1)"
            ),
        ),
        Greeting::Unchallenged(404 | 405) => (
            Level::Fail,
            "DO-24",
            format!("{url} takes no message of MCP ({}): is its path right?", status_of(greeting)),
        ),
        Greeting::Unchallenged(status @ 300..=399) => {
            (Level::Fail, "DO-24", format!("{url} redirects ({status}): give the address to which it leads"))
        }
        Greeting::Unchallenged(status @ 500..) => {
            (Level::Fail, "DO-24", format!("{url} answers {status}: the server is in trouble, so try later"))
        }
        Greeting::Unchallenged(status) => (
            Level::Warn,
            "DO-24",
            format!("{url} answers {status} without a token: it wants none, or not for its first message"),
        ),
        Greeting::Unreachable(problem) => (
            Level::Fail,
            "DO-01",
            format!("cannot reach {url}: {problem}. Check the name, the proxy and the certificate authority"),
        ),
    };
    findings.push(Finding { check, level, message: text });
}

fn status_of(greeting: &Greeting) -> u16 {
    match greeting {
        Greeting::Unchallenged(status) => *status,
        _ => 0,
    }
}

/// Why nobody can find out who lets clients in.
fn not_found(error: &oauth_mcp::McpError, greeting: &Greeting) -> Finding {
    let is_transient = matches!(error.class(), ErrorClass::Transient { .. });
    let text = match error {
        oauth_mcp::McpError::ServerMetadata { issuer, cause, .. } if is_transient => {
            format!(
                "authorization server {issuer} unreachable: {cause}. Try later; if that does not help, tell whoever runs it"
            )
        }
        oauth_mcp::McpError::NoResourceMetadata(tried) => {
            let places: Vec<String> =
                tried.iter().map(|probe| format!("{} ({})", probe.url, probe.status)).collect();
            let advice = match greeting {
                Greeting::Unchallenged(200..=299) => {
                    "A server that wants no token needs none; else whoever runs it must publish them"
                }
                _ => "Is the URL right? Else whoever runs the server must publish them (RFC 9728)",
            };
            format!("no protected resource metadata at {}. {advice}", places.join(", "))
        }
        error if is_transient => format!("{error}. Try later; is the server up?"),
        error => format!("{error}. Is the URL right? Else whoever runs the server must mend it"),
    };
    Finding::fail("DO-24", text)
}

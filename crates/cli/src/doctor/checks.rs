//! The checks of an issuer and of a client at it. They look at [`TargetFacts`] and ask nobody.

use oauth_clients::HttpErrorKind;
use serde_json::{Map, Value};

use crate::{
    config::ClientProfile,
    doctor::{
        client as configured, environment, facts::TargetFacts, finding::Finding, keys, quirks, redirect,
    },
    metadata::Asked,
    urls::{has_user, is_loopback},
};

/// All findings, in the order of the checks.
pub(crate) fn check(facts: &TargetFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    configured::check(facts, &mut findings);
    if facts.issuer.is_some() {
        if issuer(facts, &mut findings) {
            documents(facts, &mut findings);
        }
        if facts.document().is_some() {
            endpoints(facts, &mut findings);
            protocol(facts, &mut findings);
            client(facts, &mut findings);
            keys::check(facts, &mut findings);
            clock(facts, &mut findings);
        }
    } else {
        endpoints(facts, &mut findings);
    }
    redirect::check(facts, &mut findings);
    quirks::check(facts, &mut findings);
    environment::check(&environment::Variables::of_process(), &mut findings);
    findings
}

/// The findings about an authorization server that an MCP server names. What MCP has rules of its own for is not among them.
pub(crate) fn check_authorization_server(facts: &TargetFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.document().is_some() {
        types(facts, &mut findings);
        endpoints(facts, &mut findings);
        protocol(facts, &mut findings);
        clock(facts, &mut findings);
    }
    findings.retain(|finding| finding.check != "DO-07");
    findings
}

/// Whether the issuer is one that can be asked.
fn issuer(facts: &TargetFacts, findings: &mut Vec<Finding>) -> bool {
    let issuer = facts.issuer.as_deref().unwrap_or_default();
    let mut refuse = |check, problem: String| {
        findings.push(Finding::fail(check, problem));
        false
    };
    match url::Url::parse(issuer) {
        Err(_) => refuse(
            "DO-02",
            format!("the issuer {issuer:?} is not a URL: write it whole, such as https://login.example"),
        ),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => refuse(
            "DO-02",
            format!(
                "the issuer {issuer} has a query or a fragment, which none has (RFC 8414 section 2): remove it"
            ),
        ),
        Ok(_) if !facts.may_ask(issuer) => refuse(
            "DO-05",
            format!("the issuer {issuer} is plain http, which is refused outside loopback: use https"),
        ),
        Ok(_) => match issuer.split_once("/.well-known/") {
            Some((before, _)) => {
                refuse("DO-02", format!("the issuer {issuer} is the address of its metadata: write {before}"))
            }
            None => true,
        },
    }
}

fn documents(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let issuer = facts.issuer.as_deref().unwrap_or_default();
    if facts.document().is_none() {
        let is_down = facts.asked.iter().all(|asked| asked.status.is_none());
        let is_too_large = facts.asked.iter().any(|asked| asked.failure == Some(HttpErrorKind::TooLarge));
        let tried: Vec<String> = facts.asked.iter().map(Asked::line).collect();
        if let (true, false, Some(asked)) = (is_down, is_too_large, facts.asked.first()) {
            findings.push(unreachable(
                "the issuer",
                issuer,
                asked.problem.as_deref().unwrap_or_default(),
                facts,
            ));
        }
        let is_failing = facts.asked.iter().any(|asked| asked.status.is_some_and(|status| status >= 500));
        let advice = match (is_failing, is_down) {
            _ if is_too_large => "No issuer's metadata are that long: is the issuer right, with its path?",
            (true, _) => "The server is in trouble: try later",
            (false, true) => "Is the server up?",
            (false, false) => "Is the issuer right, with its path?",
        };
        findings.push(Finding::fail(
            "DO-02",
            format!("no metadata for {issuer}: tried {}. {advice}", tried.join(", ")),
        ));
        return;
    }
    names(facts, issuer, findings);
    if let [Some(openid), Some(oauth), ..] =
        &*facts.asked.iter().map(|asked| asked.document.as_ref()).collect::<Vec<_>>()
    {
        compare(openid, oauth, findings);
    }
    types(facts, findings);
}

/// Whether each document is that of the issuer. Documents that name the same one are one finding.
fn names(facts: &TargetFacts, issuer: &str, findings: &mut Vec<Finding>) {
    let mut wrong: Vec<(Option<&str>, Vec<&str>)> = Vec::new();
    for asked in &facts.asked {
        let Some(document) = &asked.document else { continue };
        let found = document.get("issuer").and_then(Value::as_str);
        if found == Some(issuer) {
            continue;
        }
        match wrong.iter_mut().find(|(other, _)| *other == found) {
            Some((_, places)) => places.push(&asked.url),
            None => wrong.push((found, vec![&asked.url])),
        }
    }
    for (found, places) in wrong {
        let places = places.join(" and ");
        findings.push(Finding::fail(
            "DO-03",
            match found {
                Some(found) => format!(
                    "metadata at {places} names issuer {found}, configured is {issuer}. Use the first exactly, slash and case included"
                ),
                None => format!(
                    "metadata at {places} names no issuer, which it must (RFC 8414 section 2): whoever runs the server must mend it"
                ),
            },
        ));
    }
}

/// Whether both documents agree where they both speak.
fn compare(openid: &Map<String, Value>, oauth: &Map<String, Value>, findings: &mut Vec<Finding>) {
    for (member, value) in openid {
        if let Some(other) = oauth.get(member).filter(|other| *other != value && member != "issuer") {
            findings.push(Finding::warn(
                "DO-04",
                format!("{member} differs: oauth-authorization-server says {other}, openid-configuration says {value}; the latter is used"),
            ));
        }
    }
}

/// The members whose name ends like that of a list, and which are true or false.
const SWITCHES: &[&str] = &[
    "authorization_response_iss_parameter_supported",
    "backchannel_logout_session_supported",
    "backchannel_logout_supported",
    "backchannel_user_code_parameter_supported",
    "claims_parameter_supported",
    "client_id_metadata_document_supported",
    "frontchannel_logout_session_supported",
    "frontchannel_logout_supported",
    "request_parameter_supported",
    "request_uri_parameter_supported",
    "tls_client_certificate_bound_access_tokens",
];

fn types(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let Some(document) = facts.document() else { return };
    for (member, value) in document {
        let (expected, fits) = match member.as_str() {
            _ if member.ends_with("_endpoint") || member == "issuer" || member == "jwks_uri" => {
                ("a text", value.is_string())
            }
            name if SWITCHES.contains(&name) || member.starts_with("require_") => {
                ("true or false", value.is_boolean())
            }
            _ if member.ends_with("_supported") => ("a list", value.is_array() || value.is_boolean()),
            _ => continue,
        };
        if !fits {
            let found = match value {
                Value::Null => "null",
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                Value::String(_) => "a text",
                Value::Array(_) => "a list",
                Value::Object(_) => "an object",
            };
            findings.push(Finding::warn(
                "DO-28",
                format!("{member} is {found}, expected {expected}: it is ignored"),
            ));
        }
    }
}

fn unreachable(endpoint: &str, url: &str, cause: &str, facts: &TargetFacts) -> Finding {
    let authority = facts.ca_file.as_deref().unwrap_or("the system's");
    Finding::fail(
        "DO-01",
        format!(
            "cannot reach {endpoint} ({url}): {cause}. Check the name, the proxy and the certificate authority ({authority})"
        ),
    )
}

fn endpoints(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let issuer_host = facts.issuer.as_deref().and_then(host);
    for (endpoint, url) in facts.endpoints() {
        let parsed = url::Url::parse(&url);
        if let Ok(parsed) = &parsed
            && has_user(parsed)
        {
            // It is not shown: it may be somebody's password.
            findings.push(Finding::fail(
                "DO-05",
                format!(
                    "{endpoint} has a user name or a password in front of its host ({}): no client sends it, so remove it",
                    parsed.host_str().unwrap_or_default()
                ),
            ));
            continue;
        }
        if let Some(cause) = facts.unreachable.get(&endpoint) {
            findings.push(unreachable(&endpoint, &url, cause, facts));
        }
        match &parsed {
            Err(_) => {
                findings.push(Finding::fail("DO-05", format!("{endpoint} is {url}, which is not a URL")))
            }
            Ok(parsed) if parsed.fragment().is_some() => {
                findings.push(Finding::fail(
                    "DO-05",
                    format!("{endpoint} is {url}: an endpoint has no fragment (RFC 6749 section 3.1)"),
                ));
            }
            Ok(parsed) if parsed.scheme() == "http" && !is_loopback(&url) && !facts.allows_http => findings
                .push(Finding::fail(
                    "DO-05",
                    format!("{endpoint} is {url}: plain http is refused outside loopback"),
                )),
            Ok(parsed) if !matches!(parsed.scheme(), "http" | "https") => {
                findings.push(Finding::fail("DO-05", format!("{endpoint} is {url}: it must be https")));
            }
            Ok(_) => {}
        }
        if let (Some(found), Some(expected)) = (host(&url), &issuer_host)
            && site(&found) != site(expected)
        {
            findings.push(Finding::warn(
                "DO-06",
                format!("{endpoint} is on {found}, the issuer on {expected}. Right for some providers; make sure you expect it"),
            ));
        }
    }
    if facts.document().is_none() {
        return;
    }
    for needed in ["authorization_endpoint", "token_endpoint"] {
        if facts.text(needed).is_none() {
            findings.push(Finding::fail(
                "DO-02",
                format!("metadata name no {needed}: nobody can sign in with a code"),
            ));
        }
    }
}

fn host(url: &str) -> Option<String> {
    url::Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// The last two labels: enough for a warning.
fn site(host: &str) -> String {
    let labels: Vec<&str> = host.rsplit('.').take(2).collect();
    labels.join(".")
}

fn protocol(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let shown =
        |list: &Option<Vec<&str>>| list.as_ref().map_or("nothing".to_owned(), |list| format!("{list:?}"));
    let methods = facts.list("code_challenge_methods_supported");
    if methods.as_ref().is_none_or(|methods| !methods.contains(&"S256")) {
        let message = format!(
            "the server does not list S256 ({}). MCP forbids going on; if you know that it works, allow it for this issuer",
            shown(&methods)
        );
        // Only a list without it says that it will fail.
        findings.push(match methods {
            Some(_) => Finding::fail("DO-07", message),
            None => Finding::warn("DO-07", message),
        });
    }
    let grants = facts.list("grant_types_supported");
    if let Some(list) = grants.as_ref().filter(|list| !list.contains(&"authorization_code")) {
        findings.push(Finding::fail(
            "DO-10",
            format!("authorization_code is needed for a sign-in; the server lists {list:?}"),
        ));
    }
    let types = facts.list("response_types_supported");
    if let Some(list) = types.filter(|list| !list.contains(&"code")) {
        findings
            .push(Finding::warn("DO-11", format!("response_types_supported has no \"code\", only {list:?}")));
    }
    if facts.document().is_some_and(|document| {
        document.get("authorization_response_iss_parameter_supported") != Some(&Value::Bool(true))
    }) {
        findings.push(Finding::warn(
            "DO-14",
            "the server does not promise iss (RFC 9207): use one redirect path per server against mix-up",
        ));
    }
    let demands =
        |name: &str| facts.document().and_then(|document| document.get(name)) == Some(&Value::Bool(true));
    if demands("require_pushed_authorization_requests") {
        match facts.text("pushed_authorization_request_endpoint") {
            Some(_) => findings
                .push(Finding::ok("DO-29", "require_pushed_authorization_requests is true: PAR is used")),
            None => findings.push(Finding::fail(
                "DO-29",
                "require_pushed_authorization_requests is true, and metadata name no pushed_authorization_request_endpoint: whoever \
                 runs the server must name it (RFC 9126 section 5)",
            )),
        }
    }
    if demands("require_signed_request_object") {
        findings.push(Finding::fail(
            "DO-29",
            "require_signed_request_object is true, and this tool signs no requests: have the client registered without it, or use \
             oauth-fapi in a program of your own",
        ));
    }
    if let Some(list) =
        facts.list("dpop_signing_alg_values_supported").filter(|list| !list.contains(&"ES256"))
    {
        findings.push(Finding::warn(
            "DO-29",
            format!(
                "dpop_signing_alg_values_supported lacks ES256, which is what DPoP keys of this library sign with; it has {list:?}"
            ),
        ));
    }
}

fn client(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let Some(profile) = &facts.profile else { return };
    let has_secret = profile.has_secret();
    let listed = facts.list("token_endpoint_auth_methods_supported");
    // Without a list, the server takes Basic (RFC 8414 section 2).
    let list = listed.clone().unwrap_or_else(|| vec!["client_secret_basic"]);
    let method = match profile.text("client_auth") {
        // It is the same for the server, whose list has no name for it.
        Some("client_secret_basic_unencoded") => Some("client_secret_basic"),
        Some(method) => Some(method),
        None if has_key(profile) => Some("private_key_jwt"),
        None if !has_secret => Some("none"),
        None if list.iter().any(|method| method.starts_with("client_secret_")) => None,
        None => Some("a client secret"),
    };
    if let Some(method) = method
        && !list.contains(&method)
        && (listed.is_some() || method != "none")
    {
        findings.push(Finding::fail(
            "DO-08",
            format!(
                "client is set to {method}, the server takes {list:?}. Change the client or register it again"
            ),
        ));
    }
    if let (Some(offered), Some(signs), true) = (
        facts.list("token_endpoint_auth_signing_alg_values_supported"),
        profile.text("private_key_alg"),
        has_key(profile),
    ) && !offered.contains(&signs)
    {
        findings.push(Finding::fail(
            "DO-08",
            format!("private_key_alg is {signs}, and the server takes {offered:?}: make a key of one of these kinds"),
        ));
    }
    if has_secret && profile.text("client_auth") == Some("none") {
        findings.push(Finding::warn(
            "DO-09",
            "client_auth is none, so that the secret is not sent: remove the secret, or leave client_auth out",
        ));
    }
    if has_secret
        && facts.redirect_uri.as_deref().is_some_and(|uri| is_loopback(uri) || !uri.starts_with("http"))
    {
        findings.push(Finding::warn("DO-09", "a native client with a secret: it is not secret once shipped"));
    }
    let scopes = profile.scopes();
    if let Some(supported) = facts.list("scopes_supported") {
        for scope in scopes.iter().filter(|scope| !supported.contains(*scope)) {
            findings.push(Finding::warn(
                "DO-12",
                format!("scope {scope} is not in scopes_supported; spelling? (some servers list only part)"),
            ));
        }
        if supported.contains(&"offline_access") && !scopes.is_empty() && !scopes.contains(&"offline_access")
        {
            findings.push(Finding::warn(
                "DO-13",
                "no offline_access asked though listed: the sign-in will end with its first access token",
            ));
        }
    }
    if profile.text("provider") == Some("openid") && !scopes.is_empty() && !scopes.contains(&"openid") {
        findings.push(Finding::fail(
            "DO-12",
            "scopes leave openid out: without it there is no ID token (OpenID Connect Core section 3.1.2.1)",
        ));
    }
}

/// Whether the client signs with a key of its own. Apple's table has a key of this name for something else.
fn has_key(profile: &ClientProfile) -> bool {
    profile.settings.contains_key("private_key_file") && profile.text("provider") != Some("apple")
}

fn clock(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let Some(ahead) = facts.ahead.filter(|ahead| ahead.abs() > 30) else { return };
    let host = facts.issuer.as_deref().and_then(host).unwrap_or_default();
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    findings.push(Finding::warn(
        "DO-20",
        format!("this machine is {} s {side} {host}. Tokens will look not yet valid or expired", ahead.abs()),
    ));
}

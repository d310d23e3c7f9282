//! What is known of single providers, and bites whoever does not know it.

use crate::doctor::{facts::TargetFacts, finding::Finding};

/// What Google lets a client for televisions and limited input ask for.
const GOOGLE_DEVICE_SCOPES: &[&str] = &[
    "openid",
    "email",
    "profile",
    "https://www.googleapis.com/auth/drive.appdata",
    "https://www.googleapis.com/auth/drive.file",
    "https://www.googleapis.com/auth/youtube",
    "https://www.googleapis.com/auth/youtube.readonly",
];

pub(super) fn check(facts: &TargetFacts, findings: &mut Vec<Finding>) {
    let Some(profile) = &facts.profile else { return };
    let scopes = profile.scopes();
    let client_id = profile.text("client_id").unwrap_or_default();
    let mut warn = |text: String| findings.push(Finding::warn("DO-26", text));
    let is_entra = facts.issuer.as_deref().is_some_and(|issuer| issuer.contains("login.microsoftonline.com"));
    match profile.text("provider").unwrap_or_default() {
        name if name == "microsoft" || is_entra => {
            if let Some(resource) = profile.text("resource") {
                warn(format!("Entra: leave resource out and send scope {resource}/.default"));
            }
            let hosts = scopes.iter().filter_map(|scope| scope.rsplit_once('/').map(|(api, _)| api));
            let apis: std::collections::BTreeSet<&str> = hosts.collect();
            if apis.len() > 1 {
                warn(format!(
                    "Entra: one token is for one API, and the scopes are of {}; sign in once for each",
                    apis.into_iter().collect::<Vec<_>>().join(" and ")
                ));
            }
            if !client_id.is_empty() && !is_guid(client_id) {
                warn(format!(
                    "Entra: client_id is the application (client) id, a GUID such as 6731de76-14a6-49ae-97bc-6eba6914391e, which {client_id} is not"
                ));
            }
            let of_nobody = ["common", "organizations", "consumers"];
            let tenant = facts.issuer.as_deref().and_then(|issuer| issuer.split('/').nth(3));
            if name == "openid" && tenant.is_some_and(|tenant| of_nobody.contains(&tenant)) {
                warn(
                    "Entra: an issuer that names no tenant is a template, which no ID token has; use provider = \"microsoft\", or the \
                     issuer of your tenant"
                        .to_owned(),
                );
            }
            if !scopes.is_empty() && !scopes.contains(&"offline_access") {
                warn("Entra: without the scope offline_access there is no refresh token; add it".to_owned());
            }
        }
        "github" if !profile.has_secret() => warn(
            "GitHub: without a client secret only the device flow works (--method device); it is off until \"Enable Device Flow\" is \
             switched on in the app's settings"
                .to_owned(),
        ),
        "google" => {
            if !client_id.is_empty() && !client_id.ends_with(".apps.googleusercontent.com") {
                warn(format!("Google: client_id ends with .apps.googleusercontent.com, and {client_id} does not: copy it whole"));
            }
            if !profile.has_secret() {
                warn(
                    "Google: a desktop client has a secret too, which must be sent though it is none; download it with the client, and \
                     name its file with client_secret_file"
                        .to_owned(),
                );
            }
            for scope in scopes.iter().filter(|scope| !GOOGLE_DEVICE_SCOPES.contains(scope)) {
                warn(format!(
                    "Google: the scope {scope} is not allowed for device clients; sign in by the browser, with a client of the type Desktop app"
                ));
            }
        }
        "linkedin" if !profile.has_secret() => warn(
            "LinkedIn: PKCE without a secret must be switched on for the application by LinkedIn; ask its support, or use a secret"
                .to_owned(),
        ),
        "salesforce" => warn(
            "Salesforce: the device flow is on its way out; sign in by the browser".to_owned(),
        ),
        _ => {}
    }
}

/// Whether a text is a GUID: groups of 8, 4, 4, 4 and 12 hexadecimal digits.
fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

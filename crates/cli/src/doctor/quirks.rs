//! What is known of single providers, and bites whoever does not know it.

use serde_json::Value;

use crate::doctor::{facts::Facts, finding::Finding};

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

pub(super) fn check(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(profile) = &facts.profile else { return };
    let scopes: Vec<&str> = profile
        .settings
        .get("scopes")
        .and_then(Value::as_array)
        .map(|scopes| scopes.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
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

//! The HTML pages: no script, no external file, light and dark.

use std::fmt::Write as _;

use http::header;

use crate::{facts::EmulatedProvider, reply::ServerReply, state::PendingConsent, user::User};

/// Where the consent page's form goes. No host name begins with a dot, so it is nobody's URL.
pub(crate) const CONSENT_PATH: &str = "/.consent";

/// Where the form for a device's code goes.
pub(crate) const DEVICE_PATH: &str = "/.device";

/// No `form-action`: browsers would apply it to the redirect that follows the form, which goes to the application.
pub(crate) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = "
:root { color-scheme: light dark; --text: #1c1e26; --muted: #565b6b; --page: #eef0f5; --card: #fff; --line: #c9cdd8; --main: #2b4fd8; --on-main: #fff; }
@media (prefers-color-scheme: dark) { :root { --text: #eceef4; --muted: #a9afc0; --page: #13151b; --card: #1e212a; --line: #3d4252; --main: #9db4ff; --on-main: #10131c; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
main { width: min(28rem, 100%); background: var(--card); border: 1px solid var(--line); border-radius: 1rem; padding: 1.75rem; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .25rem; }
p { margin: 0 0 1rem; color: var(--muted); overflow-wrap: anywhere; }
h2, legend { font-size: 1rem; font-weight: 600; margin: 0; padding: 0; }
ul { margin: .25rem 0 1.25rem; padding-left: 1.25rem; overflow-wrap: anywhere; }
fieldset { border: 0; margin: 0 0 1.5rem; padding: 0; }
label { display: flex; gap: .75rem; align-items: center; margin-top: .5rem; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: .6rem; cursor: pointer; }
label:has(:checked) { border-color: var(--main); outline: 1px solid var(--main); }
label small { display: block; color: var(--muted); }
input { accent-color: var(--main); flex: none; width: 1.1rem; height: 1.1rem; }
.buttons { display: flex; gap: .75rem; }
button { flex: 1; font: inherit; font-weight: 600; padding: .65rem; border-radius: .6rem; border: 1px solid var(--line); background: none; color: inherit; cursor: pointer; }
button.main { background: var(--main); border-color: var(--main); color: var(--on-main); }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
footer { margin-top: 1.25rem; font-size: .85rem; color: var(--muted); }
";

/// Asks the user whether the application may sign them in.
pub(crate) fn consent(
    provider: &EmulatedProvider,
    id: &str,
    consent: &PendingConsent,
    users: &[User],
) -> String {
    let name = escape(&provider.facts.display_name);
    let request = &consent.request;
    let mut scopes = String::new();
    for scope in &request.scopes {
        let _ = write!(scopes, "<li><code>{}</code></li>", escape(scope));
    }
    let scopes = match scopes.is_empty() {
        true => "<p>No scopes: only what this provider gives every application.</p>".to_owned(),
        false => format!("<h2>It asks for</h2><ul>{scopes}</ul>"),
    };
    let choices = choices(users);
    let body = format!(
        "<h1>Sign in with {name}</h1>\
         <p><strong>{app}</strong> wants to know who you are. You will return to {redirect}.</p>\
         {scopes}\
         <form method=\"post\" action=\"{CONSENT_PATH}\">\
         <input type=\"hidden\" name=\"consent\" value=\"{id}\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\
         <fieldset><legend>Continue as</legend>{choices}</fieldset>\
         <div class=\"buttons\">\
         <button class=\"main\" name=\"decision\" value=\"allow\">Allow</button>\
         <button name=\"decision\" value=\"deny\">Deny</button>\
         </div></form>\
         <footer>This is an emulator for tests, not {name}.</footer>",
        app = escape(&request.app.client_id),
        redirect = escape(request.redirect_uri.split('?').next().unwrap_or_default()),
        id = escape(id),
        csrf = escape(&consent.csrf),
    );
    document(&format!("Sign in with {name}"), &body)
}

/// Buttons for the users, of whom the first is chosen.
fn choices(users: &[User]) -> String {
    let mut choices = String::new();
    for (at, user) in users.iter().enumerate() {
        let checked = if at == 0 { " checked" } else { "" };
        let _ = write!(
            choices,
            "<label><input type=\"radio\" name=\"user\" value=\"{}\"{checked}><span>{}<small>{}</small></span></label>",
            escape(&user.id),
            escape(&user.name),
            escape(user.email.as_deref().unwrap_or("no e-mail address")),
        );
    }
    choices
}

/// Posts the answer to the application (OAuth 2.0 Form Post Response Mode).
///
/// Real providers submit this form by a script as soon as the page is there. Here the user presses a button, because no page
/// of the emulator has a script.
pub(crate) fn form_post(display_name: &str, redirect_uri: &str, answer: &[(String, String)]) -> String {
    let name = escape(display_name);
    let mut fields = String::new();
    for (field, value) in answer {
        let _ =
            write!(fields, "<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(field), escape(value));
    }
    let body = format!(
        "<h1>{name} is done</h1>\
         <p>You return to {shown}.</p>\
         <form method=\"post\" action=\"{action}\">{fields}\
         <div class=\"buttons\"><button class=\"main\">Continue to the application</button></div></form>\
         <footer>This is an emulator for tests, not {name}.</footer>",
        shown = escape(redirect_uri.split('?').next().unwrap_or_default()),
        action = escape(redirect_uri),
    );
    document(&format!("Back from {name}"), &body)
}

/// Asks for the code that a device shows, and whether the user allows what it asks for.
pub(crate) fn device(provider: &EmulatedProvider, csrf: &str, code: &str, users: &[User]) -> String {
    let name = escape(&provider.facts.display_name);
    let choices = choices(users);
    let body = format!(
        "<h1>Connect a device to {name}</h1>\
         <p>Type in the code that the device shows, and only if you began there yourself.</p>\
         <form method=\"post\" action=\"{DEVICE_PATH}\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\
         <label>Code <input name=\"user_code\" autocomplete=\"off\" value=\"{code}\"></label>\
         <fieldset><legend>Continue as</legend>{choices}</fieldset>\
         <div class=\"buttons\">\
         <button class=\"main\" name=\"decision\" value=\"allow\">Allow</button>\
         <button name=\"decision\" value=\"deny\">Deny</button>\
         </div></form>\
         <footer>This is an emulator for tests, not {name}.</footer>",
        csrf = escape(csrf),
        code = escape(code),
    );
    document(&format!("Connect a device to {name}"), &body)
}

/// Says that the device goes on by itself.
pub(crate) fn device_done(display_name: &str) -> String {
    let name = escape(display_name);
    document(&name, "<h1>That was all</h1><p>Go back to the device.</p>")
}

/// The headers of a page with a form.
pub(crate) fn framed(reply: ServerReply) -> ServerReply {
    reply
        .with(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)
        .with(header::REFERRER_POLICY, "no-referrer")
        .with(header::X_FRAME_OPTIONS, "DENY")
}

/// Says that the user is signed out.
pub(crate) fn signed_out(display_name: &str) -> String {
    let name = escape(display_name);
    document(&name, &format!("<h1>You are signed out of {name}</h1>"))
}

/// Says why a request was refused to the person in front of it.
pub(crate) fn problem(title: &str, text: &str) -> String {
    let title = escape(title);
    document(&title, &format!("<h1>{title} refused this request</h1><p role=\"alert\">{}</p>", escape(text)))
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )
}

/// Makes text safe between tags and in quoted attributes.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
        out
    })
}

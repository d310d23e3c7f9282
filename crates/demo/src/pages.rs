//! The pages: no file from another host, light and dark, and of use without the one script. Whatever is in `(…)` is escaped.

use std::{collections::BTreeMap, fmt::Write as _};

use maud::{DOCTYPE, Markup, html};
use oauth_clients::{EmailVerification, Identity, OAuth2Token, OffsetDateTime, serde_json};

use crate::{
    color,
    explain::Explanation,
    faults::{CHOICES, Choice},
    session::{BrowserSession, Person, SessionNotice},
};

/// The site's own mark, also its icon.
pub(crate) const MARK: &str = include_str!("mark.svg");

/// The script by which a provider is found by typing.
pub(crate) const FIND: &str = include_str!("find.js");

/// A provider as its button shows it.
pub(crate) struct Button {
    /// Its name in addresses.
    pub(crate) name: String,
    /// Its name for users.
    pub(crate) title: String,
    pub(crate) color: &'static str,
    /// Whether it leads to the real service.
    pub(crate) is_real: bool,
}

/// The style sheet, with a class for each provider's colours.
pub(crate) fn style(buttons: &[Button]) -> String {
    let mut style = include_str!("site.css").to_owned();
    for (at, button) in buttons.iter().enumerate() {
        let brand = color::safe(button.color);
        let _ = writeln!(style, ".p{at} {{ --brand: {brand}; --on-brand: {}; }}", color::text_on(brand));
    }
    style
}

/// The page with a button for every provider.
pub(crate) fn home(
    session: &BrowserSession,
    buttons: &[Button],
    faults: &[(String, &'static Choice)],
) -> Markup {
    let content = html! {
        h1 { "Sign in with …" }
        p.lead {
            "Each button signs you in through the library, as it would on a site of yours. "
            "The providers are played by an emulator in this process: choose a user there, or deny. Nothing leaves this machine"
            @if buttons.iter().any(|button| button.is_real) { ", except where a button says that it leads to the real service" }
            "."
        }
        @if let Some(notice) = &session.notice { (shown(notice)) }
        p { a href="#faults" { "Make a provider misbehave" } " to see how a failure is explained." }
        (providers(buttons, faults))
        section.card aria-labelledby="faults" {
            h2 #faults { "Make a provider misbehave" }
            p.muted { "Switch a fault on at the emulator, then sign in, and read how the failure is explained." }
            (active(session, buttons, faults))
            form.row method="post" action="/faults/on" {
                (csrf(session))
                label { "Provider"
                    select name="provider" {
                        @for button in buttons.iter().filter(|button| !button.is_real) {
                            option value=(button.name) { (button.title) }
                        }
                    }
                }
                label { "Fault"
                    select name="fault" {
                        @for choice in CHOICES { option value=(choice.name) { (choice.label) } }
                    }
                }
                button { "Switch on" }
            }
        }
        (code(HOME))
    };
    document("Sign in with …", session.person.as_ref(), &content)
}

/// The buttons in groups by their first letter, with a link to each group.
fn providers(buttons: &[Button], faults: &[(String, &'static Choice)]) -> Markup {
    let mut groups: BTreeMap<String, Vec<(usize, &Button, String)>> = BTreeMap::new();
    for (at, (button, mark)) in buttons.iter().zip(marks(buttons)).enumerate() {
        groups.entry(initial(&button.title)).or_default().push((at, button, mark));
    }
    html! {
        nav aria-label="Providers" {
            // The script shows it.
            label.find hidden { "Find a provider" input #find type="search" autocomplete="off" spellcheck="false"; }
            p.letters {
                @for initial in groups.keys() { a href=(format!("#letter-{initial}")) { (initial) } " " }
            }
            p.card #nothing role="status" hidden {
                "No provider is called so. The generic clients speak to any provider that keeps to OAuth 2.0 or OpenID Connect."
            }
            @for (initial, group) in &groups {
                section.group aria-labelledby=(format!("letter-{initial}")) {
                    h2 id=(format!("letter-{initial}")) { (initial) }
                    ul.providers {
                        @for (at, button, mark) in group { (provider(*at, button, mark, faults)) }
                    }
                }
            }
        }
        script src="/find.js" defer {}
    }
}

fn provider(at: usize, button: &Button, mark: &str, faults: &[(String, &'static Choice)]) -> Markup {
    html! {
        li data-names=(format!("{} {}", button.title, button.name)) {
            a class={ "provider p" (at) } href=(format!("/auth/{}/login", button.name)) {
                span.mark aria-hidden="true" { (mark) }
                span {
                    span.name { span.hidden { "Sign in with " } (button.title) }
                    small {
                        @if button.is_real { "real service" } @else { "emulator" }
                        @if faults.iter().any(|(provider, _)| *provider == button.name) {
                            ", " strong.misbehaves { "misbehaves" }
                        }
                    }
                }
            }
        }
    }
}

/// The letter under which a name is found, `0` for those that begin with none.
fn initial(title: &str) -> String {
    let first = title.chars().next().filter(|first| first.is_ascii_alphabetic());
    first.map_or('0', |first| first.to_ascii_uppercase()).to_string()
}

/// The page of somebody who signed in.
pub(crate) fn me(session: &BrowserSession, person: &Person, title: &str) -> Markup {
    let name = person.identity.name.as_deref().unwrap_or(&person.identity.subject);
    let content = html! {
        h1 { "You are signed in as " (name) }
        p.lead { "This is what the application got from " (title) "." }
        @if let Some(notice) = &session.notice { (shown(notice)) }
        div.columns {
            (identity(&person.identity))
            (token(person))
        }
        section.card aria-labelledby="actions" {
            h2 #actions { "What an application does with it" }
            div.row {
                (action(session, "profile", "Read the profile", "main"))
                (action(session, "refresh", "Refresh tokens", ""))
                (action(session, "revoke", "Revoke tokens", "danger"))
                (action(session, "sign-out", "Sign out", ""))
                a.button href="/" { "Sign in elsewhere" }
            }
            p.muted {
                "Revoking tells the provider that the tokens are no longer wanted. Signing out only makes this site forget them."
            }
        }
        @if person.shows_profile {
            section.card aria-labelledby="profile" {
                h2 #profile { "The profile, as the provider sent it" }
                pre tabindex="0" aria-labelledby="profile" {
                    (serde_json::to_string_pretty(&person.identity.profile).unwrap_or_default())
                }
            }
        }
        (code(ME))
    };
    document(&format!("Signed in as {name}"), Some(person), &content)
}

/// The page that explains a failure.
pub(crate) fn failure(
    explanation: &Explanation,
    retry: Option<&Button>,
    faults: &[(String, &str)],
) -> Markup {
    let content = html! {
        h1 { (explanation.title) }
        @if explanation.is_choice {
            section.card.note role="status" { (explained(explanation)) }
        } @else {
            section.card.note.bad role="alert" { (explained(explanation)) }
        }
        @if !faults.is_empty() {
            p.card.note.warn {
                "Faults are switched on at the emulator: "
                @for (at, (provider, fault)) in faults.iter().enumerate() {
                    @if at > 0 { ", " }
                    (provider) " (" (fault) ")"
                }
                ". You can switch them off on the page of the providers."
            }
        }
        div.row {
            @if let Some(button) = retry {
                a.button.main href=(format!("/auth/{}/login", button.name)) { "Try again with " (button.title) }
            }
            a.button.main[retry.is_none()] href="/" { "Back to the providers" }
        }
        (code(FAILURE))
    };
    document(&explanation.title, None, &content)
}

fn identity(identity: &Identity) -> Markup {
    html! {
        section.card aria-labelledby="identity" {
            h2 #identity { "Who you are" }
            dl {
                dt { "Name" } dd { (identity.name.as_deref().unwrap_or("not given")) }
                dt { "E-mail" }
                dd #email {
                    @match &identity.email {
                        None => "not given",
                        Some(email) => {
                            (email.address) " "
                            @match email.verification {
                                EmailVerification::Verified => span.badge.good { "verified" },
                                EmailVerification::Unverified => span.badge.bad { "unverified" },
                                EmailVerification::Unknown => span.badge.warn { "unknown whether verified" },
                            }
                        }
                    }
                }
                dt { "Issuer" } dd { code { (identity.issuer) } }
                dt { "Subject" } dd { code #subject { (identity.subject) } }
            }
            p.muted {
                "Issuer and subject together are the key of an account. "
                @match identity.email.as_ref().map(|email| email.verification) {
                    Some(EmailVerification::Verified) => "The provider vouches for the address.",
                    Some(EmailVerification::Unverified) => {
                        "The provider says that nobody has verified the address: it may be somebody else's."
                    }
                    Some(EmailVerification::Unknown) => {
                        "The provider does not say whether the address was verified, so no account may be found by it."
                    }
                    None => "There is no address, which an application must be able to live with.",
                }
            }
        }
    }
}

fn token(person: &Person) -> Markup {
    let token = &person.token;
    html! {
        section.card aria-labelledby="token" {
            h2 #token {
                "The tokens "
                @if person.is_revoked { span.badge.bad { "revoked" } }
                @else if token.is_expired() { span.badge.warn { "expired" } }
            }
            dl {
                dt { "Access token" } dd { code #access-token { (masked(token.access_token())) } }
                dt { "Type" } dd { (token.token_type().unwrap_or("not given")) }
                dt { "Expires" } dd { (expiry(token)) }
                dt { "Refresh token" } dd { (optional(token.refresh_token())) }
                dt { "ID token" } dd { (optional(token.id_token())) }
                dt { "Scopes" }
                dd {
                    @match token.scopes() {
                        None => "not given: those that were asked for",
                        Some(scopes) => @for scope in scopes { code { (scope) } " " },
                    }
                }
                @for (field, value) in token.others().iter().filter(|(field, _)| *field != "scope") {
                    dt { (field) } dd { code { (other(value)) } }
                }
            }
            p.muted { "Of each secret, four characters are shown." }
        }
    }
}

fn expiry(token: &OAuth2Token) -> String {
    let Some(at) = token.expires_at() else { return "the provider does not say".to_owned() };
    let left = at.unix_timestamp() - OffsetDateTime::now_utc().unix_timestamp();
    let relative = match left {
        ..0 => "in the past".to_owned(),
        0..120 => format!("in {left} s"),
        120..7200 => format!("in {} min", left / 60),
        7200..172_800 => format!("in {} h", left / 3600),
        _ => format!("in {} days", left / 86_400),
    };
    let (date, time) = (at.date(), at.time());
    format!(
        "{relative}: {:04}-{:02}-{:02} {:02}:{:02} UTC",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute()
    )
}

fn optional(secret: Option<&str>) -> Markup {
    html! { @match secret { None => "none", Some(secret) => code { (masked(secret)) } } }
}

/// Four characters of a secret, or none where they would be a good part of it.
fn masked(secret: &str) -> String {
    let shown = if secret.chars().count() >= 16 { secret.chars().take(4).collect() } else { String::new() };
    format!("{shown}…")
}

/// A field that only this provider sends. Any text among them may be a secret.
fn other(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => masked(text),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => "…".to_owned(),
        plain => plain.to_string(),
    }
}

fn action(session: &BrowserSession, name: &str, label: &str, class: &str) -> Markup {
    html! {
        form method="post" action=(format!("/me/{name}")) {
            (csrf(session))
            button class=[Some(class).filter(|class| !class.is_empty())] { (label) }
        }
    }
}

fn active(session: &BrowserSession, buttons: &[Button], faults: &[(String, &'static Choice)]) -> Markup {
    let title = |name: &str| {
        buttons
            .iter()
            .find(|button| button.name == name)
            .map_or(name.to_owned(), |button| button.title.clone())
    };
    html! {
        @if !faults.is_empty() {
            h3 { "Switched on" }
            ul.faults {
                @for (provider, fault) in faults {
                    li {
                        span { strong { (title(provider)) } ": " (fault.label) }
                        form method="post" action="/faults/off" {
                            (csrf(session))
                            input type="hidden" name="provider" value=(provider);
                            input type="hidden" name="fault" value=(fault.name);
                            button { "Switch off" span.hidden { ": " (title(provider)) ", " (fault.label) } }
                        }
                    }
                }
            }
        }
    }
}

fn shown(notice: &SessionNotice) -> Markup {
    html! {
        @match notice {
            SessionNotice::Done(text) => div.card.note role="status" { p { (text) } },
            SessionNotice::Failed(explanation) => section.card.note.bad role="alert" {
                h2 { (explanation.title) }
                (explained(explanation))
            },
        }
    }
}

fn explained(explanation: &Explanation) -> Markup {
    html! {
        dl {
            dt { "What happened" } dd { (explanation.happened) }
            dt { "What it means" } dd { (explanation.means) }
            dt { "What to do" } dd { (explanation.to_do) }
        }
        @if !explanation.details.is_empty() {
            details {
                summary { "For the developer" }
                dl { @for (name, value) in &explanation.details { dt { (name) } dd { code { (value) } } } }
            }
        }
    }
}

fn csrf(session: &BrowserSession) -> Markup {
    html! { input type="hidden" name="csrf" value=(session.csrf); }
}

/// A mark for each button in place of a logo, no two of them alike. The logos themselves are trademarks.
fn marks(buttons: &[Button]) -> Vec<String> {
    let mut marks: Vec<String> = Vec::new();
    for button in buttons {
        let is_free = |mark: &String| !marks.iter().any(|other| other.eq_ignore_ascii_case(mark));
        let mark = letters(&button.title).find(is_free);
        marks.push(mark.unwrap_or_else(|| (marks.len() + 1).to_string()));
    }
    marks
}

/// What could stand for a name, the best first: its first two capital letters, its first letter, the first letter with each later one.
fn letters(title: &str) -> impl Iterator<Item = String> {
    let letters: Vec<char> = title.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let capitals: String = letters.iter().filter(|letter| letter.is_uppercase()).take(2).collect();
    let first: String = letters.iter().take(1).collect();
    let pairs: Vec<String> = letters.iter().skip(1).map(|later| format!("{first}{later}")).collect();
    [capitals, first].into_iter().filter(|mark| !mark.is_empty()).chain(pairs)
}

/// The Rust lines behind a page.
fn code(lines: &str) -> Markup {
    html! {
        details.card {
            summary { "The Rust lines behind this page" }
            code.lines tabindex="0" { (lines) }
        }
    }
}

/// What a site has for its buttons: the routes `/{provider}/login` and `/{provider}/callback`.
const HOME: &str = r#"let sign_in = SignIn::new(Sealer::new(SealingKey::random()?))
    .provider(GitHubOAuth2::new("CLIENT_ID", "CLIENT_SECRET"))?
    .provider(GoogleOAuth2::new("CLIENT_ID", "CLIENT_SECRET"))?;
let app = Router::new().nest("/auth", SignInRoutes::new(sign_in).router(signed_in));"#;

/// What it does with somebody who signed in.
const ME: &str = r#"async fn signed_in(signed_in: SignedIn) -> impl IntoResponse {
    // The key of the account, and the address with what the provider says of it.
    let Identity { issuer, subject, email, .. } = &signed_in.identity;
    Redirect::to("/me")
}

// The buttons:
let profile = provider.get_profile(token.access_token()).await?;
let token = provider.refresh(&token, None).await?;
provider.revoke(&token).await?;"#;

/// What it does with a failure.
const FAILURE: &str = r#"let routes = SignInRoutes::new(sign_in).on_error(|error: SignInError| match error.kind() {
    SignInErrorKind::Login(error) => match error.class() {
        ErrorClass::Reauthorize => try_again(),
        ErrorClass::Transient { retry_after } => try_later(retry_after),
        ErrorClass::Configuration | ErrorClass::Protocol => tell_the_developer(error),
        _ => tell_the_developer(error),
    },
    _ => try_again(),
});"#;

fn document(title: &str, person: Option<&Person>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href="/style.css";
                link rel="icon" type="image/svg+xml" href="/mark.svg";
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.site.wide {
                    a href="/" { img src="/mark.svg" alt="" ; "oauth-clients demo" }
                    @if let Some(person) = person {
                        a.who href="/me" { (person.identity.name.as_deref().unwrap_or("Signed in")) }
                    }
                }
                main #content .wide { (content) }
                footer.wide { "Nothing is loaded from another host." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buttons(titles: &[&str]) -> Vec<Button> {
        let button = |title: &&str| Button {
            name: title.to_lowercase(),
            title: (*title).to_owned(),
            color: "#000000",
            is_real: false,
        };
        titles.iter().map(button).collect()
    }

    #[test]
    fn without_the_script_a_letter_leads_to_each_provider() {
        let buttons = buttons(&["Apple", "authentik", "GitHub", "42"]);
        let page = providers(&buttons, &[]).0;
        for letter in ["0", "A", "G"] {
            assert!(page.contains(&format!("href=\"#letter-{letter}\"")), "{page}");
            assert_eq!(page.matches(&format!("id=\"letter-{letter}\"")).count(), 1, "{page}");
        }
        assert_eq!(page.matches("<li").count(), 4);
        assert_eq!(page.matches("class=\"group\"").count(), 3);
    }

    #[test]
    fn of_a_secret_at_most_four_characters_are_shown() {
        assert_eq!(masked("gho_0123456789abcdef"), "gho_…");
        assert_eq!(masked("short"), "…");
        assert_eq!(masked("ünïcödé0123456789"), "ünïc…");
        assert_eq!(other(&serde_json::json!({"secret": "0123456789abcdef"})), "…");
    }

    #[test]
    fn a_mark_has_one_or_two_letters_and_is_no_other_providers() {
        let titles = [
            "Apple",
            "Auth0",
            "authentik",
            "GitHub",
            "Google",
            "LINE",
            "LinkedIn",
            "OpenID Connect",
            "Salesforce",
            "Shopify",
            "lower",
        ];
        let expected = ["A", "Au", "at", "GH", "G", "LI", "L", "OI", "S", "Sh", "lo"];
        assert_eq!(marks(&buttons(&titles)), expected);
        assert_eq!(marks(&buttons(&["A", "A", "A"])), ["A", "2", "3"]);
    }

    #[test]
    fn a_denial_is_no_alarm_and_a_failure_is_one() {
        let mut denied = Explanation::of_unknown_page();
        assert!(failure(&denied, None, &[]).into_string().contains("role=\"alert\""));
        denied.is_choice = true;
        let page = failure(&denied, None, &[]).into_string();
        assert!(page.contains("role=\"status\"") && !page.contains("bad"), "{page}");
    }

    #[test]
    fn lb_10_text_of_strangers_is_escaped() {
        let mut explanation = Explanation::of_unknown_page();
        explanation.details.push(("Error code", "<script>alert('1')</script>".to_owned()));
        let page = failure(&explanation, None, &[]).into_string();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
    }
}

//! Sign-in where the browser is elsewhere: rows NT-12 and NT-13.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use oauth_native::{Environment, Method, NativeSignInError, sign_in};

use super::program::{Browser, Talk, client, options};

#[tokio::test]
async fn nt_12_the_address_its_query_or_code_and_state_can_be_pasted() {
    for line in [
        "http://127.0.0.1:1/callback?code=C&state=STATE",
        "  \"https://app.example/done?code=C&state=STATE#_=_\"\n",
        "?code=C&state=STATE",
        "code=C&state=STATE",
        "/callback?state=STATE&code=C",
        "C#STATE",
    ] {
        let (client, http) = client(1);
        let (browser, mut opened) = Browser::new();
        let talk = Talk::pasting([line]);
        let options = options(&browser).method(Method::Paste).prompt(talk.clone());
        let login = sign_in(&client, options).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(login.token.access_token(), "AT0");
        assert_eq!(http.requests().len(), 1);
        // The browser is elsewhere.
        assert!(opened.try_recv().is_err());
    }
}

#[tokio::test]
async fn nt_12_what_belongs_to_nobody_or_another_is_refused_and_asked_for_again() {
    let (client, http) = client(1);
    let (browser, _opened) = Browser::new();
    let talk = Talk::pasting([
        "",
        "C",
        "code=C",
        "http://127.0.0.1:1/callback?code=C&state=another",
        "C#another",
        "#STATE",
        "code=C&state=STATE",
    ]);
    let options = options(&browser).method(Method::Paste).prompt(talk.clone());
    sign_in(&client, options).await.unwrap();
    assert_eq!(http.requests().len(), 1);
    let again = talk.notices().iter().filter(|notice| notice.contains("Paste the whole address")).count();
    assert_eq!(again, 6, "{:?}", talk.notices());
}

#[tokio::test]
async fn nt_12_a_page_elsewhere_is_pasted_without_a_listener() {
    let (client, http) = client(1);
    let (browser, _opened) = Browser::new();
    let talk = Talk::pasting(["https://app.example/shown?code=C&state=STATE"]);
    let options = options(&browser).redirect_uri("https://app.example/shown").prompt(talk.clone());
    sign_in(&client, options.clone()).await.unwrap();
    assert!(
        http.request().form().contains(&("redirect_uri".to_owned(), "https://app.example/shown".to_owned()))
    );
    let error = sign_in(&client, options.clone().method(Method::Loopback)).await.unwrap_err();
    assert!(matches!(error, NativeSignInError::Options(_)), "{error:?}");
    let error = sign_in(&client, options.prompt(Talk::default().at_end())).await.unwrap_err();
    assert!(matches!(error, NativeSignInError::InputEnded), "{error:?}");
}

#[tokio::test]
async fn nt_12_the_end_of_the_input_does_not_end_the_listener() {
    let (client, _) = client(1);
    let (browser, _opened) = Browser::new();
    let options = options(&browser)
        .method(Method::Paste)
        .prompt(Talk::default().at_end())
        .time_limit(Duration::from_millis(200));
    let error = sign_in(&client, options).await.unwrap_err();
    assert!(matches!(error, NativeSignInError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn nt_13_a_remote_machine_is_told_how_to_forward_the_port() {
    let (client, _) = client(1);
    let (browser, mut opened) = Browser::new();
    let talk = Talk::pasting(["code=C&state=STATE"]);
    let mut ssh = Environment::default();
    ssh.ssh = true;
    sign_in(&client, options(&browser).environment(ssh).prompt(talk.clone())).await.unwrap();
    assert!(opened.try_recv().is_err());
    assert!(talk.notices().iter().any(|notice| notice.contains("ssh -L ")), "{:?}", talk.notices());
}

#[test]
fn nt_13_where_the_browser_is_elsewhere_is_found_out() {
    let read = |variables: &[(&str, &str)], container: bool, wsl: bool| {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        Environment::read(|name| variables.get(name).map(OsString::from), container, wsl)
    };
    let desktop = [("DISPLAY", ":0")];
    assert!(!read(&desktop, false, false).browser_is_elsewhere());
    assert!(!read(&[("WAYLAND_DISPLAY", "wayland-0")], false, false).browser_is_elsewhere());
    for variable in ["SSH_CONNECTION", "SSH_TTY", "CODESPACES", "REMOTE_CONTAINERS", "CI"] {
        let variables = [desktop[0], (variable, "1")];
        assert!(read(&variables, false, false).browser_is_elsewhere(), "{variable}");
        assert!(
            !read(&[desktop[0], (variable, "")], false, false).browser_is_elsewhere(),
            "{variable} is empty"
        );
    }
    assert!(read(&desktop, true, false).browser_is_elsewhere(), "a container");
    if cfg!(target_os = "linux") {
        assert!(read(&[], false, false).browser_is_elsewhere(), "no display");
        // The browser is that of Windows.
        assert!(!read(&[], false, true).browser_is_elsewhere(), "WSL");
        assert!(!read(&[("WSL_DISTRO_NAME", "Debian")], false, false).browser_is_elsewhere(), "WSL");
    }
}

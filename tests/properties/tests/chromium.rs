//! A real browser's reading of addresses and cookies. Chromium is started once: a sibling domain sets cookies, the browser goes on to the
//! application, and a page there says where each address leads.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use oauth_core::serde_json::{self, json};
use oauth_properties::{
    accepted_return_to, block_on, is_accepted, mutated, redirect_uri_behind_proxy, started, target,
};
use oauth_web::ForwardedHeaders;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// The names under which systems have it.
const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "chrome"];

/// How a sibling domain writes the name of the application's cookie, and with which attributes. `{}` is the name.
const FORGED: &[(&str, &str)] = &[
    ("{}", "Domain=site.localhost; Path=/"),
    ("{}", "Domain=site.localhost; Path=/; Secure"),
    ("{}", "Domain=site.localhost; Path=/auth"),
    (" {}", "Domain=site.localhost; Path=/"),
    ("\t{}", "Domain=site.localhost; Path=/"),
    ("{} ", "Domain=site.localhost; Path=/"),
    ("\u{a0}{}", "Domain=site.localhost; Path=/"),
    ("\u{2003}{}", "Domain=site.localhost; Path=/"),
    ("\u{3000}{}", "Domain=site.localhost; Path=/"),
    ("\u{feff}{}", "Domain=site.localhost; Path=/"),
    ("\u{85}{}", "Domain=site.localhost; Path=/"),
    ("\u{b}{}", "Domain=site.localhost; Path=/"),
    ("\u{c}{}", "Domain=site.localhost; Path=/"),
    ("={}", "Domain=site.localhost; Path=/"),
    ("==; {}", "Domain=site.localhost; Path=/"),
    ("x=\"; {}", "Domain=site.localhost; Path=/"),
    ("x, {}", "Domain=site.localhost; Path=/"),
    ("\"{}", "Domain=site.localhost; Path=/"),
];

/// What each request to a host and path came with.
type Seen = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

#[test]
fn chromium_keeps_the_browser_on_the_site_and_a_siblings_cookies_off() {
    let own = started(1);
    let (own_name, own_value) = own.0.split_once('=').unwrap();
    let forged: Vec<_> = FORGED.iter().map(|(name, attributes)| (name, attributes, started(1))).collect();
    let mut set_by_sibling = Vec::new();
    for (name, attributes, (cookie, _)) in &forged {
        let (own, sealed) = cookie.split_once('=').unwrap();
        set_by_sibling.push(format!("{}={sealed}; {attributes}", name.replace("{}", own)));
    }
    // Without it, a browser that took no cookie at all would pass.
    set_by_sibling.push("sibling=was-here; Domain=site.localhost; Path=/".to_owned());
    let set_by_app = format!("{own_name}={own_value}; Path=/; Secure; HttpOnly; SameSite=Lax");

    let mut wanted = Vec::new();
    mutated(target("return_to").seeds, 1500, |text| {
        wanted.extend(accepted_return_to("https://app.example", text));
        wanted.extend(accepted_return_to("https://app.example", &format!("/{text}")));
    });
    wanted.sort();
    wanted.dedup();
    assert!(wanted.len() > 300, "{}", wanted.len());

    // Which site a sign-in thinks it is, of what a proxy said: the browser must come back to the same one.
    let mut redirect_uris = Vec::new();
    mutated(target("proxies").seeds, 1500, |text| {
        let (proto, host) = text.split_once(' ').unwrap_or(("https", text));
        let headers = [("x-forwarded-proto", proto), ("x-forwarded-host", host), ("host", "app.example")];
        redirect_uris.extend(redirect_uri_behind_proxy(ForwardedHeaders::XForwarded, &headers));
    });
    redirect_uris.sort();
    redirect_uris.dedup();
    assert!(redirect_uris.len() > 50, "{}", redirect_uris.len());
    let addresses = [&*wanted, &*redirect_uris].concat();

    let (page, seen) = block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::default();
        let pages = BTreeMap::from([
            (
                "app.site.localhost/first",
                (vec![set_by_app], format!("Location: http://evil.site.localhost:{port}/set")),
            ),
            (
                "evil.site.localhost/set",
                (set_by_sibling, format!("Location: http://app.site.localhost:{port}/last")),
            ),
            ("app.site.localhost/last", (Vec::new(), String::new())),
        ]);
        let script = script(&addresses);
        let serving = serve(listener, pages, script, Arc::clone(&seen));
        let browsing =
            tokio::task::spawn_blocking(move || browse(&format!("http://app.site.localhost:{port}/first")));
        let page = tokio::select! {
            page = browsing => page.unwrap(),
            () = serving => unreachable!("it serves for ever"),
        };
        (page, seen)
    });

    let cookies =
        seen.lock().unwrap().get("app.site.localhost/last").cloned().expect("the browser came back");
    let shown = String::from_utf8_lossy(&cookies).into_owned();
    assert!(shown.contains("sibling=was-here"), "{shown}");
    assert!(is_accepted(&cookies, &own.1), "the application's own cookie: {shown}");
    for (name, attributes, (_, state)) in &forged {
        assert!(!is_accepted(&cookies, state), "{name:?} with {attributes}: {shown}");
    }

    let answer = page.split("<pre>").nth(1).and_then(|rest| rest.split("</pre>").next());
    let origins: Vec<String> = serde_json::from_str(answer.unwrap_or_else(|| panic!("{page}"))).unwrap();
    assert_eq!(origins.len(), addresses.len());
    let (of_wanted, of_redirect_uris) = origins.split_at(wanted.len());
    for (accepted, origin) in wanted.iter().zip(of_wanted) {
        assert_eq!(origin, "https://app.example", "{accepted:?}");
    }
    for (uri, origin) in redirect_uris.iter().zip(of_redirect_uris) {
        assert_eq!(*origin, Url::parse(uri).unwrap().origin().ascii_serialization(), "{uri}");
    }
}

/// A page that says which origin each address has, from the page of the callback.
fn script(addresses: &[String]) -> String {
    let addresses = json!(addresses).to_string().replace('<', "\\u003c");
    format!(
        "<!doctype html><meta charset=utf-8><pre></pre><script>\
         const origin = address => {{ try {{ return new URL(address, 'https://app.example/auth/x/callback').origin }} \
         catch (error) {{ return 'https://app.example' }} }};\
         document.querySelector('pre').textContent = JSON.stringify({addresses}.map(origin));</script>"
    )
}

type Pages = BTreeMap<&'static str, (Vec<String>, String)>;

/// Answers each request with the cookies and the redirect of its page, and the one without a redirect with the script.
async fn serve(listener: TcpListener, pages: Pages, script: String, seen: Seen) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (pages, script, seen) = (pages.clone(), script.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            let head = head(&mut stream).await;
            let line = |name: &str| {
                let mut lines = head.split(|byte| *byte == b'\n');
                let found = lines.find(|line| {
                    line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
                });
                found.map(|line| line[name.len()..].trim_ascii().to_vec()).unwrap_or_default()
            };
            let host = String::from_utf8_lossy(&line("host:")).into_owned();
            let path = String::from_utf8_lossy(&line("get ")).into_owned();
            let place = format!("{}{}", host.split(':').next().unwrap(), path.split(' ').next().unwrap());
            let mut answer = Vec::new();
            match pages.get(&*place) {
                Some((cookies, redirect)) => {
                    seen.lock().unwrap().insert(place, line("cookie:"));
                    let status = if redirect.is_empty() { "200 OK" } else { "302 Found" };
                    answer.extend(format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\n").bytes());
                    for cookie in cookies {
                        answer.extend(format!("Set-Cookie: {cookie}\r\n").bytes());
                    }
                    if !redirect.is_empty() {
                        answer.extend(format!("{redirect}\r\n").bytes());
                    }
                    let body = if redirect.is_empty() { &*script } else { "" };
                    answer.extend(
                        format!("Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).bytes(),
                    );
                }
                None => {
                    answer.extend(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                }
            }
            // The browser may be gone.
            let _ = stream.write_all(&answer).await;
        });
    }
}

async fn head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(length) => head.extend(&piece[..length]),
        }
    }
    head
}

/// The page at which the browser ends, as it has it.
fn browse(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    for program in PROGRAMS {
        let browser = Command::new(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--timeout=60000"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(["--dump-dom", url])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(browser) = browser else { continue };
        let begun = Instant::now();
        let page = String::from_utf8_lossy(&browser.wait_with_output().unwrap().stdout).into_owned();
        assert!(begun.elapsed() < Duration::from_secs(90), "the browser took {:?}", begun.elapsed());
        return page;
    }
    panic!("there is no Chromium; `cargo xtask test` installs it");
}

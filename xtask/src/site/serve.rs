//! Serves the built site on loopback, for a look at it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

pub(super) fn run(folder: &Path, port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on port {port}; choose another with --port"))?;
    println!("http://{}/ (Ctrl+C ends it)", listener.local_addr()?);
    for stream in listener.incoming().flatten() {
        let folder = folder.to_owned();
        // A browser opens connections before it needs them; they must not hold up the others.
        thread::spawn(move || {
            // A browser that went away is nobody's fault.
            let _ = answer(stream, &folder);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream, folder: &Path) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
    }
    let target = first.split(' ').nth(1).unwrap_or("/");
    let found = file(folder, target).and_then(|path| Some((fs::read(&path).ok()?, content_type(&path))));
    let (status, (body, content_type)) = match found {
        Some(found) => ("200 OK", found),
        None => {
            let page = fs::read(folder.join("404.html")).unwrap_or_default();
            ("404 Not Found", (page, "text/html; charset=utf-8"))
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )?;
    if !first.starts_with("HEAD ") {
        stream.write_all(&body)?;
    }
    Ok(())
}

/// The file of a request; nothing where it would be outside of the folder.
fn file(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let is_inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    is_inside.then(|| folder.join(path))
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_leads_out_of_the_folder() {
        let folder = Path::new("/site");
        assert_eq!(file(folder, "/a.html?x=1"), Some("/site/a.html".into()));
        assert_eq!(file(folder, "/"), Some("/site/index.html".into()));
        assert_eq!(file(folder, "/../secret"), None);
        assert_eq!(file(folder, "/a/../../secret"), None);
        assert_eq!(file(folder, "//etc/passwd"), Some("/site/etc/passwd".into()));
    }
}

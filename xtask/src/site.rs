//! `cargo xtask site`: the guides in `docs/` as web pages in `target/site`, with every internal link checked.
//!
//! The pages need no script to be read. With one, there is a search, and long tables can be filtered.

mod markdown;
mod navigation;
mod serve;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    site::{
        markdown::{GuidePage, escaped, html_name},
        navigation::SiteNavigation,
    },
    workspace::{self, Metadata},
};

/// Where the repository's files are shown.
const REPOSITORY: &str = "https://github.com/oauth-clients/oauth-clients";

/// How the names of pictures end. Those in `docs/` become part of the site.
const PICTURE: &str = ".svg";

const STYLE: &str = include_str!("site/style.css");
const SCRIPT: &str = include_str!("site/site.js");

/// Builds the site, and serves it on loopback if asked to.
pub(crate) fn run(is_served: bool, port: u16) -> Result<()> {
    let built = build()?;
    println!("{} pages in {}", built.pages, workspace::short(&built.folder));
    match is_served {
        true => serve::run(&built.folder, port),
        false => Ok(()),
    }
}

/// Builds the site for `cargo xtask ci`.
pub(crate) fn check() -> Result<()> {
    run(false, 0)
}

struct Built {
    folder: PathBuf,
    pages: usize,
}

fn build() -> Result<Built> {
    let root = workspace::root();
    let docs = root.join("docs");
    let pages = read(&docs)?;
    let navigation = SiteNavigation::parse(&workspace::read(&docs.join("SUMMARY.md"))?)?;

    let mut problems = navigation.problems(pages.keys().map(String::as_str));
    let mut external = BTreeSet::new();
    let mut written = BTreeMap::new();
    for (name, page) in &pages {
        let links = Links { root: &root, name, pages: &pages };
        let rendered = page.render(|target| links.resolved(target));
        problems.extend(rendered.problems.iter().map(|problem| format!("docs/{name}: {problem}")));
        external.extend(rendered.external);
        written.insert(html_name(name), document(name, &page.title, &rendered.html, &navigation));
    }
    if !problems.is_empty() {
        bail!("{} findings in the site:\n{}", problems.len(), problems.join("\n"));
    }

    let folder = Metadata::target_directory()?.join("site");
    // A page that was removed must not stay.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| workspace::short(&folder))?;
    }
    written.insert("404.html".to_owned(), not_found(&navigation));
    written.insert("style.css".to_owned(), STYLE.to_owned());
    written.insert("site.js".to_owned(), SCRIPT.to_owned());
    written.insert("search-index.js".to_owned(), search_index(&pages)?);
    written.insert("external-links.txt".to_owned(), external.into_iter().collect::<Vec<_>>().join("\n"));
    for (name, picture) in pictures(&docs)? {
        written.insert(name, picture);
    }
    for (name, text) in written {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| workspace::short(parent))?;
        }
        fs::write(&path, text).with_context(|| workspace::short(&path))?;
    }
    Ok(Built { folder, pages: pages.len() })
}

/// The pages by their paths in `docs/`, such as `providers/github.md`.
fn read(docs: &Path) -> Result<BTreeMap<String, GuidePage>> {
    let mut pages = BTreeMap::new();
    for folder in ["", "providers"] {
        for path in workspace::entries(&docs.join(folder))? {
            let name = path.strip_prefix(docs)?.to_string_lossy().replace('\\', "/");
            if path.is_file() && name.ends_with(".md") && name != "SUMMARY.md" {
                let page =
                    GuidePage::parse(&workspace::read(&path)?).with_context(|| format!("docs/{name}"))?;
                pages.insert(name, page);
            }
        }
    }
    Ok(pages)
}

fn pictures(docs: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for folder in workspace::folders(docs)? {
        for path in workspace::entries(&folder)? {
            let name = path.strip_prefix(docs)?.to_string_lossy().replace('\\', "/");
            if name.ends_with(PICTURE) {
                found.push((name, workspace::read(&path)?));
            }
        }
    }
    Ok(found)
}

/// The links of one page.
struct Links<'a> {
    root: &'a Path,
    /// The page that has the links.
    name: &'a str,
    pages: &'a BTreeMap<String, GuidePage>,
}

impl Links<'_> {
    /// What the page should link to, or why the link is dead.
    fn resolved(&self, target: &str) -> Result<String, String> {
        let of_repository = target
            .strip_prefix(REPOSITORY)
            .and_then(|rest| rest.strip_prefix("/blob/main/").or_else(|| rest.strip_prefix("/tree/main/")));
        let is_absolute = target.contains("://") || target.starts_with("mailto:");
        if is_absolute && of_repository.is_none() {
            return Ok(target.to_owned());
        }
        let (path, anchor) = match of_repository.unwrap_or(target).split_once('#') {
            Some((path, anchor)) => (path, Some(anchor)),
            None => (of_repository.unwrap_or(target), None),
        };
        let here = format!("docs/{}", self.name);
        let file = match (of_repository, path) {
            (Some(_), path) => path.trim_end_matches('/').to_owned(),
            (None, "") => here,
            (None, path) => joined(&here, path).ok_or_else(|| format!("{target} leaves the repository"))?,
        };
        let suffix = anchor.map(|anchor| format!("#{anchor}")).unwrap_or_default();
        let of_site = file.strip_prefix("docs/").and_then(|name| Some((name, self.pages.get(name)?)));
        if let Some((name, page)) = of_site {
            if anchor.is_some_and(|anchor| !page.has_anchor(anchor)) {
                return Err(format!("{target} leads to a heading that docs/{name} lacks"));
            }
            return Ok(match name == self.name {
                true if anchor.is_some() => suffix,
                _ => format!("{}{}{suffix}", up(self.name), html_name(name)),
            });
        }
        let full = self.root.join(&file);
        if !full.exists() {
            return Err(format!("{target} leads to {file}, which does not exist"));
        }
        if let Some(picture) = file.strip_prefix("docs/").filter(|file| file.ends_with(PICTURE)) {
            return Ok(format!("{}{picture}", up(self.name)));
        }
        if let (Some(anchor), true) = (anchor, file.ends_with(".md")) {
            let text = fs::read_to_string(&full).map_err(|error| format!("{file}: {error}"))?;
            let page = GuidePage::parse(&text).map_err(|error| format!("{file}: {error}"))?;
            if !page.has_anchor(anchor) {
                return Err(format!("{target} leads to a heading that {file} lacks"));
            }
        }
        let kind = if full.is_dir() { "tree" } else { "blob" };
        Ok(format!("{REPOSITORY}/{kind}/main/{file}{suffix}"))
    }
}

/// A relative path, as seen from the folder of a file; nothing where it goes above the top.
fn joined(from: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<_> = from.split('/').collect();
    parts.pop();
    for part in relative.trim_end_matches('/').split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The way from a page to the top of the site.
fn up(name: &str) -> String {
    "../".repeat(name.matches('/').count())
}

/// A whole page.
fn document(name: &str, title: &str, body: &str, navigation: &SiteNavigation) -> String {
    let top = up(name);
    let title = match name {
        "index.md" => escaped(title),
        _ => format!("{} · oauth-clients", escaped(title)),
    };
    // A provider's page is found through the list of them.
    let listed = if name.starts_with("providers/") { "providers.md" } else { name };
    let source = format!("{REPOSITORY}/blob/main/docs/{name}");
    let neighbours = navigation.neighbours(name).map(|(word, entry)| {
        format!("<a href=\"{top}{}\">{word}: {}</a>", html_name(&entry.file), escaped(&entry.title))
    });
    let neighbours = neighbours.collect::<Vec<_>>().join("\n");
    format!(
        r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="{top}style.css">
<script src="{top}site.js" data-top="{top}" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<header>
<a class="home" href="{top}index.html">oauth-clients</a>
<a class="contents" href="#navigation">Contents</a>
<div id="search"></div>
<a href="https://docs.rs/oauth-clients">API</a>
<a href="{REPOSITORY}">Source</a>
</header>
<div class="columns">
<main id="content">
{body}
<nav class="neighbours" aria-label="Neighbouring pages">
{neighbours}
</nav>
<p class="source"><a href="{source}">Source of this page</a></p>
</main>
<nav id="navigation" aria-label="Pages">
{}
</nav>
</div>
</body>
</html>
"##,
        navigation.html(&top, listed)
    )
}

fn not_found(navigation: &SiteNavigation) -> String {
    let body = "<h1>Page not found</h1>\n<p>The list of all pages is beside or below this text.</p>";
    document("404.md", "Page not found", body, navigation)
}

/// The text of all sections. It is a script, because a page that was opened as a file may not fetch anything.
fn search_index(pages: &BTreeMap<String, GuidePage>) -> Result<String> {
    let mut sections = Vec::new();
    for (name, page) in pages {
        for section in &page.sections {
            let anchor =
                if section.anchor.is_empty() { String::new() } else { format!("#{}", section.anchor) };
            let address = format!("{}{anchor}", html_name(name));
            sections.push((&page.title, &section.heading, address, &section.text));
        }
    }
    Ok(format!("window.searchIndex = {};\n", serde_json::to_string(&sections)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> BTreeMap<String, GuidePage> {
        [("a.md", "# A\n\n## One two\n"), ("providers/x.md", "# X\n")]
            .map(|(name, text)| (name.to_owned(), GuidePage::parse(text).unwrap()))
            .into()
    }

    #[test]
    fn links_lead_to_pages_of_the_site_or_to_the_repository() {
        let (root, pages) = (workspace::root(), pages());
        let of = |name| Links { root: &root, name, pages: &pages };
        for (from, target, expected) in [
            ("a.md", "providers/x.md", "providers/x.html"),
            ("a.md", "#one-two", "#one-two"),
            ("providers/x.md", "../a.md#one-two", "../a.html#one-two"),
            ("a.md", &*format!("{REPOSITORY}/blob/main/docs/a.md"), "a.html"),
            ("a.md", "../crates", &*format!("{REPOSITORY}/tree/main/crates")),
            (
                "a.md",
                "../CHANGELOG.md#unreleased",
                &*format!("{REPOSITORY}/blob/main/CHANGELOG.md#unreleased"),
            ),
            ("a.md", "https://example.com/#x", "https://example.com/#x"),
        ] {
            assert_eq!(of(from).resolved(target).as_deref(), Ok(expected), "{target} in {from}");
        }
    }

    #[test]
    fn dead_links_and_dead_anchors_are_refused() {
        let (root, pages) = (workspace::root(), pages());
        let links = Links { root: &root, name: "a.md", pages: &pages };
        let of_repository = format!("{REPOSITORY}/blob/main/missing.md");
        for target in
            ["b.md", "#three", "providers/x.md#y", "../CHANGELOG.md#nothing", "../../x", &of_repository]
        {
            assert!(links.resolved(target).is_err(), "{target}");
        }
    }

    #[test]
    fn every_page_has_a_skip_link_a_main_part_and_the_navigation() {
        let navigation = SiteNavigation::parse("# Part\n\n- [A](a.md)\n- [X <b>](providers.md)\n").unwrap();
        let made = document("providers/x.md", "X", "<h1>X</h1>", &navigation);
        for expected in [
            "<html lang=\"en\">",
            "href=\"#content\">Skip",
            "<main id=\"content\">",
            "href=\"../a.html\">A</a>",
            "<a aria-current=\"page\" href=\"../providers.html\">X &lt;b&gt;</a>",
        ] {
            assert!(made.contains(expected), "{expected:?} is missing in:\n{made}");
        }
    }
}

//! The order of the pages: `docs/SUMMARY.md`, a heading for each part and a list of links below it.

use anyhow::{Context, Result};

use crate::site::markdown::{escaped, html_name};

pub(super) struct SiteNavigation {
    parts: Vec<Part>,
}

struct Part {
    title: String,
    entries: Vec<Entry>,
}

pub(super) struct Entry {
    pub(super) title: String,
    /// The path in `docs/`.
    pub(super) file: String,
}

impl SiteNavigation {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parts: Vec<Part> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(title) = line.strip_prefix("# ") {
                parts.push(Part { title: title.to_owned(), entries: Vec::new() });
            } else if let Some(entry) = line.strip_prefix("- ") {
                let part =
                    parts.last_mut().context("docs/SUMMARY.md: a link comes before the first heading")?;
                let (title, file) = entry
                    .strip_prefix('[')
                    .and_then(|entry| entry.strip_suffix(')'))
                    .and_then(|entry| entry.split_once("]("))
                    .with_context(|| format!("docs/SUMMARY.md: `{line}` is not `- [title](file.md)`"))?;
                part.entries.push(Entry { title: title.to_owned(), file: file.to_owned() });
            }
        }
        Ok(Self { parts })
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.parts.iter().flat_map(|part| &part.entries)
    }

    /// Pages that nobody can find, and entries that lead nowhere.
    pub(super) fn problems<'a>(&self, pages: impl Iterator<Item = &'a str>) -> Vec<String> {
        let pages: Vec<_> = pages.collect();
        let is_listed = |name: &str| self.entries().any(|entry| entry.file == name);
        // The providers have a list of their own, in providers.md.
        let unlisted = pages.iter().filter(|name| !name.starts_with("providers/") && !is_listed(name));
        let unlisted = unlisted.map(|name| format!("docs/{name} is missing in docs/SUMMARY.md"));
        let dead = self.entries().filter(|entry| !pages.contains(&&*entry.file));
        let dead = dead.map(|entry| format!("docs/SUMMARY.md lists {}, which does not exist", entry.file));
        unlisted.chain(dead).collect()
    }

    pub(super) fn html(&self, top: &str, current: &str) -> String {
        let mut html = String::new();
        for part in &self.parts {
            html += &format!("<h2>{}</h2>\n<ul>\n", escaped(&part.title));
            for Entry { title, file } in &part.entries {
                let mark = if file == current { "aria-current=\"page\" " } else { "" };
                let address = html_name(file);
                html += &format!("<li><a {mark}href=\"{top}{address}\">{}</a></li>\n", escaped(title));
            }
            html += "</ul>\n";
        }
        html
    }

    /// The pages before and after one, with a word for each.
    pub(super) fn neighbours(&self, name: &str) -> impl Iterator<Item = (&'static str, &Entry)> {
        let entries: Vec<_> = self.entries().collect();
        let at = entries.iter().position(|entry| entry.file == name);
        let before = at.and_then(|at| entries.get(at.checked_sub(1)?).copied());
        let after = at.and_then(|at| entries.get(at + 1).copied());
        before.map(|entry| ("Before", entry)).into_iter().chain(after.map(|entry| ("Next", entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_missing_in_the_navigation_is_found() {
        let navigation = SiteNavigation::parse("# Start\n\n- [A](a.md)\n- [Gone](gone.md)\n").unwrap();
        let problems = navigation.problems(["a.md", "b.md", "providers/x.md"].into_iter());
        assert_eq!(
            problems,
            [
                "docs/b.md is missing in docs/SUMMARY.md",
                "docs/SUMMARY.md lists gone.md, which does not exist"
            ]
        );
    }

    #[test]
    fn the_pages_before_and_after_are_named() {
        let navigation = SiteNavigation::parse("# One\n- [A](a.md)\n# Two\n- [B](b.md)\n").unwrap();
        let words =
            |name| navigation.neighbours(name).map(|(word, entry)| (word, &*entry.title)).collect::<Vec<_>>();
        assert_eq!(words("a.md"), [("Next", "B")]);
        assert_eq!(words("b.md"), [("Before", "A")]);
        assert!(words("c.md").is_empty());
    }
}

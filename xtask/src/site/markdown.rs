//! One page: its Markdown as HTML, the anchors of its headings, and its text for the search.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// A page as it was read.
#[derive(Default)]
pub(super) struct GuidePage {
    pub(super) title: String,
    text: String,
    pub(super) sections: Vec<Section>,
}

/// What is below one heading.
#[derive(Default)]
pub(super) struct Section {
    pub(super) heading: String,
    /// Empty for the top of the page.
    pub(super) anchor: String,
    pub(super) text: String,
}

/// A page as it will be shown.
pub(super) struct Rendered {
    pub(super) html: String,
    pub(super) external: BTreeSet<String>,
    pub(super) problems: Vec<String>,
}

impl GuidePage {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut anchors = Anchors::default();
        let mut sections = vec![Section::default()];
        let mut title = None;
        let mut heading: Option<(HeadingLevel, String)> = None;
        for event in parser(text) {
            match event {
                Event::Start(Tag::Heading { level, .. }) => heading = Some((level, String::new())),
                Event::End(TagEnd::Heading(_)) => {
                    let Some((level, words)) = heading.take() else { continue };
                    let anchor = anchors.next(&words);
                    if level == HeadingLevel::H1 && title.is_none() {
                        title = Some(words);
                    } else {
                        sections.push(Section { heading: words, anchor, text: String::new() });
                    }
                }
                Event::Text(words) | Event::Code(words) => match &mut heading {
                    Some((_, heading)) => heading.push_str(&words),
                    None => {
                        sections.iter_mut().next_back().into_iter().for_each(|of| of.text.push_str(&words))
                    }
                },
                Event::SoftBreak
                | Event::HardBreak
                | Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::TableCell) => {
                    sections.iter_mut().next_back().into_iter().for_each(|of| of.text.push(' '));
                }
                _ => {}
            }
        }
        let title = title.context("the page has no title: its first line should be `# Title`")?;
        Ok(Self { title, text: text.to_owned(), sections })
    }

    /// Whether a link to a heading finds it.
    pub(super) fn has_anchor(&self, anchor: &str) -> bool {
        anchor == Anchors::default().next(&self.title)
            || self.sections.iter().any(|section| !anchor.is_empty() && section.anchor == anchor)
    }

    /// The page's HTML, with the targets that `resolved` gives for those of its links.
    pub(super) fn render(&self, resolved: impl Fn(&str) -> Result<String, String>) -> Rendered {
        let mut external = BTreeSet::new();
        let mut problems = Vec::new();
        let mut target = |link: CowStr<'_>| match resolved(&link) {
            Ok(target) => {
                if target.contains("://") {
                    external.insert(target.clone());
                }
                CowStr::from(target)
            }
            Err(problem) => {
                problems.push(problem);
                CowStr::from(link.into_string())
            }
        };
        let mut anchors = Anchors::default();
        let mut events = Vec::new();
        let mut heading: Option<usize> = None;
        let mut is_rust = false;
        for event in parser(&self.text) {
            match event {
                Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                    let dest_url = target(dest_url);
                    events.push(Event::Start(Tag::Link { link_type, dest_url, title, id }));
                }
                Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                    let dest_url = target(dest_url);
                    events.push(Event::Start(Tag::Image { link_type, dest_url, title, id }));
                }
                Event::Start(Tag::Heading { .. }) => {
                    heading = Some(events.len());
                    events.push(event);
                }
                Event::End(TagEnd::Heading(level)) => {
                    let start = heading.take().unwrap_or_default();
                    let words: String = events.iter().skip(start).filter_map(words_of).collect();
                    let anchor = anchors.next(&words);
                    if let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(start) {
                        *id = Some(CowStr::from(anchor.clone()));
                    }
                    if level != HeadingLevel::H1 {
                        let link = format!(
                            " <a class=\"anchor\" href=\"#{anchor}\" aria-label=\"Link to: {}\">#</a>",
                            escaped(&words)
                        );
                        events.push(Event::InlineHtml(link.into()));
                    }
                    events.push(event);
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let (language, hides_lines) = language(&kind);
                    is_rust = hides_lines;
                    // It scrolls sideways, so the keyboard has to reach it.
                    let class = if language.is_empty() {
                        String::new()
                    } else {
                        format!(" class=\"language-{language}\"")
                    };
                    events.push(Event::Html(format!("<pre tabindex=\"0\"><code{class}>").into()));
                }
                Event::End(TagEnd::CodeBlock) => {
                    is_rust = false;
                    events.push(Event::Html("</code></pre>\n".into()));
                }
                Event::Text(code) if is_rust => events.push(Event::Text(shown(&code).into())),
                Event::Start(Tag::Table(_)) => {
                    let region =
                        "<div class=\"table\" role=\"region\" aria-label=\"Table\" tabindex=\"0\">\n";
                    events.push(Event::Html(region.into()));
                    events.push(event);
                }
                Event::End(TagEnd::Table) => {
                    events.push(event);
                    events.push(Event::Html("</div>\n".into()));
                }
                // Notes for editors.
                Event::Html(text) if text.trim_start().starts_with("<!--") => {}
                event => events.push(event),
            }
        }
        let mut page = String::new();
        html::push_html(&mut page, events.into_iter());
        Rendered { html: page, external, problems }
    }
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

fn words_of<'a>(event: &'a Event<'_>) -> Option<&'a str> {
    match event {
        Event::Text(words) | Event::Code(words) => Some(words),
        _ => None,
    }
}

/// The language of a code block, and whether rustdoc hides lines of it.
fn language(kind: &CodeBlockKind<'_>) -> (String, bool) {
    let CodeBlockKind::Fenced(info) = kind else { return (String::new(), false) };
    let first = info.split([',', ' ']).next().unwrap_or_default();
    let is_rust = ["rust", "no_run", "ignore", "should_panic", "compile_fail"].contains(&first);
    (if is_rust { "rust".to_owned() } else { escaped(first) }, is_rust)
}

/// Rust code without the lines that rustdoc hides.
fn shown(code: &str) -> String {
    let is_hidden = |line: &str| line.trim() == "#" || line.trim_start().starts_with("# ");
    code.split_inclusive('\n').filter(|line| !is_hidden(line)).collect()
}

/// The path of a page in the site, from that of its source.
pub(super) fn html_name(name: &str) -> String {
    format!("{}.html", name.strip_suffix(".md").unwrap_or(name))
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The anchors of a page's headings, as the repository's host makes them, so that links are right in both places.
#[derive(Default)]
struct Anchors {
    taken: BTreeMap<String, usize>,
}

impl Anchors {
    fn next(&mut self, heading: &str) -> String {
        let lower = heading.trim().to_lowercase();
        let kept = lower.chars().filter(|&of| of.is_alphanumeric() || [' ', '-', '_'].contains(&of));
        let anchor: String = kept.map(|of| if of == ' ' { '-' } else { of }).collect();
        let count = self.taken.entry(anchor.clone()).or_default();
        *count += 1;
        match *count {
            1 => anchor,
            more => format!("{anchor}-{}", more - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Rendered {
        GuidePage::parse(text).unwrap().render(|target| match target {
            "dead.md" => Err("dead.md is dead".to_owned()),
            target => Ok(target.replace(".md", ".html")),
        })
    }

    #[test]
    fn headings_get_the_anchors_of_the_repositorys_host() {
        let page = GuidePage::parse("# A page\n\n## `a_b` & C, d!\n\n## Twice\n\n## Twice\n").unwrap();
        for anchor in ["a-page", "a_b--c-d", "twice", "twice-1"] {
            assert!(page.has_anchor(anchor), "{anchor}");
        }
        assert!(!page.has_anchor("twice-2"));
        assert!(!page.has_anchor(""));
    }

    #[test]
    fn code_is_shown_without_the_lines_that_rustdoc_hides() {
        let html = rendered("# P\n\n```rust,no_run\n# fn f() {\nlet a = 1 < 2;\n#[derive(Debug)]\n# }\n```\n\n```toml\n# kept\n```\n").html;
        assert!(
            html.contains("<code class=\"language-rust\">let a = 1 &lt; 2;\n#[derive(Debug)]\n</code>"),
            "{html}"
        );
        assert!(html.contains("# kept"), "{html}");
    }

    #[test]
    fn dead_links_are_told_and_external_ones_listed() {
        let page = rendered("# P\n\n[a](dead.md) [b](b.md) <https://example.com/>\n");
        assert_eq!(page.problems, ["dead.md is dead"]);
        assert_eq!(page.external.into_iter().collect::<Vec<_>>(), ["https://example.com/"]);
        assert!(page.html.contains("<a href=\"b.html\">b</a>"));
    }

    #[test]
    fn a_page_without_a_title_is_refused() {
        assert!(GuidePage::parse("Some words.\n").is_err());
    }

    #[test]
    fn the_search_knows_sections_by_their_headings() {
        let page = GuidePage::parse("# P\n\nTop words.\n\n## Part\n\nMore `code` here.\n").unwrap();
        let found: Vec<_> =
            page.sections.iter().map(|of| (&*of.heading, &*of.anchor, of.text.trim())).collect();
        assert_eq!(found, [("", "", "Top words."), ("Part", "part", "More code here.")]);
    }
}

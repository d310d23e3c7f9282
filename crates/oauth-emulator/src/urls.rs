//! URL patterns such as `https://{shop}.myshopify.com/admin/oauth/authorize`, matched and filled in.

use std::collections::BTreeMap;

/// The values that a URL's parameters took.
pub(crate) type Captures = BTreeMap<String, String>;

/// A URL without query, with `{parameters}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// The template, with a parameter for scheme and host replaced by the value that it may have.
    pub(crate) text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Capture { name: String, accepts: Vec<String> },
}

impl Pattern {
    /// Compiles a template into patterns: one, or as many as its first parameter has values where these are URLs.
    ///
    /// `accepts` holds the globs of the values that a parameter may have. A query in the template is left out.
    pub(crate) fn compile(template: &str, accepts: &BTreeMap<String, Vec<String>>) -> Vec<Self> {
        let template = template.split('?').next().unwrap_or_default();
        let leading = template.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let Some((name, rest)) = leading else {
            return vec![Self { text: template.to_owned(), pieces: pieces(template, accepts) }];
        };
        let globs = accepts.get(name).map(Vec::as_slice).unwrap_or_default();
        globs
            .iter()
            .map(|glob| {
                let first = Piece::Capture { name: name.to_owned(), accepts: vec![glob.clone()] };
                let pieces = std::iter::once(first).chain(pieces(rest, accepts)).collect();
                Self { text: format!("{glob}{rest}"), pieces }
            })
            .collect()
    }

    /// The parameters' values if `url` (without query) fits.
    pub(crate) fn matches(&self, url: &str) -> Option<Captures> {
        let mut captures = Captures::new();
        match_pieces(&self.pieces, url, &mut captures).then_some(captures)
    }

    /// How much of the pattern is fixed text: the more, the sooner it is tried.
    pub(crate) fn specificity(&self) -> usize {
        self.text.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest).len()).sum()
    }

    /// Whether a URL of this pattern can be on `host`.
    pub(crate) fn is_on_host(&self, host: &str) -> bool {
        let Some(rest) = self.text.strip_prefix("https://") else { return false };
        let pattern = rest.split('/').next().unwrap_or_default();
        // A parameter inside a host name can be any label here.
        let glob = pattern.split('{').fold(String::new(), |glob, part| match part.split_once('}') {
            Some((_, rest)) => glob + "**" + rest,
            None => glob + part,
        });
        glob_matches(&glob, host)
    }
}

/// `template` with its parameters filled in; unknown ones stay as they are.
pub(crate) fn expand(template: &str, captures: &Captures) -> String {
    captures.iter().fold(template.to_owned(), |url, (name, value)| url.replace(&format!("{{{name}}}"), value))
}

fn pieces(template: &str, accepts: &BTreeMap<String, Vec<String>>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        pieces.push(Piece::Literal(literal.to_owned()));
        pieces.push(Piece::Capture {
            name: name.to_owned(),
            accepts: accepts.get(name).cloned().unwrap_or_else(|| vec!["**".to_owned()]),
        });
        rest = after;
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    pieces
}

fn match_pieces(pieces: &[Piece], text: &str, captures: &mut Captures) -> bool {
    match pieces.split_first() {
        None => text.is_empty(),
        Some((Piece::Literal(literal), others)) => {
            text.strip_prefix(literal.as_str()).is_some_and(|rest| match_pieces(others, rest, captures))
        }
        Some((Piece::Capture { name, accepts }, others)) => {
            let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
            for end in ends {
                let (value, rest) = text.split_at(end);
                if accepts.iter().any(|glob| glob_matches(glob, value))
                    && match_pieces(others, rest, captures)
                {
                    captures.insert(name.clone(), value.to_owned());
                    return true;
                }
            }
            false
        }
    }
}

/// `*` is one or more letters, digits, `-`, `_`; `**` may also hold `.`, `~`, `@` and percent-encoded characters. Neither
/// holds a slash.
fn glob_matches(glob: &str, text: &str) -> bool {
    let Some(star) = glob.find('*') else { return glob == text };
    let (literal, stars) = glob.split_at(star);
    let Some(text) = text.strip_prefix(literal) else { return false };
    let (wide, rest) = match stars.strip_prefix("**") {
        Some(rest) => (true, rest),
        None => (false, &stars[1..]),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || (wide && ".~@%".contains(c));
    text.char_indices()
        .take_while(|(_, c)| fits(*c))
        .any(|(at, c)| glob_matches(rest, &text[at + c.len_utf8()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(template: &str, accepts: &[(&str, &[&str])]) -> Vec<Pattern> {
        let accepts = accepts
            .iter()
            .map(|(name, globs)| ((*name).to_owned(), globs.iter().map(|&glob| glob.to_owned()).collect()))
            .collect();
        Pattern::compile(template, &accepts)
    }

    #[test]
    fn a_parameter_inside_a_host_is_one_label() {
        let shop = &one("https://{shop}.myshopify.com/admin/oauth/authorize", &[("shop", &["*"])])[0];
        let captures = shop.matches("https://tea-house.myshopify.com/admin/oauth/authorize").unwrap();
        assert_eq!(captures["shop"], "tea-house");
        assert!(shop.matches("https://a.b.myshopify.com/admin/oauth/authorize").is_none());
        assert!(shop.matches("https://tea-house.myshopify.com.evil.example/admin/oauth/authorize").is_none());
        assert!(shop.matches("https://.myshopify.com/admin/oauth/authorize").is_none());
        assert!(shop.is_on_host("tea-house.myshopify.com"));
        assert!(!shop.is_on_host("tea-house.example"));
    }

    #[test]
    fn a_parameter_in_a_path_is_one_segment() {
        let token = &one("https://login.example/{tenant}/token?x=y", &[])[0];
        assert_eq!(
            token.matches("https://login.example/contoso.example/token").unwrap()["tenant"],
            "contoso.example"
        );
        assert!(token.matches("https://login.example/a/b/token").is_none());
        assert!(token.matches("https://login.example//token").is_none());
    }

    #[test]
    fn a_leading_parameter_has_only_the_values_of_its_list() {
        let all = one("{base}/login", &[("base", &["https://github.com", "https://github.*.**"])]);
        let hit = |url: &str| all.iter().find_map(|pattern| pattern.matches(url));
        assert_eq!(hit("https://github.com/login").unwrap()["base"], "https://github.com");
        assert_eq!(hit("https://github.acme.example/login").unwrap()["base"], "https://github.acme.example");
        assert!(hit("https://gitlab.com/login").is_none());
        assert_eq!(expand("{base}/x", &hit("https://github.com/login").unwrap()), "https://github.com/x");
    }
}

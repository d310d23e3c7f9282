use std::fmt;

use oauth_tokens::{StoreError, StoreOperation};

/// The name of a store's table, with the schema it is in, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    schema: Option<String>,
    name: String,
    quote: char,
}

/// PostgreSQL cuts names off after 63 bytes, and the longest thing that belongs to the table is called `NAME_cache_expires_at`.
const MAX_LEN: usize = 40;

impl TableName {
    /// Reads `name` or `schema.name`.
    ///
    /// It becomes part of the SQL text, so only what needs no escaping is let through.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if !schema.into_iter().chain([name]).all(is_plain) {
            return Err(StoreError::permanent(
                StoreOperation::Open,
                format!(
                    "{text:?} cannot be the name of a table here: take `name` or `schema.name`, of ASCII letters, digits and \
                     underscores, not beginning with a digit, {MAX_LEN} characters each at most"
                ),
            ));
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned(), quote: '"' })
    }

    /// MySQL takes double quotes for those of a text.
    #[cfg(feature = "mysql")]
    pub(crate) fn in_backticks(self) -> Self {
        Self { quote: '`', ..self }
    }

    /// What belongs to the table, as it is written in SQL: quoted, so that `order` is a name like any other.
    pub(crate) fn with(&self, suffix: &str) -> String {
        let Self { schema, name, quote } = self;
        match schema {
            Some(schema) => format!("{quote}{schema}{quote}.{quote}{name}{suffix}{quote}"),
            None => format!("{quote}{name}{suffix}{quote}"),
        }
    }

    /// PostgreSQL makes an index in the schema of its table, and does not want it named.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn index(&self, suffix: &str) -> String {
        format!("\"{}{suffix}\"", self.name)
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn has_schema(&self) -> bool {
        self.schema.is_some()
    }
}

impl Default for TableName {
    fn default() -> Self {
        Self { schema: None, name: "oauth_tokens".to_owned(), quote: '"' }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with(""))
    }
}

fn is_plain(name: &str) -> bool {
    name.len() <= MAX_LEN
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(TableName::parse("order").unwrap().with("_cache"), "\"order_cache\"");
        assert_eq!(TableName::parse("app.Tokens_2").unwrap().to_string(), "\"app\".\"Tokens_2\"");
    }

    #[test]
    fn what_could_leave_its_place_is_refused() {
        let long = "x".repeat(41);
        for name in
            ["", ".", "a.", ".a", "a.b.c", "1a", "a b", "a\"b", "a;b", "a-b", "tökens", "a\0", "a'", &long]
        {
            let error = TableName::parse(name).unwrap_err();
            assert!(!error.is_transient(), "{name:?}");
            assert!(error.to_string().contains("take `name` or `schema.name`"), "{error}");
        }
    }
}

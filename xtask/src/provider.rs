//! What the source of a provider crate says: its `SPEC`, the name of its client, and what the client does by itself.
//!
//! The source is parsed, not compiled: the generated code need not compile for this to work.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use syn::{
    Attribute, Expr, ExprStruct, Ident, ImplItem, Item, ItemConst, ItemImpl, Lit, Member, Token, Visibility,
    parse::ParseStream,
};

use crate::workspace;

/// One provider crate.
pub(crate) struct Provider {
    /// The one word: `SPEC.name`, folder, package suffix, feature, module.
    pub(crate) name: String,
    /// The crate's folder.
    pub(crate) folder: PathBuf,
    /// The client type.
    pub(crate) client: String,
    pub(crate) spec: Spec,
    /// Whether it overrides `revoke_token`.
    pub(crate) own_revocation: bool,
    /// Whether its code, not its `SPEC` alone, judges how far an e-mail address is verified.
    pub(crate) own_email_judgement: bool,
}

impl Provider {
    /// All provider crates, in the order of their names, `openid` among them.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let crates = workspace::root().join("crates");
        let defaults = Defaults::read()?;
        let mut providers = vec![Self::read(&crates.join("oauth-openid"), &defaults)?];
        for folder in workspace::folders(&crates.join("providers"))? {
            providers.push(Self::read(&folder, &defaults)?);
        }
        providers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(providers)
    }

    fn read(folder: &Path, defaults: &Defaults) -> Result<Self> {
        let mut sources = Vec::new();
        for file in workspace::rust_files(&folder.join("src"))? {
            sources.push(workspace::read(&file)?);
        }
        Self::parse(folder, &sources, defaults).with_context(|| workspace::short(folder))
    }

    fn parse(folder: &Path, sources: &[String], defaults: &Defaults) -> Result<Self> {
        let mut items = Vec::new();
        for source in sources {
            items.extend(syn::parse_file(source)?.items);
        }
        let spec = items
            .iter()
            .find_map(|item| match item {
                Item::Const(constant) if constant.ident == "SPEC" => Some(constant),
                _ => None,
            })
            .context("there is no `pub const SPEC: Spec`")?;
        let spec = defaults.spec(spec)?;
        let client = items.iter().find_map(client_of).context(
            "there is no client: neither `client! { … }`, nor `configure!(…)`, nor `impl Configure for …`",
        )?;
        let judges =
            |s: &String| s.contains("EmailVerification::of(") || s.contains("EmailVerification::Verified");
        Ok(Self {
            name: spec.text("name")?,
            folder: folder.to_owned(),
            client,
            spec,
            own_revocation: items.iter().any(|item| overrides(item, "revoke_token")),
            own_email_judgement: sources.iter().any(judges),
        })
    }

    /// Whether the endpoints come from the server's metadata.
    pub(crate) fn is_discovered(&self) -> Result<bool> {
        Ok(self.spec.text("authorize")?.is_empty())
    }

    /// The package's name.
    pub(crate) fn package(&self) -> String {
        format!("oauth-{}", self.name)
    }

    /// The crate's name in Rust.
    pub(crate) fn library(&self) -> String {
        self.package().replace('-', "_")
    }

    /// The facade's module: the name, as Rust allows it.
    pub(crate) fn module(&self) -> String {
        let name = self.name.replace('-', "_");
        match syn::parse_str::<Ident>(&name) {
            Ok(_) => name,
            // A keyword, such as `box`.
            Err(_) => format!("r#{name}"),
        }
    }
}

/// The client type that an item declares or makes configurable.
fn client_of(item: &Item) -> Option<String> {
    match item {
        Item::Macro(item) => {
            let called = item.mac.path.segments.last()?.ident.to_string();
            let parser = move |input: ParseStream<'_>| -> syn::Result<Ident> {
                if called == "client" {
                    Attribute::parse_outer(input)?;
                    input.parse::<Visibility>()?;
                    input.parse::<Token![struct]>()?;
                } else if called != "configure" {
                    return Err(input.error("another macro"));
                }
                let client = input.parse()?;
                skip_rest(input)?;
                Ok(client)
            };
            item.mac.parse_body_with(parser).ok().map(|client| client.to_string())
        }
        Item::Impl(item) => match &*item.self_ty {
            syn::Type::Path(client) if implements(item, "Configure") => {
                Some(client.path.segments.last()?.ident.to_string())
            }
            _ => None,
        },
        _ => None,
    }
}

fn skip_rest(input: ParseStream<'_>) -> syn::Result<()> {
    input.step(|cursor| {
        let mut rest = *cursor;
        while let Some((_, next)) = rest.token_tree() {
            rest = next;
        }
        Ok(((), rest))
    })
}

fn implements(item: &ItemImpl, name: &str) -> bool {
    let last = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
    last.is_some_and(|segment| segment.ident == name)
}

fn overrides(item: &Item, method: &str) -> bool {
    let Item::Impl(item) = item else { return false };
    implements(item, "Provider")
        && item.items.iter().any(|it| matches!(it, ImplItem::Fn(it) if it.sig.ident == method))
}

/// The value of a `Spec`: an expression for each field.
#[derive(Clone, Default)]
pub(crate) struct Spec(BTreeMap<String, Expr>);

impl Spec {
    /// A field that holds a text.
    pub(crate) fn text(&self, field: &str) -> Result<String> {
        text(self.field(field)?)
            .ok_or_else(|| anyhow!("SPEC.{field} must be written as a literal: the tables are made from it"))
    }

    /// A field that holds a list of texts.
    pub(crate) fn texts(&self, field: &str) -> Result<Vec<String>> {
        let literals = match self.field(field)? {
            Expr::Reference(reference) => match &*reference.expr {
                Expr::Array(array) => array.elems.iter().map(text).collect(),
                _ => None,
            },
            _ => None,
        };
        literals.ok_or_else(|| {
            anyhow!("SPEC.{field} must be written as a list of literals: the tables are made from it")
        })
    }

    /// Whether an optional field holds something.
    pub(crate) fn has(&self, field: &str) -> Result<bool> {
        match self.field(field)? {
            Expr::Path(path) if path.path.is_ident("None") => Ok(false),
            Expr::Call(call) if matches!(&*call.func, Expr::Path(path) if path.path.is_ident("Some")) => {
                Ok(true)
            }
            _ => bail!("SPEC.{field} must be written as `None` or `Some(…)`: the tables are made from it"),
        }
    }

    /// The code challenge method, if the provider knows one.
    pub(crate) fn code_challenge_method(&self) -> Result<Option<String>> {
        let last = |expression: &Expr| match expression {
            Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        match self.field("pkce")? {
            Expr::Call(call) if last(&call.func).as_deref() == Some("Challenge") => {
                Ok(call.args.first().and_then(last))
            }
            other if last(other).as_deref() == Some("Unsupported") => Ok(None),
            _ => bail!("SPEC.pkce must be written as `Pkce::Challenge(…)` or `Pkce::Unsupported`"),
        }
    }

    fn field(&self, field: &str) -> Result<&Expr> {
        self.0.get(field).with_context(|| format!("Spec has no field {field}"))
    }
}

fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

/// The constants of `Spec` that a `SPEC` can begin from, by name.
struct Defaults(BTreeMap<String, Spec>);

impl Defaults {
    fn read() -> Result<Self> {
        let file = workspace::root().join("crates/oauth-core/src/spec.rs");
        Self::parse(&workspace::read(&file)?).with_context(|| workspace::short(&file))
    }

    fn parse(source: &str) -> Result<Self> {
        let mut defaults = Self(BTreeMap::new());
        for item in syn::parse_file(source)?.items {
            let Item::Impl(item) = item else { continue };
            for item in item.items {
                if let ImplItem::Const(constant) = item
                    && let Expr::Struct(value) = &constant.expr
                {
                    let spec = defaults.complete(value)?;
                    defaults.0.insert(constant.ident.to_string(), spec);
                }
            }
        }
        ensure!(!defaults.0.is_empty(), "there is no constant of the type Spec");
        Ok(defaults)
    }

    fn spec(&self, constant: &ItemConst) -> Result<Spec> {
        match &*constant.expr {
            Expr::Struct(value) => self.complete(value),
            _ => bail!("SPEC must be written as `Spec {{ … }}`: the tables are made from it"),
        }
    }

    /// The fields that are written down, and for the others those of the constant behind `..`.
    fn complete(&self, value: &ExprStruct) -> Result<Spec> {
        let mut spec = match value.rest.as_deref() {
            None => Spec::default(),
            Some(Expr::Path(base)) => {
                let base =
                    base.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
                self.0.get(&base).cloned().with_context(|| format!("Spec has no constant {base}"))?
            }
            Some(_) => bail!("what stands behind `..` must be a constant of Spec"),
        };
        for field in &value.fields {
            if let Member::Named(name) = &field.member {
                spec.0.insert(name.to_string(), field.expr.clone());
            }
        }
        Ok(spec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str = r#"
        impl Spec {
            pub const RFC6749: Self = Self {
                name: "oauth2", authorize: "", refresh: None, scopes: &[],
                pkce: Pkce::Challenge(CodeChallengeMethod::S256),
            };
            pub const OPENID: Self = Self { scopes: &["openid", "email"], ..Self::RFC6749 };
        }
    "#;

    fn provider(source: &str) -> Result<Provider> {
        Provider::parse(Path::new("example"), &[source.to_owned()], &Defaults::parse(CORE)?)
    }

    #[test]
    fn a_client_of_the_macro() {
        let read = provider(
            r#"
            pub const SPEC: Spec = Spec {
                name: "example", refresh: Some("https://example.com/token"), pkce: Pkce::Unsupported, ..Spec::OPENID
            };
            oauth_core::client! {
                /// This pub struct Wrong from SPEC is not the one.
                pub struct ExampleOAuth2 from SPEC, configured by { region: with_region };
            }
            impl Provider for ExampleOAuth2 { async fn revoke_token(&self) {} }
            "#,
        )
        .unwrap();
        assert_eq!((&*read.name, &*read.client), ("example", "ExampleOAuth2"));
        assert!(read.spec.has("refresh").unwrap());
        assert!(read.own_revocation);
        assert!(!read.own_email_judgement);
        assert_eq!(read.spec.texts("scopes").unwrap(), ["openid", "email"]);
        assert_eq!(read.spec.code_challenge_method().unwrap(), None);
    }

    #[test]
    fn a_client_of_its_own() {
        let spec = r#"pub const SPEC: Spec = Spec { name: "box", ..Spec::RFC6749 };"#;
        for client in
            ["impl Configure for BoxOAuth2 {}", "oauth_core::configure!(BoxOAuth2, configured by {});"]
        {
            let read = provider(&format!("{spec} pub struct Params; {client}")).unwrap();
            assert_eq!((&*read.client, &*read.module()), ("BoxOAuth2", "r#box"));
            assert!(read.is_discovered().unwrap());
            assert!(!read.spec.has("refresh").unwrap());
            assert_eq!(read.spec.code_challenge_method().unwrap().as_deref(), Some("S256"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let client = "impl Configure for ExampleOAuth2 {}";
        for (source, complaint) in [
            (client.to_owned(), "no `pub const SPEC"),
            (
                r#"pub const SPEC: Spec = Spec { name: "x", ..Spec::RFC6749 };"#.to_owned(),
                "there is no client",
            ),
            (format!("pub const SPEC: Spec = Spec {{ name: NAME, ..Spec::RFC6749 }}; {client}"), "literal"),
            (format!("pub const SPEC: Spec = Spec {{ ..Spec::OTHER }}; {client}"), "no constant OTHER"),
            (format!("pub const SPEC: Spec = other(); {client}"), "must be written as `Spec"),
        ] {
            let error = provider(&source).err().unwrap().to_string();
            assert!(error.contains(complaint), "{error:?} does not say {complaint:?}");
        }
    }

    #[test]
    fn every_provider_of_the_repository_can_be_read() {
        let all = Provider::all().unwrap();
        assert!(all.iter().any(|provider| provider.name == "openid" && provider.client == "OpenID"));
        assert!(all.iter().any(|provider| provider.name == "github" && provider.client == "GitHubOAuth2"));
        for provider in all {
            provider.spec.texts("scopes").unwrap();
        }
    }
}

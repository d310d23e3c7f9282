//! Literals of a `Spec` and of its groups end with a base, so that a new field breaks no provider.

use anyhow::{Context, Result};
use syn::{
    ExprStruct, File,
    visit::{self, Visit},
};

use crate::{
    tidy::{findings::Findings, text},
    workspace,
};

/// `Spec` and its groups.
const SPECS: &[&str] = &[
    "Spec",
    "AuthorizationSpec",
    "TokenSpec",
    "RefreshSpec",
    "RevocationSpec",
    "ProfileSpec",
    "EmailCall",
    "ErrorSpec",
    "LoginSpec",
];

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    for path in text::files(&workspace::root())? {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = workspace::read(&path)?;
        // Most files have none, and parsing takes longer than looking.
        if !source.contains("Spec {") {
            continue;
        }
        let parsed = syn::parse_file(&source).with_context(|| workspace::short(&path))?;
        for name in without_base(&parsed) {
            findings.add(
                &path,
                format!("a literal of {name} has no base; end it with one, such as `..{name}::RFC6749`"),
            );
        }
    }
    Ok(())
}

/// The types of the literals without a base.
fn without_base(file: &File) -> Vec<String> {
    let mut literals = Literals::default();
    literals.visit_file(file);
    literals.without_base
}

#[derive(Default)]
struct Literals {
    without_base: Vec<String>,
}

impl<'ast> Visit<'ast> for Literals {
    fn visit_expr_struct(&mut self, literal: &'ast ExprStruct) {
        let name = literal.path.segments.last().map(|segment| segment.ident.to_string());
        if let Some(name) = name
            && SPECS.contains(&&*name)
            && literal.rest.is_none()
        {
            self.without_base.push(name);
        }
        visit::visit_expr_struct(self, literal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_without_a_base_is_found() {
        let source = r#"
            pub const SPEC: Spec = Spec {
                name: "x",
                token: TokenSpec { token_at: "/a" },
                profile: provider_kit::ProfileSpec { id_at: "/id", ..ProfileSpec::RFC6749 },
                ..Spec::RFC6749
            };
            fn of() -> Spec {
                Spec { name: "y" }
            }
        "#;
        assert_eq!(without_base(&syn::parse_file(source).unwrap()), ["TokenSpec", "Spec"]);
    }
}

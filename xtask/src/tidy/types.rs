//! One meaning for each type name: no two types of the workspace have the same one. Tests and examples are not looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use anyhow::{Context, Result};
use syn::{
    Attribute, File, ItemMod, Meta,
    visit::{self, Visit},
};

use crate::{
    tidy::findings::Findings,
    workspace::{self, Package},
};

/// Names that several files define, because they mean the same thing there.
const SHARED: &[(&str, &str)] = &[
    ("AeadKey", "one of the cryptographic libraries is compiled, and each has a key of its own"),
    ("PublicKey", "one of the cryptographic libraries is compiled, and each has a key of its own"),
    ("SignedIn", "Axum's extractor is a newtype that dereferences to the type of oauth-web"),
    ("AuthorizedCallback", "Axum's extractor is a newtype that dereferences to the type of oauth-web"),
    ("AuthorizeCallbackError", "Axum's rejection is a newtype around the error of oauth-web"),
];

pub(super) fn check(members: &[Package], findings: &mut Findings) -> Result<()> {
    let mut places: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for package in members {
        let sources = package.folder().join("src");
        let root = workspace::root();
        let is_left_out =
            ["tests", "crates/examples"].iter().any(|at| package.folder().starts_with(root.join(at)));
        if is_left_out || !sources.is_dir() {
            continue;
        }
        for file in workspace::rust_files(&sources)? {
            let parsed =
                syn::parse_file(&workspace::read(&file)?).with_context(|| workspace::short(&file))?;
            // `tests.rs` is declared behind `cfg(test)` in another file.
            if file.file_stem().is_some_and(|stem| stem == "tests") {
                continue;
            }
            for name in names(&parsed) {
                places.entry(name).or_default().insert(file.clone());
            }
        }
    }
    for (name, reason) in SHARED {
        if places.get(*name).is_none_or(|files| files.len() < 2) {
            let what = format!("{name} is defined once; remove it from SHARED ({reason})");
            findings.add(&workspace::root().join("xtask/src/tidy/types.rs"), what);
        }
    }
    for (name, files) in places {
        let is_shared = SHARED.iter().any(|(shared, _)| *shared == name);
        let mut files = files.iter();
        if let (false, Some(first), Some(other)) = (is_shared, files.next(), files.next()) {
            let other = workspace::short(other);
            findings
                .add(first, format!("{name} is also defined in {other}; rename one, by what it is there"));
        }
    }
    Ok(())
}

/// The types that a file defines for what is compiled outside tests.
fn names(file: &File) -> BTreeSet<String> {
    let mut types = Types(BTreeSet::new());
    types.visit_file(file);
    types.0
}

struct Types(BTreeSet<String>);

impl Types {
    fn add(&mut self, ident: &syn::Ident, attributes: &[Attribute]) {
        if !attributes.iter().any(is_for_tests) {
            self.0.insert(ident.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.ident, &item.attrs);
    }

    fn visit_item_union(&mut self, item: &'ast syn::ItemUnion) {
        self.add(&item.ident, &item.attrs);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.ident, &item.attrs);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.ident, &item.attrs);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !module.attrs.iter().any(is_for_tests) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if !function.attrs.iter().any(is_for_tests) {
            visit::visit_item_fn(self, function);
        }
    }
}

/// Whether an item is for tests or documentation tests only: `cfg(test)`, `cfg(doctest)`, `cfg(all(test, …))`.
fn is_for_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let condition = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg")
        && ["test", "doctest"].iter().any(|word| {
            condition == *word
                || condition.strip_prefix("all(").is_some_and(|all| all.starts_with(&format!("{word},")))
        })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn every_kind_of_type_counts_and_what_is_for_tests_does_not() {
        let text = "
            pub struct One; enum Two {} trait Three { type Inner; } type Four = u8;
            mod inside { pub(crate) struct Five; }
            fn f() { struct Six; }
            #[cfg(doctest)] struct Guide;
            #[cfg(all(doctest, feature = \"axum\"))] struct Guide;
            #[cfg(test)] mod tests { struct Tested; }
            #[cfg(not(test))] struct Seven;
        ";
        let found = names(&syn::parse_file(text).unwrap());
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["Five", "Four", "One", "Seven", "Six", "Three", "Two"]
        );
    }
}

//! No files of one crate import each other in a circle: what two of them need belongs in a file below both.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use syn::{
    Attribute, File, ItemMacro, ItemMod, ItemUse, Macro, Meta, UseTree,
    visit::{self, Visit},
};

use crate::{
    tidy::findings::Findings,
    workspace::{self, Package},
};

pub(super) fn check(members: &[Package], findings: &mut Findings) -> Result<()> {
    for package in members {
        let sources = package.folder().join("src");
        if !sources.is_dir() {
            continue;
        }
        for circle in circles(&imports(&sources)?) {
            let names: Vec<_> = circle.iter().map(|file| workspace::short(file)).collect();
            findings.add(
                package.folder(),
                format!(
                    "these files import each other in a circle; move what they share to a file below them: {}",
                    names.join(", ")
                ),
            );
        }
    }
    Ok(())
}

/// The path of a module from the crate's root: `crate::a::b` is `["a", "b"]`.
type ModulePath = Vec<String>;

/// Which file imports from which others, tests left aside.
fn imports(sources: &Path) -> Result<BTreeMap<PathBuf, BTreeSet<PathBuf>>> {
    let mut modules: BTreeMap<ModulePath, PathBuf> = BTreeMap::new();
    let files = workspace::rust_files(sources)?;
    for file in &files {
        // A crate with a library and a program has one root here: the library's.
        if file.ends_with("src/main.rs") && sources.join("lib.rs").exists() {
            continue;
        }
        modules.insert(module_path(sources, file), file.clone());
    }
    let mut imports = BTreeMap::new();
    for (path, file) in &modules {
        let text = workspace::read(file)?;
        let parsed = syn::parse_file(&text).with_context(|| workspace::short(file))?;
        let mut found = targets(path, &parsed, &modules);
        found.remove(file);
        imports.insert(file.clone(), found);
    }
    Ok(imports)
}

fn module_path(sources: &Path, file: &Path) -> ModulePath {
    let relative = file.strip_prefix(sources).unwrap_or(file).with_extension("");
    let mut path: ModulePath = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        path.pop();
    }
    path
}

/// The files that a file's paths lead to.
fn targets(of: &ModulePath, file: &File, modules: &BTreeMap<ModulePath, PathBuf>) -> BTreeSet<PathBuf> {
    let mut paths = Paths { here: of.clone(), modules, found: BTreeSet::new() };
    paths.visit_file(file);
    paths.found
}

/// Collects the modules that paths name.
struct Paths<'a> {
    /// The module that is being read: the file's, or one inside of it.
    here: ModulePath,
    modules: &'a BTreeMap<ModulePath, PathBuf>,
    found: BTreeSet<PathBuf>,
}

impl Paths<'_> {
    /// Notes the file of the module that a path is in, if the path leads into this crate.
    fn note(&mut self, segments: &[String]) {
        let Some(first) = segments.first() else { return };
        let mut target = self.here.clone();
        let rest = match first.as_str() {
            "crate" => {
                target.clear();
                &segments[1..]
            }
            "self" => &segments[1..],
            "super" => {
                let ups = segments.iter().take_while(|segment| *segment == "super").count();
                target.truncate(target.len().saturating_sub(ups));
                &segments[ups..]
            }
            // A child module, or a name that another import has brought here.
            name => {
                target.push(name.to_owned());
                if !self.modules.contains_key(&target) {
                    return;
                }
                &segments[1..]
            }
        };
        for segment in rest {
            target.push(segment.clone());
            if !self.modules.contains_key(&target) {
                target.pop();
                break;
            }
        }
        // Modules inside a file belong to the file.
        while !self.modules.contains_key(&target) && !target.is_empty() {
            target.pop();
        }
        self.found.extend(self.modules.get(&target).cloned());
    }

    fn note_use(&mut self, tree: &UseTree, mut before: Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_use(&path.tree, before);
            }
            UseTree::Name(name) => {
                if name.ident != "self" {
                    before.push(name.ident.to_string());
                }
                self.note(&before);
            }
            UseTree::Rename(rename) => {
                if rename.ident != "self" {
                    before.push(rename.ident.to_string());
                }
                self.note(&before);
            }
            UseTree::Glob(_) => self.note(&before),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_use(tree, before.clone());
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !attributes(item).iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        // Only a module with a body is in this file.
        if module.content.is_some() {
            self.here.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.here.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_use(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.note(&segments);
        }
        visit::visit_path(self, path);
    }

    /// What a macro expands to is the importer's, where it is used.
    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        if item.ident.is_none() {
            visit::visit_item_macro(self, item);
        }
    }

    /// The tokens of a call such as `vec![crate::a::B]` are not syntax tree, but paths can be found in their text.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let text = call.tokens.to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        for start in 0..words.len() {
            if words[start] != "crate" && words[start] != "super" {
                continue;
            }
            let mut segments = vec![words[start].to_owned()];
            let mut rest = &words[start + 1..];
            while let ["::", name, after @ ..] = rest {
                let name = name.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_');
                segments.push(name.to_owned());
                rest = after;
            }
            // The word alone can be part of a text.
            if segments.len() > 1 {
                self.note(&segments);
            }
        }
    }
}

fn attributes(item: &syn::Item) -> &[Attribute] {
    match item {
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    }
}

/// The groups of files of which each leads to every other, by their imports.
fn circles(imports: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> Vec<BTreeSet<PathBuf>> {
    let reached: BTreeMap<_, _> = imports.keys().map(|file| (file, reachable(file, imports))).collect();
    let mut circles: Vec<BTreeSet<PathBuf>> = Vec::new();
    for (file, from_here) in &reached {
        if !from_here.contains(*file) || circles.iter().any(|circle| circle.contains(*file)) {
            continue;
        }
        let leads_back = |other: &&PathBuf| reached.get(other).is_some_and(|there| there.contains(*file));
        circles.push(from_here.iter().filter(leads_back).cloned().collect());
    }
    circles
}

/// Everything that a file imports, directly or through others.
fn reachable(from: &Path, imports: &BTreeMap<PathBuf, BTreeSet<PathBuf>>) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![from.to_owned()];
    while let Some(file) = left.pop() {
        for next in imports.get(&file).into_iter().flatten() {
            if found.insert(next.clone()) {
                left.push(next.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles among files with these texts, by name.
    fn of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let sources = Path::new("src");
        let path = |name: &str| sources.join(name);
        let modules: BTreeMap<_, _> =
            files.iter().map(|(name, _)| (module_path(sources, &path(name)), path(name))).collect();
        let imports = files
            .iter()
            .map(|(name, text)| {
                let parsed = syn::parse_file(text).unwrap();
                let mut found = targets(&module_path(sources, &path(name)), &parsed, &modules);
                found.remove(&path(name));
                (path(name), found)
            })
            .collect();
        let short = |file: PathBuf| file.strip_prefix(sources).unwrap().to_string_lossy().into_owned();
        circles(&imports).into_iter().map(|circle| circle.into_iter().map(short).collect()).collect()
    }

    #[test]
    fn files_that_import_each_other_are_a_circle() {
        for (a, b) in [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use crate::{x, b::{self, B}};", "fn f() { crate::a::f() }"),
            ("use super::b;", "fn f() { let _ = vec![super::a::f()]; }"),
            ("mod inner { use super::super::b::B; }", "use crate::a::inner::B;"),
            ("use crate::b::*;", "use crate::a as other;"),
        ] {
            assert_eq!(
                of(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", b)]),
                [["a.rs", "b.rs"]],
                "{a}"
            );
        }
    }

    #[test]
    fn a_circle_through_the_root_or_a_third_file_is_found() {
        let files = [("lib.rs", "mod a; pub use a::A;"), ("a.rs", "use crate::A;")];
        assert_eq!(of(&files), [["a.rs", "lib.rs"]]);
        let files = [
            ("lib.rs", ""),
            ("a/mod.rs", "mod c; use self::c::C;"),
            ("a/c.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a;"),
        ];
        assert_eq!(of(&files), [["a/c.rs", "a/mod.rs", "b.rs"]]);
    }

    #[test]
    fn imports_that_lead_one_way_are_none() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            ("a.rs", "use crate::b::B; use std::fmt; #[cfg(test)] mod tests { use super::*; use crate::A; }"),
            ("b.rs", "/// [`crate::a::A`]\nfn f() {} macro_rules! m { () => { crate::a::A } }"),
        ];
        assert_eq!(of(&files), Vec::<Vec<String>>::new());
    }
}

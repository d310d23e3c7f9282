//! Puts the changes of a source file into its text, each behind a switch that an environment variable turns on.
//!
//! The changes are those of cargo-mutants, or close to them: another operator, a `!` or an arm of a `match` that is gone, a function that
//! returns at once. The text keeps its lines, comments and layout; the switches are put in between.

use std::{collections::BTreeSet, ops::Range};

use proc_macro2::Span;
use syn::{
    Attribute, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprRepeat, ExprUnary, GenericArgument,
    ImplItemConst, ImplItemFn, Item, ItemConst, ItemEnum, ItemFn, ItemImpl, ItemMod, ItemStatic, Meta, Pat,
    PathArguments, PathSegment, ReturnType, Signature, TraitItemConst, TraitItemFn, Type, UnOp,
    spanned::Spanned,
    visit::{self, Visit},
};

/// The environment variable that names the change that is on.
pub(super) const ACTIVE: &str = "MUTANT";
/// The environment variable that names a file for the numbers of the changes that are reached. No change is on then.
pub(super) const REACHED: &str = "MUTANTS_REACHED";

/// One small change of the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) function: String,
    pub(super) what: String,
}

/// The changes of a crate. Their places in `all` are their numbers.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) all: Vec<Change>,
    /// The numbers of those that do not compile, and are not put into the text.
    pub(super) excluded: BTreeSet<usize>,
}

/// The text of a file with switches.
#[derive(Debug)]
pub(super) struct Switched {
    pub(super) text: String,
    /// Where in the text which change was put.
    places: Vec<(Range<usize>, usize)>,
}

impl Switched {
    /// The changes that explain an error of the compiler at these bytes of the text.
    pub(super) fn blamed(&self, at: &Range<usize>) -> BTreeSet<usize> {
        let overlap = |place: &Range<usize>| place.start < at.end && at.start < place.end;
        let found: BTreeSet<_> =
            self.places.iter().filter(|(place, _)| overlap(place)).map(|(_, number)| *number).collect();
        // An error of a whole function says nothing about one of its changes.
        if (1..=4).contains(&found.len()) {
            return found;
        }
        let before = self.places.iter().filter(|(place, _)| place.end <= at.start);
        before.max_by_key(|(place, _)| place.end).map(|(_, number)| *number).into_iter().collect()
    }
}

/// Puts the changes of one file into its text, and adds them to the others of the crate.
pub(super) fn switched(file: &str, text: &str, changes: &mut Changes) -> syn::Result<Switched> {
    let parsed = syn::parse_file(text)?;
    let mut switches = Switches { text, file, function: Vec::new(), changes, insertions: Vec::new() };
    switches.visit_file(&parsed);
    let mut insertions = switches.insertions;
    // It is stable: what begins or ends at one place keeps the order of the visit, so that parentheses match.
    insertions.sort_by_key(|insertion| insertion.at);
    let (mut switched, mut done) = (Switched { text: String::new(), places: Vec::new() }, 0);
    for Insertion { at, code, number } in insertions {
        switched.text += &text[done..at];
        done = at;
        let start = switched.text.len();
        switched.text += &code;
        switched.places.extend(number.map(|number| (start..switched.text.len(), number)));
    }
    switched.text += &text[done..];
    Ok(switched)
}

/// The modules in files of their own that are compiled for tests only.
pub(super) fn test_modules(text: &str) -> syn::Result<Vec<String>> {
    let modules = syn::parse_file(text)?.items.into_iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_none() && is_for_tests(&module.attrs) => {
            Some(module.ident.to_string())
        }
        _ => None,
    });
    Ok(modules.collect())
}

/// The text of `lib.rs` with the module that the switches ask.
pub(super) fn with_runtime(lib: &str, changes: usize) -> String {
    let runtime = RUNTIME.replace("@ACTIVE", ACTIVE).replace("@REACHED", REACHED);
    format!("{LENIENT}{lib}{}", runtime.replace("@CHANGES", &changes.to_string()))
}

/// The first line of `lib.rs`. What is inserted is not written as a person would write it, and a change may be an obvious overflow.
pub(super) const LENIENT: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n";

const RUNTIME: &str = r#"
#[doc(hidden)]
pub mod __mutants {
    use std::{
        env, fs::OpenOptions, io::Write, path::PathBuf,
        sync::{LazyLock, atomic::{AtomicBool, Ordering}},
    };
    static ACTIVE: LazyLock<Option<usize>> = LazyLock::new(|| env::var("@ACTIVE").ok()?.parse().ok());
    static REACHED: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::var_os("@REACHED").map(PathBuf::from));
    static SEEN: [AtomicBool; @CHANGES] = [const { AtomicBool::new(false) }; @CHANGES];
    pub fn on(number: usize) -> bool {
        let Some(path) = &*REACHED else { return *ACTIVE == Some(number) };
        if !SEEN[number].swap(true, Ordering::Relaxed) {
            if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
                let _ = file.write_all(format!("{number}\n").as_bytes());
            }
        }
        false
    }
}
"#;

struct Switches<'a> {
    text: &'a str,
    file: &'a str,
    /// The names of what is around.
    function: Vec<String>,
    changes: &'a mut Changes,
    insertions: Vec<Insertion>,
}

struct Insertion {
    at: usize,
    code: String,
    /// The change that the code belongs to.
    number: Option<usize>,
}

impl Switches<'_> {
    /// The number of a new change, unless it is excluded.
    fn change(&mut self, at: Span, what: String) -> Option<usize> {
        let number = self.changes.all.len();
        let (file, function) = (self.file.to_owned(), self.function.join("::"));
        self.changes.all.push(Change { file, line: at.start().line, function, what });
        (!self.changes.excluded.contains(&number)).then_some(number)
    }

    fn source(&self, node: &impl Spanned) -> &str {
        &self.text[node.span().byte_range()]
    }

    fn insert(&mut self, at: usize, code: impl Into<String>, number: Option<usize>) {
        self.insertions.push(Insertion { at, code: code.into(), number });
    }

    /// Puts other code beside an expression, for each change one, and visits what is in the expression.
    fn beside(&mut self, expression: &Expr, others: Vec<(usize, String)>) {
        let Range { start, end } = expression.span().byte_range();
        let any = !others.is_empty();
        if any {
            self.insert(start, "(", None);
        }
        for (number, code) in others {
            self.insert(start, format!("if {} {{ {code} }} else ", on(number)), Some(number));
        }
        if any {
            self.insert(start, "{ ", None);
        }
        visit::visit_expr(self, expression);
        if any {
            self.insert(end, " })", None);
        }
    }

    fn binary(&mut self, expression: &Expr, binary: &ExprBinary) {
        let mut others = Vec::new();
        // What a `let` binds is there only after `&&`.
        if !has_let(&binary.left) && !has_let(&binary.right) {
            let (left, right) = (self.source(&binary.left).to_owned(), self.source(&binary.right).to_owned());
            let (operator, whole) = (self.source(&binary.op).to_owned(), shown(self.source(expression)));
            for other in other_operators(&binary.op) {
                let what = format!("`{other}` in place of `{operator}` in `{whole}`");
                let code = format!("({left}) {other} ({right})");
                others.extend(self.change(binary.op.span(), what).map(|number| (number, code)));
            }
        }
        self.beside(expression, others);
    }

    fn not(&mut self, expression: &Expr, unary: &ExprUnary) {
        let code = self.source(&unary.expr).to_owned();
        let what = format!("no `!` in `{}`", shown(self.source(expression)));
        let other = self.change(expression.span(), what).map(|number| (number, code));
        self.beside(expression, other.into_iter().collect());
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        // A `Default` that returns the default would call itself without end.
        let is_default = signature.ident == "default" && signature.inputs.is_empty();
        if signature.constness.is_some() {
            return;
        }
        self.function.push(signature.ident.to_string());
        if !block.stmts.is_empty() && !is_default {
            let body = shown(self.source(block));
            let after_brace = block.brace_token.span.open().byte_range().end;
            let values = match &signature.output {
                ReturnType::Default => vec!["()".to_owned()],
                ReturnType::Type(_, returned) => values(returned, 2),
            };
            for value in values.into_iter().filter(|value| body != format!("{{ {value} }}")) {
                if let Some(number) = self.change(signature.ident.span(), format!("returns `{value}`")) {
                    let code = format!(" if {} {{ return {value}; }}", on(number));
                    self.insert(after_brace, code, Some(number));
                }
            }
        }
        self.visit_block(block);
        self.function.pop();
    }

    /// A guard that is always or never true.
    fn guard(&mut self, at: Span, guard: &Expr) {
        // What a `let` binds, the arm may need.
        let (always, never) = match has_let(guard) {
            true => (None, None),
            false => (
                self.change(at, "a guard that is true".into()),
                self.change(at, "a guard that is false".into()),
            ),
        };
        let Range { start, end } = guard.span().byte_range();
        let mut close = String::new();
        if let Some(number) = always {
            self.insert(start, format!("{} || (", on(number)), always);
            close += ")";
        }
        if let Some(number) = never {
            self.insert(start, format!("!{} && (", on(number)), never);
            close += ")";
        }
        self.visit_expr(guard);
        self.insert(end, close, None);
    }
}

impl<'ast> Visit<'ast> for Switches<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let of = |(path, _): &(syn::Path, _)| format!("<{}>", self.source(path));
        let name = item.trait_.as_ref().map(of).unwrap_or_default() + self.source(&*item.self_ty);
        self.function.push(name);
        visit::visit_item_impl(self, item);
        self.function.pop();
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Binary(binary) => self.binary(expression, binary),
            Expr::Unary(unary @ ExprUnary { op: UnOp::Not(_), .. }) => self.not(expression, unary),
            _ => visit::visit_expr(self, expression),
        }
    }

    fn visit_expr_match(&mut self, item: &'ast ExprMatch) {
        self.visit_expr(&item.expr);
        let has_rest = item.arms.iter().any(|arm| matches_all(&arm.pat));
        for (index, arm) in item.arms.iter().enumerate() {
            if let Pat::Guard(guarded) = &arm.pat {
                self.guard(arm.pat.span(), &guarded.guard);
            } else if has_rest && index + 1 < item.arms.len() && !matches_all(&arm.pat) {
                let what = format!("no arm `{}`", shown(self.source(&arm.pat)));
                if let Some(number) = self.change(arm.pat.span(), what) {
                    let end = arm.pat.span().byte_range().end;
                    self.insert(end, format!(" if !{}", on(number)), Some(number));
                }
            }
            self.visit_expr(&arm.body);
        }
    }

    // The length of an array must be known to the compiler.
    fn visit_expr_repeat(&mut self, item: &'ast ExprRepeat) {
        self.visit_expr(&item.expr);
    }

    // In these, nothing can be asked when the program runs.
    fn visit_item_const(&mut self, _: &'ast ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast TraitItemConst) {}
    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'ast ItemEnum) {}
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_generic_argument(&mut self, _: &'ast GenericArgument) {}
}

fn on(number: usize) -> String {
    format!("crate::__mutants::on({number})")
}

/// Code on one line, and not too long for a table.
fn shown(code: &str) -> String {
    let line = code.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let tokens = list.tokens.to_string();
            let mut words = tokens.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '"'));
            words.clone().any(|word| word == "test") && words.all(|word| word != "not")
        }
        meta => meta.path().segments.last().is_some_and(|name| name.ident == "test"),
    })
}

fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(ExprBinary { left, op: BinOp::And(_), right, .. }) => has_let(left) || has_let(right),
        _ => false,
    }
}

/// Whether a pattern matches whatever comes. A name in capitals is a constant or a variant, such as `None`.
fn matches_all(pattern: &Pat) -> bool {
    match pattern {
        Pat::Wild(_) => true,
        Pat::Ident(name) => {
            name.subpat.is_none()
                && name.ident.to_string().starts_with(|c: char| c.is_lowercase() || c == '_')
        }
        _ => false,
    }
}

fn other_operators(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Lt(_) => &["==", ">", "<="],
        BinOp::Gt(_) => &["==", "<", ">="],
        BinOp::Le(_) => &[">", "<"],
        BinOp::Ge(_) => &["<", ">"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["*", "%"],
        BinOp::Rem(_) => &["/"],
        BinOp::BitAnd(_) | BinOp::BitXor(_) => &["|"],
        BinOp::BitOr(_) => &["&"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) | BinOp::MulAssign(_) => &["+="],
        BinOp::BitOrAssign(_) => &["&="],
        _ => &[],
    }
}

/// What a function may return in place of what it computes. Not every value compiles; those that do not are found out later.
fn values(of: &Type, depth: usize) -> Vec<String> {
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
    match of {
        Type::Tuple(tuple) => {
            let first = |element| values(element, 0).into_iter().next();
            let firsts: Option<Vec<_>> = tuple.elems.iter().map(first).collect();
            firsts.map(|firsts| format!("({})", firsts.join(", "))).into_iter().collect()
        }
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => texts(&["\"\"", "\"xyzzy\""]),
            Type::Slice(_) => texts(&["&[]"]),
            _ => Vec::new(),
        },
        Type::Path(path) => {
            path.path.segments.last().map(|name| values_of_name(name, depth)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn values_of_name(name: &PathSegment, depth: usize) -> Vec<String> {
    let inner = match &name.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.first(),
        _ => None,
    };
    let wrapped = |wrapper: &str| match inner {
        Some(GenericArgument::Type(inner)) if depth > 0 => {
            values(inner, depth - 1).into_iter().map(|value| format!("{wrapper}({value})")).collect()
        }
        _ => Vec::new(),
    };
    let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
    match &*name.ident.to_string() {
        "bool" => texts(&["true", "false"]),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => {
            texts(&["0", "1"])
        }
        "String" => texts(&["String::new()", "\"xyzzy\".into()"]),
        "Option" => [texts(&["None"]), wrapped("Some")].concat(),
        "Result" if inner.is_none() => texts(&["Ok(())"]),
        "Result" => wrapped("Ok"),
        "Vec" => texts(&["vec![]"]),
        // None of these has a default of its own.
        "Arc" | "Box" | "Self" => Vec::new(),
        _ => texts(&["Default::default()"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes_of(text: &str) -> Vec<String> {
        let mut changes = Changes::default();
        switched("lib.rs", text, &mut changes).unwrap();
        let line = |c: &Change| format!("{}:{}: {}: {}", c.file, c.line, c.function, c.what);
        changes.all.iter().map(line).collect()
    }

    #[test]
    fn each_change_has_a_line_a_function_and_words() {
        let text =
            "impl A {\n    fn b(&self) -> bool {\n        !self.c &&\n            self.d < 3\n    }\n}\n";
        let whole = "`!self.c && self.d < 3`";
        assert_eq!(
            changes_of(text),
            [
                "lib.rs:2: A::b: returns `true`".to_owned(),
                "lib.rs:2: A::b: returns `false`".to_owned(),
                format!("lib.rs:3: A::b: `||` in place of `&&` in {whole}"),
                "lib.rs:3: A::b: no `!` in `!self.c`".to_owned(),
                "lib.rs:4: A::b: `==` in place of `<` in `self.d < 3`".to_owned(),
                "lib.rs:4: A::b: `>` in place of `<` in `self.d < 3`".to_owned(),
                "lib.rs:4: A::b: `<=` in place of `<` in `self.d < 3`".to_owned(),
            ]
        );
    }

    #[test]
    fn the_text_keeps_its_lines_and_has_each_change_behind_its_switch() {
        let text = "fn a(b: u8) -> u8 {\n    // Why.\n    b + 1\n}\n";
        let mut changes = Changes { excluded: BTreeSet::from([1, 3]), ..Changes::default() };
        let switched = switched("lib.rs", text, &mut changes).unwrap();
        assert_eq!(
            switched.text,
            "fn a(b: u8) -> u8 { if crate::__mutants::on(0) { return 0; }\n    // Why.\n    \
             (if crate::__mutants::on(2) { (b) - (1) } else { b + 1 })\n}\n"
        );
        assert_eq!(changes.all.len(), 4);
        let error = switched.text.find("(b) - (1)").unwrap();
        assert_eq!(switched.blamed(&(error..error + 3)), BTreeSet::from([2]));
    }

    #[test]
    fn an_arm_goes_only_where_others_match_what_it_matched() {
        let text =
            "fn a(b: Option<u8>) { match b { Some(1) => c(), Some(2) if d => c(), None => e(), _ => f() } }";
        let words = changes_of(text);
        assert!(words.iter().any(|change| change.ends_with("no arm `Some(1)`")), "{words:?}");
        assert!(words.iter().any(|change| change.ends_with("a guard that is true")), "{words:?}");
        let text = "fn a(b: Option<u8>) { match b { Some(c) => d(c), None => e() } }";
        assert_eq!(changes_of(text), ["lib.rs:1: a: returns `()`"]);
    }

    #[test]
    fn neither_tests_nor_what_the_compiler_computes_are_changed() {
        let text = "const A: u8 = 1 + 1;\nconst fn b() -> u8 { 1 + 1 }\n#[cfg(test)]\nmod tests { fn c() -> bool { true } }\n\
                    #[test]\nfn d() { assert!(1 + 1 == 2) }\nenum E { F = 1 + 1 }\ntype G = [u8; 1 + 1];\n";
        assert_eq!(changes_of(text), Vec::<String>::new());
        assert_eq!(test_modules("#[cfg(test)]\nmod a;\nmod b;\n#[cfg(test)]\nmod c {}\n").unwrap(), ["a"]);
        let text = "#[cfg(feature = \"testkit\")]\nfn a() { b() }\n#[cfg(not(test))]\nfn c() { b() }\n";
        assert_eq!(changes_of(text).len(), 2);
    }

    #[test]
    fn what_a_let_binds_is_not_needed_before_it_is_bound() {
        let text = "fn a(b: Option<u8>) { if let Some(c) = b && c == 1 { d() } }";
        assert_eq!(
            changes_of(text),
            ["lib.rs:1: a: returns `()`", "lib.rs:1: a: `!=` in place of `==` in `c == 1`"]
        );
    }
}

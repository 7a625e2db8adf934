//! No two modules of a crate use each other, directly or in a round.
//!
//! A module is a file. What counts is each path through the crate: in `use`, in code and in
//! macros, with names that a module hands on followed to where they come from. Tests do not count.
//!
//! A parent and its own children are one unit to everybody else, and between them arrows may go
//! both ways: a parent is made of its children, and they speak its words. So siblings are compared,
//! each with all that is below it, on every level of the tree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    str::FromStr as _,
};

use anyhow::Context as _;
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The folders whose crates have no circles.
const FOLDERS: [&str; 3] = ["crates", "apis", "integrations"];

/// The crates that may have some: the traits of the engine name each other.
const EXCEPT: [&str; 1] = ["crates/engine"];

/// The path of a module or of an item, from the crate's root.
type Segments = Vec<String>;

/// Reports every circle in those crates.
pub fn check(root: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    for name in crates(root)? {
        let source = root.join(&name).join("src");
        let mut sources = Vec::new();
        read(&source, &mut Vec::new(), &mut sources)?;
        check_sources(&name, sources, found)?;
    }
    Ok(())
}

/// The crates that are checked, by their folders.
fn crates(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut crates = BTreeSet::new();
    for folder in FOLDERS {
        let path = root.join(folder);
        if !path.exists() {
            continue;
        }
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().join("src").exists() && !EXCEPT.contains(&name.as_str()) {
                crates.insert(name);
            }
        }
    }
    Ok(crates)
}

fn read(
    folder: &Path,
    at: &mut Segments,
    sources: &mut Vec<(Segments, String)>,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        at.push(stem.into_owned());
        if path.is_dir() {
            read(&path, at, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = matches!(at.as_slice(), [name] if name == "lib" || name == "main");
            let module = if is_root { Vec::new() } else { at.clone() };
            sources.push((module, fs::read_to_string(&path)?));
        }
        at.pop();
    }
    Ok(())
}

fn check_sources(
    name: &str,
    sources: Vec<(Segments, String)>,
    found: &mut Vec<String>,
) -> anyhow::Result<()> {
    let known: BTreeSet<Segments> = sources.iter().map(|(module, _)| module.clone()).collect();
    let mut modules = BTreeMap::new();
    for (path, text) in sources {
        let tokens = TokenStream::from_str(&text)
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| format!("{name}: {}", path.join("::")))?;
        let mut module = Module::default();
        module.walk(tokens, &path, &known);
        modules.insert(path, module);
    }
    let tests: BTreeSet<Segments> = modules.values().flat_map(|m| m.tests.clone()).collect();
    modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
    for (level, arrows) in arrows(&modules) {
        let at = if level.is_empty() {
            "the crate".to_owned()
        } else {
            level.join("::")
        };
        for circle in circles(&arrows) {
            let inside = arrows
                .iter()
                .filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
            let inside: Vec<&str> = inside.map(|(_, example)| example.as_str()).collect();
            found.push(format!(
                "{name}: in {at}, the modules {} use each other: {}",
                circle.into_iter().collect::<Vec<_>>().join(", "),
                inside.join("; ")
            ));
        }
    }
    Ok(())
}

/// What a file says of the rest of its crate.
#[derive(Default)]
struct Module {
    /// Every path it names.
    paths: BTreeSet<Segments>,
    /// What it imports, by the name it gives it.
    names: BTreeMap<String, Segments>,
    /// The modules in it that are tests.
    tests: BTreeSet<Segments>,
}

impl Module {
    /// Reads the tokens of a module, which may stand inside a file.
    fn walk(&mut self, tokens: TokenStream, at: &[String], known: &BTreeSet<Segments>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    if let Some((TokenTree::Group(attribute), after)) = after.split_first()
                        && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
                    {
                        let (item, after) = item(after);
                        rest = after;
                        self.tests
                            .extend(module_of(item).map(|name| [at, &[name]].concat()));
                    }
                }
                TokenTree::Ident(word) if *word == "mod" => {
                    if let [TokenTree::Ident(name), TokenTree::Group(body), after @ ..] = after
                        && body.delimiter() == Delimiter::Brace
                    {
                        rest = after;
                        let inner = [at, &[name.to_string()]].concat();
                        self.walk(body.stream(), &inner, known);
                    }
                }
                TokenTree::Ident(word) if *word == "use" => {
                    let end = after.iter().position(is_semicolon).unwrap_or(after.len());
                    let (tree, after) = after.split_at(end);
                    rest = after;
                    for (path, name) in imports(tree) {
                        if let Some(path) = absolute(&path, at, known) {
                            self.names.insert(name, path.clone());
                            self.paths.insert(path);
                        }
                    }
                }
                TokenTree::Ident(word) if is_anchor(&word.to_string()) => {
                    let (path, after) = plain_path(word.to_string(), after);
                    rest = after;
                    if path.len() > 1 {
                        self.paths.extend(absolute(&path, at, known));
                    }
                }
                TokenTree::Group(group) => self.walk(group.stream(), at, known),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

/// The first item, which its body or its semicolon ends, and what follows it.
fn item(tokens: &[TokenTree]) -> (&[TokenTree], &[TokenTree]) {
    let ends = |token: &TokenTree| {
        is_semicolon(token)
            || matches!(token, TokenTree::Group(body) if body.delimiter() == Delimiter::Brace)
    };
    let end = tokens
        .iter()
        .position(ends)
        .map_or(tokens.len(), |end| end + 1);
    tokens.split_at(end)
}

/// The name of the module that an item is.
fn module_of(item: &[TokenTree]) -> Option<String> {
    item.windows(2).find_map(|pair| match pair {
        [TokenTree::Ident(word), TokenTree::Ident(name)] if *word == "mod" => {
            Some(name.to_string())
        }
        _ => None,
    })
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == ';')
}

/// Whether a path that begins so stays in the crate.
fn is_anchor(word: &str) -> bool {
    ["crate", "super", "self"].contains(&word)
}

/// Reads `::name` as often as it stands there.
fn plain_path(first: String, mut tokens: &[TokenTree]) -> (Segments, &[TokenTree]) {
    let mut path = vec![first];
    while let [
        TokenTree::Punct(colon),
        TokenTree::Punct(second),
        TokenTree::Ident(name),
        after @ ..,
    ] = tokens
        && colon.as_char() == ':'
        && colon.spacing() == Spacing::Joint
        && second.as_char() == ':'
    {
        path.push(name.to_string());
        tokens = after;
    }
    (path, tokens)
}

/// The paths of a `use`, each with the name that it is known by.
fn imports(tokens: &[TokenTree]) -> Vec<(Segments, String)> {
    let [TokenTree::Ident(first), after @ ..] = tokens else {
        return match tokens {
            [TokenTree::Group(group)] => each_import(group.stream()),
            _ => Vec::new(),
        };
    };
    let (path, rest) = plain_path(first.to_string(), after);
    match rest {
        [TokenTree::Ident(_as), TokenTree::Ident(name)] => vec![(path, name.to_string())],
        [_, _, TokenTree::Group(group)] => {
            let inner = each_import(group.stream()).into_iter();
            let under = |(inner, name): (Segments, String)| {
                let name = if name == "self" {
                    path.last().cloned().unwrap_or_default()
                } else {
                    name
                };
                let inner = inner.into_iter().filter(|segment| segment != "self");
                (path.iter().cloned().chain(inner).collect(), name)
            };
            inner.map(under).collect()
        }
        // A name, or `*`, which stands for the whole module.
        _ => {
            let name = path.last().cloned().unwrap_or_default();
            vec![(path, name)]
        }
    }
}

fn each_import(list: TokenStream) -> Vec<(Segments, String)> {
    let tokens: Vec<TokenTree> = list.into_iter().collect();
    let comma =
        |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',');
    tokens.split(comma).flat_map(imports).collect()
}

/// The path from the crate's root; none if it leads to another crate.
fn absolute(path: &[String], at: &[String], known: &BTreeSet<Segments>) -> Option<Segments> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([at, rest].concat()),
        "super" => {
            let (_, parent) = at.split_last()?;
            match rest.first() {
                Some(next) if next == "super" => absolute(rest, parent, known),
                _ => Some([parent, rest].concat()),
            }
        }
        _ => {
            let child = [at, std::slice::from_ref(first)].concat();
            known.contains(&child).then(|| [at, path].concat())
        }
    }
}

/// The file that a path leads to.
fn file_of(path: &[String], modules: &BTreeMap<Segments, Module>) -> Segments {
    let mut path = path.to_vec();
    // Names may be handed on by one module after the other; no chain of ours is as long as this.
    for _ in 0..10 {
        let mut file = path.clone();
        while !modules.contains_key(&file) && file.pop().is_some() {}
        let handed_on = path.get(file.len()).and_then(|name| {
            let names = modules.get(&file).map(|module| &module.names)?;
            names.get(name).filter(|source| **source != path)
        });
        match handed_on {
            Some(source) => path.clone_from(source),
            None => return file,
        }
    }
    path
}

/// Which sibling uses which, with an example, by their parent.
type Arrows = BTreeMap<(String, String), String>;

fn arrows(modules: &BTreeMap<Segments, Module>) -> BTreeMap<Segments, Arrows> {
    let mut levels: BTreeMap<Segments, Arrows> = BTreeMap::new();
    for (from, module) in modules {
        for path in &module.paths {
            let to = file_of(path, modules);
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            // One is above the other if nothing is left of it.
            let (Some(one), Some(other)) = (from.get(common), to.get(common)) else {
                continue;
            };
            let level = levels.entry(from.iter().take(common).cloned().collect());
            let example = format!("{} uses {}", from.join("::"), path.join("::"));
            let arrow = (one.clone(), other.clone());
            level.or_default().entry(arrow).or_insert(example);
        }
    }
    levels
}

/// The sets of modules that lead to each other.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let reached = |from: &String| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for (_, to) in arrows.keys().filter(|(from, _)| from == at) {
                if reached.insert(to.clone()) {
                    open.push(to);
                }
            }
        }
        reached
    };
    let all: BTreeSet<&String> = arrows.keys().map(|(from, _)| from).collect();
    let reached: BTreeMap<&String, BTreeSet<String>> =
        all.into_iter().map(|from| (from, reached(from))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (from, reaches) in &reached {
        if !reaches.contains(*from) || circles.iter().any(|circle| circle.contains(*from)) {
            continue;
        }
        let leads_back = |to: &&String| reached.get(*to).is_some_and(|back| back.contains(*from));
        circles.push(reaches.iter().filter(leads_back).cloned().collect());
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a crate of these files.
    fn check(files: &[(&str, &str)]) -> Vec<String> {
        let path = |path: &str| match path {
            "" => Vec::new(),
            path => path.split("::").map(str::to_owned).collect(),
        };
        let sources = files
            .iter()
            .map(|(module, text)| (path(module), (*text).to_owned()))
            .collect();
        let mut found = Vec::new();
        check_sources("crates/x", sources, &mut found).unwrap();
        found
    }

    #[test]
    fn every_crate_is_checked_but_the_engine() {
        let crates = crates(&crate::run::root()).unwrap();
        let names = ["apis/kms", "apis/sts", "crates/server", "crates/types"];
        for name in names {
            assert!(crates.contains(name), "{crates:?}");
        }
        assert!(!crates.contains("crates/engine"), "{crates:?}");
    }

    #[test]
    fn two_modules_that_use_each_other_are_found_with_what_they_use() {
        let files = [
            ("", "mod a; mod b;"),
            ("a", "use crate::b::B;"),
            ("b", "use crate::{a::{A, C as D}, other};"),
        ];
        assert_eq!(
            check(&files),
            ["crates/x: in the crate, the modules a, b use each other: a uses b::B; b uses a::A"]
        );
    }

    #[test]
    fn a_round_of_three_is_found_and_what_only_leads_there_is_not_named() {
        let files = [
            ("a", "use crate::b::B;"),
            ("b", "fn f() { let _ = crate::c::C::new(); }"),
            ("c", "macro_rules! m { () => { $crate::a::A } }"),
            ("d", "use crate::a::A;"),
            ("e", "use super::d::D; use std::fmt;"),
        ];
        let found = check(&files);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("the modules a, b, c use"), "{found:#?}");
    }

    #[test]
    fn arrows_one_way_are_no_circle() {
        let files = [
            ("", "pub mod a; pub use a::A; mod b;"),
            ("a", "use crate::b;"),
            ("b", "use serde::Serialize;"),
        ];
        assert_eq!(check(&files), Vec::<String>::new());
    }

    #[test]
    fn a_parent_and_its_children_are_one_unit() {
        let files = [
            ("a", "mod b; use b::B; pub struct A;"),
            ("a::b", "use super::A; use crate::a::C;"),
        ];
        assert_eq!(check(&files), Vec::<String>::new());
        // But to others it counts with its children.
        let files = [
            ("a", "mod b;"),
            ("a::b", "use crate::c::C;"),
            ("c", "use crate::a::A;"),
        ];
        assert_eq!(check(&files).len(), 1);
        // And siblings in a folder are compared too.
        let files = [
            ("a", "mod b; mod c;"),
            ("a::b", "use super::c::C;"),
            ("a::c", "use crate::a::b::{self, B};"),
        ];
        assert_eq!(
            check(&files),
            ["crates/x: in a, the modules b, c use each other: a::b uses a::c::C; a::c uses a::b"]
        );
    }

    #[test]
    fn a_name_that_is_handed_on_counts_as_what_it_is() {
        let files = [
            ("a", "mod b; mod c; pub use c::C;"),
            ("a::b", "use super::C;"),
            ("a::c", "use super::b::B;"),
        ];
        assert_eq!(check(&files).len(), 1);
    }

    #[test]
    fn tests_may_use_everything() {
        let files = [
            ("a", "use crate::b::B;"),
            (
                "b",
                "#[cfg(test)] mod tests { use crate::a::A; } #[cfg(test)] use crate::a;",
            ),
        ];
        assert_eq!(check(&files), Vec::<String>::new());
        let files = [
            ("a", "use crate::b::B; #[cfg(test)] pub mod tests;"),
            ("a::tests", "use crate::c::C;"),
            ("b", ""),
            ("c", "use crate::a::A;"),
        ];
        assert_eq!(check(&files), Vec::<String>::new());
        // What comes after them counts again.
        let files = [
            ("a", "use crate::b::B;"),
            (
                "b",
                "#[cfg(test)] mod tests; mod inner { use super::super::a::A; }",
            ),
        ];
        assert_eq!(check(&files).len(), 1);
    }
}

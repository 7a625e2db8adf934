//! The house rules that no compiler checks, over every tracked file.

mod circles;
mod claims;
mod directions;
mod sizes;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::bail;

use crate::run;

/// Lines a source file may have.
const FILE_LINES: usize = 800;
/// Lines a file that holds one operation may have.
const OPERATION_LINES: usize = 400;

/// The folder of the APIs, a crate each, whose files hold one operation or noun each.
const APIS: &str = "apis/";

/// Folders of bytes that others wrote, kept verbatim.
const VERBATIM: [&str; 1] = ["testdata/"];

/// Checks everything and prints what is wrong.
pub fn run() -> anyhow::Result<()> {
    let findings = findings(&run::root())?;
    for finding in &findings {
        println!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} findings", findings.len());
    }
    println!("tidy: clean");
    Ok(())
}

/// Every breach of a rule, as a line for the reader.
fn findings(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let files = files(root)?;
    for path in &files {
        let Ok(text) = fs::read_to_string(root.join(path)) else {
            continue; // not text, or tracked and deleted just now
        };
        if VERBATIM.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        check_size(path, &text, &mut found);
        check_source(path, &text, &mut found);
        check_places(path, &text, &mut found);
        check_arns(path, &text, &mut found);
        check_locks(path, &text, &mut found);
        check_imports(path, &text, &mut found);
    }
    check_every_operation_is_tested(root, &mut found)?;
    circles::check(root, &mut found)?;
    claims::check(root, &mut found)?;
    directions::check(root, &mut found)?;
    sizes::check(root, &files, &mut found)?;
    Ok(found)
}

/// What git tracks, and what it would track if added.
fn files(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root);
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    if let Ok(list) = run::output(&mut git) {
        return Ok(list.lines().map(str::to_owned).collect());
    }
    // A tree without git, as from an archive: all but what is built.
    let mut paths = Vec::new();
    walk(root, "", &mut paths)?;
    Ok(paths)
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}{name}");
        let built = ["target", ".venv", ".git", "__pycache__", ".pytest_cache"];
        if entry.file_type()?.is_dir() {
            if !built.contains(&name.as_str()) {
                walk(root, &format!("{path}/"), paths)?;
            }
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

fn check_size(path: &str, text: &str, found: &mut Vec<String>) {
    let source = path.ends_with(".rs") || path.ends_with(".py");
    let lines = text.lines().count();
    let holds_an_operation = path.starts_with(APIS) && !path.contains("/tests/");
    let limit = if holds_an_operation {
        OPERATION_LINES
    } else {
        FILE_LINES
    };
    if source && lines > limit {
        found.push(format!("{path}: {lines} lines, over the limit of {limit}"));
    }
}

fn check_source(path: &str, text: &str, found: &mut Vec<String>) {
    if path.ends_with("/mod.rs") {
        found.push(format!(
            "{path}: modules are foo.rs and foo/, never foo/mod.rs"
        ));
    }
    let fails_to_compile_on_purpose = path.contains("/tests/fail/");
    if path.ends_with(".rs") && !fails_to_compile_on_purpose && !text.starts_with("//!") {
        found.push(format!(
            "{path}: does not begin with //! that says what it is"
        ));
    }
    if path.ends_with(".py") && !text.starts_with("\"\"\"") {
        found.push(format!("{path}: does not begin with a docstring"));
    }
    if text.contains("#[ignore") && path.ends_with(".rs") && !path.ends_with("tidy.rs") {
        found.push(format!("{path}: a test that is ignored tests nothing"));
    }
}

/// No path or host of the machine it was written on.
fn check_places(path: &str, text: &str, found: &mut Vec<String>) {
    // Written apart, or this file would find itself.
    let homes = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
        concat!("/Us", "ers/"),
    ];
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(home) = homes.iter().find(|home| line.contains(**home)) {
            found.push(format!("{path}:{number}: a path of some machine ({home})"));
        }
    }
    let lock = "registry+https://github.com/rust-lang/crates.io-index";
    let foreign = |line: &&str| line.starts_with("source = ") && !line.contains(lock);
    if path.ends_with("Cargo.lock") && text.lines().any(|line| foreign(&line)) {
        found.push(format!("{path}: a dependency that is not from crates.io"));
    }
}

/// No decision by a piece of text in an ARN: a customer writes half of what stands there. ARNs are
/// taken apart (`ArnParts`, `PrincipalRef`), and what something is stands in its record.
fn check_arns(path: &str, text: &str, found: &mut Vec<String>) {
    const WAYS: [&str; 8] = [
        "contains",
        "starts_with",
        "ends_with",
        "find",
        "matches",
        "split_once",
        "strip_prefix",
        "strip_suffix",
    ];
    const PIECES: [&str; 9] = [
        ":role",
        ":user",
        ":root",
        ":policy",
        ":key/",
        ":alias/",
        "assumed-role",
        "federated-user",
        "aws-service-role",
    ];
    let product = path.starts_with("crates/") || path.starts_with(APIS);
    if !product || !path.contains("/src/") || !path.ends_with(".rs") {
        return;
    }
    let (product, _) = text.split_once("#[cfg(test)]").unwrap_or((text, ""));
    for (number, line) in (1..).zip(product.lines()) {
        let asked = WAYS.iter().any(|way| {
            let (_, literal) = line.split_once(&format!(".{way}(\"")).unwrap_or_default();
            let (literal, _) = literal.split_once('"').unwrap_or((literal, ""));
            PIECES.iter().any(|piece| literal.contains(piece))
        });
        if asked {
            found.push(format!("{path}:{number}: decides by text in an ARN"));
        }
    }
}

/// One kind of lock in the product. `keyward-crypto` has the standard library's, so that it needs no more crates.
fn check_locks(path: &str, text: &str, found: &mut Vec<String>) {
    // Written apart, or this file would find itself.
    let poisons = concat!("Poison", "Error");
    let product = path.contains("/src/") && !path.starts_with("crates/crypto/");
    for (number, line) in (1..).zip(text.lines()) {
        if product && path.ends_with(".rs") && line.contains(poisons) {
            found.push(format!(
                "{path}:{number}: a lock that poisons: use one of parking_lot"
            ));
        }
    }
}

/// One `use` for each crate, and one each for `crate`, `self` and `super`. rustfmt's stable version cannot do that.
fn check_imports(path: &str, text: &str, found: &mut Vec<String>) {
    if !path.ends_with(".rs") || path.contains("/tests/fail/") {
        return;
    }
    let mut roots = BTreeSet::new();
    let mut before = "";
    for (number, line) in (1..).zip(text.lines()) {
        let root = line.strip_prefix("use ").and_then(|path| {
            let end = path.find(|c: char| c != '_' && !c.is_alphanumeric())?;
            path.get(..end)
        });
        // What has an attribute of its own, such as `#[cfg(…)]`, is a line of its own.
        if let Some(root) = root
            && !before.starts_with("#[")
            && !roots.insert(root)
        {
            found.push(format!(
                "{path}:{number}: a second `use` of `{root}`: put both into one"
            ));
        }
        before = line;
    }
}

/// Every operation of every API stands in a client test. One that is the same for several nouns is called
/// by a name that is put together; its golden event shows that it is called.
fn check_every_operation_is_tested(root: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let mut tests = String::new();
    for entry in fs::read_dir(root.join("clients"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("test_") && name.ends_with(".py") {
            tests.push_str(&fs::read_to_string(&path)?);
        }
    }
    for entry in fs::read_dir(root.join(APIS))? {
        let api = entry?.file_name().to_string_lossy().into_owned();
        let path = format!("{APIS}{api}/src/lib.rs");
        let Ok(table) = fs::read_to_string(root.join(&path)) else {
            continue;
        };
        for (row, name) in operations(&table) {
            let method = snake_case(name);
            // By a client's method, by its name on the wire, or by a command of `keyward`.
            let called = [
                format!(".{method}("),
                format!(".{method},"),
                format!("\"{method}\""),
                format!("\"{name}\""),
                format!("\"{}\"", method.replace('_', "-")),
            ];
            let event = format!("clients/golden/events/{api}/{name}.json");
            let of_nouns = row.contains('<') && root.join(event).exists();
            if !of_nouns && !called.iter().any(|call| tests.contains(call)) {
                found.push(format!("{path}: no client test calls {name}"));
            }
        }
    }
    Ok(())
}

/// The rows of a table, each with its operation's name on the wire: what stands last in a row is the
/// operation, or the action that it is named after.
fn operations(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let rows = table.split("row::<").skip(1);
    rows.filter_map(|rest| {
        let (row, _) = rest.split_once(">()")?;
        let path = row.trim_end_matches(['>', ',', ' ', '\n']);
        let name = path.rsplit([':', '<', ' ']).next()?;
        Some((row, name))
    })
}

/// `CreateKey` as the clients write it: `create_key`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let letters: Vec<char> = name.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let after = letters.get(at + 1);
        let word = letter.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase())
            });
        if word {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let findings = findings(&run::root()).unwrap();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let mut found = Vec::new();
        let long = format!("//! Doc.\n{}", "\n".repeat(FILE_LINES));
        check_size("crates/types/src/long.rs", &long, &mut found);
        check_size("apis/kms/src/encrypt.rs", &long, &mut found);
        check_source("crates/types/src/x.rs", "fn main() {}", &mut found);
        check_source("crates/types/src/x/mod.rs", "//! Doc.", &mut found);
        check_source("clients/test_x.py", "import os", &mut found);
        check_places("README.md", concat!("see /ro", "ot/x"), &mut found);
        let asks = "//! Doc.\nlet linked = arn.contains(\":role/aws-service-role/\");\n";
        check_arns("crates/policy/src/x.rs", asks, &mut found);
        let poisons = concat!("//! Doc.\nuse std::sync::Poison", "Error;\n");
        check_locks("crates/server/src/x.rs", poisons, &mut found);
        let twice = "//! Doc.\nuse std::fs;\nuse std::path::Path;\n";
        check_imports("crates/types/src/x.rs", twice, &mut found);
        let lock = "source = \"registry+https://mirror.example/index\"";
        check_places("Cargo.lock", lock, &mut found);
        assert_eq!(found.len(), 10, "{found:#?}");
    }

    #[test]
    fn every_row_of_a_table_names_its_operation() {
        let rows = "&[\n    row::<encrypt::Encrypt>(),\n    row::<One<group::DeleteGroup>>(),\n    \
                    row::<One<\n        tags::AddTags<tags::TagUser>,\n    >>(),\n]";
        let names: Vec<&str> = operations(rows).map(|(_, name)| name).collect();
        assert_eq!(names, ["Encrypt", "DeleteGroup", "TagUser"]);
        let kms = fs::read_to_string(run::root().join("apis/kms/src/lib.rs")).unwrap();
        assert_eq!(operations(&kms).count(), 36);
        let iam = fs::read_to_string(run::root().join("apis/iam/src/lib.rs")).unwrap();
        assert!(operations(&iam).any(|(_, name)| name == "AttachGroupPolicy"));
    }

    #[test]
    fn what_keeps_the_rules_is_not_found() {
        let mut found = Vec::new();
        let text = "//! Doc.\nfn main() {}\n";
        check_size("crates/types/src/x.rs", text, &mut found);
        check_source("crates/types/src/x.rs", text, &mut found);
        check_places("crates/types/src/x.rs", text, &mut found);
        let poisons = concat!("use std::sync::Poison", "Error;\n");
        check_locks("crates/crypto/src/x.rs", poisons, &mut found);
        let imports = "//! Doc.\nuse std::fs;\nuse crate::x;\n#[cfg(test)]\nuse crate::y;\n";
        check_imports("crates/types/src/x.rs", imports, &mut found);
        assert!(found.is_empty(), "{found:#?}");
    }
}

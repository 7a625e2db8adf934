//! A crate has a limited number of lines, so that one person can know all of it.
//!
//! What counts is the product: the sources of a crate without its tests. When a crate reaches the limit, a part of it
//! that has a purpose of its own becomes a crate.

use std::{collections::BTreeMap, fs, path::Path};

/// Lines of the product that a crate may have.
const CRATE_LINES: usize = 15_000;

/// The folders of the product's crates.
const FOLDERS: [&str; 3] = ["crates/", "apis/", "integrations/"];

/// Reports every crate that is over the limit. `files` are the paths of the tree.
pub fn check(root: &Path, files: &[String], found: &mut Vec<String>) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    for path in files.iter().filter(|path| crate_of(path).is_some()) {
        // A file that is tracked and was deleted just now has no lines.
        if let Ok(text) = fs::read_to_string(root.join(path)) {
            sources.push((path.as_str(), text));
        }
    }
    anyhow::ensure!(!sources.is_empty(), "there is no crate whose lines count");
    check_sources(&sources, found);
    Ok(())
}

fn check_sources(sources: &[(&str, String)], found: &mut Vec<String>) {
    let mut crates: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, text) in sources {
        if let Some(name) = crate_of(path) {
            *crates.entry(name).or_default() += product_lines(text);
        }
    }
    for (name, lines) in crates {
        if lines > CRATE_LINES {
            found.push(format!(
                "{name}: {lines} lines without tests, over the limit of {CRATE_LINES} of a crate"
            ));
        }
    }
}

/// The crate that a file belongs to, if it is a source of the product.
fn crate_of(path: &str) -> Option<&str> {
    if !FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return None;
    }
    let (name, within) = path.split_once("/src/")?;
    let is_test = within == "tests.rs" || within.ends_with("/tests.rs");
    let in_tests = within.starts_with("tests/") || within.contains("/tests/");
    (within.ends_with(".rs") && !is_test && !in_tests).then_some(name)
}

/// The lines before the tests at the end of a file.
fn product_lines(text: &str) -> usize {
    let mut pairs = text.lines().zip(text.lines().skip(1));
    pairs
        .position(|pair| pair == ("#[cfg(test)]", "mod tests {"))
        .unwrap_or_else(|| text.lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a tree of these files, each with that many lines.
    fn check(files: &[(&str, usize)]) -> Vec<String> {
        let text = |lines: usize| "// A line.\n".repeat(lines);
        let sources: Vec<(&str, String)> = files
            .iter()
            .map(|(path, lines)| (*path, text(*lines)))
            .collect();
        let mut found = Vec::new();
        check_sources(&sources, &mut found);
        found
    }

    #[test]
    fn a_crate_over_the_limit_is_found_with_its_lines() {
        let half = CRATE_LINES / 2;
        let full = [("apis/x/src/lib.rs", half), ("apis/x/src/a/b.rs", half)];
        assert_eq!(check(&full), [""; 0]);
        let over = [full[0], full[1], ("apis/x/src/c.rs", 1)];
        assert_eq!(
            check(&over),
            ["apis/x: 15001 lines without tests, over the limit of 15000 of a crate"]
        );
    }

    #[test]
    fn crates_are_counted_each_by_itself_and_without_their_tests() {
        let files = [
            ("crates/x/src/lib.rs", CRATE_LINES),
            ("crates/y/src/lib.rs", CRATE_LINES),
            ("crates/x/src/a/tests.rs", 1),
            ("crates/x/src/a/tests/b.rs", 1),
            ("crates/x/src/tests.rs", 1),
            ("crates/x/tests/it/main.rs", 1),
            ("crates/x/examples/c.rs", 1),
            ("crates/x/build.rs", 1),
            ("crates/x/src/d.txt", 1),
            ("xtask/src/main.rs", CRATE_LINES + 1),
        ];
        assert_eq!(check(&files), [""; 0]);
    }

    #[test]
    fn tests_at_the_end_of_a_file_do_not_count() {
        let text = "//! Doc.\n\n#[cfg(test)]\nuse a;\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(product_lines(text), 6);
        assert_eq!(product_lines("//! Doc.\nfn f() {}\n"), 2);
        assert_eq!(product_lines("//! Doc.\n#[cfg(test)]\nmod tests;\n"), 3);
    }
}

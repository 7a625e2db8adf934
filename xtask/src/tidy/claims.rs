//! Every claim of `SECURITY.md` names the tests that hold it, and those tests exist.
//!
//! A claim is a list item under "What Keyward protects". It ends with its tests in parentheses, each
//! in backticks as `path::name`, the way pytest names them: `*(…)*`.

use std::{fs, path::Path};

/// The section whose list items are claims.
const SECTION: &str = "What Keyward protects";

/// Checks the claims of `SECURITY.md`.
pub fn check(root: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let text = fs::read_to_string(root.join("SECURITY.md"))?;
    check_text(
        &text,
        |path| fs::read_to_string(root.join(path)).ok(),
        found,
    );
    Ok(())
}

/// Checks the claims of a text; `read` answers the text of a file, if it is there.
fn check_text(text: &str, read: impl Fn(&str) -> Option<String>, found: &mut Vec<String>) {
    for claim in claims(text) {
        let head: String = claim.chars().take(60).collect();
        let tests = tests(&claim);
        if tests.is_empty() {
            found.push(format!("SECURITY.md: \"{head}…\" names no test"));
        }
        for test in tests {
            let Some((path, name)) = test.split_once("::") else {
                found.push(format!(
                    "SECURITY.md: `{test}` is not of the form path::name"
                ));
                continue;
            };
            let definitions = [format!("fn {name}("), format!("def {name}(")];
            let exists = read(path)
                .is_some_and(|source| definitions.iter().any(|wanted| source.contains(wanted)));
            if !exists {
                found.push(format!("SECURITY.md: there is no test `{test}`"));
            }
        }
    }
}

/// The list items of the section, each on one line.
fn claims(text: &str) -> Vec<String> {
    let mut claims: Vec<String> = Vec::new();
    let mut open = false;
    let mut section = "";
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        if section != SECTION {
            continue;
        }
        if let Some(item) = line.strip_prefix("- ") {
            claims.push(item.to_owned());
            open = true;
        } else if open && line.starts_with("  ") {
            if let Some(claim) = claims.last_mut() {
                claim.push(' ');
                claim.push_str(line.trim());
            }
        } else {
            open = false;
        }
    }
    claims
}

/// What stands in backticks in the parentheses at the end of a claim.
fn tests(claim: &str) -> Vec<&str> {
    let Some((_, list)) = claim.rsplit_once("*(") else {
        return Vec::new();
    };
    list.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let read =
            |path: &str| (path == "clients/test_x.py").then(|| "def test_it(server):\n".to_owned());
        check_text(&format!("## {SECTION}\n\n{text}"), read, &mut found);
        found
    }

    #[test]
    fn a_claim_with_a_test_that_exists_is_fine() {
        let text = "- It holds,\n  always. *(`clients/test_x.py::test_it`)*\n";
        assert_eq!(check(text), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_protected_needs_no_test() {
        assert_eq!(
            check("## What it does not protect\n\n- This.\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_claim_without_a_test_is_found() {
        assert_eq!(
            check("- It holds.\n- `It` holds too.\n"),
            [
                "SECURITY.md: \"It holds.…\" names no test",
                "SECURITY.md: \"`It` holds too.…\" names no test",
            ]
        );
    }

    #[test]
    fn a_claim_whose_test_is_gone_is_found() {
        assert_eq!(
            check("- It holds. *(`clients/test_x.py::test_gone`, `x`)*\n"),
            [
                "SECURITY.md: there is no test `clients/test_x.py::test_gone`",
                "SECURITY.md: `x` is not of the form path::name",
            ]
        );
    }
}

//! Which of our crates may use which. A crate is named by its folder, and `*` stands for any name: a new API
//! needs no row of its own unless it uses what other APIs do not.
//!
//! What is not allowed here is a finding, and so is a crate that no row is about. Which of our crates may
//! use the libraries of others is in `deny.toml`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use serde_json::Value;

use crate::run;

/// What a crate may use: the rows that match its folder, together.
const MAY_USE: &[(&str, &[&str])] = &[
    ("crates/types", &[]),
    ("crates/crypto", &["crates/types"]),
    ("crates/policy", &["crates/types"]),
    ("crates/store", &["crates/types", "crates/crypto"]),
    // The policies only for `Permit`.
    (
        "crates/keys",
        &["crates/types", "crates/crypto", "crates/policy"],
    ),
    ("crates/wire", &["crates/types", "crates/crypto"]),
    ("crates/oidc", &["crates/types", "crates/crypto"]),
    ("crates/metrics", &[]),
    (
        "crates/trail",
        &["crates/types", "crates/crypto", "crates/wire"],
    ),
    ("crates/pace", &["crates/types"]),
    ("crates/altus", &["crates/types", "crates/crypto"]),
    (
        "crates/records",
        &[
            "crates/types",
            "crates/crypto",
            "crates/policy",
            "crates/altus",
        ],
    ),
    (
        "crates/engine",
        &[
            "crates/types",
            "crates/crypto",
            "crates/policy",
            "crates/store",
            "crates/wire",
            "crates/oidc",
            "crates/trail",
            "crates/pace",
            "crates/altus",
            "crates/records",
            "crates/metrics",
        ],
    ),
    // An API sees neither the key core nor another API. It has the policies from the engine: whoever uses
    // that crate can make permits.
    (
        "apis/*",
        &[
            "crates/types",
            "crates/crypto",
            "crates/store",
            "crates/wire",
            "crates/engine",
        ],
    ),
    ("apis/kms", &["crates/keys"]),
    // Identity providers, and the tokens that they issue.
    ("apis/iam", &["crates/oidc"]),
    ("apis/sts", &["crates/oidc"]),
    // Explains the decisions of KMS, and those that the trail has; issues access keys of Cloudera's protocol.
    ("apis/own", &["apis/kms", "crates/trail", "crates/altus"]),
    // Speaks Cloudera's protocol.
    ("apis/cde", &["crates/altus"]),
    // A data plane calls Keyward over the network, as anybody does.
    (
        "integrations/*",
        &["crates/types", "crates/crypto", "crates/wire"],
    ),
    // A client signs what it sends.
    (
        "crates/client",
        &["crates/types", "crates/crypto", "crates/wire"],
    ),
    // A bucket is asked over the network.
    ("integrations/copies", &["crates/client"]),
    // The plugin of an API server of Kubernetes asks KMS over the network.
    ("integrations/k8s", &["crates/client"]),
    // Where the block engine, the kernel and KMS meet.
    (
        "integrations/keeper",
        &[
            "crates/client",
            "integrations/volume",
            "integrations/attach",
            "integrations/agent",
        ],
    ),
    // Where an agent's plan meets its machine and its server.
    (
        "integrations/host",
        &[
            "crates/client",
            "integrations/keeper",
            "integrations/volume",
            "integrations/attach",
            "integrations/agent",
            "integrations/nfs",
            "integrations/postgres",
            "integrations/copies",
        ],
    ),
    (
        "crates/services",
        &[
            "crates/types",
            "crates/crypto",
            "crates/store",
            "crates/keys",
            "crates/wire",
            "crates/oidc",
            "crates/trail",
            "crates/engine",
            "apis/*",
        ],
    ),
    (
        "crates/server",
        &[
            "crates/types",
            "crates/crypto",
            "crates/policy",
            "crates/store",
            "crates/keys",
            "crates/wire",
            "crates/oidc",
            "crates/trail",
            "crates/altus",
            "crates/engine",
            "crates/services",
            "crates/client",
            "integrations/keeper",
            "integrations/volume",
            "integrations/attach",
            "integrations/agent",
            "integrations/nfs",
            "integrations/copies",
            "integrations/host",
            "integrations/k8s",
        ],
    ),
    (
        "crates/testkit",
        &[
            "crates/types",
            "crates/crypto",
            "crates/policy",
            "crates/store",
            "crates/keys",
            "crates/oidc",
            "crates/trail",
            "crates/engine",
            "crates/services",
            "apis/kms",
        ],
    ),
    (
        "bench",
        &[
            "crates/types",
            "crates/crypto",
            "crates/store",
            "crates/wire",
        ],
    ),
    ("xtask", &["crates/crypto"]),
];

/// What only the tests of a crate may use in addition.
const TESTS_MAY_USE: &[(&str, &[&str])] = &[
    // Permits that no policy gave.
    ("crates/services", &["crates/policy", "crates/testkit"]),
    // The suite that every engine of the store runs.
    ("crates/store", &["crates/store"]),
];

/// One arrow between two of our crates, each by its folder.
#[derive(Debug)]
struct Arrow {
    from: String,
    to: String,
    only_in_tests: bool,
}

/// Reports every arrow that no row allows, and every crate without a row.
pub fn check(root: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let text = run::output(run::cargo(arguments).current_dir(root))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let (crates, arrows) = read(root, &metadata)?;
    check_crates(&crates, &arrows, found);
    Ok(())
}

/// The folders of our crates, and the arrows between them.
fn read(root: &Path, metadata: &Value) -> anyhow::Result<(Vec<String>, Vec<Arrow>)> {
    let packages = metadata.get("packages").and_then(Value::as_array);
    let packages = packages.context("cargo metadata lists no packages")?;
    let mut folders = BTreeMap::new();
    for package in packages {
        let name = text(package, "name")?;
        let manifest = Path::new(text(package, "manifest_path")?);
        let folder = manifest.parent().unwrap_or(manifest);
        let folder = folder.strip_prefix(root).unwrap_or(folder);
        folders.insert(name, folder.to_string_lossy().into_owned());
    }
    let mut arrows = Vec::new();
    for package in packages {
        let dependencies = package.get("dependencies").and_then(Value::as_array);
        for dependency in dependencies.context("a package has no list of dependencies")? {
            let (name, from) = (text(dependency, "name")?, text(package, "name")?);
            if let (Some(from), Some(to)) = (folders.get(from), folders.get(name)) {
                arrows.push(Arrow {
                    from: from.clone(),
                    to: to.clone(),
                    only_in_tests: dependency.get("kind").and_then(Value::as_str) == Some("dev"),
                });
            }
        }
    }
    Ok((folders.into_values().collect(), arrows))
}

fn text<'v>(value: &'v Value, member: &str) -> anyhow::Result<&'v str> {
    let found = value.get(member).and_then(Value::as_str);
    found.with_context(|| format!("cargo metadata has no {member}"))
}

fn check_crates(crates: &[String], arrows: &[Arrow], found: &mut Vec<String>) {
    for folder in crates {
        if !MAY_USE.iter().any(|(of, _)| is_meant(of, folder)) {
            found.push(format!(
                "{folder}: no row of tidy/directions.rs says what it may use"
            ));
        }
    }
    for Arrow {
        from,
        to,
        only_in_tests,
    } in arrows
    {
        let tests = if *only_in_tests { TESTS_MAY_USE } else { &[] };
        if !allows(MAY_USE, from, to) && !allows(tests, from, to) {
            found.push(format!(
                "{from}: must not use {to} (see xtask/src/tidy/directions.rs)"
            ));
        }
    }
}

fn allows(rows: &[(&str, &[&str])], from: &str, to: &str) -> bool {
    let rows = rows.iter().filter(|(of, _)| is_meant(of, from));
    rows.flat_map(|(_, uses)| *uses)
        .any(|used| is_meant(used, to))
}

/// Whether a pattern of the table means that folder.
fn is_meant(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(within) => folder
            .strip_prefix(within)
            .is_some_and(|name| !name.is_empty() && !name.contains('/')),
        None => pattern == folder,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is found if one crate uses another, by their folders.
    fn used(from: &str, to: &str, kind: Option<&str>) -> Vec<String> {
        let package = |folder: &str, dependencies: Value| {
            json!({
                "name": folder,
                "manifest_path": format!("/x/{folder}/Cargo.toml"),
                "dependencies": dependencies,
            })
        };
        let metadata = json!({ "packages": [
            package(from, json!([
                { "name": "serde", "kind": null },
                { "name": to, "kind": kind },
            ])),
            package(to, json!([])),
        ]});
        let (crates, arrows) = read(Path::new("/x"), &metadata).unwrap();
        let mut found = Vec::new();
        check_crates(&crates, &arrows, &mut found);
        found
    }

    #[test]
    fn an_api_uses_the_engine_and_needs_no_row_for_it() {
        assert_eq!(used("apis/new", "crates/engine", None), [""; 0]);
        assert_eq!(used("crates/services", "apis/new", None), [""; 0]);
    }

    #[test]
    fn a_wrong_direction_is_found() {
        let wrong = [
            ("apis/new", "apis/kms"),
            ("apis/kms", "apis/iam"),
            ("apis/own", "apis/sts"),
            ("apis/new", "crates/keys"),
            ("apis/new", "crates/policy"),
            ("apis/new", "crates/trail"),
            ("integrations/volume", "crates/engine"),
            ("integrations/volume", "crates/store"),
            ("integrations/volume", "crates/client"),
            ("integrations/keeper", "crates/engine"),
            ("integrations/k8s", "crates/engine"),
            ("integrations/k8s", "integrations/keeper"),
            ("crates/client", "crates/engine"),
            ("crates/client", "integrations/agent"),
            ("integrations/volume", "apis/kms"),
            ("integrations/postgres", "crates/client"),
            ("integrations/postgres", "integrations/volume"),
            ("integrations/nfs", "integrations/postgres"),
            ("crates/engine", "apis/kms"),
            ("crates/engine", "crates/keys"),
            ("crates/policy", "crates/store"),
            ("crates/types", "crates/crypto"),
            ("crates/server", "apis/kms"),
            ("crates/server", "crates/testkit"),
        ];
        for (from, to) in wrong {
            let said = format!("{from}: must not use {to} (see xtask/src/tidy/directions.rs)");
            assert_eq!(used(from, to, None), [said]);
        }
    }

    #[test]
    fn what_only_tests_may_use_is_no_dependency_of_the_program() {
        for kind in [None, Some("build")] {
            assert_eq!(used("crates/services", "crates/testkit", kind).len(), 1);
        }
        assert_eq!(
            used("crates/services", "crates/testkit", Some("dev")),
            [""; 0]
        );
        assert_eq!(used("apis/new", "crates/testkit", Some("dev")).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let said = "crates/new: no row of tidy/directions.rs says what it may use";
        assert_eq!(used("crates/server", "crates/new", None)[0], said);
        assert_eq!(used("apis/new/inner", "crates/types", None).len(), 2);
    }
}

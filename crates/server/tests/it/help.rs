//! The help of every command, word for word. `UPDATE_EXPECT=1` writes it.

use std::path::Path;

use expect_test::expect_file;

use crate::command::Desk;

#[test]
fn the_help_of_every_command_is_as_it_was_reviewed() {
    check(&Desk::new(), &[]);
}

fn check(desk: &Desk, words: &[String]) {
    let name = if words.is_empty() {
        "keyward".to_owned()
    } else {
        words.join("-")
    };
    let help = desk.keyward(&format!("{} --help", words.join(" "))).ok();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/help");
    expect_file![golden.join(format!("{name}.txt"))].assert_eq(&help);
    let commands = commands(&help);
    let has_examples = ["Example:\n", "Examples:\n"]
        .iter()
        .any(|title| help.contains(title));
    assert!(
        has_examples || !commands.is_empty(),
        "{name} has no examples"
    );
    for command in commands {
        let words = [words, &[command]].concat();
        check(desk, &words);
    }
}

#[test]
fn the_help_names_every_api() {
    let desk = Desk::new();
    for help in [desk.keyward("--help").ok(), desk.keyward("serve -h").ok()] {
        for title in keyward_services::apis::titles() {
            assert!(help.contains(title), "{title} is not in {help}");
        }
    }
}

/// The commands that a help names.
fn commands(help: &str) -> Vec<String> {
    let mut lines = help.lines().skip_while(|line| *line != "Commands:");
    lines.next();
    let listed = lines.take_while(|line| line.starts_with("  "));
    let names = listed.filter_map(|line| line.strip_prefix("  "));
    names
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_version_names_the_commit() {
    let version = Desk::new().keyward("--version").ok();
    let known = format!("keyward {} (", env!("CARGO_PKG_VERSION"));
    let commit = version.strip_prefix(&known).expect(&version);
    assert!(commit.ends_with(")\n"), "{version}");
}

#[test]
fn completions_are_there_for_three_shells() {
    let desk = Desk::new();
    for (shell, part) in [
        ("bash", "complete -F _keyward"),
        ("zsh", "#compdef keyward"),
        ("fish", "complete -c keyward"),
    ] {
        let script = desk.keyward(&format!("completions {shell}")).ok();
        assert!(script.contains(part), "{shell}");
        assert!(script.contains("accept-restore"), "{shell}");
    }
}

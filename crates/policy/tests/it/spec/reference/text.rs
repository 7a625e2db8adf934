//! Wildcards and variables, the slow way.

use super::super::scenario::{Kind, Scenario};

/// A character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    Char(char),
    One,
    Any,
}

/// Text in which `*` and `?` are wildcards.
pub fn tokens(text: &str) -> Vec<Pattern> {
    text.chars()
        .map(|c| match c {
            '*' => Pattern::Any,
            '?' => Pattern::One,
            c => Pattern::Char(c),
        })
        .collect()
}

pub fn literal(text: &str) -> Vec<Pattern> {
    text.chars().map(Pattern::Char).collect()
}

/// The text of a pattern without wildcards.
pub fn plain(pattern: &[Pattern]) -> String {
    pattern
        .iter()
        .map(|token| match token {
            Pattern::Char(c) => *c,
            Pattern::One => '?',
            Pattern::Any => '*',
        })
        .collect()
}

/// The textbook table: `table[j]` says whether the pattern so far matches the first `j`
/// characters.
pub fn like(pattern: &[Pattern], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut table = vec![false; text.len() + 1];
    table[0] = true;
    for token in pattern {
        let before = table.clone();
        for j in 0..=text.len() {
            table[j] = match token {
                Pattern::Any => before[..=j].contains(&true),
                Pattern::One => j > 0 && before[j - 1],
                Pattern::Char(c) => j > 0 && before[j - 1] && text[j - 1] == *c,
            };
        }
    }
    table[text.len()]
}

/// Puts in the values of variables, each as literal text; `None` if one has no value.
pub fn substitute(s: &Scenario, text: &str, variables: bool) -> Option<Vec<Pattern>> {
    if !variables {
        return Some(tokens(text));
    }
    let mut out = Vec::new();
    let mut rest = text.to_owned();
    while let Some(start) = rest.find("${") {
        out.extend(tokens(&rest[..start]));
        let end = start + rest[start..].find('}').unwrap();
        let inner = rest[start + 2..end].to_owned();
        rest = rest[end + 1..].to_owned();
        if ["*", "?", "$"].contains(&inner.as_str()) {
            out.extend(literal(&inner));
            continue;
        }
        let (name, default) = match inner.split_once(", '") {
            Some((name, default)) => (name, Some(default.strip_suffix('\'').unwrap())),
            None => (inner.as_str(), None),
        };
        match lookup(s, name) {
            Found::One(value) => out.extend(literal(&value)),
            Found::Absent => out.extend(literal(default?)),
            Found::Many(_) | Found::Clash(_) => return None,
        }
    }
    out.extend(tokens(&rest));
    Some(out)
}

/// What a request has under a key, whatever the case of its name.
pub enum Found {
    Absent,
    One(String),
    Many(Vec<String>),
    Clash(Vec<String>),
}

pub fn lookup(s: &Scenario, name: &str) -> Found {
    let mut singles = Vec::new();
    for (key, kind, values) in &s.context {
        if key.to_lowercase() != name.to_lowercase() {
            continue;
        }
        match kind {
            // An empty list counts as absent.
            Kind::Many if values.is_empty() => return Found::Absent,
            Kind::Many => return Found::Many(values.clone()),
            Kind::One => singles.extend(values.clone()),
        }
    }
    match singles.as_slice() {
        [] => Found::Absent,
        [one] => Found::One(one.clone()),
        _ => Found::Clash(singles),
    }
}

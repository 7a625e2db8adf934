//! Wildcard patterns, matched without backtracking over what a `*` has matched.
//!
//! A pattern is cut at its `*`s. The first and the last segment are at the ends of the text, those
//! between are each taken where they first occur, which is never worse than later. A segment
//! without `?` is found by the standard library's linear search, one with `?` and up to 64
//! characters by shifting bits, one character of text a step. Only longer segments with `?` are
//! compared place by place, and every comparison is charged to the decision's budget.

use crate::work::Work;

/// A character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// This character.
    Char(char),
    /// `?`: any one character.
    One,
    /// `*`: any run of characters, also empty.
    Many,
}

/// The tokens of a text in which `*` and `?` are wildcards.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Token> {
    text.chars().map(|c| match c {
        '*' => Token::Many,
        '?' => Token::One,
        _ => Token::Char(c),
    })
}

/// A compiled pattern over a whole text.
#[derive(Clone, Debug)]
pub(crate) enum Glob {
    /// No wildcards.
    Exact(Box<str>),
    /// `?` but no `*`.
    Fixed(Segment),
    /// At least one `*`.
    Open {
        first: Segment,
        middle: Box<[Segment]>,
        last: Segment,
    },
}

impl Glob {
    /// Compiles tokens.
    pub(crate) fn new(tokens: &[Token]) -> Self {
        let mut segments: Vec<Segment> = tokens
            .split(|token| *token == Token::Many)
            .map(Segment::new)
            .collect();
        // Splitting gives one segment more than there are stars, so there is always a last one.
        let last = segments.pop().unwrap_or_default();
        if segments.is_empty() {
            return match last {
                Segment::Text(text) => Self::Exact(text),
                Segment::Short(_) | Segment::Long(_) => Self::Fixed(last),
            };
        }
        let first = segments.remove(0);
        segments.retain(|segment| !segment.is_empty());
        Self::Open {
            first,
            middle: segments.into(),
            last,
        }
    }

    /// Compiles a text in which `*` and `?` are wildcards.
    pub(crate) fn parse(text: &str) -> Self {
        Self::new(&tokens(text).collect::<Vec<_>>())
    }

    /// Whether the pattern matches the whole text.
    pub(crate) fn matches(&self, text: &str, work: &Work) -> bool {
        match self {
            Self::Exact(wanted) => work.charge(1 + wanted.len() / 16) && **wanted == *text,
            Self::Fixed(segment) => segment.strip_prefix(text, work) == Some(""),
            Self::Open {
                first,
                middle,
                last,
            } => {
                let mut rest = match first.strip_prefix(text, work) {
                    Some(rest) => rest,
                    None => return false,
                };
                for segment in middle {
                    rest = match segment.strip_through(rest, work) {
                        Some(rest) => rest,
                        None => return false,
                    };
                }
                last.ends(rest, work)
            }
        }
    }
}

/// A run between `*`s.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    /// No `?`.
    Text(Box<str>),
    /// With `?`, at most 64 characters.
    Short(Bits),
    /// Longer, with `?`; `None` is a `?`.
    Long(Box<[Option<char>]>),
}

impl Default for Segment {
    fn default() -> Self {
        Self::Text("".into())
    }
}

/// A short segment as bit masks: bit `i` of a character's mask is set if the segment's `i`th place
/// matches that character.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    places: Box<[Option<char>]>,
    /// Sorted by character.
    masks: Box<[(char, u64)]>,
    /// The places of `?`, which match every character.
    any: u64,
    /// The last place.
    goal: u64,
}

impl Segment {
    fn new(tokens: &[Token]) -> Self {
        let places: Box<[Option<char>]> = tokens
            .iter()
            .map(|token| match token {
                Token::Char(c) => Some(*c),
                Token::One | Token::Many => None,
            })
            .collect();
        if places.iter().all(Option::is_some) {
            return Self::Text(places.iter().flatten().collect::<String>().into());
        }
        if places.len() > 64 {
            return Self::Long(places);
        }
        let mut any = 0;
        let mut masks: Vec<(char, u64)> = Vec::new();
        let mut goal = 0;
        for (index, place) in places.iter().enumerate() {
            let bit = 1_u64 << index;
            goal = bit;
            match place {
                None => any |= bit,
                Some(c) => match masks.binary_search_by_key(c, |(c, _)| *c) {
                    Ok(found) => {
                        if let Some((_, mask)) = masks.get_mut(found) {
                            *mask |= bit;
                        }
                    }
                    Err(gap) => masks.insert(gap, (*c, bit)),
                },
            }
        }
        let masks = masks.into();
        Self::Short(Bits {
            places,
            masks,
            any,
            goal,
        })
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn places(&self) -> &[Option<char>] {
        match self {
            Self::Text(_) => &[],
            Self::Short(bits) => &bits.places,
            Self::Long(places) => places,
        }
    }

    /// What follows the segment at the text's start.
    fn strip_prefix<'t>(&self, text: &'t str, work: &Work) -> Option<&'t str> {
        if let Self::Text(wanted) = self {
            return work
                .charge(1 + wanted.len() / 16)
                .then(|| text.strip_prefix(&**wanted))?;
        }
        let mut chars = text.chars();
        let mut steps = 0;
        let matched = self.places().iter().all(|place| {
            steps += 1;
            chars
                .next()
                .is_some_and(|c| place.is_none_or(|wanted| wanted == c))
        });
        (work.charge(steps) && matched).then_some(chars.as_str())
    }

    /// Whether the text ends in the segment.
    fn ends(&self, text: &str, work: &Work) -> bool {
        if let Self::Text(wanted) = self {
            return work.charge(1 + wanted.len() / 16) && text.ends_with(&**wanted);
        }
        let mut chars = text.chars().rev();
        let mut steps = 0;
        let matched = self.places().iter().rev().all(|place| {
            steps += 1;
            chars
                .next()
                .is_some_and(|c| place.is_none_or(|wanted| wanted == c))
        });
        work.charge(steps) && matched
    }

    /// What follows the segment's first occurrence in the text.
    fn strip_through<'t>(&self, text: &'t str, work: &Work) -> Option<&'t str> {
        match self {
            Self::Text(wanted) => {
                if !work.charge(1 + wanted.len() + text.len()) {
                    return None;
                }
                text.split_once(&**wanted).map(|(_, rest)| rest)
            }
            Self::Short(bits) => {
                if !work.charge(1 + text.len()) {
                    return None;
                }
                bits.strip_through(text)
            }
            Self::Long(_) => {
                let mut chars = text.chars();
                loop {
                    if let Some(rest) = self.strip_prefix(chars.as_str(), work) {
                        return Some(rest);
                    }
                    chars.next()?;
                    if work.is_exhausted() {
                        return None;
                    }
                }
            }
        }
    }
}

impl Bits {
    fn strip_through<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut chars = text.chars();
        let mut state = 0_u64;
        loop {
            let c = chars.next()?;
            let mask = match self.masks.binary_search_by_key(&c, |(c, _)| *c) {
                Ok(found) => self.masks.get(found).map_or(0, |(_, mask)| *mask),
                Err(_) => 0,
            };
            state = (state << 1 | 1) & (mask | self.any);
            if state & self.goal != 0 {
                return Some(chars.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::BUDGET;

    fn glob(pattern: &str, text: &str) -> bool {
        Glob::parse(pattern).matches(text, &Work::new(BUDGET))
    }

    #[test]
    fn stars_take_any_run_and_question_marks_one_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("**", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("?", "ab", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*", "a", true),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("*aab*", "aaab", true),
            ("*a?b*", "aaxb!", true),
            ("*a?b*", "aab", true),
            ("*a?b*", "ab", false),
            ("*ab*ab", "ab", false),
            ("*?", "", false),
            ("*??", "é😀", true),
            ("x*?", "x", false),
            ("GenerateDataKey*", "GenerateDataKeyPair", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn long_segments_with_question_marks_match_as_short_ones_do() {
        let long = format!("{}?{}", "a".repeat(50), "b".repeat(50));
        let text = |c: char| format!("{}{}{c}{}x", "a".repeat(9), "a".repeat(50), "b".repeat(50));
        assert!(glob(&format!("*{long}*"), &text('z')));
        assert!(!glob(&format!("*{long}*z"), &text('z')));
        assert!(!glob(&format!("*{long}c*"), &text('z')));
    }

    #[test]
    fn a_hostile_pattern_costs_its_length_times_nothing() {
        // Backtracking would need 2^30 steps here.
        let work = Work::new(BUDGET);
        let pattern = Glob::parse(&("a*".repeat(30) + "b"));
        assert!(!pattern.matches(&"a".repeat(2000), &work));
        assert!(!work.is_exhausted());
        let pattern = Glob::parse(&format!("*{}?b*", "a".repeat(60)));
        assert!(!pattern.matches(&"a".repeat(8000), &work));
        assert!(!work.is_exhausted());
    }

    #[test]
    fn a_long_hostile_pattern_ends_at_the_budget() {
        let work = Work::new(BUDGET);
        let pattern = Glob::parse(&format!("*?{}b*", "a".repeat(4000)));
        assert!(!pattern.matches(&"a".repeat(8000), &work));
        assert!(work.is_exhausted());
    }
}

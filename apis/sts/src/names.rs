//! The texts of ARNs, as several STS operations take them.

/// The model's pattern of the characters of ARNs.
pub const ARN_PATTERN: &str = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD\\u10000-\\u10FFFF]+";

/// Whether all characters of the text are in [`ARN_PATTERN`]. As AWS reads it, its last range
/// begins at `0`, so it excludes only control characters and those beyond U+FFFD.
pub fn is_arn_text(text: &str) -> bool {
    let legal = |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}');
    !text.is_empty() && text.chars().all(legal)
}

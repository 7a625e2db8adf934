//! Words that name no user and no database: the reserved key words of PostgreSQL, and the users of RDS itself.
//!
//! <https://www.postgresql.org/docs/current/sql-keywords-appendix.html>

/// In the alphabet's order.
const WORDS: &[&str] = &[
    "admin",
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "none",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "public",
    "rdsadmin",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "system_user",
    "table",
    "template0",
    "template1",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
];

/// Whether the word is reserved, in any case.
pub fn is_reserved(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    WORDS.binary_search(&word.as_str()).is_ok()
        || word.starts_with("pg_")
        || word.starts_with("rds_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_sorted_and_found_in_any_case() {
        assert!(WORDS.is_sorted());
        for word in [
            "admin",
            "RDSAdmin",
            "User",
            "with",
            "pg_monitor",
            "rds_superuser",
        ] {
            assert!(is_reserved(word), "{word}");
        }
        for word in ["postgres", "master", "app", "users", "dbadmin"] {
            assert!(!is_reserved(word), "{word}");
        }
    }
}

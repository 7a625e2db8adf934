//! Sizes, counts and durations as people write them.

use std::time::Duration;

/// The units of sizes, the largest first.
const UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];
/// Every size of a volume is a multiple of this.
const BLOCK: u64 = 4096;

/// A size in bytes, a multiple of 4096.
///
/// # Errors
/// When the text is none; it says how one is written.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = if unit.is_empty() { "B" } else { unit };
    let factor = UNITS.iter().find(|(name, _)| *name == unit);
    let bytes = factor.and_then(|(_, factor)| digits.parse::<u64>().ok()?.checked_mul(*factor));
    let bytes = bytes.ok_or_else(|| {
        format!(
            "`{text}` is not a size: write a number of bytes, or a number with KiB, MiB, GiB or TiB, such as 10GiB"
        )
    })?;
    if bytes.is_multiple_of(BLOCK) {
        Ok(bytes)
    } else {
        Err(format!(
            "`{text}` is not a multiple of 4096 bytes: add a unit, such as in 10GiB"
        ))
    }
}

/// A size as people read it: exactly in the largest unit that allows it, or with one decimal.
pub fn show_size(bytes: u64) -> String {
    let unit = UNITS.iter().find(|(_, factor)| bytes >= *factor);
    let (name, factor) = unit.copied().unwrap_or(("B", 1));
    let tenths = u128::from(bytes) * 10 / u128::from(factor);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {name}"),
        (whole, tenth) => format!("{whole}.{tenth} {name}"),
    }
}

/// A number with its noun.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// A duration: a number with s, m or h.
///
/// # Errors
/// When the text is none; it says how one is written.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = || {
        let unit = text.chars().last()?;
        let digits = text.strip_suffix(unit)?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| all_digits)?;
        Some(Duration::from_secs(number.checked_mul(factor)?))
    };
    parsed().ok_or_else(|| {
        format!("`{text}` is not a duration: write a number with s, m or h, such as 60m")
    })
}

/// How often KMS is asked again: from a second to a minute.
///
/// # Errors
/// When the text is no such duration.
pub fn parse_recheck(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if (1..=60).contains(&duration.as_secs()) {
        Ok(duration)
    } else {
        Err(
            "KMS is asked at least every minute, and at most every second: write 1s to 60s"
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("8192"), Ok(8192));
        assert_eq!(parse_size("4KiB"), Ok(4096));
        assert_eq!(parse_size("10GiB"), Ok(10 << 30));
        assert_eq!(parse_size("1TiB"), Ok(1 << 40));
        assert_eq!(
            parse_size("5000").unwrap_err(),
            "`5000` is not a multiple of 4096 bytes: add a unit, such as in 10GiB"
        );
        for wrong in [
            "",
            "GiB",
            "10GB",
            "1.5GiB",
            "-1",
            "10 GiB",
            "99999999999TiB",
        ] {
            assert_eq!(
                parse_size(wrong).unwrap_err(),
                format!(
                    "`{wrong}` is not a size: write a number of bytes, or a number with KiB, MiB, GiB or TiB, such as 10GiB"
                )
            );
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, shown) in [
            (0, "0 B"),
            (4096, "4 KiB"),
            (10 << 30, "10 GiB"),
            ((10 << 30) + (512 << 20), "10.5 GiB"),
            (1025 << 20, "1 GiB"),
            (100 << 40, "100 TiB"),
        ] {
            assert_eq!(show_size(bytes), shown);
        }
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("60m"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse_duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "s", "60", "1d", "+1s", "1.5h", "ß"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_recheck("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(parse_recheck("1m"), Ok(Duration::from_secs(60)));
        assert!(parse_recheck("0s").is_err());
        assert!(parse_recheck("61s").is_err());
    }
}

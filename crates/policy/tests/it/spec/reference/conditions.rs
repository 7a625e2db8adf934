//! Condition operators, the slow way.

use std::{cmp::Ordering, net::IpAddr};

use serde_json::Value;

use super::{
    super::scenario::Scenario,
    has_variables, one_or_many, six_parts,
    text::{Found, Pattern, like, lookup, plain, substitute},
};

/// Operators: AND. Keys under one operator: AND.
pub fn conditions_hold(s: &Scenario, policy: &Value, statement: &Value) -> bool {
    let Some(operators) = statement.get("Condition") else {
        return true;
    };
    let denies = statement["Effect"] == "Deny";
    operators.as_object().unwrap().iter().all(|(name, keys)| {
        keys.as_object().unwrap().iter().all(|(key, values)| {
            let values: Vec<String> = one_or_many(values)
                .iter()
                .map(|value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect();
            one_holds(s, has_variables(policy), denies, name, key, &values)
        })
    })
}

fn one_holds(
    s: &Scenario,
    variables: bool,
    denies: bool,
    name: &str,
    key: &str,
    listed: &[String],
) -> bool {
    let mut name = name.to_lowercase();
    let found = lookup(s, key);
    if name == "null" {
        let absent = matches!(found, Found::Absent);
        return listed
            .iter()
            .any(|value| value.eq_ignore_ascii_case(&absent.to_string()));
    }
    let mut set = "";
    for prefix in ["forallvalues:", "foranyvalue:"] {
        if let Some(rest) = name.clone().strip_prefix(prefix) {
            set = prefix;
            name = rest.to_owned();
        }
    }
    let mut if_exists = false;
    if let Some(rest) = name.clone().strip_suffix("ifexists") {
        if_exists = true;
        name = rest.to_owned();
    }
    let negated = name.contains("not");
    let base = name.replace("not", "");
    let test = |value: &String| {
        let any = listed
            .iter()
            .any(|wanted| matches(s, variables, &base, wanted, value));
        if negated { !any } else { any }
    };
    match found {
        Found::Absent if if_exists => true,
        Found::Absent if set == "forallvalues:" => true,
        Found::Absent if set == "foranyvalue:" => false,
        Found::Absent => negated,
        Found::One(value) => test(&value),
        Found::Many(values) if set == "forallvalues:" => values.iter().all(test),
        Found::Many(values) if set == "foranyvalue:" => values.iter().any(test),
        // AWS promises nothing here; a deny is on the safe side.
        Found::Many(values) => denies && values.iter().any(test),
        Found::Clash(values) if denies => values.iter().any(test),
        Found::Clash(values) => values.iter().all(test),
    }
}

/// Whether one listed value matches one value of the request.
fn matches(s: &Scenario, variables: bool, base: &str, wanted: &str, value: &str) -> bool {
    let number = |f: fn(Ordering) -> bool| compare(decimal(value), decimal(wanted)).is_some_and(f);
    let date = |f: fn(Ordering) -> bool| compare(instant(value), instant(wanted)).is_some_and(f);
    // Without wildcards `*` and `?` are themselves.
    let text = || substitute(s, wanted, variables).map(|pattern| plain(&pattern));
    match base {
        "stringequals" => text().is_some_and(|text| text == value),
        "stringequalsignorecase" => {
            text().is_some_and(|text| text.to_lowercase() == value.to_lowercase())
        }
        "stringlike" => {
            substitute(s, wanted, variables).is_some_and(|pattern| like(&pattern, value))
        }
        "numericequals" => number(Ordering::is_eq),
        "numericlessthan" => number(Ordering::is_lt),
        "numericlessthanequals" => number(Ordering::is_le),
        "numericgreaterthan" => number(Ordering::is_gt),
        "numericgreaterthanequals" => number(Ordering::is_ge),
        "dateequals" => date(Ordering::is_eq),
        "datelessthan" => date(Ordering::is_lt),
        "datelessthanequals" => date(Ordering::is_le),
        "dategreaterthan" => date(Ordering::is_gt),
        "dategreaterthanequals" => date(Ordering::is_ge),
        "bool" => {
            let value = value.to_lowercase();
            ["true", "false"].contains(&value.as_str())
                && text().is_some_and(|text| text.to_lowercase() == value)
        }
        "binaryequals" => {
            bytes(value).is_some() && bytes(wanted).is_some() && bytes(value) == bytes(wanted)
        }
        "ipaddress" => in_block(value, wanted),
        "arnequals" | "arnlike" => {
            let Some(pattern) = substitute(s, wanted, variables) else {
                return false;
            };
            let value: Vec<Pattern> = value.chars().map(Pattern::Char).collect();
            match (six_parts(&pattern), six_parts(&value)) {
                (Some(pattern), Some(value)) => pattern
                    .iter()
                    .zip(&value)
                    .all(|(pattern, part)| like(pattern, &plain(part))),
                _ => false,
            }
        }
        other => panic!("{other}"),
    }
}

fn compare<T: PartialOrd>(a: Option<T>, b: Option<T>) -> Option<Ordering> {
    a?.partial_cmp(&b?)
}

/// A decimal as a whole number of millionths; the values in play have no more digits.
fn decimal(text: &str) -> Option<i128> {
    let unsigned = text.trim_start_matches(['-', '+']);
    if text.len() - unsigned.len() > 1 {
        return None;
    }
    let pieces: Vec<&str> = unsigned.split('.').collect();
    let all_digits = |t: &&str| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit());
    if pieces.len() > 2 || !pieces.iter().all(all_digits) {
        return None;
    }
    let whole: i128 = pieces[0].parse().ok()?;
    let fraction = pieces.get(1).copied().unwrap_or("");
    let fraction: i128 = format!("{fraction:0<6}")[..6].parse().ok()?;
    let magnitude = whole * 1_000_000 + fraction;
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

/// Millionths of a second since the epoch: a count of seconds, or ISO 8601.
fn instant(text: &str) -> Option<i128> {
    if let Some(seconds) = decimal(text) {
        return Some(seconds);
    }
    let (date, time) = text.split_once('T').map_or((text, ""), |(d, t)| (d, t));
    let fields: Vec<i128> = date
        .split('-')
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    let (year, month, day) = match fields[..] {
        [year, month] if time.is_empty() => (year, month, 1),
        [year, month, day] => (year, month, day),
        _ => return None,
    };
    let leap = |y: i128| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let lengths = |y| {
        let february = if leap(y) { 29 } else { 28 };
        [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    };
    let in_month = *lengths(year).get(usize::try_from(month - 1).ok()?)?;
    if !(1..=in_month).contains(&day) {
        return None;
    }
    let mut days = day - 1;
    for y in 1970..year {
        days += lengths(y).iter().sum::<i128>();
    }
    days += lengths(year)[..usize::try_from(month - 1).unwrap()]
        .iter()
        .sum::<i128>();
    let mut micros = days * 86_400_000_000;
    if !time.is_empty() {
        let (clock, minutes_ahead) = if let Some(clock) = time.strip_suffix('Z') {
            (clock, 0)
        } else {
            let (clock, ahead) = time.split_once('+')?;
            let (hours, minutes) = ahead.split_once(':')?;
            (
                clock,
                hours.parse::<i128>().ok()? * 60 + minutes.parse::<i128>().ok()?,
            )
        };
        let fields: Vec<i128> = clock.split(':').map(decimal).collect::<Option<_>>()?;
        micros += fields[0] * 3600 + fields[1] * 60 + fields.get(2).unwrap_or(&0);
        micros -= minutes_ahead * 60_000_000;
    }
    Some(micros)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::new();
    for quad in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for c in quad {
            bits = bits << 6 | ALPHABET.find(char::from(*c))?;
        }
        out.extend_from_slice(&u32::try_from(bits).unwrap().to_be_bytes()[1..]);
    }
    Some(out)
}

/// Compares the leading bits, written out as text.
fn in_block(value: &str, block: &str) -> bool {
    let (network, prefix) = match block.split_once('/') {
        Some((network, prefix)) => (network, prefix.parse::<usize>().ok()),
        None => (block, Some(usize::MAX)),
    };
    let (Ok(value), Ok(network)) = (value.parse::<IpAddr>(), network.parse::<IpAddr>()) else {
        return false;
    };
    let bits = |address: IpAddr| match address {
        // IPv4 within IPv6, so that both ways of writing an IPv4 address are one.
        IpAddr::V4(v4) => format!("{:0128b}", u128::from(v4.to_ipv6_mapped())),
        IpAddr::V6(v6) => format!("{:0128b}", u128::from(v6)),
    };
    let is_v4 =
        |address: IpAddr| bits(address).starts_with(&bits("::ffff:0:0".parse().unwrap())[..96]);
    let width = if network.is_ipv4() { 32 } else { 128 };
    let Some(prefix) = prefix.map(|p| if p == usize::MAX { width } else { p }) else {
        return false;
    };
    if prefix > width {
        return false;
    }
    let prefix = if network.is_ipv4() {
        prefix + 96
    } else {
        prefix
    };
    // The two families are apart: no IPv6 block holds IPv4 addresses unless it lies within them.
    is_v4(value) == (is_v4(network) && prefix >= 96)
        && bits(value)[..prefix] == bits(network)[..prefix]
}

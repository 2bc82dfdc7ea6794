//! Formats of texts in a schema.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a text has a format. An unknown format holds for every text.
pub(super) fn holds(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "datetime" => date_time(text),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => duration(text),
        "uri" => uri(text),
        "email" => email(text),
        "hostname" => hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => mac(text),
        "uuid" => uuid(text, None),
        "uuid3" => uuid(text, Some('3')),
        "uuid4" => uuid(text, Some('4')),
        "uuid5" => uuid(text, Some('5')),
        "byte" => base64(text),
        "hexcolor" => hex_color(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "ssn" => pattern_ssn(text),
        "isbn10" => isbn10(text),
        "isbn13" => isbn13(text),
        "isbn" => isbn10(text) || isbn13(text),
        "creditcard" => credit_card(text),
        "rgbcolor" => rgb_color(text),
        "k8sshortname" => cedge_kinds::formats::dns_label(text).is_empty(),
        "k8slongname" => cedge_kinds::formats::dns_subdomain(text).is_empty(),
        _ => true,
    }
}

/// RFC 3339, with `T` or `t`, fractions, and `Z` or an offset.
fn date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && matches!(bytes[10], b'T' | b't')
        && (text.ends_with(['Z', 'z']) || offset(text))
        && text.to_uppercase().parse::<jiff::Timestamp>().is_ok()
}

fn offset(text: &str) -> bool {
    let tail = text.len().checked_sub(6).and_then(|at| text.get(at..));
    tail.is_some_and(|tail| tail.starts_with(['+', '-']) && tail.as_bytes()[3] == b':')
}

/// `1h30m`, `-1.5s`, or a number with one unit in words (`22 ns`, `3 days`).
pub(crate) fn duration(text: &str) -> bool {
    const UNITS: [&str; 7] = ["ns", "us", "µs", "ms", "s", "m", "h"];
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    let mut left = rest;
    while !left.is_empty() {
        let end = left
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(left.len());
        let (number, tail) = left.split_at(end);
        if number.is_empty() || number.matches('.').count() > 1 || number == "." {
            return words(text);
        }
        let unit = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        if !UNITS.contains(&&tail[..unit]) {
            return words(text);
        }
        left = &tail[unit..];
    }
    true
}

fn words(text: &str) -> bool {
    const WORDS: [&str; 22] = [
        "ns",
        "nano",
        "nanosecond",
        "us",
        "µs",
        "micro",
        "microsecond",
        "ms",
        "milli",
        "millisecond",
        "s",
        "sec",
        "second",
        "m",
        "min",
        "minute",
        "h",
        "hr",
        "hour",
        "d",
        "day",
        "w",
    ];
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let single = unit.strip_suffix('s').unwrap_or(unit);
    !number.is_empty() && (WORDS.contains(&unit) || WORDS.contains(&single) || single == "week")
}

fn uri(text: &str) -> bool {
    if text.chars().any(|c| c.is_ascii_control() || c == ' ') {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut letters = scheme.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !rest.is_empty()
}

fn email(text: &str) -> bool {
    let address = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(at), Some(inner)) => &inner[at + 1..],
        _ => text,
    };
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    !local.is_empty() && !domain.is_empty() && !address.contains(char::is_whitespace)
}

fn hostname(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    !text.is_empty()
        && text.len() <= 255
        && text.split('.').all(|label| {
            let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let plain = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    let bits: u8 = bits.parse().unwrap_or(u8::MAX);
    plain
        && (address.parse::<Ipv4Addr>().is_ok() && bits <= 32
            || address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

fn mac(text: &str) -> bool {
    let groups = |mark: char, size: usize| {
        let parts: Vec<&str> = text.split(mark).collect();
        matches!(parts.len() * size / 2, 6 | 8 | 20)
            && parts
                .iter()
                .all(|p| p.len() == size && p.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    groups(':', 2) || groups('-', 2) || groups('.', 4)
}

fn uuid(text: &str, version: Option<char>) -> bool {
    let bare: String = text.chars().filter(|c| *c != '-').collect();
    let shaped = text.len() == bare.len() || text.len() == bare.len() + 4;
    let dashes = [8, 13, 18, 23];
    let placed = text.len() == bare.len() || dashes.iter().all(|at| text.as_bytes()[*at] == b'-');
    bare.len() == 32
        && shaped
        && placed
        && bare.bytes().all(|b| b.is_ascii_hexdigit())
        && version.is_none_or(|v| bare.as_bytes()[12] == v as u8)
        && (version.is_none_or(|v| v == '3')
            || matches!(
                bare.as_bytes()[16].to_ascii_lowercase(),
                b'8' | b'9' | b'a' | b'b'
            ))
}

fn base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

fn hex_color(text: &str) -> bool {
    let digits = text.strip_prefix('#').unwrap_or(text);
    matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn rgb_color(text: &str) -> bool {
    let inner = text.strip_prefix("rgb(").and_then(|t| t.strip_suffix(')'));
    inner.is_some_and(|inner| {
        let parts: Vec<&str> = inner.split(',').collect();
        parts.len() == 3 && parts.iter().all(|p| p.trim().parse::<u8>().is_ok())
    })
}

fn pattern_ssn(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let marks = text.len() - digits;
    digits == 9
        && marks <= 2
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'-' || b == b' ')
}

fn code_digits(text: &str) -> Vec<u32> {
    text.chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .map(|c| {
            if c == 'X' || c == 'x' {
                10
            } else {
                c.to_digit(10).unwrap_or(99)
            }
        })
        .collect()
}

fn isbn10(text: &str) -> bool {
    let digits = code_digits(text);
    digits.len() == 10
        && digits.iter().all(|d| *d <= 10)
        && digits
            .iter()
            .zip((1..=10).rev())
            .map(|(d, w)| d * w)
            .sum::<u32>()
            % 11
            == 0
}

fn isbn13(text: &str) -> bool {
    let digits = code_digits(text);
    digits.len() == 13
        && digits.iter().all(|d| *d <= 9)
        && digits
            .iter()
            .zip([1, 3].iter().cycle())
            .map(|(d, w)| d * w)
            .sum::<u32>()
            % 10
            == 0
}

fn credit_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, d)| {
            if i % 2 == 1 {
                (d * 2) / 10 + (d * 2) % 10
            } else {
                *d
            }
        })
        .sum();
    (13..=16).contains(&digits.len()) && sum.is_multiple_of(10)
}

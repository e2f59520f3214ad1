//! What an unquoted scalar is: the core schema of YAML 1.2, so `yes` and `on` are texts.

use serde_json::{Number, Value};

/// The JSON value of an unquoted scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::from(text), Value::Number),
    }
}

/// Infinities and not-a-number stay texts: JSON has no such numbers.
fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let radix =
        [("0o", 8), ("0x", 16)].into_iter().find_map(|(prefix, radix)| Some((text.strip_prefix(prefix)?, radix)));
    if let Some((digits, radix)) = radix {
        let plain = digits.chars().all(|digit| digit.is_digit(radix));
        return u64::from_str_radix(digits, radix).ok().filter(|_| plain).map(Number::from);
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let signed = text.strip_prefix('+').unwrap_or(text);
        if let Ok(whole) = signed.parse::<i64>() {
            return Some(Number::from(whole));
        }
        if let Ok(whole) = signed.parse::<u64>() {
            return Some(Number::from(whole));
        }
    }
    let plain = unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+'));
    text.parse::<f64>().ok().filter(|_| plain).and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_are_what_yaml_1_2_says() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("true", json!(true)),
            ("yes", json!("yes")),
            ("12", json!(12)),
            ("-12", json!(-12)),
            ("+12", json!(12)),
            ("0755", json!(755)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0x+1", json!("0x+1")),
            ("1.50", json!(1.5)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            (".inf", json!(".inf")),
            ("1e999", json!("1e999")),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("0.3.1", json!("0.3.1")),
            ("1h", json!("1h")),
            ("-", json!("-")),
            (".", json!(".")),
        ] {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }
}

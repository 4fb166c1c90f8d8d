//! Durations, sizes and `${NAME}` in values.

use std::time::Duration;

/// A duration such as `"250ms"`, `"5s"`, `"10m"`, `"1h"`, `"7d"`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

/// A size such as `"512"`, `"16kB"`, `"64MB"`, `"1GB"`; units are powers of 1024, as in PostgreSQL.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1 << 10,
        "mb" => 1 << 20,
        "gb" => 1 << 30,
        "tb" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(bytes)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim()))
}

/// Why `${NAME}` could not be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unexpanded {
    /// The variable is not set.
    Unset(String),
    /// `${` without a name and `}`.
    Malformed,
}

/// Replaces each `${NAME}`; `$${` stands for `${` itself.
pub(super) fn expand(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Unexpanded> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at - 1]);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let (name, after) = rest[at + 2..]
            .split_once('}')
            .ok_or(Unexpanded::Malformed)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(Unexpanded::Malformed);
        }
        out.push_str(&env(name).ok_or_else(|| Unexpanded::Unset(name.to_owned()))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "1.5s",
            "5 weeks",
            "99999999999999999999s",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(duration("18446744073709551615h"), None);
    }

    #[test]
    fn sizes() {
        assert_eq!(size("16MB"), Some(16 << 20));
        assert_eq!(size("12"), Some(12));
        assert_eq!(size("18446744073709551615TB"), None);
        assert_eq!(size("MB"), None);
    }

    #[test]
    fn variables() {
        let env = |name: &str| (name == "A").then(|| "x${A}".to_owned());
        assert_eq!(expand("<${A}>", &env).as_deref(), Ok("<x${A}>"));
        assert_eq!(expand("$${A}", &env).as_deref(), Ok("${A}"));
        assert_eq!(expand("SCRAM$4096:$", &env).as_deref(), Ok("SCRAM$4096:$"));
        assert_eq!(expand("${B}", &env), Err(Unexpanded::Unset("B".to_owned())));
        assert_eq!(expand("${A", &env), Err(Unexpanded::Malformed));
        assert_eq!(expand("${}", &env), Err(Unexpanded::Malformed));
    }
}

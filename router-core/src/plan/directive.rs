//! Where the comments in front of a statement say that it goes.

use super::analysis::Asked;
use crate::id::Span;

/// What the comments in front of a statement say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Directive {
    pub(super) place: Option<Directed>,
    pub(super) route: Option<Asked>,
    /// `constraints=per-shard`: the user is content with unique and foreign keys that each shard keeps for itself.
    pub(super) per_shard: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Directed {
    Shard(Span),
    Key(Span),
}

/// `/* shunt: shard=s1 */` or `key=42` among the comments in front of a statement, which begin at `at` in the string.
pub(super) fn directive(comments: &str, at: u32) -> Result<Directive, String> {
    let mut found = Directive::default();
    let mut rest = comments;
    let mut offset = at as usize;
    while let Some(start) = rest.find("/*") {
        let inside = &rest[start + 2..];
        let end = inside.find("*/").ok_or("A comment does not end.")?;
        let body = &inside[..end];
        if let Some(text) = body.trim_start().strip_prefix("shunt:") {
            let text_at = offset + start + 2 + (body.len() - text.len());
            for word in text.split([' ', ',', '\t', '\n']).filter(|w| !w.is_empty()) {
                let (name, value) = word
                    .split_once('=')
                    .ok_or_else(|| format!("\"{word}\" is no directive."))?;
                let value_at = text_at + (value.as_ptr() as usize - text.as_ptr() as usize);
                let span = Span::new(value_at, value_at + value.len());
                let next = match name {
                    "shard" => Directed::Shard(span),
                    "key" => Directed::Key(span),
                    "constraints" if value == "per-shard" => {
                        found.per_shard = true;
                        continue;
                    }
                    "route" if matches!(value, "primary" | "replica") => {
                        let asked = match value {
                            "primary" => Asked::Primary,
                            _ => Asked::Replica,
                        };
                        if found
                            .route
                            .replace(asked)
                            .is_some_and(|before| before != asked)
                        {
                            return Err("There are several routes.".to_owned());
                        }
                        continue;
                    }
                    _ => return Err(format!("\"{word}\" is no directive.")),
                };
                if found.place.replace(next).is_some() {
                    return Err(
                        "A statement has one place: there are several directives.".to_owned()
                    );
                }
            }
        }
        offset += start + 2 + end + 2;
        rest = &inside[end + 2..];
    }
    Ok(found)
}

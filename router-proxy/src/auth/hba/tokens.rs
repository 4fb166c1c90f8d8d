//! Lines, fields and words of `pg_hba.conf` and `pg_ident.conf`.

/// A word; quoted ones have no special meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) quoted: bool,
}

impl Word {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }
}

/// A line that says something: its number, and its fields, each a list of words.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) fields: Vec<Vec<Word>>,
}

/// Splits a file. A backslash at a line's end goes on with the next line; `#` begins a
/// comment; commas make lists. An error is the number of a line whose quotes do not close.
pub(super) fn lines(text: &str) -> Result<Vec<Line>, usize> {
    let mut lines = Vec::new();
    let mut physical = text.lines().enumerate();
    while let Some((index, first)) = physical.next() {
        let mut whole = first.to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            let Some((_, next)) = physical.next() else {
                break;
            };
            whole.push_str(next);
        }
        let fields = fields(&whole).ok_or(index + 1)?;
        if !fields.is_empty() {
            lines.push(Line {
                number: index + 1,
                fields,
            });
        }
    }
    Ok(lines)
}

fn fields(line: &str) -> Option<Vec<Vec<Word>>> {
    let mut fields: Vec<Vec<Word>> = Vec::new();
    let mut rest = line.chars().peekable();
    let mut listing = false;
    loop {
        while rest
            .next_if(|character| character.is_ascii_whitespace())
            .is_some()
        {}
        match rest.peek() {
            None | Some('#') => return Some(fields),
            Some(_) => {}
        }
        let mut word = Word {
            text: String::new(),
            quoted: false,
        };
        let mut inside = false;
        while let Some(character) = rest.next_if(|character| {
            inside || !(character.is_ascii_whitespace() || matches!(character, ',' | '#'))
        }) {
            match character {
                '"' if inside && rest.next_if_eq(&'"').is_some() => word.text.push('"'),
                '"' => {
                    inside = !inside;
                    word.quoted = true;
                }
                _ => word.text.push(character),
            }
        }
        if inside {
            return None;
        }
        match fields.last_mut() {
            Some(list) if listing => list.push(word),
            _ => fields.push(vec![word]),
        }
        listing = rest.next_if_eq(&',').is_some();
    }
}

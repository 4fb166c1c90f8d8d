//! One CommandComplete tag from several.

/// Adds up the row counts of tags that say the same command: `UPDATE 3` and `UPDATE 4` are `UPDATE 7`.
///
/// `INSERT` carries an OID, always 0, before its count. A tag without a count
/// (`CREATE TABLE`) stands as it is when all are alike. `None` when the tags
/// differ in more than their count: then somebody did something else.
pub fn summed<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut command: Option<&str> = None;
    let mut total: Option<u64> = None;
    for tag in tags {
        let (name, count) = match tag.rsplit_once(' ') {
            Some((name, count)) => match count.parse::<u64>() {
                Ok(count) => (name, Some(count)),
                Err(_) => (tag, None),
            },
            None => (tag, None),
        };
        match command {
            None => {
                command = Some(name);
                total = count;
            }
            Some(known) if known == name && total.is_some() == count.is_some() => {
                total = total.zip(count).map(|(a, b)| a.saturating_add(b));
            }
            Some(_) => return None,
        }
    }
    let command = command?;
    Some(match total {
        Some(total) => format!("{command} {total}"),
        None => command.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::summed;

    #[test]
    fn counts_are_summed() {
        assert_eq!(
            summed(["SELECT 2", "SELECT 0", "SELECT 5"]).as_deref(),
            Some("SELECT 7")
        );
        assert_eq!(
            summed(["INSERT 0 1", "INSERT 0 2"]).as_deref(),
            Some("INSERT 0 3")
        );
        assert_eq!(
            summed(["TRUNCATE TABLE", "TRUNCATE TABLE"]).as_deref(),
            Some("TRUNCATE TABLE")
        );
    }

    #[test]
    fn different_commands_are_not_one() {
        assert_eq!(summed(["UPDATE 1", "DELETE 1"]), None);
        assert_eq!(summed(["UPDATE 1", "UPDATE"]), None);
        assert_eq!(summed([]), None);
    }
}

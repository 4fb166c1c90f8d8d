//! What was shown, as a table: the statement, where it went, what came back.

use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets,
};

use super::session::{Answer, Shown};

/// More rows of an answer than this are only counted.
const MOST_ROWS: usize = 5;

/// The table as text, `width` columns wide at most.
pub(super) fn render(shown: &[Shown], width: u16, coloured: bool) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header([heading("statement"), heading("goes to"), heading("answer")]);
    if coloured {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    for (number, one) in shown.iter().enumerate() {
        if number > 0 {
            // The preset draws no line between rows; an empty one keeps them apart.
            table.add_row(["", "", ""]);
        }
        let statement = format!("{}. {}\n{}", number + 1, one.title, one.sql);
        table.add_row([Cell::new(statement), where_to(one), answer(one)]);
    }
    let plan = table.column_mut(1).expect("three columns were set");
    plan.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(26)));
    table.to_string()
}

fn heading(text: &str) -> Cell {
    Cell::new(text).add_attribute(Attribute::Bold)
}

/// The shards, and under them the plan's first line: why these.
fn where_to(one: &Shown) -> Cell {
    if let Answer::Refused { .. } = &one.answer {
        return Cell::new("nowhere").fg(Color::Yellow);
    }
    let rule = one.plan.first().map_or("", String::as_str);
    let text = if one.shards.is_empty() {
        rule.to_owned()
    } else {
        let replica = one
            .replica
            .map(|port| format!(": its replica on port {port}"));
        format!(
            "{}{}\n{rule}",
            one.shards.join(", "),
            replica.unwrap_or_default()
        )
    };
    Cell::new(text).fg(Color::Cyan)
}

fn answer(one: &Shown) -> Cell {
    let cell = match &one.answer {
        Answer::Rows { columns, rows } => Cell::new(aligned(columns, rows)),
        Answer::Refused {
            code,
            message,
            detail,
            hint,
        } => {
            let mut text = format!("ERROR {code}: {message}");
            for (name, line) in [("DETAIL", detail), ("HINT", hint)] {
                if !line.is_empty() {
                    text.push_str(&format!("\n{name}: {line}"));
                }
            }
            Cell::new(text).fg(Color::Yellow)
        }
    };
    if one.wrong.is_some() {
        cell.fg(Color::Red)
    } else {
        cell
    }
}

/// Rows under their columns' names, as psql writes them.
fn aligned(columns: &[String], rows: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(at))
            .chain(columns.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    };
    let rule = widths
        .iter()
        .map(|&width| "-".repeat(width))
        .collect::<Vec<_>>()
        .join("-+-");
    let mut lines = vec![line(columns), rule];
    lines.extend(rows.iter().take(MOST_ROWS).map(|row| line(row)));
    if rows.len() > MOST_ROWS {
        lines.push(format!("… and {} more", rows.len() - MOST_ROWS));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_under_their_columns() {
        let columns = ["id".to_owned(), "name".to_owned()];
        let rows = vec![
            vec!["1".to_owned(), "Ada".to_owned()],
            vec!["20".to_owned(), "Chloé".to_owned()],
        ];
        assert_eq!(
            aligned(&columns, &rows),
            "id | name\n---+------\n1  | Ada\n20 | Chloé"
        );
    }

    #[test]
    fn long_answers_are_cut_and_counted() {
        let rows: Vec<Vec<String>> = (0..9).map(|n| vec![n.to_string()]).collect();
        assert!(aligned(&["n".to_owned()], &rows).ends_with("4\n… and 4 more"));
    }
}

//! The difference as text.

use std::fmt;

use super::{Afterwards, Difference, Left, Move, Rows, TableMove, Tables};

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing moves\n");
        }
        for one in &self.moves {
            write!(f, "{one}")?;
        }
        for left in &self.surplus {
            writeln!(f, "superfluous afterwards: {left}")?;
        }
        for left in &self.homeless {
            writeln!(f, "without a home, must not exist: {left}")?;
        }
        Ok(())
    }
}

/// A line for the move and an indented one for each table.
impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.source, self.target)?;
        match (&self.now, &self.next) {
            (Some(now), Some(next)) if now == next => write!(f, ", placement {now}")?,
            (Some(now), Some(next)) => write!(f, ", placement {now} to {next}")?,
            (Some(now), None) => write!(f, ", out of placement {now}")?,
            (None, Some(next)) => write!(f, ", into placement {next}")?,
            (None, None) => f.write_str(", whole tables")?,
        }
        match self.afterwards {
            Afterwards::Removed => writeln!(f)?,
            Afterwards::Kept => writeln!(f, ", kept on {}", self.source)?,
        }
        for table in &self.tables {
            writeln!(f, "  {table}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TableMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.table, self.rows)
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on {}, {}{}", self.shard, self.table, self.rows)
    }
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(name) => write!(f, "{name}"),
            Self::Unlisted => f.write_str("tables that are not listed"),
        }
    }
}

/// Nothing for all rows, otherwise ` where …`.
impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.condition() {
            None => Ok(()),
            Some(condition) => write!(f, " where {condition}"),
        }
    }
}

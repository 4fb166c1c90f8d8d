//! What PostgreSQL says about a statement: the types of its parameters and the columns of its rows.
//!
//! A program is made of other texts than the client's. So its parameters are declared with the types that the client's
//! own text gives them, and the client is told of the columns of its own text.

use std::hash::{BuildHasher, Hash, Hasher};

use router_core::topology::catalog::FIRST_USER_OID;

use super::columns::{self, Formats};
use crate::wire::backend as b;
use crate::wire::frame::Header;

/// What PostgreSQL says about a statement.
#[derive(Debug, Default)]
pub(crate) struct Description {
    /// Number of parameters and their types, as in a `ParameterDescription` and in a `Parse`.
    pub(crate) types: Vec<u8>,
    /// The body of its `RowDescription`; `None`: it gives no rows.
    pub(super) rows: Option<Vec<u8>>,
}

impl Description {
    /// Of a statement without parameters whose rows have these columns; `None`: it gives no rows.
    pub(crate) fn of_rows(rows: Option<Vec<u8>>) -> Self {
        let types = vec![0, 0];
        Self { types, rows }
    }

    /// What PostgreSQL has said about a statement: the bodies of its `ParameterDescription` and `RowDescription`.
    pub(crate) fn new(types: Vec<u8>, rows: Option<Vec<u8>>) -> Self {
        Self { types, rows }
    }

    /// A number, not 0, that stands for the columns of its rows ([`Self::has_columns_of`]).
    pub(crate) fn shape(&self) -> u64 {
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        let list = self.rows.as_deref().and_then(columns::columns);
        for column in list.iter().flatten() {
            (column.name(), column.type_oid).hash(&mut hasher);
        }
        list.is_some().hash(&mut hasher);
        hasher.finish().max(1)
    }

    /// The same with only the first parameters.
    pub(crate) fn with_parameters(&self, count: u16) -> Self {
        let mut types = count.to_be_bytes().to_vec();
        let known = self.types.get(2..2 + 4 * usize::from(count));
        types.extend_from_slice(known.unwrap_or(&[]));
        let rows = self.rows.clone();
        Self { types, rows }
    }

    /// Whether its rows have columns of the same names and types. Types that somebody made have other numbers on each server, so
    /// of those nothing is told.
    pub(crate) fn has_columns_of(&self, other: &Self) -> bool {
        let columns = |it: &Self| -> Option<Vec<(Vec<u8>, u32)>> {
            let list = columns::columns(it.rows.as_deref()?)?;
            let each = list
                .iter()
                .map(|column| (column.name().to_vec(), column.type_oid.min(FIRST_USER_OID)));
            Some(each.collect())
        };
        columns(self) == columns(other)
    }

    /// The body of the description of its rows; `None`: it gives no rows.
    pub(crate) fn rows(&self) -> Option<Vec<u8>> {
        self.rows.clone()
    }

    /// How many parameters there are.
    pub(crate) fn params(&self) -> usize {
        self.types.len().saturating_sub(2) / 4
    }

    /// The type of a parameter, from 0; 0 where it is not known.
    pub(crate) fn type_of(&self, param: usize) -> u32 {
        let bytes = self.types.get(2 + 4 * param..6 + 4 * param);
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes)
    }

    /// How many columns its rows have; `None`: it gives no rows.
    pub(crate) fn columns(&self) -> Option<usize> {
        let count = self.rows.as_deref()?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*count).into())
    }

    /// Whole messages: of its rows in these formats.
    pub(crate) fn of_portal(&self, formats: &Formats) -> Vec<u8> {
        let Some(rows) = &self.rows else {
            return message(b::NO_DATA, &[]);
        };
        let columns = columns::columns(rows).unwrap_or_default();
        let body = columns::description(&columns, columns.len(), formats);
        message(b::ROW_DESCRIPTION, &body)
    }

    /// Whole messages: of its parameters and rows.
    pub(crate) fn of_statement(&self) -> Vec<u8> {
        let mut bytes = message(b::PARAMETER_DESCRIPTION, &self.types);
        bytes.extend(self.of_portal(&Formats::text()));
        bytes
    }
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let header = Header {
        tag,
        body: body.len(),
    };
    [&header.to_bytes()[..], body].concat()
}

//! What the load benches share. Benches of the pure parts live in `benches/`; README.md beside this crate has what
//! was measured.

pub mod client;
pub mod process;
pub mod sharded;

/// The median of at least one value.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

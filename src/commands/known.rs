//! What plans are made by that are only shown: what the servers say, or nothing.

use router_core::plan::print::Summary;
use router_core::topology::{Catalog, Topology};
use router_proxy::catalog::of_database;
use router_proxy::settings::Database;

use super::Failure;

/// What there is to say where no server was asked and that may matter.
const NOTE: &str = "note: columns, types, views and functions are not known here: the proxy, which reads them from the servers, may do better. \
                    hint: add --connect";

/// What is known of relations and functions, and where names are looked for.
pub(super) struct Known {
    pub(super) catalog: Catalog,
    pub(super) search_path: Vec<String>,
    is_asked: bool,
}

impl Known {
    /// What the servers say of a database if they are to be asked, in the roles of their URLs.
    pub(super) fn of(database: &Database, connect: bool) -> Result<Self, Failure> {
        if !connect {
            return Ok(Self {
                catalog: Catalog::unknown(),
                search_path: ["$user", "public"].map(str::to_owned).into(),
                is_asked: false,
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Failed {
                what: format!("cannot start: {error}"),
                hint: "look at the limits of this process (ulimit -a)".to_owned(),
            })?;
        let read = runtime.block_on(of_database(database));
        let (catalog, search_path) = read.map_err(|report| {
            let detail = report.detail.as_deref().unwrap_or_default();
            Failure::Failed {
                what: format!("{}: {}", report.message, detail.trim_end_matches('.')),
                hint: "shunt check --connect says what is wrong with which server".to_owned(),
            }
        })?;
        Ok(Self {
            catalog,
            search_path,
            is_asked: true,
        })
    }

    /// Whether the servers, which were not asked, might have changed a plan: it is for more than one shard, or names what the
    /// configuration does not list, perhaps a view.
    pub(super) fn may_be_wrong(&self, topology: &Topology, plan: &Summary) -> bool {
        let is_listed = |written: &String| {
            let name = written
                .rsplit('.')
                .next()
                .unwrap_or(written)
                .trim_matches('"');
            topology.tables.keys().any(|table| table.name == name)
        };
        let may_matter =
            plan.tier.is_some_and(|tier| tier > 1) || !plan.tables.iter().all(is_listed);
        !self.is_asked && topology.only_shard().is_none() && may_matter
    }

    /// Says so.
    pub(super) fn note() {
        anstream::eprintln!("{NOTE}");
    }
}

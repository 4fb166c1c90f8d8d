//! The documentation and the parser know the same keys, and the examples parse.

use std::path::Path;
use std::time::Duration;

use router_proxy::settings::{AuthMethod, PoolSettings, ReadSettings};
use shunt::config;

const DOCUMENT: &str = include_str!("../../docs/configuration.md");

fn parse(text: &str) -> router_proxy::settings::Settings {
    config::parse(text, Path::new("shunt.toml"), &|_| None).unwrap_or_else(|e| panic!("{e}"))
}

/// The rows of the section of a table begin with the key in backquotes.
#[test]
fn every_key_is_documented_and_no_other() {
    for table in config::keys::ALL {
        let title = match table.table {
            "" => "## The file\n".to_owned(),
            name => format!("## `{name}`\n"),
        };
        let start = DOCUMENT
            .find(&title)
            .unwrap_or_else(|| panic!("no section {title}"));
        let section = &DOCUMENT[start + title.len()..];
        let section = &section[..section.find("\n## ").unwrap_or(section.len())];
        let mut documented: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect();
        let mut known = table.keys.to_vec();
        documented.sort_unstable();
        known.sort_unstable();
        assert_eq!(documented, known, "{title}");
    }
}

#[test]
fn examples_parse() {
    parse(include_str!("../../deploy/shunt.toml"));
    let mut count = 0;
    for block in DOCUMENT.split("```toml\n").skip(1) {
        let end = block.find("```").expect("the block ends");
        parse(&block[..end]);
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn the_smallest_file_has_the_documented_defaults() {
    let settings = parse(
        "[[databases]]\nname = 'shop'\n[[databases.shards]]\nname = 's0'\nprimary = 'postgres://app@h/shop'\n",
    );
    assert_eq!(settings.workers, 0);
    assert_eq!(settings.max_clients, 10_000);
    assert_eq!(settings.drain_timeout, Duration::from_secs(30));
    assert_eq!(settings.login_timeout, Duration::from_secs(15));
    assert_eq!(settings.auth.method, AuthMethod::ScramSha256);
    assert!(settings.tls.is_none() && settings.catalog.is_none() && settings.http_listen.is_none());
    let database = &settings.databases[0];
    assert_eq!(database.pool, PoolSettings::default());
    assert_eq!(database.reads, ReadSettings::default());
}

#[test]
fn pools_inherit_key_by_key() {
    let settings = parse(
        "[pool]\nmax_size = 7\nmin_size = 2\n[[users]]\nname = 'a'\npassword = 'x'\npool = { max_size = 3 }\n\
         [[databases]]\nname = 'shop'\npool = { mode = 'session' }\n\
         [[databases.shards]]\nname = 's0'\nprimary = 'postgres://app@h/shop'\n",
    );
    let pool = settings.databases[0].pool.with(&settings.users[0].pool);
    assert_eq!((pool.max_size, pool.min_size), (3, 2));
    assert_eq!(pool.mode, router_proxy::settings::PoolMode::Session);
}

/// The example of the product's description, with the files that it names.
#[test]
fn the_product_example_parses_as_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["server.pem", "server.key", "clients.pem"] {
        std::fs::write(folder.path().join(name), "").expect("the file is written");
    }
    let file = folder.path().join("shunt.toml");
    std::fs::write(&file, include_str!("product.toml")).expect("the file is written");
    let settings = config::load(&file).unwrap_or_else(|e| panic!("{e}"));
    let tls = settings.tls.expect("server.tls is there");
    assert_eq!(tls.cert, folder.path().join("server.pem"));
    assert!(settings.catalog.is_some());
    assert_eq!(settings.databases[0].topology.tables.len(), 4);
}

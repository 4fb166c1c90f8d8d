//! The walls between the crates: what each may depend on, and what the core may never touch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}

/// Direct dependencies (not those of tests) of each package of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--offline",
            "--locked",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages
        .iter()
        .map(|package| {
            let direct = package["dependencies"]
                .as_array()
                .expect("a list of dependencies");
            let names = direct
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]))
                .collect();
            (text(&package["name"]), names)
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a name").to_owned()
}

/// All that `package` is built from, however far down, as `cargo tree` resolves it.
fn built_from(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            package,
            "--edges=normal,build",
            "--prefix=none",
        ])
        .args(["--format={lib}", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.trim().trim_end_matches(" (*)").to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn the_core_is_built_without_a_runtime_or_a_source_of_time_and_chance() {
    let parts = built_from("router-core");
    assert!(parts.contains("router_core"), "{parts:?}");
    for banned in [
        "tokio",
        "mio",
        "async_std",
        "smol",
        "futures",
        "futures_util",
        "socket2",
        "rustls",
        "rand",
        "getrandom",
        "chrono",
        "time",
        "hyper",
        "axum",
        "tokio_postgres",
        "postgres_protocol",
    ] {
        assert!(
            !parts.contains(banned),
            "router-core is built from {banned}"
        );
    }
}

#[test]
fn crates_depend_downwards_only() {
    let all = dependencies();
    let may: [(&str, &[&str]); 4] = [
        ("router-core", &[]),
        ("router-client", &["router-core"]),
        ("router-proxy", &["router-core"]),
        ("router-reshard", &["router-core", "router-client"]),
    ];
    for (name, allowed) in may {
        let ours: Vec<&String> = all[name]
            .iter()
            .filter(|one| all.contains_key(*one))
            .collect();
        for one in ours {
            assert!(allowed.contains(&one.as_str()), "{name} depends on {one}");
        }
    }
    let local = &all["local-postgres"];
    assert!(
        local.iter().all(|one| !all.contains_key(one)),
        "local-postgres stands alone: {local:?}"
    );
}

#[test]
fn only_the_libraries_that_parse_see_the_parser() {
    for (name, direct) in dependencies() {
        let sees = direct.contains("sqlparser");
        assert!(!sees || name == "router-core", "{name} names the parser");
    }
    let naming: Vec<PathBuf> = sources("router-core")
        .into_iter()
        .filter(|(_, text)| code(text).any(|line| line.contains("sqlparser::")))
        .map(|(path, _)| path)
        .collect();
    let outside: Vec<&PathBuf> = naming
        .iter()
        .filter(|path| {
            !path
                .components()
                .any(|part| part.as_os_str() == "parse" || part.as_os_str() == "parse.rs")
        })
        .collect();
    assert!(outside.is_empty(), "outside sql/parse: {outside:?}");
}

#[test]
fn the_core_bans_clock_network_files_environment_and_threads() {
    let bans =
        fs::read_to_string(root().join("router-core/clippy.toml")).expect("the bans are there");
    for banned in [
        "std::time::Instant",
        "std::time::SystemTime",
        "std::net::TcpStream",
        "std::fs::File",
        "std::env::var",
        "std::thread::spawn",
    ] {
        assert!(
            bans.contains(&format!("\"{banned}\"")),
            "router-core/clippy.toml allows {banned}"
        );
    }
}

/// Clippy's bans name single functions; this is the whole of what the core may not touch.
/// The plan cache's hasher is seeded by foldhash per process, against flooding with chosen texts:
/// no decision depends on it.
#[test]
fn no_file_of_the_core_names_what_is_outside() {
    let sources = sources("router-core");
    assert!(sources.len() > 5, "the sources were not found");
    for (path, text) in &sources {
        for line in code(text) {
            for banned in [
                "std::time::Instant",
                "std::time::SystemTime",
                "Instant::now",
                "SystemTime::now",
                "std::net",
                "std::fs",
                "std::env",
                "std::thread",
                "std::process",
                "std::io",
                "hash_map::RandomState",
                "async fn",
                ".await",
                "println!",
                "static mut",
            ] {
                assert!(!line.contains(banned), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let workspace =
        fs::read_to_string(root().join("Cargo.toml")).expect("the workspace has a manifest");
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    for package in dependencies().into_keys() {
        let folder = if package == "shunt" {
            root()
        } else {
            root().join(folder_of(&package))
        };
        let manifest =
            fs::read_to_string(folder.join("Cargo.toml")).expect("a package has a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{package} does not take the workspace's lints"
        );
    }
}

fn folder_of(package: &str) -> &str {
    match package {
        "shunt-tests" => "tests",
        "shunt-benches" => "benches",
        other => other,
    }
}

/// Lines of a source that are code of the library: comments and tests left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let library = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    library
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
}

fn sources(package: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(package).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .expect("a folder of sources")
            .flatten()
        {
            let path = entry.path();
            // Files of tests beside the module they test.
            let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                let text = fs::read_to_string(&path).expect("a source is text");
                found.push((path, text));
            }
        }
    }
    found
}

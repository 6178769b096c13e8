//! Who may depend on whom, as `crates/README.md` says it.
#![expect(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate's folder below `crates/`, and the crates of ours that its library or program depends on.
fn rooms() -> BTreeMap<String, (String, Vec<String>)> {
    let cargo = std::env::var("CARGO").expect("cargo runs tests");
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let root = metadata["workspace_root"].as_str().expect("a root");
    let packages = metadata["packages"].as_array().expect("packages");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    packages
        .iter()
        .map(|package| {
            let manifest = text(&package["manifest_path"]);
            let folder = manifest
                .strip_prefix(root)
                .and_then(|path| path.trim_start_matches('/').strip_suffix("/Cargo.toml"))
                .expect("a member");
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let ours = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_string())
                .map(|dependency| text(&dependency["name"]));
            (text(&package["name"]), (folder.to_owned(), ours.collect()))
        })
        .collect()
}

#[test]
fn every_room_depends_on_those_beneath_it_only() {
    let rooms = rooms();
    let is_in = |name: &str, folder: &str| rooms[name].0.starts_with(folder);
    let functions = tests::definition::functions();
    // A step or a front door.
    let works_on_orders = |folder: &str| {
        let name = folder.strip_prefix("crates/");
        let function = name.and_then(|name| functions.get(name));
        function.is_some_and(|function| function.kind != "operations")
    };
    for (name, (folder, dependencies)) in &rooms {
        for dependency in dependencies {
            let allowed = match folder.as_str() {
                "crates/domain" => false,
                folder if works_on_orders(folder) => {
                    dependency == "domain" || is_in(dependency, "crates/lib/")
                }
                "crates/monitor" | "crates/console" | "crates/orderctl" => {
                    dependency == "domain"
                        || is_in(dependency, "crates/lib/")
                        || is_in(dependency, "crates/operations/")
                }
                folder if folder.starts_with("crates/lib/") => {
                    dependency == "domain" || is_in(dependency, "crates/lib/")
                }
                folder if folder.starts_with("crates/operations/") => {
                    dependency == "domain"
                        || is_in(dependency, "crates/lib/")
                        || is_in(dependency, "crates/operations/")
                }
                // These run all that is shipped; the others know no more than the contract.
                "crates/dev/model" => dependency == "memory" || !is_in(dependency, "crates/dev/"),
                "crates/dev/year" => {
                    matches!(&**dependency, "memory" | "wire") || !is_in(dependency, "crates/dev/")
                }
                "crates/dev/memory" => dependency == "domain",
                folder if folder.starts_with("crates/dev/") => false,
                folder => folder.starts_with("tests"),
            };
            assert!(allowed, "{name} ({folder}) must not depend on {dependency}");
        }
    }
}

#[test]
fn domain_knows_no_aws_no_runtime_and_no_environment() {
    let manifest = tests::definition::read("crates/domain/Cargo.toml");
    for banned in ["aws", "tokio", "lambda", "reqwest", "axum"] {
        let named = manifest.lines().any(|line| line.starts_with(banned));
        assert!(!named, "domain depends on {banned}");
    }
}

/// How a provider's tokens and references begin, and words that only it says.
const OF_A_PROVIDER: [&str; 7] = [
    "pm_",
    "pi_",
    "cus_",
    "se-",
    "requires_",
    "canceled",
    "label_already",
];

/// Every file of what is deployed, but for the adapters and what is for a laptop only.
fn files_without_adapters() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let (mut folders, mut files) = (vec![root], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let is_adapter = matches!(name, Some("stripe" | "shipstation"));
            if is_adapter || matches!(name, Some("dev" | "tests" | "examples" | "fixtures")) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn nobody_but_an_adapter_knows_its_providers_own_words() {
    let files = files_without_adapters();
    assert!(files.len() > 100, "{files:?}");
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        // Comments may give an example; so may tests, which stand last.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim().starts_with("//"));
        for line in code {
            let begins = |word: &str| {
                ["\"", "'", "("]
                    .iter()
                    .any(|before| line.contains(&format!("{before}{word}")))
            };
            if OF_A_PROVIDER.iter().any(|word| begins(word)) {
                found.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "\n  {}\n", found.join("\n  "));
}

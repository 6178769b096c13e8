//! Where rustfmt gives up. It leaves a whole chain as it stands as soon as one string in it is
//! longer than a line, and says nothing: so a line that is too long is the sign of code that
//! nobody formats any more. Comments are prose, and as long as their sentences.
#![expect(clippy::expect_used, reason = "tests")]

use std::path::{Path, PathBuf};

/// What rustfmt formats to.
const WIDTH: usize = 100;

#[test]
fn no_line_of_code_is_longer_than_rustfmt_makes_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(!files.is_empty(), "no Rust files below {}", root.display());
    let mut long = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a Rust file is text");
        let lines = source.lines().enumerate();
        let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
        let too_long = code.filter(|(_, line)| line.chars().count() > WIDTH);
        long.extend(too_long.map(|(at, _)| {
            let shown = file.strip_prefix(&root).unwrap_or(&file).display();
            format!("{shown}:{}", at + 1)
        }));
    }
    assert!(
        long.is_empty(),
        "longer than {WIDTH} characters, so rustfmt leaves the statement as it stands: break \
         the string with a backslash at the end of the line, or give a part of the statement a \
         name\n{}",
        long.join("\n")
    );
}

/// Every Rust file below `folder`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

//! Lists the files of the Python package, which are compiled into the binary: `python/src` and `python/launcher.py`.

use std::path::{Path, PathBuf};
use std::{fs, io};

fn main() -> io::Result<()> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python");
    let package = python.join("src");
    let mut files = vec![("__main__.py".to_owned(), python.join("launcher.py"))];
    collect(&package, &package, &mut files)?;
    files.sort();
    let entries: String = files
        .iter()
        .map(|(name, path)| Ok(format!("({name:?}, include_bytes!({:?})),\n", path.canonicalize()?)))
        .collect::<io::Result<_>>()?;
    #[allow(clippy::disallowed_methods, reason = "cargo tells a build script so where to write")]
    let output = Path::new(&std::env::var("OUT_DIR").map_err(io::Error::other)?).join("python_package.rs");
    fs::write(output, format!("&[{entries}]"))?;
    println!("cargo:rerun-if-changed={}", package.display());
    println!("cargo:rerun-if-changed={}", python.join("launcher.py").display());
    Ok(())
}

/// The package's files, by their names below its folder: its modules, and the mark that it is typed.
fn collect(folder: &Path, package: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "__pycache__" && !name.ends_with(".egg-info") {
                collect(&path, package, files)?;
            }
        } else if name.ends_with(".py") || name == "py.typed" {
            let below = path.strip_prefix(package).map_err(io::Error::other)?;
            files.push((below.to_string_lossy().into_owned(), path));
        }
    }
    Ok(())
}

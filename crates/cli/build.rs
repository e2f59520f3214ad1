//! Lists the files that are compiled into the binary: the Python package, `python/src` and `python/launcher.py`, and
//! what new extensions begin with, `templates`.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Files by their names.
type Files = Vec<(String, PathBuf)>;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../python");
    let mut package = vec![("__main__.py".to_owned(), python.join("launcher.py"))];
    println!("cargo:rerun-if-changed={}", python.join("launcher.py").display());
    collect(&python.join("src"), "", &|name| name.ends_with(".py") || name == "py.typed", &mut package)?;
    write("python_package.rs", package)?;

    let mut templates = Vec::new();
    collect(&here.join("templates"), "", &|_| true, &mut templates)?;
    write("templates.rs", templates)
}

/// The files of a folder that are wanted, by their names below it. What Python leaves there is not.
fn collect(folder: &Path, before: &str, is_wanted: &dyn Fn(&str) -> bool, files: &mut Files) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "__pycache__" && !name.ends_with(".egg-info") {
                collect(&path, &format!("{before}{name}/"), is_wanted, files)?;
            }
        } else if is_wanted(&name) {
            files.push((format!("{before}{name}"), path));
        }
    }
    Ok(())
}

/// Writes a list of names and contents to be included.
fn write(name: &str, mut files: Files) -> io::Result<()> {
    files.sort();
    let entries: String = files
        .iter()
        .map(|(name, path)| Ok(format!("({name:?}, include_bytes!({:?})),\n", path.canonicalize()?)))
        .collect::<io::Result<_>>()?;
    #[allow(clippy::disallowed_methods, reason = "cargo tells a build script so where to write")]
    let folder = std::env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&folder).join(name), format!("&[{entries}]"))
}

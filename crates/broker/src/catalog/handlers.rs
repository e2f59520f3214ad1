//! What a manifest's handler means here, and why.

use sandboxer_types::source::Remark;
use sandboxer_types::{Handler, Manifest};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A handler that is compiled in, and what else names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltinHandler {
    /// Its name: `builtin:<name>`.
    pub name: &'static str,
    /// The id of the extension that the 0.1 guide gave it, when it had one.
    pub extension: &'static str,
    /// The Python module that stands for it in a manifest of that id.
    pub module: Option<&'static str>,
}

/// What really runs an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedHandler {
    /// A built-in of this name.
    Builtin(String),
    /// This program.
    Exec(PathBuf),
    /// This class.
    Python {
        /// The module to import.
        module: String,
        /// The class in it.
        class: String,
        /// The folder of the manifest, to be put on the interpreter's path; none for what is compiled in.
        folder: Option<PathBuf>,
        /// The module's file beside the manifest, when it is there.
        file: Option<PathBuf>,
    },
}

/// The package of the 0.1 guide: its modules are also looked for beside the manifest, by their last name.
const GUIDE_PACKAGE: &str = "sandboxer.extensions.";

/// Resolves a manifest's handler; `folder` is where the manifest lies. Says why it means that.
pub(super) fn resolve(
    manifest: &Manifest,
    folder: Option<&Path>,
    builtins: &[BuiltinHandler],
) -> Result<(ResolvedHandler, String), Remark> {
    match &manifest.handler {
        Handler::Builtin(name) => builtin(name, builtins),
        Handler::Exec(path) => program(path, folder),
        Handler::Python { module, class } => Ok(python(module, class, folder)),
        Handler::Bare { module, class } => {
            let stands_for = |builtin: &&BuiltinHandler| {
                builtin.module == Some(module.as_str()) && builtin.extension == manifest.id.as_str()
            };
            match builtins.iter().find(stands_for) {
                Some(builtin) if own_module(folder, module).is_none() => {
                    let why = format!("`{module}` in `{}` stands for the built-in `{}`", manifest.id, builtin.name);
                    Ok((ResolvedHandler::Builtin(builtin.name.to_owned()), why))
                }
                _ => Ok(python(module, class, folder)),
            }
        }
    }
}

fn builtin(name: &str, builtins: &[BuiltinHandler]) -> Result<(ResolvedHandler, String), Remark> {
    if builtins.iter().any(|builtin| builtin.name == name) {
        return Ok((ResolvedHandler::Builtin(name.to_owned()), format!("the built-in `{name}` is named outright")));
    }
    let names = || builtins.iter().map(|builtin| builtin.name);
    let known = names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Err(Remark::new(format!("there is no built-in `{name}`")).near(name, names()).hint(format!("built in are {known}")))
}

fn program(path: &str, folder: Option<&Path>) -> Result<(ResolvedHandler, String), Remark> {
    let folder = folder.ok_or_else(|| Remark::new("what is compiled in has no folder to run a program from"))?;
    let program = folder.join(path.strip_prefix("./").unwrap_or(path));
    let metadata = std::fs::metadata(&program)
        .map_err(|error| Remark::new(format!("`{path}` cannot be found beside the manifest: {error}")))?;
    let inside = matches!((program.canonicalize(), folder.canonicalize()), (Ok(program), Ok(folder)) if program.starts_with(&folder));
    if !inside {
        return Err(Remark::new(format!("`{path}` leads out of the manifest's folder")));
    }
    if !metadata.is_file() {
        return Err(Remark::new(format!("`{path}` is not a file")));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        let hint = format!("chmod +x {}", program.display());
        return Err(Remark::new(format!("`{path}` is not executable")).hint(hint));
    }
    Ok((ResolvedHandler::Exec(program), format!("the program `{path}` lies beside the manifest")))
}

fn python(module: &str, class: &str, folder: Option<&Path>) -> (ResolvedHandler, String) {
    let file = own_module(folder, module);
    let why = match &file {
        Some(file) => format!("the Python module `{module}` is `{}`", file.display()),
        None => {
            format!("the Python module `{module}` does not lie beside the manifest, so the interpreter looks for it")
        }
    };
    let (module, class) = (module.to_owned(), class.to_owned());
    (ResolvedHandler::Python { module, class, folder: folder.map(Path::to_owned), file }, why)
}

/// The file of `module` beside the manifest.
fn own_module(folder: Option<&Path>, module: &str) -> Option<PathBuf> {
    let folder = folder?;
    let names = [Some(module), module.strip_prefix(GUIDE_PACKAGE)];
    names.into_iter().flatten().map(|name| name.replace('.', "/")).find_map(|path| {
        [format!("{path}.py"), format!("{path}/__init__.py")]
            .into_iter()
            .map(|file| folder.join(file))
            .find(|file| file.is_file())
    })
}

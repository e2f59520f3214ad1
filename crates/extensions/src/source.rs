//! Where the workspace's contents come from, checked.

use sandboxer_types::{Failure, Object};
use serde_json::Value;
use std::path::{Component, PathBuf};

/// Where the workspace's contents come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A folder of this machine, with what is not committed.
    Directory(PathBuf),
    /// A repository that git can clone.
    Url {
        /// Where it is.
        url: String,
        /// The branch, tag or commit to check out.
        reference: Option<String>,
    },
}

/// What git may be asked to speak. Notably not `ext::`, which runs a command of the address's own.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "file"];

impl Source {
    /// Reads the inputs `repo` and `ref`.
    pub(crate) fn of(inputs: &Object) -> Result<Option<Self>, Failure> {
        let (repository, reference) = (text(inputs, "repo")?, text(inputs, "ref")?);
        let Some(repository) = repository else {
            return if reference.is_some() {
                Err(wrong("ref", "means nothing without `repo`", None))
            } else {
                Ok(None)
            };
        };
        check_plain("repo", repository)?;
        if repository.starts_with('/') {
            return directory(repository, reference).map(Some);
        }
        if !is_url(repository) {
            let hint = "give a folder's absolute path, or a URL beginning with https://, ssh://, git@HOST: or file://";
            return Err(wrong("repo", "is neither an absolute path nor a URL that can be cloned", Some(hint)));
        }
        crate::git::check(repository).map_err(|message| wrong("repo", message, None))?;
        reference.map_or(Ok(()), check_reference)?;
        Ok(Some(Self::Url { url: repository.to_owned(), reference: reference.map(str::to_owned) }))
    }
}

fn text<'a>(inputs: &'a Object, name: &str) -> Result<Option<&'a str>, Failure> {
    match inputs.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(name, "is no text", None)),
    }
}

fn wrong(name: &str, message: &str, hint: Option<&str>) -> Failure {
    let field = format!("inputs.{name}");
    let failure = Failure::invalid_input(format!("`{field}` {message}")).with_field(field, message);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn check_plain(name: &str, text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        Err(wrong(name, "is empty", None))
    } else if text.starts_with('-') {
        Err(wrong(name, "begins with `-`, as an option would", None))
    } else if text.chars().any(char::is_control) {
        Err(wrong(name, "has control characters in it", None))
    } else {
        Ok(())
    }
}

fn directory(path: &str, reference: Option<&str>) -> Result<Source, Failure> {
    if reference.is_some() {
        let hint = format!("to clone it at a commit, give `file://{path}` as `repo`");
        return Err(wrong("ref", "is for URLs: a folder is copied as it is", Some(&hint)));
    }
    let path = PathBuf::from(path);
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(wrong("repo", "has `..` in it", None));
    }
    Ok(Source::Directory(path))
}

/// A URL of a known scheme, or `user@host:path`. A host that begins with `-` would be an option to ssh.
fn is_url(text: &str) -> bool {
    let plain_host = |host: &str| {
        let host = host.rsplit_once('@').map_or(host, |(user, host)| if user.starts_with('-') { "-" } else { host });
        !host.starts_with('-')
    };
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            SCHEMES.contains(&scheme) && plain_host(host) && (!host.is_empty() || scheme == "file") && rest.len() > 1
        }
        None => text.split_once(':').is_some_and(|(host, path)| {
            host.contains('@') && !host.contains('/') && plain_host(host) && !path.is_empty() && !path.starts_with(':')
        }),
    }
}

/// What can name a branch, a tag or a commit, and nothing that git would read as more than one, or as an option.
fn check_reference(text: &str) -> Result<(), Failure> {
    check_plain("ref", text)?;
    let allowed = |letter: char| !letter.is_whitespace() && !"~^:?*[\\".contains(letter);
    if text.chars().all(allowed) && !text.contains("..") && !text.contains("@{") {
        Ok(())
    } else {
        Err(wrong("ref", "is no name of a branch, a tag or a commit", None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(repository: &str, reference: Option<&str>) -> Result<Option<Source>, Failure> {
        let mut inputs = Object::new();
        inputs.insert("repo".to_owned(), repository.into());
        inputs.extend(reference.map(|reference| ("ref".to_owned(), reference.into())));
        Source::of(&inputs)
    }

    #[test]
    fn folders_and_urls_are_told_apart() {
        assert_eq!(Source::of(&Object::new()), Ok(None));
        assert_eq!(of("/srv/app", None), Ok(Some(Source::Directory("/srv/app".into()))));
        for url in ["https://a.example/x.git", "ssh://git@a/x", "git@a.example:x/y.git", "file:///srv/x"] {
            let expected = Source::Url { url: url.to_owned(), reference: Some("v1.2/b".to_owned()) };
            assert_eq!(of(url, Some("v1.2/b")), Ok(Some(expected)), "{url}");
        }
    }

    #[test]
    fn hostile_values_are_refused_before_anything_sees_them() {
        let hostile = [
            "",
            "-oProxyCommand=id",
            "--upload-pack=id",
            "ext::sh -c id",
            "fd::17",
            "x",
            "../x",
            "./x",
            "/a/../b",
            "a\nb",
            "ssh://-oProxyCommand=id/x",
            "ssh://-x@host/y",
            "-x@host:y",
            "git@-host:x",
            "git@host::x",
            "javascript://x",
            "https://",
            "https://me:se/cret@host/x",
            "ssh://me:secret@host/x",
            "a\0b",
        ];
        for text in hostile {
            let failure = of(text, None).expect_err(text);
            assert!(!failure.residue.may_exist());
            assert!(!failure.to_string().contains("cret"), "{failure}");
        }
        for reference in ["", "-x", "a b", "a..b", "HEAD~1", "a:b", "a\nb", "@{u}"] {
            of("https://a/x", Some(reference)).expect_err(reference);
        }
        of("/srv/app", Some("main")).expect_err("a folder has no ref");
        for name in ["repo", "ref"] {
            let mut inputs = Object::from_iter([("repo".to_owned(), Value::from("https://a/x"))]);
            inputs.insert(name.to_owned(), serde_json::json!(["not", "a", "text"]));
            let failure = Source::of(&inputs).expect_err(name);
            assert_eq!(failure.fields[0].field, format!("inputs.{name}"));
        }
    }
}

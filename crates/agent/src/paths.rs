//! Paths as requests give them.

/// Makes a request's path absolute: `~` and relative paths start at the user's home. Only doubled slashes and single
/// dots are taken out; what `..` means is the kernel's to say, since the component before it may be a link.
pub(crate) fn absolute(path: &str, home: &str) -> String {
    let joined = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}/{rest}"),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("{home}/{path}"),
    };
    let mut clean = String::with_capacity(joined.len());
    for part in joined.split('/').filter(|part| !part.is_empty() && *part != ".") {
        clean.push('/');
        clean.push_str(part);
    }
    if clean.is_empty() { "/".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn paths_start_at_home() {
        for (path, expected) in [
            ("a.txt", "/home/user/a.txt"),
            ("", "/home/user"),
            ("~", "/home/user"),
            ("~/x//y/", "/home/user/x/y"),
            ("~other", "/home/user/~other"),
            ("/", "/"),
            ("/etc/./passwd", "/etc/passwd"),
            ("/a/../b", "/a/../b"),
            ("./a", "/home/user/a"),
        ] {
            assert_eq!(absolute(path, "/home/user"), expected, "{path}");
        }
        assert_eq!(absolute("a", "/"), "/a");
    }
}

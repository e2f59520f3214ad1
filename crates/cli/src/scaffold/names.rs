//! What a new extension is called, in each of the ways that a project has to write it.

use sandboxer_types::{ExtensionId, Failure};

/// The name of a new extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectName(String);

/// What templates call the extension, in the ways of [`ProjectName::forms`].
const PLACEHOLDERS: [&str; 4] = ["my-backend", "my_backend", "MyBackend", "My Backend"];

impl ProjectName {
    /// Reads a name, with or without `ext.`. It must also do for a module and a class.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let rule = "1 to 60 of a-z, 0-9 and `-`, beginning with a letter, and ending with a letter or digit";
        match ExtensionId::from_short(text) {
            Ok(id) if id.as_str()["ext.".len()..].starts_with(|first: char| first.is_ascii_lowercase()) => {
                Ok(Self(id.as_str()["ext.".len()..].to_owned()))
            }
            _ => {
                let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
                Err(Failure::invalid_input(format!("`{shown}` cannot be the name of an extension"))
                    .with_field("NAME", rule)
                    .with_hint("choose one such as `my-backend`"))
            }
        }
    }

    /// As it is typed: `my-backend`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the extension.
    pub(crate) fn id(&self) -> String {
        format!("ext.{}", self.0)
    }

    /// The name with dashes, as a module, as a class, and for people.
    fn forms(&self) -> [String; 4] {
        let words: Vec<String> = self.0.split('-').map(capitalised).collect();
        let title = words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(" ");
        [self.0.clone(), self.0.replace('-', "_"), words.concat(), title]
    }

    /// A text of a template, with this name in the place of the template's.
    pub(crate) fn put_into(&self, text: &str) -> String {
        let forms = self.forms();
        PLACEHOLDERS
            .iter()
            .zip(&forms)
            .fold(text.to_owned(), |text, (placeholder, form)| text.replace(placeholder, form))
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_replaced_once() {
        let name = ProjectName::parse("ext.not-my-backend2").expect("a name");
        let text = "ext.my-backend my_backend_extension MyBackendExtension: My Backend";
        let expected = "ext.not-my-backend2 not_my_backend2_extension NotMyBackend2Extension: Not My Backend2";
        assert_eq!(name.put_into(text), expected);
    }
}

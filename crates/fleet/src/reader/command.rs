//! Commands: inline shell, or a file.

use super::Value;
use crate::keys::COMMAND;
use crate::place::At;
use std::path::PathBuf;
use toml::de::DeValue;

/// A command as it was written.
#[derive(Clone, Debug)]
pub(crate) enum RawCommand {
    /// Inline shell.
    Inline(String),
    /// A file, relative to the fleet file that names it.
    File(PathBuf),
}

impl Value<'_> {
    /// Reads a command.
    pub(crate) fn command(&self) -> Option<At<RawCommand>> {
        if matches!(self.item(), DeValue::Table(_)) {
            let file = self.table(&COMMAND)?.need("file")?.text()?;
            let path = file.place.dir().join(&file.value);
            return Some(At { value: RawCommand::File(path), place: file.place });
        }
        let text = self.text()?;
        if text.value.trim().is_empty() {
            self.complain("a command can't be empty", None);
            return None;
        }
        if text.value.contains('\0') {
            self.complain("a command can't hold a NUL character", None);
            return None;
        }
        if let Some(word) = self.first_word_that_is_a_file(&text) {
            let hint = format!(
                "did you mean {{ file = {word:?} }}? a file is carried to where it runs, inline text is not"
            );
            self.complain(
                format!("this runs inline, and its first word `{word}` is a file here"),
                Some(hint),
            );
            return None;
        }
        Some(text.map(RawCommand::Inline))
    }

    fn first_word_that_is_a_file(&self, text: &At<String>) -> Option<String> {
        let word = text.value.split_whitespace().next()?.trim_matches(['"', '\'', ';']);
        let relative = !word.is_empty() && !word.starts_with('/');
        (relative && text.place.dir().join(word).is_file()).then(|| word.to_owned())
    }
}

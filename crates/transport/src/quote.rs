//! Values as ssh's configuration reads them.

/// Why a value can't be handed to ssh.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} can't be handed to ssh: it holds {culprit:?}")]
pub(crate) struct BadValue {
    value: String,
    culprit: char,
}

/// Quotes a value. What could end the quotes, the line or the meaning is refused: ssh's own rules for escaping
/// have changed between versions.
pub(crate) fn quoted(value: &str) -> Result<String, BadValue> {
    refuse(value, |c| c.is_control() || c == '"' || c == '\\')?;
    Ok(format!("\"{value}\""))
}

/// Quotes a value in which ssh would otherwise expand `%x` and `${X}`.
pub(crate) fn quoted_literal(value: &str) -> Result<String, BadValue> {
    refuse(value, |c| c == '$')?;
    quoted(&value.replace('%', "%%"))
}

/// Quotes a path for `Include`, which would expand wildcards in it.
pub(crate) fn quoted_include(path: &str) -> Result<String, BadValue> {
    refuse(path, |c| matches!(c, '*' | '?' | '['))?;
    quoted(path)
}

/// Checks a value that ssh reads to the end of the line, quotes and all: jump hosts.
pub(crate) fn bare(value: &str) -> Result<&str, BadValue> {
    let plain = |c: char| c.is_alphanumeric() || "@%:,./-_[]".contains(c);
    refuse(value, |c| !plain(c))?;
    match value.chars().next() {
        Some('-') => Err(BadValue { value: value.to_owned(), culprit: '-' }),
        _ => Ok(value),
    }
}

fn refuse(value: &str, bad: impl Fn(char) -> bool) -> Result<(), BadValue> {
    match value.chars().find(|c| bad(*c)) {
        Some(culprit) => Err(BadValue { value: value.to_owned(), culprit }),
        None => Ok(()),
    }
}

/// Quotes a word for a POSIX shell, for hints that a person pastes.
pub(crate) fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_start_another_line_or_leave_its_quotes() {
        assert_eq!(quoted("/home/a b/id#1").unwrap(), "\"/home/a b/id#1\"");
        for bad in ["a\nProxyCommand x", "a\"", "a\\", "a\r", "a\0"] {
            assert!(quoted(bad).is_err(), "{bad:?}");
        }
        assert_eq!(quoted_literal("fe80::1%eth0").unwrap(), "\"fe80::1%%eth0\"");
        assert!(quoted_literal("${HOME}/x").is_err());
        assert!(quoted_include("/a/*").is_err());
        assert_eq!(bare("me@[::1]:2222,ssh://b:22").unwrap(), "me@[::1]:2222,ssh://b:22");
        for bad in ["a b", "a\nb", "-oX", "$(x)", "`x`", "a;b"] {
            assert!(bare(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hints_can_be_pasted() {
        assert_eq!(for_shell("~/.ssh/id"), "~/.ssh/id");
        assert_eq!(for_shell("[::1]:22"), "'[::1]:22'");
        assert_eq!(for_shell("it's"), r"'it'\''s'");
    }
}

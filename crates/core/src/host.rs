//! Host names as they are typed after `ssh`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A name that may be handed to `ssh` as a destination: parsed once, never checked again.
///
/// It can't be taken for an option (no leading `-`) and holds no blanks, control characters or quotes, so no
/// name can smuggle anything into a command line, a log or a terminal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// Why a text is no host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadHostName {
    /// Nothing was given.
    Empty,
    /// It begins with `-`, so ssh would read it as an option.
    LeadingDash,
    /// It holds a character that no host name needs.
    BadCharacter(char),
}

impl fmt::Display for BadHostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a host name can't be empty"),
            Self::LeadingDash => write!(f, "a host name can't begin with '-'"),
            Self::BadCharacter(c) => write!(f, "a host name can't hold {c:?}"),
        }
    }
}

impl std::error::Error for BadHostName {}

impl HostName {
    /// Parses a host name.
    ///
    /// # Errors
    /// [`BadHostName`] when the text is empty, begins with `-`, or holds anything but letters, digits and `.-_:@%`.
    pub fn parse(text: &str) -> Result<Self, BadHostName> {
        if text.is_empty() {
            return Err(BadHostName::Empty);
        }
        if text.starts_with('-') {
            return Err(BadHostName::LeadingDash);
        }
        match text.chars().find(|c| !(c.is_alphanumeric() || ".-_:@%".contains(*c))) {
            Some(c) => Err(BadHostName::BadCharacter(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = BadHostName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_ssh_could_misread_are_refused() {
        assert_eq!(HostName::parse(""), Err(BadHostName::Empty));
        assert_eq!(HostName::parse("-oProxyCommand=x"), Err(BadHostName::LeadingDash));
        assert_eq!(HostName::parse("a b"), Err(BadHostName::BadCharacter(' ')));
        assert_eq!(HostName::parse("a\u{1b}[31m"), Err(BadHostName::BadCharacter('\u{1b}')));
        assert_eq!(HostName::parse("a;reboot"), Err(BadHostName::BadCharacter(';')));
        assert!(HostName::parse("deploy@app01.example.org").is_ok());
        assert!(HostName::parse("fe80::1%eth0").is_ok());
    }
}

//! The keys of a host, wherever they stand.

use crate::keys::{DEFAULTS, GROUP, HOST, Keys, WAS};
use crate::nearest::all_of;
use crate::place::{At, absolute};
use crate::problem::Problem;
use crate::reader::{Table, Value, VarValue, is_users};
use snapback_core::host::HostName;
use snapback_core::way::{Become, KnownHosts};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How a host may still be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WasKeys {
    pub(crate) address: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    pub(crate) identity_file: Option<PathBuf>,
    pub(crate) proxy_jump: Option<String>,
    pub(crate) host_key: Option<String>,
}

impl WasKeys {
    /// Lets nearer keys win over these.
    pub(crate) fn overlay(&mut self, nearer: &Self) {
        take(&mut self.address, nearer.address.as_ref());
        take(&mut self.port, nearer.port.as_ref());
        take(&mut self.user, nearer.user.as_ref());
        take(&mut self.identity_file, nearer.identity_file.as_ref());
        take(&mut self.proxy_jump, nearer.proxy_jump.as_ref());
        take(&mut self.host_key, nearer.host_key.as_ref());
    }

    fn read(value: &Value<'_>) -> Option<Self> {
        let table = value.table(&WAS)?;
        Some(Self {
            address: table.get("address").and_then(|v| ssh_word(&v)),
            port: table.get("port").and_then(|v| v.port()),
            user: table.get("user").and_then(|v| ssh_word(&v)),
            identity_file: table.get("identity_file").and_then(|v| path(&v)),
            proxy_jump: table.get("proxy_jump").and_then(|v| jump(&v)),
            host_key: table.get("host_key").and_then(|v| host_key(&v)),
        })
    }
}

/// The keys of a host; what wasn't written is `None`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostKeys {
    pub(crate) r#become: Option<Become>,
    pub(crate) proxy_jump: Option<String>,
    pub(crate) ssh_config: Option<PathBuf>,
    pub(crate) known_hosts: Option<KnownHosts>,
    pub(crate) port: Option<u16>,
    pub(crate) user: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) identity_file: Option<PathBuf>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) host_key: Option<String>,
    pub(crate) protected: Option<bool>,
    pub(crate) tags: Vec<String>,
    pub(crate) vars: BTreeMap<String, VarValue>,
    pub(crate) was: WasKeys,
}

impl HostKeys {
    /// Reads `[defaults]`.
    pub(super) fn of_defaults(value: &Value<'_>) -> Self {
        Self::read(value, &DEFAULTS).map(|(_, keys)| keys).unwrap_or_default()
    }

    /// Reads a `[hosts."..."]` table.
    pub(super) fn of_host(value: &Value<'_>) -> Option<Self> {
        Self::read(value, &HOST).map(|(_, keys)| keys)
    }

    /// Reads a `[groups.NAME]` table: its `on`, and the keys.
    pub(super) fn of_group(value: &Value<'_>) -> Option<(Option<At<String>>, Self)> {
        let (table, keys) = Self::read(value, &GROUP)?;
        Some((table.need("on").and_then(|v| v.text()), keys))
    }

    fn read<'a>(value: &Value<'a>, known: &'static Keys) -> Option<(Table<'a>, Self)> {
        let table = value.table(known)?;
        let keys = Self {
            r#become: table.get("become").and_then(|v| v.word(&BECOME)),
            proxy_jump: table.get("proxy_jump").and_then(|v| jump(&v)),
            ssh_config: table.get("ssh_config").and_then(|v| existing(&v)),
            known_hosts: table.get("known_hosts").and_then(|v| v.word(&KNOWN_HOSTS)),
            port: table.get("port").and_then(|v| v.port()),
            user: table.get("user").and_then(|v| ssh_word(&v)),
            address: table.get("address").and_then(|v| ssh_word(&v)),
            identity_file: table.get("identity_file").and_then(|v| path(&v)),
            connect_timeout: table.get("connect_timeout").and_then(|v| v.duration(false)).map(|d| d.value),
            host_key: table.get("host_key").and_then(|v| host_key(&v)),
            protected: table.get("protected").and_then(|v| v.flag()).map(|flag| flag.value),
            tags: table.get("tags").map(|v| tags(&v)).unwrap_or_default(),
            vars: table.get("vars").map(|v| vars(&v)).unwrap_or_default(),
            was: table.get("was").and_then(|v| WasKeys::read(&v)).unwrap_or_default(),
        };
        Some((table, keys))
    }

    /// Lets nearer keys win over these: `vars` and `was` by key, `tags` add up.
    pub(crate) fn overlay(&mut self, nearer: &Self) {
        take(&mut self.r#become, nearer.r#become.as_ref());
        take(&mut self.proxy_jump, nearer.proxy_jump.as_ref());
        take(&mut self.ssh_config, nearer.ssh_config.as_ref());
        take(&mut self.known_hosts, nearer.known_hosts.as_ref());
        take(&mut self.port, nearer.port.as_ref());
        take(&mut self.user, nearer.user.as_ref());
        take(&mut self.address, nearer.address.as_ref());
        take(&mut self.identity_file, nearer.identity_file.as_ref());
        take(&mut self.connect_timeout, nearer.connect_timeout.as_ref());
        take(&mut self.host_key, nearer.host_key.as_ref());
        take(&mut self.protected, nearer.protected.as_ref());
        for tag in &nearer.tags {
            if !self.tags.contains(tag) {
                self.tags.push(tag.clone());
            }
        }
        self.vars.extend(nearer.vars.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.was.overlay(&nearer.was);
    }
}

const BECOME: [(&str, Become); 5] = [
    ("auto", Become::Auto),
    ("none", Become::None),
    ("sudo", Become::Sudo),
    ("doas", Become::Doas),
    ("run0", Become::Run0),
];

const KNOWN_HOSTS: [(&str, KnownHosts); 2] =
    [("strict", KnownHosts::Strict), ("accept-new", KnownHosts::AcceptNew)];

fn take<T: Clone>(slot: &mut Option<T>, nearer: Option<&T>) {
    if let Some(value) = nearer {
        *slot = Some(value.clone());
    }
}

/// Reads a word that is handed to ssh: what no host name may hold, it may not either.
fn ssh_word(value: &Value<'_>) -> Option<String> {
    let text = value.text()?.value;
    match HostName::parse(&text) {
        Ok(_) => Some(text),
        Err(why) => {
            value.complain(why.to_string().replace("a host name", "this"), None);
            None
        }
    }
}

/// Reads a host key as its `.pub` file has it; the comment is dropped.
fn host_key(value: &Value<'_>) -> Option<String> {
    let text = value.text()?.value;
    let mut words = text.split_ascii_whitespace();
    let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // Each key begins with the length of its type's name, which is less than 256.
    let plain = key.len() > 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    let known = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| kind.starts_with(start));
    if plain && key.starts_with("AAAA") && known && !kind.contains("-cert-") {
        return Some(format!("{kind} {key}"));
    }
    let hint =
        "it is the first two words of a file like /etc/ssh/ssh_host_ed25519_key.pub: \"ssh-ed25519 AAAA...\"";
    value.complain("this is no host key", Some(hint.to_owned()));
    None
}

/// Reads jump hosts: `[user@]host[:port]`, several with commas.
fn jump(value: &Value<'_>) -> Option<String> {
    let text = value.text()?.value;
    hops(value, "proxy_jump", &text).then_some(text)
}

/// Says what is wrong with jump hosts, if anything is.
pub(super) fn hops(value: &Value<'_>, key: &str, text: &str) -> bool {
    for hop in text.split(',') {
        let bare = hop.trim_start_matches("ssh://").replace(['[', ']'], "");
        if let Err(why) = HostName::parse(&bare) {
            let hint = "it is `[user@]host[:port]`, several with commas between them".to_owned();
            value.complain(
                format!("`{key}`: {}", why.to_string().replace("a host name", "a hop")),
                Some(hint),
            );
            return false;
        }
    }
    true
}

/// Reads a path on the controller: `~/` is the home folder, a relative one starts beside the file.
fn path(value: &Value<'_>) -> Option<PathBuf> {
    let text = value.text()?;
    if text.value.is_empty() || text.value.chars().any(char::is_control) {
        value.complain("this is no path", None);
        return None;
    }
    let Some(rest) = text.value.strip_prefix("~/") else {
        return Some(absolute(&text.place.dir().join(&text.value)));
    };
    match std::env::home_dir() {
        Some(home) => Some(home.join(rest)),
        None => {
            value
                .complain("`~/` can't be expanded: the home folder isn't known", Some("set HOME".to_owned()));
            None
        }
    }
}

fn existing(value: &Value<'_>) -> Option<PathBuf> {
    let path = path(value)?;
    match std::fs::File::open(&path) {
        Ok(_) => Some(path),
        Err(why) => {
            value.complain(format!("can't read {}: {why}", value.place().written()), None);
            None
        }
    }
}

fn tags(value: &Value<'_>) -> Vec<String> {
    let mut good = Vec::new();
    for tag in value.texts() {
        let plain = tag.value.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
        if plain && !tag.value.is_empty() {
            good.push(tag.value);
        } else {
            let hint = "use letters, digits, `_`, `-` and `.`";
            value.reading().complain(Problem::at(&tag.place, "this is no tag").hint(hint));
        }
    }
    good
}

fn vars(value: &Value<'_>) -> BTreeMap<String, VarValue> {
    let mut vars = BTreeMap::new();
    for (name, value) in value.entries() {
        if is_users(name.value) {
            continue;
        }
        let name = name.map(str::to_owned);
        if let Some(problem) = var_name_problem(&name) {
            value.reading().complain(problem);
        } else if let Some(var) = value.var() {
            vars.insert(name.value, var);
        }
    }
    vars
}

/// Returns why this can't name a variable: commands see it as `$VAR_NAME`, templates beside `host`.
pub(crate) fn var_name_problem(name: &At<String>) -> Option<Problem> {
    let text = name.value.as_str();
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let problem = Problem::at(&name.place, format!("a variable can't be called `{text}`"));
    if text.is_empty() || !letters || text.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(problem.hint("use letters, digits and `_`, not beginning with a digit"));
    }
    let taken = ["host", "secrets"];
    taken.contains(&text).then(|| problem.hint(format!("{} are taken in templates", all_of(taken))))
}

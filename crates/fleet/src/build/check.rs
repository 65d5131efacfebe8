//! Checks, as one host gets them.

use super::Bench;
use super::host::Target;
use crate::file::{RawCheck, RawProbe};
use crate::place::At;
use crate::problem::Problem;
use snapback_core::change::Command;
use snapback_core::check::{Check, HttpProbe, Probe};

/// A check whose command has been read.
#[derive(Debug)]
pub(super) struct ReadyCheck<'a> {
    pub(super) raw: &'a RawCheck,
    pub(super) name: String,
    command: Option<Command>,
}

impl Bench<'_> {
    /// Reads what a check needs.
    pub(super) fn ready_check<'a>(&mut self, raw: &'a RawCheck, name: String) -> ReadyCheck<'a> {
        let command = match &raw.probe {
            RawProbe::Run(command) => self.command(command),
            _ => None,
        };
        ReadyCheck { raw, name, command }
    }

    /// Returns what a host gets of a check. `use = "ssh"` comes to nothing: the confirmation does it anyway.
    pub(super) fn check_for(
        &self,
        ready: &ReadyCheck<'_>,
        target: Target<'_>,
        address: &str,
    ) -> Option<Check> {
        let probe = match &ready.raw.probe {
            RawProbe::Ssh => return None,
            RawProbe::Run(_) => Probe::Run(ready.command.clone()?),
            RawProbe::Tcp { host, port } => Probe::Tcp {
                host: match host {
                    Some(host) => self.host_text(host, target)?,
                    None => address.to_owned(),
                },
                port: self.port(port, target)?,
            },
            RawProbe::Http { .. } => Probe::Http(self.http(&ready.raw.probe, target)?),
        };
        Some(Check {
            name: ready.name.clone(),
            runs: ready.raw.runs,
            probe,
            pace: ready.raw.pace,
            required: ready.raw.required,
            baseline: ready.raw.baseline,
        })
    }

    fn http(&self, raw: &RawProbe, target: Target<'_>) -> Option<HttpProbe> {
        let RawProbe::Http { url, connect_to, status, contains, headers } = raw else { return None };
        let text = self.plain(url, target)?;
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with(['/', ':', '?']) || text.contains(' '))
        {
            self.wrong(
                url,
                target,
                &format!("{text:?} is no URL"),
                "it begins with http:// or https:// and a host",
            );
            return None;
        }
        let connect_to = match connect_to {
            Some(text) => Some(self.host_and_port(text, target)?),
            None => None,
        };
        let contains = match contains {
            Some(text) => Some(self.rendered(text, target)?),
            None => None,
        };
        let header = |(name, text): &(String, At<String>)| Some((name.clone(), self.plain(text, target)?));
        let headers = headers.iter().map(header).collect::<Option<_>>()?;
        Some(HttpProbe { url: text, connect_to, status: *status, contains, headers })
    }

    /// Renders a text that goes into a request, where a line break would begin another header.
    fn plain(&self, text: &At<String>, target: Target<'_>) -> Option<String> {
        let rendered = self.rendered(text, target)?;
        if rendered.chars().any(char::is_control) {
            self.wrong(text, target, &format!("{rendered:?} holds a control character"), "leave it out");
            return None;
        }
        Some(rendered)
    }

    fn host_text(&self, text: &At<String>, target: Target<'_>) -> Option<String> {
        let host = self.plain(text, target)?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            self.wrong(text, target, &format!("{host:?} is no host"), "write a name or an address");
            return None;
        }
        Some(host)
    }

    fn port(&self, text: &At<String>, target: Target<'_>) -> Option<u16> {
        let port = self.plain(text, target)?;
        let parsed = port.parse().ok().filter(|port: &u16| *port > 0);
        if parsed.is_none() {
            self.wrong(text, target, &format!("{port:?} is no port"), "it is a number from 1 to 65535");
        }
        parsed
    }

    fn host_and_port(&self, text: &At<String>, target: Target<'_>) -> Option<String> {
        let both = self.host_text(text, target)?;
        let good = both
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
        if !good {
            self.wrong(
                text,
                target,
                &format!("{both:?} is no host and port"),
                "write host:port, like \"10.0.0.1:443\"",
            );
        }
        good.then_some(both)
    }

    fn wrong(&self, text: &At<String>, target: Target<'_>, message: &str, hint: &str) {
        self.report.add(Problem::at(&text.place, message).hint(hint).on(target.name));
    }
}

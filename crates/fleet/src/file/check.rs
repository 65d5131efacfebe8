//! `[[checks]]` as they were written.

use super::change::label;
use crate::keys::{CHECK, HTTP, LATER_CHECKS, SSH, TCP};
use crate::nearest::did_you_mean;
use crate::place::{At, Place};
use crate::problem::Problem;
use crate::reader::{RawCommand, Table, Value};
use snapback_core::check::{Pace, Where};
use std::time::Duration;
use toml::de::DeValue;

/// One check.
#[derive(Clone, Debug)]
pub(crate) struct RawCheck {
    pub(crate) name: Option<At<String>>,
    /// Its `[[checks]]` header.
    pub(crate) place: Place,
    /// `healthy_deadline`, or the header: what to point at when the window is too short for it.
    pub(crate) deadline_place: Place,
    pub(crate) on: Option<At<String>>,
    pub(crate) runs: Where,
    pub(crate) probe: RawProbe,
    pub(crate) pace: Pace,
    pub(crate) required: bool,
    pub(crate) baseline: bool,
}

/// What it does; texts may still hold template values.
#[derive(Clone, Debug)]
pub(crate) enum RawProbe {
    /// A command.
    Run(At<RawCommand>),
    /// `use = "http"`.
    Http {
        url: At<String>,
        connect_to: Option<At<String>>,
        status: u16,
        contains: Option<At<String>>,
        headers: Vec<(String, At<String>)>,
    },
    /// `use = "tcp"`; without a host it is the host's own address.
    Tcp { host: Option<At<String>>, port: At<String> },
    /// `use = "ssh"`: what the confirmation does anyway.
    Ssh,
}

impl RawCheck {
    /// Reads one check.
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let table = value.table(&CHECK)?;
        let probe = probe(&table);
        let runs = table.get("where").and_then(|v| v.word(&WHERE));
        let pace = pace(&table);
        let name = table.get("name").and_then(|v| label(&v));
        let on = table.get("on").and_then(|v| v.text());
        let flag = |key| table.get(key).and_then(|v| v.flag()).map(|flag| flag.value);
        let (required, baseline) = (flag("required").unwrap_or(true), flag("baseline").unwrap_or(false));
        let probe = probe?;
        let own = if matches!(probe, RawProbe::Run(_)) { Where::Remote } else { Where::Local };
        if runs == Some(Where::Remote) && own == Where::Local {
            let place = table.key_place("where").unwrap_or_else(|| table.place().clone());
            let problem =
                Problem::at(&place, "a built-in check with where = \"remote\" is not yet supported");
            table.complain(
                problem.hint("leave `where` out to run it here, or use `run` with a command of the host"),
            );
        }
        Some(Self {
            name,
            place: table.place().clone(),
            deadline_place: table.key_place("healthy_deadline").unwrap_or_else(|| table.place().clone()),
            on,
            runs: runs.unwrap_or(own),
            probe,
            pace,
            required,
            baseline,
        })
    }
}

const WHERE: [(&str, Where); 2] = [("local", Where::Local), ("remote", Where::Remote)];

fn probe(table: &Table<'_>) -> Option<RawProbe> {
    let with = table.get("with");
    match (table.get("run"), table.get("use")) {
        (Some(run), None) => {
            if let Some(place) = table.key_place("with") {
                table.complain(Problem::at(&place, "`with` belongs to `use`, and this check has `run`"));
            }
            run.command().map(RawProbe::Run)
        }
        (None, Some(name)) => built_in(table, &name, with),
        (Some(_), Some(_)) => {
            let place = table.key_place("use")?;
            table.complain(Problem::at(&place, "`run` and `use` exclude each other"));
            None
        }
        (None, None) => {
            let hint = "add `run` (a command), or `use` with \"http\", \"tcp\" or \"ssh\"";
            table.complain(Problem::at(table.place(), "this check does nothing").hint(hint));
            None
        }
    }
}

fn built_in(table: &Table<'_>, name: &Value<'_>, with: Option<Value<'_>>) -> Option<RawProbe> {
    let word = name.text()?.value;
    let needs_with = || {
        let problem = Problem::at(table.place(), format!("use = {word:?} needs `with`"));
        table.complain(problem.hint(if word == "tcp" {
            "with = { port = 443 }"
        } else {
            "with = { url = \"...\" }"
        }));
    };
    match (word.as_str(), with) {
        ("http", Some(with)) => http(&with.table(&HTTP)?),
        ("tcp", Some(with)) => tcp(&with.table(&TCP)?),
        ("http" | "tcp", None) => {
            needs_with();
            None
        }
        ("ssh", with) => {
            with.and_then(|with| with.table(&SSH));
            Some(RawProbe::Ssh)
        }
        (later, _) if LATER_CHECKS.contains(&later) || later.contains('/') => {
            let hint = "this version has \"http\", \"tcp\" and \"ssh\"; `run` takes any command";
            name.complain(format!("use = {later:?} is not yet supported"), Some(hint.to_owned()));
            None
        }
        (other, _) => {
            let hint = did_you_mean(other, ["http", "tcp", "ssh"]);
            let all = "it is \"http\", \"tcp\" or \"ssh\"; `run` takes any command";
            name.complain(format!("unknown check {other:?}"), hint.or_else(|| Some(all.to_owned())));
            None
        }
    }
}

fn http(with: &Table<'_>) -> Option<RawProbe> {
    let url = with.need("url").and_then(|v| v.text());
    let status = with.get("status").map(|v| status(&v));
    let headers = with.get("headers").map(|v| headers(&v)).unwrap_or_default();
    Some(RawProbe::Http {
        connect_to: with.get("connect_to").and_then(|v| v.text()),
        contains: with.get("contains").and_then(|v| v.text()),
        status: status.unwrap_or(Some(200))?,
        headers,
        url: url?,
    })
}

fn status(value: &Value<'_>) -> Option<u16> {
    let status = value.number::<u16>(100)?;
    if status > 599 {
        value.complain(format!("`status` can't be {status}"), Some("it is from 100 to 599".to_owned()));
        return None;
    }
    Some(status)
}

fn headers(value: &Value<'_>) -> Vec<(String, At<String>)> {
    let mut headers = Vec::new();
    for (name, value) in value.entries() {
        let token = name.value.chars().all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c));
        if name.value.is_empty() || !token {
            value.reading().complain(Problem::at(&name.place, "this is no name of an HTTP header"));
        } else if let Some(text) = value.text() {
            headers.push((name.value.to_owned(), text));
        }
    }
    headers
}

fn tcp(with: &Table<'_>) -> Option<RawProbe> {
    let port = with.need("port").and_then(|v| match v.item() {
        DeValue::String(_) => v.text(),
        _ => v.port().map(|port| At { value: port.to_string(), place: v.place() }),
    });
    Some(RawProbe::Tcp { host: with.get("host").and_then(|v| v.text()), port: port? })
}

fn pace(table: &Table<'_>) -> Pace {
    let read = |key, zero_is_fine, default| {
        let duration = table.get(key).and_then(|v| v.duration(zero_is_fine));
        duration.map_or(Duration::from_secs(default), |d| d.value)
    };
    let pace = Pace {
        interval: read("interval", false, 1),
        timeout: read("timeout", false, 5),
        min_healthy_time: read("min_healthy_time", true, 0),
        healthy_deadline: read("healthy_deadline", false, 30),
        failure_limit: table.get("failure_limit").and_then(|v| v.number::<u32>(0)).unwrap_or(0),
    };
    if pace.min_healthy_time > pace.healthy_deadline {
        let place = table.key_place("min_healthy_time").unwrap_or_else(|| table.place().clone());
        let message = "`min_healthy_time` is longer than `healthy_deadline`: this check can never pass";
        table.complain(Problem::at(&place, message));
    }
    pace
}

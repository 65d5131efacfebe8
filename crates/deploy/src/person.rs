//! Asking whether what is ready may stay: a countdown, a typed word, and no answer when nobody is there.

use crate::faces::{MakesWay, complain};
use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::event::{PollFd, PollFlags, poll};
use snapback_core::host::HostName;
use snapback_engine::person::{Person, Waiting};
use snapback_render::question::{
    countdown, from_elsewhere, question_head, question_line, red_from_elsewhere, word_that_keeps,
};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

/// How often the countdown is drawn.
const TICK: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };

/// The person at this terminal, if there is one.
pub(crate) struct AtTerminal {
    /// Takes progress away while the question stands.
    pub(crate) way: MakesWay,
    /// What is typed elsewhere to decide.
    pub(crate) elsewhere: Elsewhere,
}

/// What a person on another terminal must know.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere {
    pub(crate) run: String,
    /// The file with the tokens.
    pub(crate) record: PathBuf,
    /// The options that find it, for a command that is pasted.
    pub(crate) options: String,
}

/// How a question ended.
enum Answer {
    Yes,
    No,
    /// Nothing more can be read.
    Nobody,
    /// Time is up, or the hosts were decided about meanwhile.
    Moot,
}

impl Person for AtTerminal {
    fn ask(&self, waiting: Vec<Waiting>) -> BoxFuture<'_, ()> {
        async move {
            let held = self.way.hold().await;
            let elsewhere = self.elsewhere.clone();
            // A person's thoughts may take long, and reading can't be waited for in any other way.
            let asked = tokio::task::spawn_blocking(move || put_question(waiting, &elsewhere));
            if asked.await.is_err() {
                complain("the question could not be put; the guards decide");
            }
            drop(held);
        }
        .boxed()
    }

    fn tell_red(&self, host: HostName, red: Vec<String>, left: Duration) -> BoxFuture<'_, ()> {
        async move {
            let held = self.way.hold().await;
            let Elsewhere { run, record, options } = &self.elsewhere;
            let record = record.display().to_string();
            complain(&red_from_elsewhere((host.as_str(), &red), left, run, &record, options));
            drop(held);
        }
        .boxed()
    }
}

fn put_question(waiting: Vec<Waiting>, elsewhere: &Elsewhere) {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return point_elsewhere(&waiting, elsewhere);
    }
    let mut waiting = waiting;
    match read_answer(&mut waiting) {
        Ok(answer @ (Answer::Yes | Answer::No)) => {
            let yes = matches!(answer, Answer::Yes);
            waiting.into_iter().for_each(|host| host.say(yes));
        }
        Ok(Answer::Moot) => complain("\nthere is nothing left to say yes to"),
        Ok(Answer::Nobody) | Err(_) => {
            complain("\nno answer is neither yes nor no: the guards decide");
            point_elsewhere(&waiting, elsewhere);
        }
    }
}

fn point_elsewhere(waiting: &[Waiting], elsewhere: &Elsewhere) {
    let hosts: Vec<_> = waiting.iter().map(|w| w.host.as_str()).collect();
    let record = elsewhere.record.display().to_string();
    complain(&from_elsewhere(&hosts, shortest(waiting), &elsewhere.run, &record, &elsewhere.options));
}

/// Until the first of the guards undoes.
fn shortest(waiting: &[Waiting]) -> Duration {
    waiting.iter().map(Waiting::left).min().unwrap_or_default()
}

fn read_answer(waiting: &mut Vec<Waiting>) -> io::Result<Answer> {
    let count = waiting.len();
    // Keys hit before the question answer nothing.
    rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush).ok();
    {
        let hosts: Vec<_> = waiting.iter().map(|w| w.host.as_str()).collect();
        complain(&question_head(&hosts));
    }
    complain(&countdown(count, shortest(waiting)));
    prompt(count)?;
    loop {
        waiting.retain(Waiting::still_waits);
        if waiting.is_empty() || shortest(waiting).is_zero() {
            return Ok(Answer::Moot);
        }
        let stdin = io::stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        if poll(&mut ready, Some(&TICK))? == 0 {
            draw_countdown(waiting.len(), shortest(waiting))?;
            continue;
        }
        // A terminal gives one line at a time. What a reader of ours would keep could answer the next question.
        let mut line = [0; 256];
        let read = rustix::io::read(&stdin, &mut line)?;
        let said = String::from_utf8_lossy(&line[..read]).trim().to_lowercase();
        match said.as_str() {
            _ if read == 0 => return Ok(Answer::Nobody),
            "no" | "n" => return Ok(Answer::No),
            // Of the hosts that were named; who has left meanwhile needs no answer.
            word if word == word_that_keeps(count) => return Ok(Answer::Yes),
            _ => {
                complain(&countdown(waiting.len(), shortest(waiting)));
                prompt(count)?;
            }
        }
    }
}

fn prompt(hosts: usize) -> io::Result<()> {
    let mut err = io::stderr();
    write!(err, "{}", question_line(hosts))?;
    err.flush()
}

/// Draws the countdown anew, on the line above the question: what has been typed so far stays as it is.
fn draw_countdown(hosts: usize, left: Duration) -> io::Result<()> {
    if std::env::var_os("TERM").is_none_or(|term| term == "dumb") {
        return Ok(());
    }
    let mut err = io::stderr();
    write!(err, "\x1b7\x1b[1A\r{}\x1b[K\x1b8", countdown(hosts, left))?;
    err.flush()
}

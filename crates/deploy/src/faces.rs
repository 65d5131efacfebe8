//! The faces of a run: which subscribers listen, and where they write.

use crate::args::{GlobalArgs, Output};
use snapback_engine::EventReceiver;
use snapback_render::{Armed, FanOut, Json, Lines, Progress, Screen, Summary, Verbosity};
use std::io::{self, IsTerminal, Write};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Whether standard error may be coloured: a terminal that can, and nobody asked otherwise (no-color.org).
pub(crate) fn colour() -> bool {
    io::stderr().is_terminal() && colours_are_welcome()
}

/// Whether standard output may be coloured.
pub(crate) fn colour_out() -> bool {
    io::stdout().is_terminal() && colours_are_welcome()
}

fn colours_are_welcome() -> bool {
    !console::is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Writes to standard error; a closed one is nobody's loss.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// Writes data to standard output.
pub(crate) fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{}", text.trim_end());
}

/// Those who show a run.
pub(crate) struct Faces {
    task: JoinHandle<()>,
    ways: MakesWay,
    /// What they know of armed hosts.
    pub(crate) armed: Armed,
}

/// Has those who show a run make way. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct MakesWay(mpsc::Sender<Asked>);

/// Somebody wants to write.
#[derive(Debug)]
struct Asked {
    made: oneshot::Sender<()>,
    over: oneshot::Receiver<()>,
}

/// As long as it lives, nothing is shown.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "dropping it is what it is for")] oneshot::Sender<()>);

impl MakesWay {
    /// Has them show what they heard so far, and nothing more until this is dropped.
    pub(crate) async fn hold(&self) -> Held {
        let ((made, way), (held, over)) = (oneshot::channel(), oneshot::channel());
        if self.0.send(Asked { made, over }).await.is_ok() {
            way.await.ok();
        }
        Held(held)
    }
}

impl Faces {
    /// Has them show what they heard so far and then make way for something that is about to be written.
    pub(crate) async fn make_way(&self) {
        drop(self.ways.hold().await);
    }

    /// Returns what makes them make way.
    pub(crate) fn way(&self) -> MakesWay {
        self.ways.clone()
    }

    /// Waits until the run's last event was shown.
    pub(crate) async fn finish(self) {
        self.task.await.ok();
    }
}

/// Starts the subscribers.
pub(crate) fn listen(global: &GlobalArgs, mut events: EventReceiver) -> Faces {
    let mut faces = FanOut::new(Box::new(io::stderr()));
    let armed = Armed::default();
    faces.add("armed", Box::new(armed.clone()));
    let verbosity = Verbosity::from_count(global.verbose);
    if global.output == Output::Json {
        faces.add("json", Box::new(Json::new(Box::new(io::stdout()))));
    } else if let Some(screen) = Screen::stderr(colour()) {
        faces.add("progress", Box::new(Progress::new(screen, verbosity)));
    } else {
        faces.add("lines", Box::new(Lines::new(Box::new(io::stderr()), verbosity).live()));
    }
    if global.output == Output::Human {
        faces.add("summary", Box::new(Summary::new(Box::new(io::stderr()), colour())));
    }
    let (ways, mut asked) = mpsc::channel::<Asked>(1);
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some(event) => faces.tell(&event),
                    None => break,
                },
                Some(Asked { made, over }) = asked.recv() => {
                    faces.make_way();
                    made.send(()).ok();
                    over.await.ok();
                }
            }
        }
        faces.finish();
    });
    Faces { task, ways: MakesWay(ways), armed }
}

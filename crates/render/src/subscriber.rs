//! Who listens to a run, and what happens to a listener that breaks.

use snapback_core::event::{Event, visible};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Listens to a run.
pub trait Subscriber: Send {
    /// Hears one event.
    ///
    /// # Errors
    /// When what it writes to is gone or full. It then hears nothing more.
    fn on_event(&mut self, event: &Event) -> io::Result<()>;

    /// Makes way for something else that is about to be written; the next event brings it back.
    ///
    /// # Errors
    /// As [`Subscriber::on_event`].
    fn make_way(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Hears that no event follows.
    ///
    /// # Errors
    /// As [`Subscriber::on_event`].
    fn finish(&mut self) -> io::Result<()>;
}

struct Listener {
    name: &'static str,
    subscriber: Box<dyn Subscriber>,
}

/// Hands each event to several subscribers. One that errors or panics is dropped and named once.
pub struct FanOut {
    listeners: Vec<Listener>,
    stderr: Box<dyn Write + Send>,
}

impl FanOut {
    /// Returns a fan-out that nobody listens to; broken subscribers are named on `stderr`.
    #[must_use]
    pub fn new(stderr: Box<dyn Write + Send>) -> Self {
        Self { listeners: Vec::new(), stderr }
    }

    /// Adds a subscriber; `name` is what it is called should it break, e.g. `progress`.
    pub fn add(&mut self, name: &'static str, subscriber: Box<dyn Subscriber>) {
        self.listeners.push(Listener { name, subscriber });
    }

    /// Tells everybody of an event.
    pub fn tell(&mut self, event: &Event) {
        self.each(|subscriber| subscriber.on_event(event));
    }

    /// Tells everybody that no event follows.
    pub fn finish(&mut self) {
        self.each(|subscriber| subscriber.finish());
    }

    /// Has everybody make way for something that is written beside them.
    pub fn make_way(&mut self) {
        self.each(|subscriber| subscriber.make_way());
    }

    fn each(&mut self, mut hear: impl FnMut(&mut dyn Subscriber) -> io::Result<()>) {
        let stderr = &mut self.stderr;
        self.listeners.retain_mut(|listener| {
            let heard = catch_unwind(AssertUnwindSafe(|| hear(listener.subscriber.as_mut())));
            let why = match heard {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => visible(&error.to_string()),
                Err(_) => "it panicked".to_owned(),
            };
            name_broken(stderr.as_mut(), listener.name, &why);
            false
        });
    }
}

fn name_broken(stderr: &mut dyn Write, name: &str, why: &str) {
    // Where even stderr is gone there is nobody left to tell, and the run goes on all the same.
    let _gone = writeln!(stderr, "The {name} output stopped ({why}). The run goes on without it.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapback_core::event::{EventKind, VERSION};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    enum Mood {
        Well,
        Erring,
        Panicking,
        PanickingAtTheEnd,
    }

    struct Counting {
        mood: Mood,
        heard: Arc<Mutex<usize>>,
    }

    impl Subscriber for Counting {
        fn on_event(&mut self, _event: &Event) -> io::Result<()> {
            *self.heard.lock().unwrap() += 1;
            match self.mood {
                Mood::Erring => Err(io::Error::new(io::ErrorKind::BrokenPipe, "Broken\u{1b}[2J pipe")),
                Mood::Panicking => panic!("on purpose"),
                Mood::Well | Mood::PanickingAtTheEnd => Ok(()),
            }
        }

        fn finish(&mut self) -> io::Result<()> {
            assert!(!matches!(self.mood, Mood::PanickingAtTheEnd), "on purpose");
            Ok(())
        }
    }

    fn event() -> Event {
        let kind = EventKind::Warning { text: "x".to_owned() };
        Event { v: VERSION, at_ms: 0, run: "r".to_owned(), host: None, kind }
    }

    fn heard_of_two_events(mood: Mood) -> (usize, String) {
        let (page, heard) = (Page::default(), Arc::new(Mutex::new(0)));
        let behind = Arc::new(Mutex::new(0));
        let mut fan_out = FanOut::new(Box::new(page.clone()));
        fan_out.add("first", Box::new(Counting { mood, heard: heard.clone() }));
        fan_out.add("second", Box::new(Counting { mood: Mood::Well, heard: behind.clone() }));
        fan_out.tell(&event());
        fan_out.tell(&event());
        fan_out.finish();
        assert_eq!(*behind.lock().unwrap(), 2, "the one behind it hears everything");
        let heard = *heard.lock().unwrap();
        (heard, page.text())
    }

    #[test]
    fn a_subscriber_that_is_well_hears_everything() {
        assert_eq!(heard_of_two_events(Mood::Well), (2, String::new()));
    }

    #[test]
    fn one_that_errs_is_dropped_and_named_once() {
        let named = "The first output stopped (Broken\\x1b[2J pipe). The run goes on without it.\n";
        assert_eq!(heard_of_two_events(Mood::Erring), (1, named.to_owned()));
    }

    #[test]
    fn one_that_panics_is_dropped_and_named_once() {
        let named = "The first output stopped (it panicked). The run goes on without it.\n".to_owned();
        assert_eq!(heard_of_two_events(Mood::Panicking), (1, named.clone()));
        assert_eq!(heard_of_two_events(Mood::PanickingAtTheEnd), (2, named));
    }
}

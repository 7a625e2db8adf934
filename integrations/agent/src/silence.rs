//! Whether the process of a volume still answers. One that does not cannot be told that its key may not be used any more,
//! and does not ask by itself either: it is cut off like one that was killed.

use std::time::Duration;

use keyward_types::time::Monotonic;

/// How long the answer to a question is waited for. It takes milliseconds, unless the machine is very busy.
pub const ANSWER: Duration = Duration::from_secs(10);
/// How many questions in a row have to stay without an answer: a machine that stood still for a while gives answers late,
/// but not to each of them.
pub const QUESTIONS: u32 = 3;

/// What is known of the answers of one volume's process.
#[derive(Debug, Default)]
pub struct Silence {
    /// Which process it is, and since when it is as it is.
    epoch: String,
    /// The newest question.
    asked: Option<Question>,
    /// How many there have been.
    count: u64,
    /// The newest question that was answered.
    heard: u64,
    /// Something about the key may have changed, and the process has not been told.
    news: bool,
    unanswered: u32,
    hangs: bool,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    number: u64,
    at: Monotonic,
}

/// A volume's process as it is seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Another one for each process, and each time that it attaches the volume or cuts it off.
    pub epoch: &'a str,
    /// Whether the volume is attached: before and after, its process may wait for something else than questions, and
    /// nothing of it can be read.
    pub attached: bool,
    /// The newest question that it has answered.
    pub heard: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing now.
    Nothing,
    /// It is asked.
    Ask {
        /// The number of the question.
        number: u64,
        /// Whether it is to ask at once whether its key may still be used.
        recheck: bool,
    },
    /// It has been silent for too long, and counts as dead from now on. This is said once.
    GiveUp,
}

impl Silence {
    /// Something about the key may have changed.
    pub const fn news(&mut self) {
        self.news = true;
    }

    /// Whether it counts as dead.
    pub const fn hangs(&self) -> bool {
        self.hangs
    }

    /// What is to be done; `every` is how often it is asked if there is no news.
    pub fn look(&mut self, seen: Seen<'_>, every: Duration, now: Monotonic) -> Next {
        if self.epoch != seen.epoch {
            seen.epoch.clone_into(&mut self.epoch);
            (self.asked, self.unanswered, self.hangs) = (None, 0, false);
        }
        if seen.heard > self.heard || !seen.attached {
            (self.heard, self.unanswered) = (seen.heard, 0);
        }
        if self.hangs {
            return Next::Nothing;
        }
        let waited = |since: Monotonic| Duration::from_millis(now.millis_since(since));
        match self.asked {
            Some(question) if question.number > seen.heard => {
                if waited(question.at) < ANSWER {
                    return Next::Nothing;
                }
                if seen.attached {
                    self.unanswered += 1;
                }
                if self.unanswered >= QUESTIONS {
                    self.hangs = true;
                    return Next::GiveUp;
                }
                // What it was told, it may not have heard.
                self.news |= seen.attached;
            }
            Some(question) if !self.news && waited(question.at) < every => return Next::Nothing,
            _ => {}
        }
        if !seen.attached && !self.news {
            return Next::Nothing;
        }
        self.count += 1;
        let recheck = std::mem::take(&mut self.news);
        let number = self.count;
        self.asked = Some(Question { number, at: now });
        Next::Ask { number, recheck }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(60);

    fn look(silence: &mut Silence, (epoch, heard): (&str, u64), seconds: u64) -> Next {
        let seen = Seen {
            epoch,
            attached: true,
            heard,
        };
        silence.look(seen, EVERY, Monotonic::from_millis(seconds * 1_000))
    }

    const fn ask(number: u64, recheck: bool) -> Next {
        Next::Ask { number, recheck }
    }

    #[test]
    fn who_answers_is_asked_as_often_as_keys_are_and_at_news() {
        let mut silence = Silence::default();
        assert_eq!(look(&mut silence, ("a", 0), 0), ask(1, false));
        assert_eq!(look(&mut silence, ("a", 1), 1), Next::Nothing);
        assert_eq!(look(&mut silence, ("a", 1), 59), Next::Nothing);
        assert_eq!(look(&mut silence, ("a", 1), 60), ask(2, false));
        silence.news();
        // One question at a time, and the news is not lost.
        assert_eq!(look(&mut silence, ("a", 1), 61), Next::Nothing);
        assert_eq!(look(&mut silence, ("a", 2), 62), ask(3, true));
        assert_eq!(look(&mut silence, ("a", 3), 63), Next::Nothing);
        assert!(!silence.hangs());
    }

    #[test]
    fn who_answers_none_of_three_questions_counts_as_dead() {
        let mut silence = Silence::default();
        silence.news();
        assert_eq!(look(&mut silence, ("a", 0), 0), ask(1, true));
        assert_eq!(look(&mut silence, ("a", 0), 9), Next::Nothing);
        assert_eq!(look(&mut silence, ("a", 0), 10), ask(2, true));
        assert_eq!(look(&mut silence, ("a", 0), 20), ask(3, true));
        assert_eq!(look(&mut silence, ("a", 0), 29), Next::Nothing);
        assert!(!silence.hangs());
        assert_eq!(look(&mut silence, ("a", 0), 30), Next::GiveUp);
        assert!(silence.hangs());
        // It is not given up twice, and an answer that is late helps it no more.
        assert_eq!(look(&mut silence, ("a", 0), 99), Next::Nothing);
        assert_eq!(look(&mut silence, ("a", 3), 100), Next::Nothing);
        assert!(silence.hangs());
        // Another process begins anew.
        assert_eq!(look(&mut silence, ("b", 3), 101), ask(4, false));
        assert!(!silence.hangs());
    }

    #[test]
    fn an_answer_that_is_late_shows_that_it_lives() {
        let mut silence = Silence::default();
        assert_eq!(look(&mut silence, ("a", 0), 0), ask(1, false));
        assert_eq!(look(&mut silence, ("a", 0), 10), ask(2, true));
        assert_eq!(look(&mut silence, ("a", 0), 20), ask(3, true));
        assert_eq!(look(&mut silence, ("a", 1), 30), ask(4, true));
        assert_eq!(look(&mut silence, ("a", 3), 40), ask(5, true));
        assert_eq!(look(&mut silence, ("a", 5), 50), Next::Nothing);
        assert!(!silence.hangs());
    }

    #[test]
    fn an_agent_that_stood_still_itself_kills_nobody() {
        let mut silence = Silence::default();
        assert_eq!(look(&mut silence, ("a", 0), 0), ask(1, false));
        assert_eq!(look(&mut silence, ("a", 0), 1_000), ask(2, true));
        assert_eq!(look(&mut silence, ("a", 2), 2_000), ask(3, false));
        assert!(!silence.hangs());
    }

    #[test]
    fn what_is_not_attached_is_told_news_and_never_given_up() {
        let mut silence = Silence::default();
        let mut look = |news, seconds: u64| {
            if news {
                silence.news();
            }
            let seen = Seen {
                epoch: "a",
                attached: false,
                heard: 0,
            };
            silence.look(seen, EVERY, Monotonic::from_millis(seconds * 1_000))
        };
        assert_eq!(look(false, 0), Next::Nothing);
        assert_eq!(look(true, 1), ask(1, true));
        for round in 1..20 {
            assert_eq!(look(false, round * 10), Next::Nothing);
        }
        assert_eq!(look(true, 200), ask(2, true));
    }
}

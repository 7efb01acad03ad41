//! The thread that runs batches.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::state::{ImageState, TextState};
use crate::serving::counts::Counters;
use crate::serving::settings::BatchSettings;
use crate::tasks::answer::Answer;
use crate::tasks::grounding::Grounding;
use crate::tasks::matching::Match;

/// Where an answer goes.
pub(super) type Job<T> = oneshot::Sender<Result<T>>;

/// What is wanted of an image and a text.
pub(super) enum Work {
    Answer { top_k: usize, done: Job<Vec<Answer>> },
    Ground { top_k: usize, done: Job<Vec<Grounding>> },
    Match { done: Job<Match> },
}

/// A request that waits.
pub(super) struct Request {
    pub image: ImageState,
    pub text: String,
    pub work: Work,
}

impl Work {
    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool {
        match self {
            Work::Answer { done, .. } => done.is_closed(),
            Work::Ground { done, .. } => done.is_closed(),
            Work::Match { done } => done.is_closed(),
        }
    }

    fn fail(self, error: Error) {
        // Whoever has gone since needs no answer.
        let _ = match self {
            Work::Answer { done, .. } => done.send(Err(error)).is_ok(),
            Work::Ground { done, .. } => done.send(Err(error)).is_ok(),
            Work::Match { done } => done.send(Err(error)).is_ok(),
        };
    }
}

/// Runs batches until the queue is closed and empty.
pub(super) fn run(model: &Model, queue: &Receiver<Request>, settings: BatchSettings, counters: &Counters) {
    while let Ok(first) = queue.recv() {
        let begin = Instant::now();
        let mut batch = vec![first];
        while batch.len() < settings.max_batch {
            match queue.recv_timeout(settings.max_wait.saturating_sub(begin.elapsed())) {
                Ok(request) => batch.push(request),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let taken = batch.len() as u64;
        batch.retain(|request| !request.work.is_abandoned());
        let wanted = batch.len() as u64;
        counters.abandoned.fetch_add(taken - wanted, Ordering::Relaxed);
        if !batch.is_empty() {
            run_batch(model, batch);
            counters.batches.fetch_add(1, Ordering::Relaxed);
        }
        counters.answered.fetch_add(wanted, Ordering::Relaxed);
        // Last: whoever sees that nothing is pending sees the rest.
        counters.pending.fetch_sub(taken, Ordering::Release);
    }
}

/// A request whose text is encoded.
struct Ready<T> {
    image: ImageState,
    text: TextState,
    top_k: usize,
    done: Job<T>,
}

fn run_batch(model: &Model, batch: Vec<Request>) {
    let texts: Vec<&str> = batch.iter().map(|request| request.text.as_str()).collect();
    let states: Vec<Result<TextState>> = match model.encode_texts(&texts) {
        Ok(states) => states.into_iter().map(Ok).collect(),
        // One that cannot be encoded shall not fail the others.
        Err(_) => texts.iter().map(|text| model.encode_text(text)).collect(),
    };
    let (mut answers, mut groundings, mut matches) = (Vec::new(), Vec::new(), Vec::new());
    for (Request { image, work, .. }, state) in batch.into_iter().zip(states) {
        match (state, work) {
            (Err(error), work) => work.fail(error),
            (Ok(text), Work::Answer { top_k, done }) => answers.push(Ready { image, text, top_k, done }),
            (Ok(text), Work::Ground { top_k, done }) => groundings.push(Ready { image, text, top_k, done }),
            (Ok(text), Work::Match { done }) => matches.push(Ready { image, text, top_k: 1, done }),
        }
    }
    deliver(answers, |pairs, top_k| model.answer_pairs(pairs, top_k), Vec::truncate);
    deliver(groundings, |pairs, top_k| model.ground_pairs(pairs, top_k), Vec::truncate);
    deliver(matches, |pairs, _| model.match_pairs(pairs), |_, _| {});
}

/// Runs requests of a kind as one batch.
///
/// It runs with the largest `top_k` of them and cuts each result to its own.
fn deliver<T>(
    ready: Vec<Ready<T>>,
    run: impl Fn(&[(&ImageState, &TextState)], usize) -> Result<Vec<T>>,
    cut: impl Fn(&mut T, usize),
) {
    let top_k = ready.iter().map(|request| request.top_k).max().unwrap_or(0);
    let pairs: Vec<(&ImageState, &TextState)> = ready.iter().map(|r| (&r.image, &r.text)).collect();
    // What is wrong with one of them fails the batch; then each tells for itself.
    let wanted = ready.iter().all(|request| request.top_k > 0);
    let found = if wanted { run(&pairs, top_k).ok() } else { None };
    let mut found = found.unwrap_or_default().into_iter();
    for Ready { image, text, top_k, done } in ready {
        let result = match found.next() {
            Some(mut result) => {
                cut(&mut result, top_k);
                Ok(result)
            }
            None => run(&[(&image, &text)], top_k)
                .and_then(|found| found.into_iter().next().ok_or_else(|| Error::argument("pairs", "one", "none"))),
        };
        // Whoever has gone since needs no answer.
        let _ = done.send(result).is_ok();
    }
}

//! The thread that runs batches.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::{BatchSettings, Counters};
use crate::{Answer, Error, Grounding, ImageState, Match, Model, Result, TextState};

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
        counters.pending.fetch_sub(taken, Ordering::Relaxed);
    }
}

/// A request whose text is encoded.
struct Ready {
    image: ImageState,
    text: TextState,
    work: Work,
}

fn run_batch(model: &Model, batch: Vec<Request>) {
    let texts: Vec<&str> = batch.iter().map(|request| request.text.as_str()).collect();
    let states: Vec<Result<TextState>> = match model.encode_texts(&texts) {
        Ok(states) => states.into_iter().map(Ok).collect(),
        // One that cannot be encoded shall not fail the others.
        Err(_) => texts.iter().map(|text| model.encode_text(text)).collect(),
    };
    let mut ready = Vec::with_capacity(batch.len());
    for (Request { image, work, .. }, state) in batch.into_iter().zip(states) {
        match state.and_then(|text| model.check_image(&image).map(|()| text)) {
            Ok(text) => ready.push(Ready { image, text, work }),
            Err(error) => work.fail(error),
        }
    }
    let pairs: Vec<(&ImageState, &TextState)> = ready.iter().map(|r| (&r.image, &r.text)).collect();
    let (mut answers, mut groundings, mut matches) = (None, None, None);
    let most = |wanted: fn(&Work) -> Option<usize>| ready.iter().filter_map(|r| wanted(&r.work)).max();
    if let Some(top_k) = most(|work| if let Work::Answer { top_k, .. } = work { Some(*top_k) } else { None }) {
        answers = model.answer_pairs(&pairs, top_k.max(1)).ok();
    }
    if let Some(top_k) = most(|work| if let Work::Ground { top_k, .. } = work { Some(*top_k) } else { None }) {
        groundings = model.ground_pairs(&pairs, top_k.max(1)).ok();
    }
    if ready.iter().any(|r| matches!(r.work, Work::Match { .. })) {
        matches = model.match_pairs(&pairs).ok();
    }
    let of = |k: usize| -> (Option<&Vec<Answer>>, Option<&Vec<Grounding>>, Option<&Match>) {
        (
            answers.as_ref().and_then(|list: &Vec<Vec<Answer>>| list.get(k)),
            groundings.as_ref().and_then(|list: &Vec<Vec<Grounding>>| list.get(k)),
            matches.as_ref().and_then(|list: &Vec<Match>| list.get(k)),
        )
    };
    for (k, Ready { image, text, work }) in ready.into_iter().enumerate() {
        let (answered, grounded, matched) = of(k);
        // Where the batch failed each item tells for itself what is wrong with it.
        let _ = match work {
            Work::Answer { top_k, done } => {
                let found = answered.filter(|_| top_k > 0).map(|list| list.iter().take(top_k).cloned().collect());
                done.send(found.map_or_else(|| model.answer_text(&image, &text, top_k), Ok)).is_ok()
            }
            Work::Ground { top_k, done } => {
                let found = grounded.filter(|_| top_k > 0).map(|list| list.iter().take(top_k).cloned().collect());
                done.send(found.map_or_else(|| model.ground_text(&image, &text, top_k), Ok)).is_ok()
            }
            Work::Match { done } => {
                let alone = || {
                    let found = model.match_pairs(&[(&image, &text)])?;
                    found.first().copied().ok_or_else(|| Error::argument("pairs", "one", "none"))
                };
                done.send(matched.map_or_else(alone, |found| Ok(*found))).is_ok()
            }
        };
    }
}

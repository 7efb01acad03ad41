//! Batches for threads.
//!
//! A call waits for its result, and its own limits end the wait.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crate::engine::limits::Limits;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::state::ImageState;
use crate::serving::AsyncModel;
use crate::serving::counts::BatchCounts;
use crate::serving::settings::BatchSettings;
use crate::serving::worker::{Job, Work};
use crate::tasks::answer::Answer;
use crate::tasks::grounding::Grounding;
use crate::tasks::matching::Match;

/// A model for threads, whose calls are gathered into batches.
///
/// Each call waits for its own result. Clones share the queue. It ends with the last of them, which waits until what is
/// queued is answered.
#[derive(Debug, Clone)]
pub struct Batcher {
    owner: Arc<Owner>,
    limits: Limits,
}

#[derive(Debug)]
struct Owner(AsyncModel);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Unparks a thread when its result is there.
struct Unpark(Arc<Thread>);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Batcher {
    /// Starts the thread that runs `model`'s batches.
    ///
    /// Limits of `model` stay with it; [`Batcher::limited`] gives calls theirs.
    ///
    /// # Errors
    /// Settings out of their ranges; a system that starts no thread.
    pub fn new(model: &Model, settings: BatchSettings) -> Result<Batcher> {
        let model = AsyncModel::new(model.limited(Limits::none()), settings)?;
        Ok(Batcher { owner: Arc::new(Owner(model)), limits: Limits::none() })
    }

    /// The same queue, whose calls end at `limits`.
    ///
    /// A call that is ended while its batch runs leaves the batch to the others.
    #[must_use]
    pub fn limited(&self, limits: Limits) -> Batcher {
        Batcher { owner: Arc::clone(&self.owner), limits }
    }

    /// As [`Batcher::limited`], at the limits that `model` has.
    ///
    /// `model` is this batcher's model as [`Model::limited`] gave it.
    ///
    /// # Errors
    /// Another model.
    pub fn limited_as(&self, model: &Model) -> Result<Batcher> {
        if !self.model().is_same(model) {
            return Err(Error::argument("model", "the one that the batcher was made for", "another"));
        }
        Ok(self.limited(model.limits().clone()))
    }

    /// The model.
    pub fn model(&self) -> &Model {
        self.owner.0.model()
    }

    /// As [`Model::answer`].
    ///
    /// # Errors
    /// As [`Model::answer`]; [`Error::Overloaded`]; [`Error::Closed`]; [`Error::Cancelled`]; [`Error::DeadlineExceeded`].
    pub fn answer(&self, image: &ImageState, question: &str, top_k: usize) -> Result<Vec<Answer>> {
        self.ask(image, question, |done| Work::Answer { top_k, done })
    }

    /// As [`Model::ground`].
    ///
    /// # Errors
    /// As [`Model::ground`] and [`Batcher::answer`].
    pub fn ground(&self, image: &ImageState, phrase: &str, top_k: usize) -> Result<Vec<Grounding>> {
        self.ask(image, phrase, |done| Work::Ground { top_k, done })
    }

    /// As [`Model::match_pairs`] for one pair.
    ///
    /// # Errors
    /// As [`Model::match_pairs`] and [`Batcher::answer`].
    pub fn match_pair(&self, image: &ImageState, text: &str) -> Result<Match> {
        self.ask(image, text, |done| Work::Match { done })
    }

    fn ask<T>(&self, image: &ImageState, text: &str, work: impl FnOnce(Job<T>) -> Work) -> Result<T> {
        self.limits.check()?;
        let mut result = self.owner.0.queued(image.clone(), text.to_owned(), work)?;
        // Where the limits end the wait, `result` goes, by which the thread that runs batches sees that nobody waits.
        self.limits.wait(|thread| {
            let waker = Waker::from(Arc::new(Unpark(Arc::clone(thread))));
            match Pin::new(&mut result).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => Some(done.unwrap_or(Err(Error::Closed))),
                Poll::Pending => None,
            }
        })?
    }

    /// What the queue has done so far.
    ///
    /// Results go out a moment before they are counted.
    pub fn counts(&self) -> BatchCounts {
        self.owner.0.counts()
    }

    /// Takes no more requests, answers those that wait, and returns when that is done.
    pub fn close(&self) {
        self.owner.0.close();
    }
}

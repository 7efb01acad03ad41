//! Calls of many at a time, gathered into batches (feature `async`).
//!
//! They come from asynchronous programs and from threads.
//!
//! Requests wait in a queue of bounded length, the first come first; a thread takes what waits there, at most
//! [`BatchSettings::max_batch`] and for at most [`BatchSettings::max_wait`] after the first, and runs it as one batch. A full
//! queue refuses at once ([`Error::Overloaded`]), so that a service can say so instead of falling behind.

pub(crate) mod batcher;
pub(crate) mod counts;
pub(crate) mod settings;
mod worker;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::model::state::ImageState;
use crate::serving::counts::{BatchCounts, Counters};
use crate::serving::settings::BatchSettings;
use crate::serving::worker::{Job, Request, Work};
use crate::tasks::answer::Answer;
use crate::tasks::grounding::Grounding;
use crate::tasks::matching::Match;

/// A model for asynchronous callers. Clones share the queue.
#[derive(Debug, Clone)]
pub struct AsyncModel(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    model: Model,
    // None once the handle is closed.
    queue: RwLock<Option<SyncSender<Request>>>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl AsyncModel {
    /// Starts the thread that runs `model`'s batches.
    ///
    /// # Errors
    /// Settings out of their ranges; a system that starts no thread.
    pub fn new(model: Model, settings: BatchSettings) -> Result<AsyncModel> {
        settings.check()?;
        let (sender, receiver) = sync_channel(settings.queue);
        let counters = Arc::new(Counters::default());
        let (own, counted) = (model.clone(), Arc::clone(&counters));
        let thread = std::thread::Builder::new()
            .name("mmnas-batches".to_owned())
            .spawn(move || worker::run(&own, &receiver, settings, &counted))
            .map_err(|e| Error::argument("threads", "a thread that the system can start", e))?;
        let (queue, thread) = (RwLock::new(Some(sender)), Mutex::new(Some(thread)));
        Ok(AsyncModel(Arc::new(Shared { model, queue, counters, thread })))
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.0.model
    }

    /// As [`Model::answer`].
    ///
    /// # Errors
    /// As [`Model::answer`]; [`Error::Overloaded`]; [`Error::Closed`].
    pub async fn answer(&self, image: ImageState, question: String, top_k: usize) -> Result<Vec<Answer>> {
        self.ask(image, question, |done| Work::Answer { top_k, done }).await
    }

    /// As [`Model::ground`].
    ///
    /// # Errors
    /// As [`Model::ground`]; [`Error::Overloaded`]; [`Error::Closed`].
    pub async fn ground(&self, image: ImageState, phrase: String, top_k: usize) -> Result<Vec<Grounding>> {
        self.ask(image, phrase, |done| Work::Ground { top_k, done }).await
    }

    /// As [`Model::match_pairs`] for one pair.
    ///
    /// # Errors
    /// As [`Model::match_pairs`]; [`Error::Overloaded`]; [`Error::Closed`].
    pub async fn match_pair(&self, image: ImageState, text: String) -> Result<Match> {
        self.ask(image, text, |done| Work::Match { done }).await
    }

    async fn ask<T>(&self, image: ImageState, text: String, work: impl FnOnce(Job<T>) -> Work) -> Result<T> {
        // The thread ends without an answer only if it panics.
        self.queued(image, text, work)?.await.unwrap_or(Err(Error::Closed))
    }

    /// Puts a request into the queue; what is returned receives its result.
    fn queued<T>(
        &self,
        image: ImageState,
        text: String,
        work: impl FnOnce(Job<T>) -> Work,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        // A request that is over already need not wait for a batch.
        self.0.model.check_limits()?;
        let (sender, receiver) = oneshot::channel();
        self.send(Request { image, text, work: work(sender) })?;
        Ok(receiver)
    }

    fn send(&self, request: Request) -> Result<()> {
        let queue = self.0.queue.read().unwrap_or_else(PoisonError::into_inner);
        let sender = queue.as_ref().ok_or(Error::Closed)?;
        let counters = &self.0.counters;
        counters.pending.fetch_add(1, Ordering::Relaxed);
        sender.try_send(request).map_err(|error| {
            counters.pending.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => {
                    counters.refused.fetch_add(1, Ordering::Relaxed);
                    Error::Overloaded
                }
                TrySendError::Disconnected(_) => Error::Closed,
            }
        })
    }

    /// What the handle has done so far.
    ///
    /// Answers go out a moment before they are counted.
    pub fn counts(&self) -> BatchCounts {
        self.0.counters.read()
    }

    /// Takes no more requests, answers those that wait, and returns when that is done.
    ///
    /// Blocks: in asynchronous programs call it where blocking is allowed.
    pub fn close(&self) {
        drop(self.0.queue.write().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It has counted what it did, whatever way it ended.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The thread ends when it has answered what waits; nobody waits for it here, which may be an asynchronous place.
        drop(self.queue.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

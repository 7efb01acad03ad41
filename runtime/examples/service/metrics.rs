//! Figures for Prometheus.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use mmnas_runtime::BatchCounts;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;

/// What the service counts; the queue's own figures are read when somebody asks.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    images: Gauge<i64, AtomicI64>,
    pending: Gauge<i64, AtomicI64>,
    refused: Gauge<u64, AtomicU64>,
    batches: Gauge<u64, AtomicU64>,
    batched: Gauge<u64, AtomicU64>,
    reloads: Counter,
}

fn seconds() -> Histogram {
    Histogram::new([0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0])
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("mmnas"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            images: Gauge::default(),
            pending: Gauge::default(),
            refused: Gauge::default(),
            batches: Gauge::default(),
            batched: Gauge::default(),
            reloads: Counter::default(),
        };
        let r = &mut metrics.registry;
        r.register("requests", "Requests by path and status", metrics.requests.clone());
        r.register("request_seconds", "Time of requests by path", metrics.seconds.clone());
        r.register("images", "Images that are kept", metrics.images.clone());
        r.register("queue_pending", "Requests that wait or run", metrics.pending.clone());
        r.register("queue_refused", "Requests refused by a full queue since the last load", metrics.refused.clone());
        r.register("batches", "Batches since the last load", metrics.batches.clone());
        r.register("batched_requests", "Requests answered in batches since the last load", metrics.batched.clone());
        r.register("reloads", "Bundles that were loaded after the first", metrics.reloads.clone());
        metrics
    }

    pub(crate) fn request(&self, path: &'static str, status: u16, spent: Duration) {
        self.requests.get_or_create(&vec![("path", path.to_owned()), ("status", status.to_string())]).inc();
        self.seconds.get_or_create(&vec![("path", path.to_owned())]).observe(spent.as_secs_f64());
    }

    pub(crate) fn reloaded(&self) {
        self.reloads.inc();
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, images: usize, counts: BatchCounts) -> String {
        self.images.set(i64::try_from(images).unwrap_or(i64::MAX));
        self.pending.set(i64::try_from(counts.pending).unwrap_or(i64::MAX));
        self.refused.set(counts.refused);
        self.batches.set(counts.batches);
        self.batched.set(counts.answered);
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

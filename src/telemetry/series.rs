//! Metrics that can be read back. prometheus-client's `Family` and `Histogram` only render themselves, and the dashboard
//! needs the numbers.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric, histogram::exponential_buckets},
};

/// A metric family whose series can be listed.
#[derive(Debug)]
pub(super) struct Series<L, M> {
    metrics: Arc<RwLock<HashMap<L, M>>>,
    create: fn() -> M,
}

impl<L: Clone + Eq + Hash, M: Clone> Series<L, M> {
    pub(super) fn new(create: fn() -> M) -> Self {
        Self { metrics: Arc::default(), create }
    }

    /// Returns the metric with these labels, which is created if it does not exist.
    pub(super) fn get_or_create(&self, labels: &L) -> M {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = metrics.get(labels) {
            return metric.clone();
        }
        drop(metrics);
        let mut metrics = self.metrics.write().unwrap_or_else(PoisonError::into_inner);
        metrics.entry(labels.clone()).or_insert_with(self.create).clone()
    }

    /// Calls `read` with every series.
    pub(super) fn for_each(&self, mut read: impl FnMut(&L, &M)) {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        metrics.iter().for_each(|(labels, metric)| read(labels, metric));
    }
}

impl<L, M> Clone for Series<L, M> {
    fn clone(&self) -> Self {
        Self { metrics: Arc::clone(&self.metrics), create: self.create }
    }
}

impl<L, M: TypedMetric> TypedMetric for Series<L, M> {
    const TYPE: MetricType = M::TYPE;
}

impl<L, M> EncodeMetric for Series<L, M>
where
    L: EncodeLabelSet,
    M: EncodeMetric + TypedMetric,
{
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let metrics = self.metrics.read().unwrap_or_else(PoisonError::into_inner);
        metrics.iter().try_for_each(|(labels, metric)| metric.encode(encoder.encode_family(labels)?))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }

    fn is_empty(&self) -> bool {
        self.metrics.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// A histogram of durations.
#[derive(Clone, Debug)]
pub(super) struct LatencyHistogram(Arc<Mutex<Latencies>>);

/// The durations that histograms counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latencies {
    /// The upper bound of each bucket in seconds, ascending, and the number of durations in it. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// Seconds in total.
    pub sum: f64,
    /// Number of durations.
    pub count: u64,
}

impl LatencyHistogram {
    /// A histogram of `buckets` buckets and one for what is longer: the first ends at `first` seconds, and each further
    /// bound is `factor` times its predecessor.
    pub(super) fn new(first: f64, factor: f64, buckets: u16) -> Self {
        let bounds = exponential_buckets(first, factor, buckets).chain([f64::INFINITY]);
        let buckets = bounds.map(|bound| (bound, 0)).collect();
        Self(Arc::new(Mutex::new(Latencies { buckets, ..Latencies::default() })))
    }

    pub(super) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.sum += seconds;
        counted.count += 1;
        if let Some((_, count)) = counted.buckets.iter_mut().find(|(bound, _)| *bound >= seconds) {
            *count += 1;
        }
    }

    pub(super) fn read(&self) -> Latencies {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Latencies {
    /// Adds the durations of another histogram with the same bounds.
    pub(super) fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
                *count += more;
            }
        }
        self.sum += other.sum;
        self.count += other.count;
    }
}

impl TypedMetric for LatencyHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for LatencyHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Latencies { buckets, sum, count } = self.read();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text, metrics::histogram::Histogram, registry::Registry};

    use super::*;

    fn rendered(metric: impl EncodeMetric + std::fmt::Debug + Send + Sync + 'static) -> String {
        let mut registry = Registry::default();
        registry.register("duration_seconds", "Help", metric);
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn latency_histogram_renders_like_that_of_the_library() {
        let (ours, library) =
            (LatencyHistogram::new(0.005, 2.0, 3), Histogram::new(exponential_buckets(0.005, 2.0, 3)));
        for millis in [0, 5, 7, 20, 21, 90_000] {
            let duration = Duration::from_millis(millis);
            ours.observe(duration);
            library.observe(duration.as_secs_f64());
        }
        assert_eq!(rendered(ours), rendered(library));
    }
}

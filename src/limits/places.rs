use std::sync::atomic::{AtomicUsize, Ordering};

/// So many may be inside at once; who finds no place is told so at once, and none waits.
pub struct Places {
    taken: AtomicUsize,
    most: AtomicUsize,
}

/// A place that is free again when it is dropped.
pub struct Place<'a>(&'a Places);

impl Places {
    /// `most` places.
    pub fn new(most: usize) -> Self {
        Self { taken: AtomicUsize::new(0), most: AtomicUsize::new(most) }
    }

    /// From now on so many. Those that are taken stay taken.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// A place, if one is free.
    pub fn take(&self) -> Option<Place<'_>> {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |taken| (taken < most).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Place(self))
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether none is free.
    pub fn are_taken(&self) -> bool {
        self.taken() >= self.most.load(Ordering::Relaxed)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_places_take_none_away_and_more_are_there_at_once() {
        let places = Places::new(2);
        let taken = (places.take(), places.take());
        places.set_most(1);
        assert_eq!(places.taken(), 2);
        assert!(places.take().is_none());
        places.set_most(3);
        assert!(places.take().is_some());
        drop(taken);
    }

    #[test]
    fn a_place_is_free_again_when_it_is_left_and_a_refusal_takes_none() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some() && places.take().is_none());
        assert_eq!(places.taken(), 2);
        drop(first);
        assert!(!places.are_taken());
        let third = places.take();
        assert!(third.is_some() && places.take().is_none());
        drop((second, third));
        assert_eq!(places.taken(), 0);
    }
}

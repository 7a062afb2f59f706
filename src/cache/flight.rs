use std::{
    collections::{HashMap, hash_map},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::model::PartKey;

/// The fetches under way, one a part. Each runs in a task of its own and outlives every caller that waits:
/// their leaving cancels nothing.
pub struct Flights<T> {
    board: Mutex<HashMap<PartKey, Landing<T>>>,
    most: usize,
}

type Landing<T> = watch::Receiver<Option<T>>;

/// What came of asking for a part.
pub enum Joined<T, H> {
    /// It was held after all: somebody's fetch landed in between.
    Held(H),
    /// This caller's asking began the fetch.
    Leads(Waiter<T>),
    /// A fetch was under way already.
    Follows(Waiter<T>),
}

/// A place among those who wait for one fetch.
pub struct Waiter<T>(Landing<T>);

/// There are as many fetches under way as there may be.
#[derive(Debug, thiserror::Error)]
#[error("too many fetches are under way")]
pub struct Full;

/// The fetch ended without a result: it panicked, or the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("the fetch ended without a result")]
pub struct Lost;

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Room for `most` fetches at once.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { board: Mutex::default(), most })
    }

    /// Joins the fetch for `key`, or begins it.
    ///
    /// `held` looks once more for the part, while no fetch can begin or end: without it, a fetch that landed
    /// since the caller's own look would be run again. The fetch must have put its part where `held` finds it
    /// before it returns.
    pub fn join<H, F>(
        self: &Arc<Self>,
        key: &PartKey,
        held: impl FnOnce() -> Option<H>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Joined<T, H>, Full>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut board = self.board();
        let under_way = board.len();
        let seat = match board.entry(key.clone()) {
            hash_map::Entry::Occupied(seat) => return Ok(Joined::Follows(Waiter(seat.get().clone()))),
            hash_map::Entry::Vacant(seat) => seat,
        };
        if let Some(part) = held() {
            return Ok(Joined::Held(part));
        }
        if under_way >= self.most {
            return Err(Full);
        }
        let (sender, landing) = watch::channel(None);
        seat.insert(landing.clone());
        drop(board);

        let on_board = OnBoard { flights: Arc::clone(self), key: key.clone() };
        let fetch = fetch();
        tokio::spawn(async move {
            let result = fetch.await;
            // Off the board first: who comes now finds the part held.
            drop(on_board);
            sender.send_replace(Some(result));
        });
        Ok(Joined::Leads(Waiter(landing)))
    }

    fn board(&self) -> MutexGuard<'_, HashMap<PartKey, Landing<T>>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Waiter<T> {
    /// Ends when the fetch has landed.
    pub async fn landed(mut self) -> Result<T, Lost> {
        match self.0.wait_for(Option::is_some).await {
            Ok(result) => result.clone().ok_or(Lost),
            Err(_) => Err(Lost),
        }
    }
}

/// Takes the fetch off the board however it ends, a panic included.
struct OnBoard<T: Clone + Send + Sync + 'static> {
    flights: Arc<Flights<T>>,
    key: PartKey,
}

impl<T: Clone + Send + Sync + 'static> Drop for OnBoard<T> {
    fn drop(&mut self) {
        self.flights.board().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::model::{CompanyId, Forwarded, Query, Subject};

    fn key(company: u64) -> PartKey {
        let subject = Subject::Questions(CompanyId::try_from(company).unwrap());
        Query { subject, forwarded: Forwarded::default() }.part_key()
    }

    const NOT_HELD: fn() -> Option<()> = || None;

    fn waiter<T>(joined: Result<Joined<T, ()>, Full>) -> Waiter<T> {
        match joined.unwrap() {
            Joined::Leads(waiter) | Joined::Follows(waiter) => waiter,
            Joined::Held(_) => panic!("nothing is held"),
        }
    }

    #[tokio::test]
    async fn a_hundred_who_ask_at_once_share_one_fetch() {
        let flights = Flights::new(10);
        let (land, landing) = oneshot::channel::<u32>();
        let leader = waiter(flights.join(&key(1), NOT_HELD, || async { landing.await.unwrap() }));
        let followers: Vec<_> = (0..99)
            .map(|_| match flights.join(&key(1), NOT_HELD, || async { panic!("a second fetch") }) {
                Ok(Joined::Follows(waiter)) => waiter,
                _ => panic!("not a follower"),
            })
            .collect();
        drop(leader);
        land.send(7).unwrap();
        for follower in followers {
            assert_eq!(follower.landed().await.unwrap(), 7);
        }
    }

    #[tokio::test]
    async fn a_fetch_that_panics_is_an_error_for_who_waits_and_leaves_no_trace() {
        let flights = Flights::<u32>::new(10);
        let waiting = waiter(flights.join(&key(1), NOT_HELD, || async { panic!("planned") }));
        assert!(waiting.landed().await.is_err());
        let again = waiter(flights.join(&key(1), NOT_HELD, || async { 8 }));
        assert_eq!(again.landed().await.unwrap(), 8);
    }

    #[tokio::test]
    async fn what_landed_in_between_is_not_fetched_again() {
        let flights = Flights::<u32>::new(10);
        let joined = flights.join(&key(1), || Some(5), || async { panic!("a second fetch") });
        assert!(matches!(joined, Ok(Joined::Held(5))));
    }

    #[tokio::test]
    async fn the_board_has_a_bound() {
        let flights = Flights::<u32>::new(1);
        let first = flights.join(&key(1), NOT_HELD, std::future::pending);
        assert!(first.is_ok());
        assert!(flights.join(&key(2), NOT_HELD, || async { 1 }).is_err());
        assert!(matches!(flights.join(&key(1), NOT_HELD, || async { 1 }), Ok(Joined::Follows(_))));
    }
}

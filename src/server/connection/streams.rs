//! The requests of one HTTP/2 connection: how many there are, what became of them, and since when there are none.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    task::Id,
};

use super::{
    Bounds, Closing, FIRST_WORDS, frames::Frames, reading::Reading, tasks::Tasks, watched::Watcher, work::Work,
};
use crate::{
    clock::{Moment, SharedClock, before},
    http::ClientInfo,
};

/// Requests that a client may give up, or whose answers it may leave unread, before it is taken for one that only wants to
/// cause work (CVE-2023-44487), if it lets no more than as many finish.
const MOST_GIVEN_UP: u32 = 100;

/// The longest header block, compressed, that a stranger may spread over several frames. A request whose decoded head is
/// beyond the bound for strangers is answered; a connection that goes beyond this ends, since the block is held until its last
/// frame.
const MAX_STRANGER_BLOCK_BYTES: usize = 32 * 1024;

/// A header block that does not count for `MAX_STRANGER_BLOCKS`.
const SMALL_BLOCK_BYTES: usize = 4 * 1024;

/// What is known of a connection's requests.
pub(super) struct Watch {
    peer: Arc<ClientInfo>,
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
    pub(super) work: Work,
    pub(super) clock: SharedClock,
    blocks: Arc<Semaphore>,
}

pub(super) struct State {
    incoming: Frames,
    /// Held while a peer without a credential has not finished a header block that is not small.
    block_permit: Option<OwnedSemaphorePermit>,
    /// Since when the client owes the rest of what it has begun.
    owing: Option<Moment>,
    pub(super) working: usize,
    /// The answers that are being written, by the tasks that write them.
    pub(super) answering: BTreeMap<Id, Reading>,
    /// When an answer was last begun, or one was read or given up by the client: if there is no request, it is silent since.
    pub(super) idle: Moment,
    pub(super) spoken: bool,
    /// When bytes last came, or the last of what was written went out.
    moved: Moment,
    unflushed: bool,
    pub(super) finished: u32,
    pub(super) given_up: u32,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is told so, and what is worked on goes on for a while.
    Gentle,
    /// At once.
    Now,
    /// It has ended, and by itself.
    Over,
}

impl Watcher for Watch {
    fn read_allowance(&self) -> io::Result<usize> {
        let mut state = self.state();
        let open = state.incoming.open_block_bytes();
        if open <= SMALL_BLOCK_BYTES || self.peer.is_authenticated() {
            state.block_permit = None;
            return Ok(usize::MAX);
        }
        if open > MAX_STRANGER_BLOCK_BYTES {
            return Err(io::Error::other(
                "a header block is too long and no credential was accepted on the connection",
            ));
        }
        if state.block_permit.is_none() {
            let permit = Arc::clone(&self.blocks).try_acquire_owned();
            state.block_permit = Some(permit.map_err(|_| io::Error::other("too many header blocks are unfinished"))?);
        }
        Ok(usize::MAX)
    }

    fn bytes_came(&self, bytes: &[u8]) {
        let mut state = self.state();
        let finished = state.incoming.take(bytes);
        let owes = state.incoming.owes();
        if finished || !owes {
            state.owing = None;
        }
        let now = self.clock.now();
        if owes && state.owing.is_none() {
            state.owing = Some(now);
        }
        state.moved = now;
    }

    fn writing(&self) {
        self.state().unflushed = true;
    }

    fn flushed(&self) {
        let mut state = self.state();
        if state.unflushed {
            state.unflushed = false;
            state.moved = self.clock.now();
        }
    }
}

impl Watch {
    pub(super) fn new(peer: Arc<ClientInfo>, clock: SharedClock, work: Work, blocks: Arc<Semaphore>) -> Self {
        let now = clock.now();
        let state = State {
            incoming: Frames::new(),
            block_permit: None,
            owing: Some(now),
            working: 0,
            answering: BTreeMap::new(),
            idle: now,
            spoken: false,
            moved: now,
            unflushed: false,
            finished: 0,
            given_up: 0,
        };
        Self { peer, state: Mutex::new(state), changed: Notify::new(), work, clock, blocks }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Ends when the client has taken too long over something, or gives up too much; ends before that the requests whose
    /// answers it leaves unread. Looks as often as the shortest bound lasts, as for HTTP/1.1.
    pub(super) async fn expired(&self, bounds: &Bounds, tasks: &Tasks) -> End {
        let look_each = bounds.header_timeout.min(bounds.idle_timeout).max(Duration::from_millis(10));
        loop {
            let changed = self.changed.notified();
            for unread in self.take_unread(bounds) {
                tasks.end(unread);
            }
            let left = match self.left(bounds) {
                Ok(left) => left,
                Err(end) => return end,
            };
            let wake = self.clock.now().after(left.min(look_each));
            // Also woken by a request that was given up.
            before(self.clock.as_ref(), wake, changed).await;
        }
    }

    /// Who writes an answer that has waited too long to be read. Each is given once.
    fn take_unread(&self, bounds: &Bounds) -> Vec<Id> {
        let (mut state, now) = (self.state(), self.clock.now());
        let too_long = |_: &Id, reading: &mut Reading| now.since(reading.silent_since()) >= bounds.idle_timeout;
        state.answering.extract_if(.., too_long).map(|(id, _)| id).collect()
    }

    /// How long until something is over, as far as can be seen now.
    fn left(&self, bounds: &Bounds) -> Result<Duration, End> {
        let (state, now) = (self.state(), self.clock.now());
        if state.given_up > MOST_GIVEN_UP && state.given_up > state.finished {
            return Err(End::Now);
        }
        let owing = state.owing.map(|since| (bounds.header_timeout.saturating_sub(now.since(since)), End::Now));
        let silent = (state.working == 0 && state.answering.is_empty()).then_some(state.idle);
        let silent = silent.map(|since| (bounds.idle_timeout.saturating_sub(now.since(since)), End::Gentle));
        let first = owing.into_iter().chain(silent).min_by_key(|(left, _)| *left);
        if let Some((Duration::ZERO, end)) = first {
            return Err(end);
        }
        let unread = state.answering.values().map(Reading::silent_since).min();
        let unread = unread.map(|since| bounds.idle_timeout.saturating_sub(now.since(since)));
        Ok(first.map(|(left, _)| left).into_iter().chain(unread).min().unwrap_or(Duration::MAX))
    }

    /// Whether the client has an answer to read.
    pub(super) fn has_unread_answers(&self) -> bool {
        !self.state().answering.is_empty()
    }

    /// When something was last answered.
    pub(super) fn last_answer(&self) -> Moment {
        self.state().idle
    }

    /// Ends when, from now on, all that was answered had gone out, and nothing had moved for so long.
    pub(super) async fn nothing_more_for(&self, length: Duration) {
        let begun = self.clock.now();
        loop {
            let over_since = {
                let state = self.state();
                let over = state.working == 0 && state.answering.is_empty() && !state.unflushed;
                over.then_some(begun.max(state.idle).max(state.moved))
            };
            let over_for = over_since.map_or(Duration::ZERO, |since| self.clock.now().since(since));
            if over_for >= length {
                return;
            }
            self.clock.sleep(length.saturating_sub(over_for)).await;
        }
    }

    /// Ends when the listener is closing, and the client had time for its first request.
    pub(super) async fn may_be_closed(&self, closing: &mut Closing) {
        closing.begun().await;
        loop {
            let changed = self.changed.notified();
            let (spoken, since) = {
                let state = self.state();
                (state.spoken, state.idle)
            };
            if spoken || before(self.clock.as_ref(), since.after(FIRST_WORDS), changed).await.is_none() {
                return;
            }
        }
    }
}

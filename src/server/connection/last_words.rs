//! The end of a connection that we close (RFC 9112, 9.6). A socket that is closed while the peer still sends answers it with a
//! reset, and what was on its way to the peer is then lost: hence it is closed in two steps.

use std::{future::poll_fn, pin::Pin};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::{Clock, Moment, before};

/// Says that nothing more will come, and lets the peer read and end until `deadline`. What it still says goes nowhere.
pub(super) async fn hear_out(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), clock: &dyn Clock, deadline: Moment) {
    if deadline <= clock.now() {
        return;
    }
    let to_its_end = async {
        let mut unheard = vec![0; 16 * 1024];
        let _ = poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await;
        loop {
            let mut buf = ReadBuf::new(&mut unheard);
            let read = poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buf)).await;
            if read.is_err() || buf.filled().is_empty() {
                return;
            }
        }
    };
    before(clock, deadline, to_its_end).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn who_still_sends_is_heard_and_sees_the_end() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let (mut ours, mut theirs) = duplex(16);
        let deadline = clock.now().after(Duration::from_secs(1));
        let hearing = tokio::spawn(async move { hear_out(&mut ours, &clock, deadline).await });
        theirs.write_all(&[0; 100_000]).await.unwrap();
        assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
        drop(theirs);
        hearing.await.unwrap();
    }

    #[tokio::test]
    async fn who_does_not_end_is_not_waited_for_longer() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let (mut ours, _theirs) = duplex(16);
        let (hearing_clock, deadline) = (clock.clone(), clock.now().after(Duration::from_secs(1)));
        let hearing = tokio::spawn(async move { hear_out(&mut ours, &hearing_clock, deadline).await });
        clock.sleepers(1).await;
        assert!(!hearing.is_finished());
        clock.advance(Duration::from_secs(1));
        hearing.await.unwrap();
    }
}

//! Calls of librdkafka that may never come back, and so must not be made on a worker's thread.
//!
//! When a group's coordinator goes, `send_offsets_to_transaction` may wait for it whatever timeout it was given (librdkafka #5456 and
//! #5511, in 2.12), and `rd_kafka_destroy` may wait for a connection that nobody needs. Always holds: a caller waits as long as it
//! said; what does not come back has a thread to itself, which ends with it or with the process. Deliberately not here: what is to be
//! thought of a call that has not come back.

use std::ops::Deref;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// How long the end of a client is waited for.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Does `work` and waits for it, at most so long; `None` where it has not come back.
pub(super) fn apart<T: Send + 'static>(patience: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, answer) = sync_channel(1);
    let thread = std::thread::Builder::new().name("kafka".into());
    thread.spawn(move || done.send(work())).ok()?;
    answer.recv_timeout(patience).ok()
}

/// A client whose end, when it is dropped, is waited for only so long.
pub(super) struct Client<C: Send + 'static>(Option<C>);

impl<C: Send + 'static> Client<C> {
    pub(super) fn new(client: C) -> Self {
        Self(Some(client))
    }
}

impl<C: Send + 'static> Deref for Client<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.0.as_ref().expect("it is taken only when this is dropped")
    }
}

impl<C: Send + 'static> Drop for Client<C> {
    fn drop(&mut self) {
        let client = self.0.take();
        if apart(END_PATIENCE, move || drop(client)).is_none() {
            tracing::warn!(target: "kafka", "a client does not end; it is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_does_not_come_back_is_left() {
        let (release, held) = sync_channel::<()>(0);
        assert_eq!(apart(Duration::from_millis(10), move || held.recv().is_ok()), None);
        drop(release);
        assert_eq!(apart(Duration::from_secs(60), || 7), Some(7));
    }

    #[test]
    fn a_client_ends_with_its_last_holder() {
        let (client, ended) = sync_channel::<()>(1);
        let client = Client::new(client);
        assert!(ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty));
        drop(client);
        assert!(ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected));
    }
}

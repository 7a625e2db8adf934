//! A future that is awaited next to a busier one. A task that is woken polls everything it waits
//! for; this future is polled only if it was itself woken.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use parking_lot::{Mutex, MutexGuard};

/// A future that is polled only if it woke its task, and not if others did.
#[derive(Debug)]
pub struct Seldom<F> {
    future: Pin<Box<F>>,
    /// The bell that the future rings, and the waker for it.
    bell: Arc<Bell>,
    rings: Waker,
    /// The task that the bell wakes.
    task: Waker,
}

#[derive(Debug)]
struct Bell {
    /// Whether it has rung since the future was last polled.
    rang: AtomicBool,
    task: Mutex<Waker>,
}

impl<F> Seldom<F> {
    /// Wraps a future, which is polled at least once.
    pub fn new(future: F) -> Self {
        let bell = Arc::new(Bell {
            rang: AtomicBool::new(true),
            task: Mutex::new(Waker::noop().clone()),
        });
        Self {
            future: Box::pin(future),
            rings: Waker::from(Arc::clone(&bell)),
            bell,
            task: Waker::noop().clone(),
        }
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if !this.task.will_wake(cx.waker()) {
            this.task.clone_from(cx.waker());
            *this.bell.task() = cx.waker().clone();
        }
        // Read after the task has been stored: an earlier ring wakes the previous task, but is not
        // lost.
        if !this.bell.rang.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        this.future
            .as_mut()
            .poll(&mut Context::from_waker(&this.rings))
    }
}

impl Bell {
    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.task().wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicUsize};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_did_not_ring_is_not_polled() {
        let (send, mut receive) = oneshot::channel();
        let polled = AtomicUsize::new(0);
        let mut seldom = Seldom::new(poll_fn(|cx| {
            polled.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut receive).poll(cx)
        }));
        for _ in 0..10 {
            let pending = poll_fn(|cx| Poll::Ready(Pin::new(&mut seldom).poll(cx).is_pending()));
            assert!(pending.await);
        }
        assert_eq!(polled.load(Ordering::Relaxed), 1);
        send.send(7).unwrap();
        assert_eq!(seldom.await, Ok(7));
        assert_eq!(polled.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn it_wakes_whoever_polled_it_last() {
        let (send, receive) = oneshot::channel();
        let mut seldom = Seldom::new(receive);
        let first = Pin::new(&mut seldom).poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending());
        let waiting = tokio::spawn(seldom);
        tokio::task::yield_now().await;
        send.send(7).unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn what_is_due_at_once_is_there_at_once() {
        assert_eq!(Seldom::new(async { 7 }).await, 7);
        let yields = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(Seldom::new(yields).await, 7);
    }
}

//! Timers that a connection reuses. Otherwise each request would add two timers to the runtime's
//! wheel and remove them again, one for the head and one for the body.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// One connection's timer for one purpose. Clones share the timer.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>);

/// The time was up before the future was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

impl Kept {
    /// Waits for a future, up to this long.
    ///
    /// # Errors
    /// [`TooSlow`] when the time is up.
    pub async fn within<F: Future>(&self, time: Duration, future: F) -> Result<F::Output, TooSlow> {
        let mut future = pin!(future);
        let mut sleep: Option<Sleep> = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let sleep = sleep.get_or_insert_with(|| self.take(now() + time));
            Pin::new(sleep).poll(cx).map(|()| Err(TooSlow))
        })
        .await
    }

    fn take(&self, deadline: Instant) -> Sleep {
        let deadline = deadline.into();
        let kept = self.0.lock().take();
        // Moving a deadline to a later time costs one atomic operation.
        let sleep = match kept {
            Some(mut sleep) => {
                sleep.as_mut().reset(deadline);
                sleep
            }
            None => Box::pin(tokio::time::sleep_until(deadline)),
        };
        Sleep {
            sleep: Some(sleep),
            home: self.clone(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a deadline of the listener, which no rule of AWS's depends on"
)]
fn now() -> Instant {
    Instant::now()
}

/// A running timer. When it is dropped, it goes back to its connection and keeps running; at worst
/// the connection is woken once for nothing.
#[derive(Debug)]
struct Sleep {
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    home: Kept,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock();
        *kept = self.sleep.take();
    }
}

impl hyper::rt::Sleep for Sleep {}

impl hyper::rt::Timer for Kept {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep_until(now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(self.take(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kept_timer_is_used_again_and_still_ends_what_is_too_slow() {
        let kept = Kept::default();
        let long = Duration::from_secs(3600);
        let soon = tokio::task::yield_now();
        assert_eq!(kept.within(long, soon).await, Ok(()));
        assert!(kept.0.lock().is_some(), "the timer went back");
        let never = std::future::pending::<()>();
        let short = Duration::from_millis(1);
        assert_eq!(kept.within(short, never).await, Err(TooSlow));
        assert_eq!(kept.within(long, async { 7 }).await, Ok(7));
    }
}

//! Requests take turns.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::*;

/// A wait that is looked at by hand.
type Wait<'a> = Pin<Box<dyn Future<Output = Option<Turn<'a>>> + 'a>>;

fn wait(turns: &Turns, lane: usize) -> Wait<'_> {
    wait_with(turns, lane, 1)
}

/// In the queue at once.
fn wait_with(turns: &Turns, lane: usize, bytes: usize) -> Wait<'_> {
    let mut waiting: Wait<'_> = Box::pin(turns.wait(lane, bytes));
    assert!(look(&mut waiting).is_pending());
    waiting
}

fn look<'a>(wait: &mut Wait<'a>) -> Poll<Option<Turn<'a>>> {
    wait.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn turn<'a>(wait: &mut Wait<'a>) -> Turn<'a> {
    match look(wait) {
        Poll::Ready(Some(turn)) => turn,
        other => panic!("{other:?}"),
    }
}

fn is_over(turns: &Turns) -> bool {
    let queue = turns.queue.lock();
    let empty = queue.lanes.is_empty() && queue.order.is_empty() && queue.crowds.is_empty();
    let lanes = turns.under_way.iter();
    let under_way: usize = lanes.map(|lane| lane.load(SeqCst)).sum();
    let waiting = turns.waiting.load(SeqCst);
    empty && (queue.bytes, waiting, under_way) == (0, 0, 0)
}

#[tokio::test]
async fn a_principal_has_half_of_the_turns() {
    let turns = Turns::new(4, 1000);
    let mine = [turns.take_now(1).unwrap(), turns.take_now(1).unwrap()];
    assert!(turns.take_now(1).is_none());
    let mut third = wait(&turns, 1);
    // Another's request passes it, though somebody waits.
    let other = turns.wait(2, 1).await.unwrap();
    assert!(look(&mut third).is_pending());
    drop(mine);
    drop((turn(&mut third), other));
    assert!(is_over(&turns));
}

#[tokio::test]
async fn a_turn_that_is_given_back_is_the_next_ones_and_ends_once() {
    let turns = Turns::new(2, 1000);
    let mine = turns.take_now(1).unwrap();
    let mut second = wait(&turns, 1);
    mine.give_back();
    let second = turn(&mut second);
    mine.give_back();
    drop(mine);
    let mut third = wait(&turns, 1);
    assert!(look(&mut third).is_pending());
    drop(second);
    drop(turn(&mut third));
    assert!(is_over(&turns));
}

#[tokio::test]
async fn principals_take_turns() {
    let turns = Turns::new(2, 1000);
    let held = [turns.take_now(8).unwrap(), turns.take_now(9).unwrap()];
    let mut crowd: Vec<_> = (0..10).map(|_| wait(&turns, 1)).collect();
    let mut alone = wait(&turns, 2);
    drop(held);
    let first = turn(&mut crowd[0]);
    let second = turn(&mut alone);
    assert!(look(&mut crowd[1]).is_pending());
    drop(second);
    // One principal has one turn of two, even if nobody else is there.
    assert!(look(&mut crowd[1]).is_pending());
    drop(first);
    drop(turn(&mut crowd[1]));
    drop(crowd);
    drop(alone);
    assert!(is_over(&turns));
}

#[tokio::test]
async fn whoever_has_most_bytes_in_the_queue_is_sent_away() {
    let turns = Turns::new(1, 100);
    let held = turns.take_now(9).unwrap();
    let mut alone = wait_with(&turns, 2, 30);
    let mut crowd: Vec<_> = (0..3).map(|_| wait_with(&turns, 1, 20)).collect();
    let mut last = wait_with(&turns, 3, 10);
    // A hundred bytes wait; ten more are too many.
    let mut another = wait_with(&turns, 3, 10);
    assert!(matches!(look(&mut crowd[2]), Poll::Ready(None)));
    for kept in [&mut alone, &mut last, &mut another] {
        assert!(look(kept).is_pending());
    }
    // What is more than all that may wait is sent away itself.
    assert!(turns.wait(4, 101).await.is_none());
    drop(held);
    drop(turn(&mut alone));
    drop(turn(&mut crowd[0]));
    drop((crowd, alone, last, another));
    assert!(is_over(&turns));
}

#[tokio::test]
async fn whoever_goes_away_gives_its_turn_to_the_next() {
    let turns = Turns::new(1, 100);
    let held = turns.take_now(1).unwrap();
    let gone = wait(&turns, 1);
    let given = wait(&turns, 1);
    let mut next = wait(&turns, 2);
    drop(gone);
    drop(held);
    // It was given the turn and has not seen it yet.
    drop(given);
    drop(turn(&mut next));
    drop(next);
    assert!(is_over(&turns));
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let mut turns = Turns::new(1, 100);
    turns.patience = Duration::ZERO;
    let held = turns.take_now(1).unwrap();
    assert!(turns.wait(1, 1).await.is_none());
    drop(held);
    assert!(is_over(&turns));
}

/// Would never end if a turn were lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_turn_is_lost() {
    let turns = Arc::new(Turns::new(3, usize::MAX));
    let most = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..40)
        .map(|number: usize| {
            let (turns, most) = (Arc::clone(&turns), Arc::clone(&most));
            tokio::spawn(async move {
                for round in 0..500 {
                    let lane = number % 5;
                    let turn = match turns.take_now(lane) {
                        Some(turn) => turn,
                        // Some go away while they wait.
                        None if (round + number).is_multiple_of(7) => {
                            let mut wait = pin!(turns.wait(lane, 1));
                            let _ = futures_once(wait.as_mut()).await;
                            continue;
                        }
                        None => turns.wait(lane, 1).await.expect("there is time"),
                    };
                    let lanes = turns.under_way.iter();
                    let now = lanes.map(|lane| lane.load(SeqCst)).max().unwrap();
                    most.fetch_max(now, SeqCst);
                    tokio::task::yield_now().await;
                    drop(turn);
                }
            })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(most.load(SeqCst), 2, "half of three, rounded up");
    assert_eq!(turns.free.load(SeqCst), 3);
    assert!(is_over(&turns));
}

#[tokio::test]
async fn a_turn_that_was_given_back_is_taken_again_in_turn() {
    let turns = Turns::new(1, usize::MAX);
    let turn = turns.take_now(1).expect("it is free");
    assert!(turn.take_again(1).await, "it is still there");
    turn.give_back();
    let other = turns.take_now(2).expect("it was given back");
    {
        let mut again = pin!(turn.take_again(1));
        assert!(!futures_once(again.as_mut()).await);
        drop(other);
        assert!(again.await);
    }
    assert!(!turn.is_over());
    assert!(turns.take_now(2).is_none());
    drop(turn);
    assert_eq!(turns.free.load(SeqCst), 1);
    assert!(is_over(&turns));
}

/// Looks once.
async fn futures_once<F: Future + Unpin>(mut future: F) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx).is_ready())).await
}

//! A worker that keeps what it may commit with, for an operation to use.
use std::sync::Mutex;

use keyward_engine::workers::WorkerContext;

static KEPT: Mutex<Option<&'static WorkerContext>> = Mutex::new(None);

fn by_a_reference(cx: &WorkerContext) {
    *KEPT.lock().unwrap() = Some(cx);
}

fn by_a_copy(cx: &WorkerContext) -> WorkerContext {
    cx.clone()
}

fn main() {}

//! A change without an event: an operation leaves its batch to the pipeline.
use keyward_engine::{context::Context, workers::WorkerContext};

async fn by_the_node(cx: &Context<'_>) {
    let _ = cx.directory().node().commit(cx.batch()).await;
}

async fn by_the_reader(cx: &Context<'_>) {
    let _ = cx.directory().reader().commit(cx.batch()).await;
}

async fn by_a_worker(cx: &Context<'_>) {
    let context = WorkerContext { shared: cx.shared(), node: cx.directory().node() };
    let _ = context.commit(cx.batch()).await;
}

fn main() {}

//! Only the engine writes to the outbox, from which events come to the trail.

use keyward_engine::{
    directory::{paths, purpose},
    workers::NotCommitted,
};
use keyward_store::{batch::Precondition, path::Path};
use keyward_testkit::world::World;

#[tokio::test]
async fn an_event_is_neither_written_nor_removed_by_an_api() {
    let world = World::new().await;
    let event = Path::parse("outbox/forged-1").unwrap();
    let mut written = world.workers.batch();
    let put = written.put(event.clone(), purpose::OUTBOX, b"{}", Precondition::Any);
    put.unwrap();
    let mut removed = world.workers.batch();
    removed.delete(event.clone(), Precondition::Any).unwrap();
    for batch in [written, removed] {
        let refused = world.workers.commit(batch).await;
        assert!(
            matches!(refused, Err(NotCommitted::Event(_))),
            "{refused:?}"
        );
    }
    let read = world.workers.reader().get(&event).await.unwrap();
    assert!(read.value.is_none());
    // What is beside it may be written.
    let mut batch = world.workers.batch();
    let put = batch.put(paths::clock(), purpose::CLOCK, b"1", Precondition::Any);
    put.unwrap();
    world.workers.commit(batch).await.unwrap();
}

//! Clients that hang up before they have their answer.

use std::{future::poll_fn, pin::pin, task::Poll};

use super::*;

/// Looks at a future so many times, each time that it wants to be looked at, and then drops it. Answers whether it was
/// done by then.
async fn hang_up_after(looks: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut left = looks;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits until nothing but this test runs any more that was not running before.
async fn nothing_runs_but(tasks: usize) {
    let metrics = tokio::runtime::Handle::current().metrics();
    while metrics.num_alive_tasks() > tasks {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

async fn file_systems(world: &World) -> Vec<Value> {
    let answer = ask(world, &world.root, ("GET", "/file-systems"), Value::Null).await;
    body(&answer)["FileSystems"].as_array().unwrap().clone()
}

#[tokio::test]
async fn whenever_the_client_hangs_up_a_grant_has_its_file_system() {
    let world = World::new().await;
    agent(&world).await;
    let alice = world.user(OWN, "alice", Some(ALLOWED)).await;
    let key = article_key(&world, "alice").await;
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    for looks in 0.. {
        let asked =
            json!({ "CreationToken": format!("{looks}"), "Encrypted": true, "KmsKeyId": key });
        let is_answered = hang_up_after(looks, create(&world, &alice, asked)).await;
        nothing_runs_but(tasks).await;
        let made = file_systems(&world).await;
        let mut ids: Vec<&str> = made
            .iter()
            .map(|one| one["FileSystemId"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        let granted = grants(&world, &key).await;
        let granted = granted.as_array().unwrap().iter();
        let of = |grant: &Value| {
            let context = &grant["Constraints"]["EncryptionContextEquals"];
            context[CONTEXT].as_str().unwrap().to_owned()
        };
        let mut of: Vec<String> = granted.map(of).collect();
        of.sort_unstable();
        assert_eq!(of, ids, "after {looks} looks");
        if is_answered {
            assert!(looks > 1, "it was never interrupted");
            break;
        }
    }
}

#[tokio::test]
async fn whenever_the_client_hangs_up_a_file_system_that_ends_has_no_grant() {
    let world = World::new().await;
    let agent = agent(&world).await;
    let alice = world.user(OWN, "alice", Some(ALLOWED)).await;
    let key = article_key(&world, "alice").await;
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    for looks in 0.. {
        let asked =
            json!({ "CreationToken": format!("{looks}"), "Encrypted": true, "KmsKeyId": key });
        let made = create(&world, &alice, asked).await;
        let id = body(&made)["FileSystemId"].as_str().unwrap().to_owned();
        let path = format!("/file-systems/{id}");
        let asked = ask(&world, &alice, ("DELETE", &path), Value::Null);
        let is_answered = hang_up_after(looks, asked).await;
        nothing_runs_but(tasks).await;
        for one in file_systems(&world).await {
            let ends = one["LifeCycleState"] == "deleting";
            let granted = grants(&world, &key).await;
            assert_eq!(
                granted,
                if ends { json!([]) } else { granted.clone() },
                "after {looks} looks"
            );
            let id = one["FileSystemId"].as_str().unwrap();
            ask(
                &world,
                &alice,
                ("DELETE", &format!("/file-systems/{id}")),
                Value::Null,
            )
            .await;
            report(&world, &agent, id, 2, "GONE").await;
        }
        assert_eq!(grants(&world, &key).await, json!([]));
        if is_answered {
            break;
        }
    }
}

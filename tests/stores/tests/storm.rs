//! Many processes meet one expired token.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use oauth_store_tests::worker::{Order, Report, key};

use crate::{
    fixture::Place,
    processes::{AuthorizationServer, TURN, Worker},
};

const PROCESSES: usize = 8;
const TASKS: usize = 200;
const ROUNDS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_of_two_hundred_tasks_send_one_request_in_sqlite() {
    storm(&Place::sqlite("storm")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_of_two_hundred_tasks_send_one_request_in_postgres() {
    storm(&Place::postgres("storm")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_of_two_hundred_tasks_send_one_request_in_mariadb() {
    storm(&Place::mysql("storm")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_of_two_hundred_tasks_send_one_request_in_redis() {
    storm(&Place::redis("storm")).await;
}

async fn storm(place: &Place) {
    let _turn = TURN.lock().await;
    let server = AuthorizationServer::start(Duration::ZERO, Duration::from_secs(3600)).await;
    let manager = server.manager(place).await;
    let mut workers = Vec::new();
    for _ in 0..PROCESSES {
        workers.push(Worker::start(&server.settings(place)).await);
    }
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let subject = round.to_string();
        manager.put(&key(&subject), &server.sign_in_expired()).await.unwrap();
        server.emulator.clear_requests();

        let began = Instant::now();
        for worker in &mut workers {
            worker.order(&Order::Get { subject: subject.clone(), tasks: TASKS }).await;
        }
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        for worker in &mut workers {
            // It says too when it redeems and saves.
            let (tokens, errors) = loop {
                if let Report::Got { tokens, errors } = worker.next().await.expect("a worker ended") {
                    break (tokens, errors);
                }
            };
            assert_eq!(errors, BTreeMap::new());
            for (token, count) in tokens {
                *all.entry(token).or_default() += count;
            }
        }
        times.push(began.elapsed());
        assert_eq!(server.redeemed().len(), 1, "token requests in round {round} in {}", place.name);
        assert_eq!(all.values().collect::<Vec<_>>(), [&(PROCESSES * TASKS)], "all have the same token");
        assert_eq!(all.keys().next().unwrap(), manager.get(&key(&subject)).await.unwrap().access_token());
    }
    println!(
        "{}: {ROUNDS} rounds of {PROCESSES} processes with {TASKS} tasks each, one token request each; rounds took {}",
        place.name,
        times.iter().map(|time| format!("{} ms", time.as_millis())).collect::<Vec<_>>().join(", ")
    );
}
